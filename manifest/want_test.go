package manifest

import (
	"fmt"
	"slices"
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
	for _, x := range s.Services {
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

func TestWhatADamagedFileHeldStaysAsItWas(t *testing.T) {
	web1, web2, db := deployment("web", "nginx:1"), deployment("web", "nginx:2"), deployment("db", "pg:1")
	const pointer = "version https://git-lfs.github.com/spec/v1\nsize 5\n"
	const held = "x.yaml:1 holds a Git LFS pointer, which is not followed at h (restore it, or delete it to remove what it held), so its form of %s stays"
	const said = "x.yaml:1: holds a Git LFS pointer, which is not followed; what it held at %s stays: restore it, or delete it to remove that"
	maybe := strings.Replace(web2, "image:", "envFrom: [{configMapRef: {name: cfg, optional: true}}]\n        image:", 1)
	with := strings.Replace(maybe, "nginx:2", "nginx:1", 1)
	for _, c := range []struct {
		name       string
		head       Set
		line       []Set
		want, said string
	}{
		{"the parent stands in", set("h", "x.yaml", pointer, "db.yaml", db), []Set{set("p1", "x.yaml", web1)},
			"Deployment/default/db of h pg:1\nDeployment/default/web of p1 nginx:1: " + fmt.Sprintf(held, "p1"), fmt.Sprintf(said, "p1")},
		{"it was damaged in another way before", set("h", "x.yaml", pointer), []Set{set("p1", "x.yaml", ""), set("p2", "x.yaml", torn), set("p3", "x.yaml", "a: b"), set("p4", "x.yaml", web1)},
			"Deployment/default/web of p4 nginx:1: " + fmt.Sprintf(held, "p4"), fmt.Sprintf(said, "p4")},
		{"it was always so", set("h", "x.yaml", pointer), []Set{set("p1", "x.yaml", pointer)}, "", ""},
		{"it was values before", set("h", "x.yaml", pointer), []Set{set("p1", "x.yaml", "a: b")}, "", ""},
		{"it is new", set("h", "x.yaml", pointer), []Set{set("p1", "y.yaml", web1)}, "", ""},
		{"it was deleted once", set("h", "x.yaml", pointer), []Set{set("p1", "y.yaml", "a: b"), set("p2", "x.yaml", web1)}, "", ""},
		{"it was emptied on purpose once", set("h", "x.yaml", pointer), []Set{set("p1", "x.yaml", "# none"), set("p2", "x.yaml", web1)}, "", ""},
		{"what it held is elsewhere", set("h", "x.yaml", pointer, "y.yaml", web2), []Set{set("p1", "x.yaml", web1)}, "Deployment/default/web of h nginx:2", ""},
		{"some of it is", set("h", "x.yaml", pointer, "y.yaml", web2), []Set{set("p1", "x.yaml", web1+"---\n"+db)},
			"Deployment/default/db of p1 pg:1: " + fmt.Sprintf(held, "p1") + "\nDeployment/default/web of h nginx:2", fmt.Sprintf(said, "p1")},
		{"a Namespace still suspends", set("h", "x.yaml", pointer, "y.yaml", web2), []Set{set("p1", "x.yaml", asleep, "y.yaml", web1)},
			"Namespace/default of p1: " + fmt.Sprintf(held, "p1") + "\nDeployment/default/web of h nginx:2 suspended", fmt.Sprintf(said, "p1")},
		{"nobody goes on without what is optional", set("h", "x.yaml", pointer, "y.yaml", maybe), []Set{set("p1", "x.yaml", cfg, "y.yaml", with)},
			"ConfigMap/default/cfg of p1: " + fmt.Sprintf(held, "p1") + "\nDeployment/default/web of p1 nginx:1: " + fmt.Sprintf(held, "p1"), fmt.Sprintf(said, "p1")},
		{"a new one does", set("h", "x.yaml", pointer, "y.yaml", maybe), []Set{set("p1", "x.yaml", cfg)},
			"ConfigMap/default/cfg of p1: " + fmt.Sprintf(held, "p1") + "\nDeployment/default/web of h nginx:2", fmt.Sprintf(said, "p1")},
	} {
		h := c.head.After(c.line...)
		if got := shown(h.Want()); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
		}
		if got := wrongs(Set{Problems: h.Problems()}); got != c.said {
			t.Errorf("%s: said is\n%s\nwant\n%s", c.name, got, c.said)
		}
	}
}

// unsure says whether a question has no answer.
func (h History) unsure() bool {
	return slices.ContainsFunc(h.Asks(), func(q Question) bool { return h.answer(q) == nil })
}

func TestThePastIsReadWhereSomethingLiveSpeaksOfDamage(t *testing.T) {
	web, pointer := deployment("web", "nginx:1"), set("h", "x.yaml", "oid: 1")
	born := set("b", "x.yaml", web)
	for name, c := range map[string]struct {
		h    History
		want bool
	}{
		"an ancestor that something lives of held it": {History{Head: pointer, At: map[string]Set{"b": born}, Ancestor: map[string]bool{"b": true}}, true},
		"so it does while the line has the damage":    {History{Head: pointer, Past: pointer.After(pointer).Past, At: map[string]Set{"b": born}, Ancestor: map[string]bool{"b": true}}, true},
		"the line reaches back":                       {History{Head: pointer, Past: pointer.After(born).Past, At: map[string]Set{"b": born}, Ancestor: map[string]bool{"b": true}}, false},
		"it is no ancestor":                           {History{Head: pointer, At: map[string]Set{"b": born}}, false},
		"it is elsewhere now":                         {History{Head: set("h", "x.yaml", "oid: 1", "y.yaml", web), At: map[string]Set{"b": born}, Ancestor: map[string]bool{"b": true}}, false},
		"nothing lives":                               {History{Head: pointer}, false},
		"nothing is foreign":                          {History{Head: born, At: map[string]Set{"b": born}, Ancestor: map[string]bool{"b": true}}, false},
	} {
		if got := c.h.unsure(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		for commit, set := range c.h.At {
			c.h.At = map[string]Set{commit: set.Excerpt(nil, c.h.Head.Void())}
		}
		if got := c.h.unsure(); got != c.want {
			t.Errorf("%s: of an excerpt %v", name, got)
		}
	}
}

func TestWhatDoesNotLoadStaysAsItWas(t *testing.T) {
	web1, web2, db := deployment("web", "nginx:1"), deployment("web", "nginx:2"), deployment("db", "pg:1")
	bad := strings.Replace(web2, "image:", "imagee:", 1)
	uses := strings.Replace(web2, "image:", "envFrom: [{configMapRef: {name: cfg}}]\n        image:", 1)
	const held = "web.yaml:14 does not load at h (Deployment/web: spec.template.spec.containers[0].imagee: " +
		"unknown field \"imagee\"; did you mean \"image\"?), so its form of p1 stays"
	const whole = "web.yaml:1 does not load at h (is not YAML: did not find expected node content), so its form of %s stays"
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
		{"a kind that is not built breaks nothing", set("h", "web.yaml", "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: a}\n"),
			[]Set{set("p1", "web.yaml", web1)}, "", ""},
		{"a workload whose config broke stays whole", set("h", "a.yaml", uses, "web.yaml", torn), []Set{set("p1", "a.yaml", web1, "web.yaml", cfg)},
			"ConfigMap/default/cfg of p1: " + fmt.Sprintf(whole, "p1") + "\nDeployment/default/web of p1 nginx:1: " +
				"a.yaml:14 does not load at h (Deployment/web: spec.template.spec.containers[0].envFrom[0].configMapRef.name: " +
				"ConfigMap/default/cfg is in no file that loads; it may be in web.yaml, which does not), so its form of p1 stays", ""},
		{"a held workload obeys a suspend of HEAD", set("h", "web.yaml", bad, "ns.yaml", asleep), []Set{set("p1", "web.yaml", web1)},
			"Namespace/default of h\nDeployment/default/web of p1 nginx:1 suspended: " + held, ""},
		{"a held Namespace suspends what HEAD has", set("h", "a.yaml", web2, "web.yaml", torn), []Set{set("p1", "web.yaml", asleep)},
			"Namespace/default of p1: " + fmt.Sprintf(whole, "p1") + "\nDeployment/default/web of h nginx:2 suspended", ""},
		{"of an object that is there twice neither counts", set("h", "a.yaml", web2, "web.yaml", web1), []Set{set("p1", "web.yaml", web1)},
			"Deployment/default/web of p1 nginx:1: web.yaml:4 does not load at h (Deployment/web: metadata.name: Deployment/default/web is in a.yaml:1 too, " +
				"so neither counts; remove one of them), so its form of p1 stays", ""},
	} {
		h := c.head.After(c.line...)
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
