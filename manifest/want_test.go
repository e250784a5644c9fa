package manifest

import (
	"fmt"
	"strings"
	"testing"
)

// shown is what a Set wants, an object a line, with the commit of its form.
func shown(s Set) string {
	var lines []string
	show := func(m Meta, more string) {
		line := fmt.Sprintf("%s of %s%s", m.ID.said(), m.Commit, more)
		if m.Held != "" {
			line += ": " + m.Held
		}
		lines = append(lines, line)
	}
	for _, x := range s.Nodes {
		show(x.Meta, "")
	}
	for _, x := range s.Namespaces {
		show(x.Meta, "")
	}
	for _, x := range s.ConfigMaps {
		show(x.Meta, "")
	}
	for _, x := range s.Workloads {
		more := " " + strings.TrimPrefix(x.Revision.Spec.Containers[0].Image, "docker.io/library/")
		if x.Suspended {
			more += " suspended"
		}
		show(x.Meta, more)
	}
	return strings.Join(lines, "\n")
}

const (
	torn   = "kind: {\n"
	n1     = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {providerID: podman+unix:///a}\n"
	cfg    = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cfg}\ndata: {a: b}\n"
	asleep = "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, annotations: {podkeep.io/suspend: \"true\"}}\n"
)

func TestWhatDoesNotLoadStaysAsItWas(t *testing.T) {
	web1, web2, db := deployment("web", "nginx:1"), deployment("web", "nginx:2"), deployment("db", "pg:1")
	bad := strings.Replace(web2, "image:", "imagee:", 1)
	uses := strings.Replace(web2, "image:", "envFrom: [{configMapRef: {name: cfg}}]\n        image:", 1)
	const held = "web.yaml:14 does not load at h (Deployment/web: spec.template.spec.containers[0].imagee: " +
		"unknown field \"imagee\"; did you mean \"image\"?), so its form of p1 stays"
	const whole = "web.yaml:2 does not load at h (is not YAML: did not find expected node content), so its form of %s stays"
	for _, c := range []struct {
		name   string
		head   Set
		line   []Set
		want   string
		broken string
	}{
		{"all loads", set("h", "web.yaml", web2), nil, "Deployment/default/web of h nginx:2", ""},
		{"the past is not at hand", set("h", "web.yaml", bad), nil, "", "web.yaml"},
		{"the parent stands in", set("h", "web.yaml", bad+"---\n"+db), []Set{set("p1", "web.yaml", web1)},
			"Deployment/default/db of h pg:1\nDeployment/default/web of p1 nginx:1: " + held, ""},
		{"the file was broken in the parent too", set("h", "web.yaml", torn), []Set{set("p1", "web.yaml", torn), set("p2", "web.yaml", web1)},
			"Deployment/default/web of p2 nginx:1: " + fmt.Sprintf(whole, "p2"), ""},
		{"it never loaded", set("h", "web.yaml", torn), []Set{set("p1", "web.yaml", torn)}, "", "web.yaml"},
		{"it is new", set("h", "web.yaml", torn, "db.yaml", db), []Set{set("p1", "db.yaml", db)}, "Deployment/default/db of h pg:1", ""},
		{"it may be a renamed one", set("h", "web.yaml", torn, "n.yaml", n1), []Set{set("p1", "old.yaml", web1, "n.yaml", n1)},
			"Node/n1 of h\nDeployment/default/web of p1 nginx:1: " + fmt.Sprintf(whole, "p1"), ""},
		{"an object moved and broke", set("h", "web.yaml", bad, "all.yaml", db), []Set{set("p1", "web.yaml", cfg, "all.yaml", web1+"---\n"+db)},
			"ConfigMap/default/cfg of p1: " + held + "\nDeployment/default/db of h pg:1\nDeployment/default/web of p1 nginx:1: " + held, ""},
		{"what other files lost is lost", set("h", "web.yaml", bad, "db.yaml", "# nothing"), []Set{set("p1", "web.yaml", web1, "db.yaml", db)},
			"Deployment/default/web of p1 nginx:1: " + held, ""},
		{"Nodes stay as well", set("h", "web.yaml", torn), []Set{set("p1", "web.yaml", n1)}, "Node/n1 of p1: " + fmt.Sprintf(whole, "p1"), ""},
		{"a kind that is not built breaks nothing", set("h", "web.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"),
			[]Set{set("p1", "web.yaml", web1)}, "", ""},
		{"a workload whose config broke stays whole", set("h", "a.yaml", uses, "web.yaml", torn), []Set{set("p1", "a.yaml", web1, "web.yaml", cfg)},
			"ConfigMap/default/cfg of p1: " + fmt.Sprintf(whole, "p1") + "\nDeployment/default/web of p1 nginx:1: " +
				"a.yaml:14 does not load at h (Deployment/web: spec.template.spec.containers[0].envFrom[0].configMapRef.name: " +
				"ConfigMap/default/cfg is in no file that loads; it may be in web.yaml, which does not), so its form of p1 stays", ""},
		{"a held workload obeys a suspend of HEAD", set("h", "web.yaml", bad, "ns.yaml", asleep), []Set{set("p1", "web.yaml", web1)},
			"Namespace/default of h\nDeployment/default/web of p1 nginx:1 suspended: " + held, ""},
		{"a held Namespace suspends what HEAD has", set("h", "a.yaml", web2, "web.yaml", torn), []Set{set("p1", "web.yaml", asleep)},
			"Namespace/default of p1: " + fmt.Sprintf(whole, "p1") + "\nDeployment/default/web of h nginx:2 suspended", ""},
		{"an object that is there twice is there once", set("h", "a.yaml", web2, "web.yaml", web1), []Set{set("p1", "web.yaml", web1)},
			"Deployment/default/web of h nginx:2", ""},
	} {
		h := History{Head: c.head, Line: c.line}
		before := shown(h.Head)
		if got := shown(h.Want()); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
		}
		if got := strings.Join(h.Broken(), " "); got != c.broken {
			t.Errorf("%s: broken are %q, want %q", c.name, got, c.broken)
		}
		if shown(h.Head) != before {
			t.Errorf("%s: Want changed HEAD", c.name)
		}
	}
}
