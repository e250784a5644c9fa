package manifest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestOnlyATrailerAllowsPruning(t *testing.T) {
	for message, want := range map[string]bool{
		"":                               false,
		"remove all\n\nAllow-Prune: yes": true,
		"remove all\r\n\r\nWhy not.\r\n\r\nSigned-off-by: me\r\nallow-prune:  YES\r\n": true,
		"remove all\n\nAllow-Prune: no":                    false,
		"remove all\n\nAllow-Prune: yes\n\nmore of a text": false,
		"Allow-Prune: yes":                                 false,
		"remove all\nAllow-Prune: yes":                     false,
	} {
		if got := Assemble(Info{Message: message}, nil).AllowPrune; got != want {
			t.Errorf("%q: %v", message, got)
		}
	}
}

func TestASetKnowsItsCommit(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := Assemble(Info{Commit: "c2", Parent: "c1", Time: at, Author: "Ann", Message: "web: v2\n\nbody\n"}, []Parsed{{Path: "b.yaml"}, {Path: "a.yaml"}})
	if got := fmt.Sprint(s.Commit, s.Parent, s.Time.Equal(at), s.Author, s.Subject, s.Files); got != "c2c1 trueAnn web: v2 [a.yaml b.yaml]" &&
		got != fmt.Sprint("c2", "c1", true, "Ann", "web: v2", []string{"a.yaml", "b.yaml"}) {
		t.Error(got)
	}
}

func TestTheOrderOfFilesMakesNoDifference(t *testing.T) {
	one := set("c", "a.yaml", rich, "b.yaml", deployment("web", "b"), "n.yaml", n1)
	two := set("c", "n.yaml", n1, "b.yaml", deployment("web", "b"), "a.yaml", rich)
	if shown(one) != shown(two) || wrongs(one) != wrongs(two) {
		t.Errorf("%s\n%s", shown(one), shown(two))
	}
	want := "a.yaml:4: Deployment/web: metadata.name: Deployment/default/web is in b.yaml:1 too, so neither counts; remove one of them\n" +
		"b.yaml:4: Deployment/web: metadata.name: Deployment/default/web is in a.yaml:2 too, so neither counts; remove one of them"
	if wrongs(one) != want {
		t.Error(wrongs(one))
	}
}

func TestANamespaceSuspendsWhatIsInIt(t *testing.T) {
	other := strings.Replace(deployment("web", "nginx"), "  name: web\n", "  name: web\n  namespace: other\n", 1)
	s := load(t, "a.yaml", asleep, "b.yaml", deployment("web", "nginx"), "c.yaml", other)
	for i, want := range []bool{true, false} {
		if w := s.Workloads[i]; w.Suspended != want {
			t.Errorf("%s: suspended is %v", w.ID, w.Suspended)
		}
	}
}

func TestANamespaceThatIsThereTwiceSuspendsIfOneDoes(t *testing.T) {
	awake := "apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n"
	for _, files := range [][]string{{awake, asleep}, {asleep, awake}} {
		s := set("c", "a.yaml", files[0], "b.yaml", files[1], "web.yaml", deployment("web", "nginx"))
		if w := s.Workloads[0]; !w.Suspended || len(s.Problems) != 2 {
			t.Errorf("suspended is %v; %v", w.Suspended, s.Problems)
		}
	}
}

func TestTwoNodesAreNotOneHost(t *testing.T) {
	node := func(name, id string) string {
		return "apiVersion: v1\nkind: Node\nmetadata: {name: " + name + "}\nspec: {providerID: \"" + id + "\"}\n"
	}
	for _, c := range []struct {
		one, two string
		same     bool
	}{
		{"podman+ssh://root@192.0.2.1", "podman+ssh://root@192.0.2.1", true},
		{"podman+ssh://root@Edge.example", "podman+ssh://root@edge.example:22/", true},
		{"podman+ssh://root@[2001:db8::1]:22/run/a.sock", "podman+ssh://root@[2001:DB8::1]/run/a.sock/", true},
		{"podman+unix:///run/podman/podman.sock", "podman+unix:///run//podman/podman.sock", true},
		{"podman+ssh://root@192.0.2.1", "podman+ssh://ann@192.0.2.1", false},
		{"podman+ssh://root@192.0.2.1", "podman+ssh://root@192.0.2.1:2222", false},
		{"podman+ssh://root@192.0.2.1/run/a.sock", "podman+ssh://root@192.0.2.1/run/b.sock", false},
	} {
		s := set("c", "a.yaml", node("n1", c.one), "b.yaml", node("n2", c.two), "c.yaml", node("n3", "podman+unix:///c"))
		if same := len(s.Nodes) == 1 && len(s.Problems) == 2; same != c.same {
			t.Errorf("%s and %s: %d Nodes, %v", c.one, c.two, len(s.Nodes), s.Problems)
		}
	}
}

func TestANodeIsReadWithItsDefaults(t *testing.T) {
	plain := load(t, "n.yaml", n1).Nodes[0]
	if plain.Grace != 30*time.Second || plain.Capacity != nil || plain.ProviderID != "podman+unix:///a" || plain.Unschedulable {
		t.Errorf("%+v", plain)
	}
	full := load(t, "n.yaml", "apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n  labels: {zone: a}\n  annotations: {podkeep.io/silence-grace: 5m, "+
		"podkeep.io/capacity: \"cpu=1500m, memory=4Gi\", podkeep.io/address: 192.0.2.1}\nspec:\n  providerID: podman+ssh://root@192.0.2.1:22/run/podman.sock\n"+
		"  podCIDRs: [10.42.1.0/24]\n  unschedulable: true\n  taints: [{key: podkeep.io/drain, effect: NoExecute}]\n").Nodes[0]
	if full.Grace != 5*time.Minute || *full.Capacity != (Resources{1500, 4 << 30}) || full.PodCIDR != "10.42.1.0/24" || !full.Unschedulable || len(full.Taints) != 1 {
		t.Errorf("%+v", full)
	}
}

func TestAnOptionalConfigMayBeMissingButNotUnreadable(t *testing.T) {
	web := strings.Replace(deployment("web", "nginx"), "image:", "envFrom: [{configMapRef: {name: cfg, optional: true}}]\n        image:", 1)
	if s := load(t, "a.yaml", web); len(s.Workloads) != 1 {
		t.Error("it does not load without")
	}
	const want = "a.yaml:14: Deployment/web: spec.template.spec.containers[0].envFrom[0].configMapRef.name: " +
		"ConfigMap/default/cfg is optional, but may be in cfg.yaml, which does not load"
	if got, _, _ := strings.Cut(wrongs(set("c", "a.yaml", web, "cfg.yaml", torn)), "\n"); got != want {
		t.Error(got)
	}
}

func TestAProblemOfAKindToComeBreaksNothing(t *testing.T) {
	s := set("c", "a.yaml", "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: a}\n")
	if len(s.Problems) != 1 || !s.Problems[0].Notice || len(History{Head: s}.Broken()) > 0 {
		t.Errorf("%+v", s.Problems)
	}
}
