package manifest

import (
	"fmt"
	"strings"
	"testing"
)

// ids are the objects of a file, with their lines.
func ids(p Parsed) string {
	var all []string
	for _, o := range p.objects {
		all = append(all, fmt.Sprintf("%s:%d", o.ID.said(), o.Line))
	}
	return strings.Join(all, " ")
}

func TestManifestsComeInManyForms(t *testing.T) {
	const a, b = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n"
	for _, c := range []struct{ name, path, text, want string }{
		{"nothing", "x.yaml", "", ""},
		{"comments", "x.yaml", "# a\n---\n# b\n---\n", ""},
		{"many documents", "x.yaml", a + "---\n" + b, "ConfigMap/default/a:1 ConfigMap/default/b:5"},
		{"empty documents between", "x.yaml", "---\n---\n" + a + "---\n\n--- # none\n" + b, "ConfigMap/default/a:3 ConfigMap/default/b:9"},
		{"a directive", "x.yaml", "# ours\n%YAML 1.1\n---\n" + a, "ConfigMap/default/a:4"},
		{"an end mark", "x.yaml", a + "...\n---\n" + b, "ConfigMap/default/a:1 ConfigMap/default/b:6"},
		{"lines of Windows", "x.yaml", strings.ReplaceAll(a+"---\n"+b, "\n", "\r\n"), "ConfigMap/default/a:1 ConfigMap/default/b:5"},
		{"a byte order mark", "x.yaml", "\ufeff" + a, "ConfigMap/default/a:1"},
		{"three dashes within a text", "x.yaml", a + "data:\n  x: |\n    a\n    ---\n    b\n", "ConfigMap/default/a:1"},
		{"flow style", "x.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: ns}}", "ConfigMap/ns/a:1"},
		{"JSON with tabs and escapes", "x.json", "{\n\t\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\",\n\t\"metadata\": {\"name\": \"a\"},\n" +
			"\t\"data\": {\"x\": \"\\ud83d\\ude00 \\/ \\u00e4\"}\n}\n", "ConfigMap/default/a:1"},
		{"a List", "x.yaml", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n- {kind: Namespace, apiVersion: v1, metadata: {name: n}}\n",
			"ConfigMap/default/a:4 Namespace/n:7"},
		{"a List of Lists", "x.yaml", "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Namespace, metadata: {name: n}}]}]", "Namespace/n:3"},
		{"a list of a kind", "x.yaml", "apiVersion: v1\nkind: ConfigMapList\nmetadata: {resourceVersion: \"\"}\nitems:\n- metadata: {name: a}\n- metadata: {name: b}\n",
			"ConfigMap/default/a:5 ConfigMap/default/b:6"},
		{"an empty list", "x.yaml", "apiVersion: v1\nkind: List\nitems: []", ""},
		{"anchors and merges", "x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: &m {name: a, labels: &l {x: y}}\n---\n" +
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, labels: &k {x: y}, annotations: {<<: [*k, {x: z, w: v}], x: u}}\n",
			"ConfigMap/default/a:1 ConfigMap/default/b:5"},
		{"what kubectl exports", "x.yaml", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: n\n  uid: a\n  creationTimestamp: null\n  generation: 2\n  managedFields: [{f: 1}]\n" +
			"status: {phase: Active, new: 1}\n", "Namespace/n:1"},
		{"words of YAML 1.1 and octal modes", "x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nimmutable: yes\ndata: {x: yes, y: on, z: 2020-01-01, w: }\n",
			"ConfigMap/default/a:1"},
	} {
		p := Parse(c.path, []byte(c.text))
		if got := ids(p); got != c.want || len(p.Problems) > 0 {
			t.Errorf("%s: got %q %v, want %q", c.name, got, p.Problems, c.want)
		}
	}
}

func TestFilesThatAreNoManifestsArePassedOver(t *testing.T) {
	for name, text := range map[string]string{
		"values":         "replicas: 3\nimage: {name: web}\n",
		"a workflow":     "name: ci\non: [push]\njobs: {a: {runs-on: x}}\n",
		"a chart":        "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
		"several values": "a: 1\n---\nb: 2\n",
		"a list":         "- 1\n- 2\n",
		"a text":         "hello",
		"not YAML":       "// settings\n{\"a\": [1,\n",
	} {
		if p := Parse("x.yaml", []byte(text)); len(p.objects) > 0 || len(p.Problems) > 0 {
			t.Errorf("%s: %v", name, p.Problems)
		}
	}
}

func TestMergedKeysGiveWayToOwnAndEarlierOnes(t *testing.T) {
	s := load(t, "x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  <<: [&a {x: a, y: a}, &b {y: b, z: b, w: b}]\n  z: own\n")
	if got := fmt.Sprint(s.ConfigMaps[0].Object.Data); got != "map[w:b x:a y:a z:own]" {
		t.Error(got)
	}
}

