package manifest

import (
	"slices"
	"testing"
)

func TestAQuickLookFindsNamesWhetherOrNotTheyLoad(t *testing.T) {
	text := deployment("web", "nginx:1") + `
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: b}}
- {apiVersion: v1, kind: Node, metadata: {name: n1}, spec: nonsense}
- {apiVersion: v1, kind: Widget, metadata: {name: w}}
---
not: a manifest
---
kind: [half
`
	want := []ID{{"Node", "", "n1"}, {"ConfigMap", "b", "a"}, {"Deployment", "default", "web"}}
	if got := Names("x.yaml", []byte(text)); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, nothing := range []string{"", "kind: of a values file", "version https://git-lfs.github.com/spec/v1\nkind x", "\x00kind"} {
		if got := Names("x.yaml", []byte(nothing)); len(got) > 0 {
			t.Errorf("%q: %v", nothing, got)
		}
	}
}

func TestOnlyAWordForItTakesAnObjectOut(t *testing.T) {
	web, api := deployment("web", "nginx:1"), deployment("api", "nginx:1")
	before := set("a1", "web.yaml", web, "api.yaml", api)
	for claim, c := range map[string]struct {
		at   Set
		want bool
	}{
		"its file is gone":                            {set("b2", "api.yaml", api), true},
		"its file holds something else":               {set("b2", "api.yaml", api, "web.yaml", deployment("other", "nginx:1")), true},
		"its file holds only a comment":               {set("b2", "api.yaml", api, "web.yaml", "# gone\n"), true},
		"it moved":                                    {set("b2", "api.yaml", api+"\n---\n"+web), false},
		"it is there and does not load":               {set("b2", "api.yaml", api, "web.yaml", web+"\n    nonsense: 1\n"), false},
		"its file is no YAML":                         {set("b2", "api.yaml", api, "web.yaml", "kind: [half"), false},
		"its file is empty":                           {set("b2", "api.yaml", api, "web.yaml", ""), false},
		"its file is an LFS pointer":                  {set("b2", "api.yaml", api, "web.yaml", "version https://git-lfs.github.com/spec/v1\n"), false},
		"its file is gone, and a new one is no YAML":  {set("b2", "api.yaml", api, "new.yaml", "kind: [half"), false},
		"its file is gone, and another is damaged":    {set("b2", "api.yaml", ""), true},
		"its file holds something that does not load": {set("b2", "api.yaml", api, "web.yaml", deployment("other", "nginx:1")+"\n    nonsense: 1\n"), false},
	} {
		if got := Removed(ID{"Deployment", "default", "web"}, before, c.at); got != c.want {
			t.Errorf("%s: removed is %t", claim, got)
		}
	}
	half := set("a1", "web.yaml", web, "x.yaml", "kind: [half")
	if Removed(ID{"Deployment", "default", "web"}, half, set("b2", "x.yaml", "kind: [half")) {
		t.Error("a file that never loaded may hold it")
	}
}
