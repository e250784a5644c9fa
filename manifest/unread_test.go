package manifest

import (
	"strings"
	"testing"
)

// stray is a commit in which an entry that is never read stands beside some files.
func stray(path string, files ...string) Set {
	parsed := []Parsed{Unread(Problem{Origin: Origin{path, 1}, Text: "is a submodule"})}
	for i := 0; i+1 < len(files); i += 2 {
		parsed = append(parsed, Parse(files[i], []byte(files[i+1])))
	}
	return Assemble(Info{Commit: "h"}, parsed)
}

func TestWhatIsNeverReadHoldsNobodyUp(t *testing.T) {
	web := strings.Replace(deployment("web", "nginx:1"), "image:", "envFrom: [{configMapRef: {name: gone, optional: true}}]\n        image:", 1)
	s := stray("vendored", "web.yaml", web)
	refused, notices := Refusals(s.Problems)
	if len(s.Workloads) != 1 || len(refused) > 0 || len(notices) != 1 || notices[0].Error() != "vendored:1: is a submodule" {
		t.Errorf("%d workloads, %v, %v", len(s.Workloads), refused, notices)
	}
	if h := (History{Head: s}); len(h.Broken()) > 0 || h.unsure() {
		t.Error("the past is asked for")
	}
}

func TestWhatStoodWhereNothingIsReadAnyMoreStays(t *testing.T) {
	for name, c := range map[string]struct {
		head Set
		want string
	}{
		"a file became a link":           {stray("web.yaml"), "Deployment/default/web"},
		"a directory became a submodule": {stray("apps"), "Deployment/default/db"},
		"another one of a longer name":   {stray("app"), ""},
		"what was in it moved":           {stray("apps", "db.yaml", deployment("db", "pg:1")), "Deployment/default/db"},
	} {
		before := set("p", "web.yaml", deployment("web", "nginx:1"), "apps/db.yaml", deployment("db", "pg:1"))
		h := c.head.After(before)
		past := before.Excerpt(nil, h.Head.Void())
		if unsure := (History{Head: c.head, At: map[string]Set{"p": past}, Ancestor: map[string]bool{"p": true}}).unsure(); unsure != (len(c.want) > 0 && len(c.head.Workloads) == 0) {
			t.Errorf("%s: unsure is %v", name, unsure)
		}
		var got []string
		for _, w := range h.Want().Workloads {
			got = append(got, w.ID.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestATemplateOfAChartIsCalledSo(t *testing.T) {
	const chart = "apiVersion: v2\nname: shop\nversion: 1.0.0\n"
	template := strings.Replace(deployment("web", "nginx:1"), "name: web", `name: {{ include "x" . }}`, 1)
	s := set("c", "shop/Chart.yaml", chart, "shop/templates/web.yaml", template, "shop/templates/sub/db.yaml", "{{- if .Values.db }}\nkind: Pod\n{{- end }}\n",
		"shop/templates/plain.yaml", deployment("plain", "a:1"), "rules.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '{{ $value }}'}\n")
	refused, notices := Refusals(s.Problems)
	const want = "shop/templates/sub/db.yaml:1: is a template of a Helm chart, which is not rendered here: to deploy the chart, commit what helm template makes of it; " +
		"2 objects in 2 files, this is the first"
	if len(refused) > 0 || len(notices) != 1 || notices[0].Error() != want || len(s.Workloads) != 1 || len(s.ConfigMaps) != 1 {
		t.Errorf("%v %v", refused, notices)
	}
}