func TestABombIsRefusedInGoodTime(t *testing.T) {
	list := "apiVersion: v1\nkind: List\nx: &a0 {apiVersion: v1, kind: Namespace, metadata: {name: n}}\n"
	for i := range 30 {
		list += fmt.Sprintf("x%d: &a%d {apiVersion: v1, kind: List, items: [%s]}\n", i, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 8), ","))
	}
	for name, c := range map[string]struct{ text, want string }{
		"a bomb of values":            {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nbinaryData:\n  <<: &a {" + lots(100) + "}\ndata:\n" + merges(6000), "too many values"},
		"a bomb of lists":             {list + "items: [*a30]\n", "more than 5000 objects"},
		"a bomb of items":             {"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  tolerations: [&a {key: a, operator: Equal, value: b, effect: NoExecute, tolerationSeconds: 1}" + strings.Repeat(", *a", 60_000) + "]\n", "too many values"},
		"a list that holds itself":    {"apiVersion: v1\nkind: List\nitems: &a [{apiVersion: v1, kind: List, items: *a}]\n", "deeper than 64"},
		"a mapping that holds itself": {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: &a {selector: {}, template: {spec: *a}}\n", "unknown field"},
		"deep brackets":               {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "}\n", "want a string"},
	} {
		p := Parse("x.yaml", []byte(c.text))
		if len(p.Problems) == 0 || !strings.Contains(p.Problems[0].Error(), c.want) {
			t.Errorf("%s: %.200v, want %q", name, p.Problems, c.want)
		}
	}
}

func lots(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("k%d: eA==", i))
	}
	return strings.Join(all, ", ")
}

func merges(n int) string {
	return "  <<: [" + strings.TrimSuffix(strings.Repeat("*a, ", n), ", ") + "]\n"
}

func TestNoValueOfASecretIsEverSaid(t *testing.T) {
	s := load(t, "x.yaml", rich)
	sec := s.Secrets[0]
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{sec.Data, s.Workloads[0].Config, s.Workloads[0].Revision} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "hunter2") || strings.Contains(text, "68756e746572") {
				t.Errorf("%s prints %s", verb, text)
			}
		}
	}
	if string(sec.Data["password"]) != "hunter2" {
		t.Error("the value is lost")
	}
}

func TestAKeyThatNoNodeCanKeepIsRefused(t *testing.T) {
	for size, want := range map[int]string{
		maxContent:     "",
		maxContent + 1: "x.yaml:5: ConfigMap/a: data[x]: has 512000 bytes, 511999 at most can be kept on a node; split it over several keys, or put it in the image",
	} {
		text := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: " + strings.Repeat("a", size) + "\n"
		if got := wrongs(set("c", "x.yaml", text)); got != want {
			t.Errorf("%d bytes: %s", size, got)
		}
	}
}

func TestAMistakeInYAMLIsSaidWithItsOwnLine(t *testing.T) {
	const head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
	for text, line := range map[string]int{
		"data:\n  a: 1\n  b: 2\n    c: 3\n  d: 4\n":                                    7,
		"data:\n  a:\n    x: 1\n  b:\n    y: 2\n c: 3\nd: 4\n":                         9,
		"x:\n  - a: 1\n    b: 2\n  - c: 3\n - d: 4\ne: f\n":                            8,
		"data:\n  a: [1, 2\n  b: 3\n":                                                  5,
		"data:\n  a: 1\n  b: \"x\n  c: 3\nd: 4\n":                                      6,
		"data:\n  a: 1\n  b\n  c: 3\n":                                                 6,
		"data:\n  a: '{{ $x }}'\n  b: 2\n   c: 3\n":                                    7,
		"data:\n\ta: 1\n":                                                              5,
		"data:\n  a: |\n    x\n   y\n  b: 1\n":                                         7,
		"data:\n  a: 1\n  b: *gone\n  c: 3\n":                                          6,
		"---\n" + head + "data: {}\n---\n" + head + "data:\n  a: 1\n  b: 2\n   c: 3\n": 16,
	} {
		p := Parse("x.yaml", []byte(head+text))
		if len(p.Problems) != 1 || p.Problems[0].Line != line || !strings.HasPrefix(p.Problems[0].Text, "is not YAML: ") {
			t.Errorf("%q: %v, want line %d", text, p.Problems, line)
		}
	}
}

func TestATabIsCalledOne(t *testing.T) {
	for _, text := range []string{"a:\n\tb: 1\n", "a:\n  b: 1\n\tc: 2\n", "a:\n- \tb: 1\n\t  c: 2\n"} {
		p := Parse("x.yaml", []byte("kind: ConfigMap\n"+text))
		if len(p.Problems) != 1 || p.Problems[0].Text != "is not YAML: a tab stands where only spaces may; indent with spaces" {
			t.Errorf("%q: %v", text, p.Problems)
		}
	}
}

func TestManyMistakesAreFoundInGoodTime(t *testing.T) {
	long := strings.Repeat("a:\n"+strings.Repeat("  b: 1\n", 20_000)+" c: 1\n---\n", 20)
	if p := Parse("x.yaml", []byte("apiVersion: v1\n"+long)); len(p.Problems) < 20 {
		t.Errorf("%d problems", len(p.Problems))
	}
}
