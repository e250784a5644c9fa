package manifest

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// ordered is a Deployment with these annotations, each "key: value".
func ordered(name string, notes ...string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: %s
  annotations:
    %s
spec:
  selector: {matchLabels: {app: x}}
  template: {metadata: {labels: {app: x}}, spec: {containers: [{name: app, image: app:1}]}}
`, name, strings.Join(append(notes, `example.com/x: y`), "\n    "))
}

func TestWavesAndNeedsAreNoPartOfARevision(t *testing.T) {
	plain := set("a1", "x.yaml", ordered("a")+"---\n"+ordered("b"))
	waved := set("a1", "x.yaml", ordered("a", `argocd.argoproj.io/sync-wave: "-2"`)+"---\n"+
		ordered("b", `argocd.argoproj.io/sync-wave: "3"`, `podkeep.io/depends-on: deployment/a, Deployment/default/a`))
	if len(waved.Problems) > 0 || len(waved.Workloads) != 2 {
		t.Fatal(waved.Problems)
	}
	a, b := waved.Workloads[0], waved.Workloads[1]
	if a.Wave != -2 || b.Wave != 3 || !reflect.DeepEqual(b.Needs, []ID{a.ID}) {
		t.Errorf("waves %d and %d, b needs %v", a.Wave, b.Wave, b.Needs)
	}
	if a.Revision.Rev != plain.Workloads[0].Revision.Rev || b.Revision.Rev != plain.Workloads[1].Revision.Rev {
		t.Error("the order changed a revision")
	}
}

func TestAnOrderThatCannotBeKeptIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no number": {
			ordered("a", `argocd.argoproj.io/sync-wave: first`),
			`x.yaml:6: Deployment/a: metadata.annotations[argocd.argoproj.io/sync-wave]: "first" is not a whole number; write one such as -1, 0 or 2`,
		},
		"no object": {
			ordered("a", `podkeep.io/depends-on: db`),
			`x.yaml:6: Deployment/a: metadata.annotations[podkeep.io/depends-on]: "db" is no object; write KIND/NAME, for example Job/migrate, or KIND/NAMESPACE/NAME, with commas between`,
		},
		"no kind": {
			ordered("a", `podkeep.io/depends-on: Deploymnt/db`),
			`x.yaml:6: Deployment/a: metadata.annotations[podkeep.io/depends-on]: kind Deploymnt is not known; did you mean "Deployment"?`,
		},
		"missing": {
			ordered("web") + "---\n" + ordered("a", `podkeep.io/depends-on: Deployment/wbe`),
			`x.yaml:16: Deployment/a: metadata.annotations[podkeep.io/depends-on]: Deployment/default/wbe is in no file of this commit; add it, or remove it here; did you mean "Deployment/default/web"?`,
		},
		"itself": {
			ordered("a", `podkeep.io/depends-on: Deployment/a`),
			`x.yaml:6: Deployment/a: metadata.annotations[podkeep.io/depends-on]: Deployment/default/a is the object itself; remove it`,
		},
		"a later wave": {
			ordered("a", `podkeep.io/depends-on: Deployment/b`) + "---\n" + ordered("b", `argocd.argoproj.io/sync-wave: "1"`),
			`x.yaml:6: Deployment/a: metadata.annotations[podkeep.io/depends-on]: Deployment/default/b is in wave 1, which waits for wave 0 of this one; give it argocd.argoproj.io/sync-wave: "0" or lower`,
		},
		"a namespace that nodes have not": {
			ordered("a", `podkeep.io/depends-on: Node/x/n1`),
			`x.yaml:6: Deployment/a: metadata.annotations[podkeep.io/depends-on]: "Node/x/n1": a Node has no namespace; write Node/n1`,
		},
	} {
		if got := wrongs(set("a1", "x.yaml", c.text)); strings.TrimSpace(got) != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

func TestARingOfNeedsIsRefusedAndWhatNeedsItWaits(t *testing.T) {
	s := set("a1", "x.yaml", ordered("a", `podkeep.io/depends-on: Deployment/b`)+"---\n"+
		ordered("b", `podkeep.io/depends-on: Deployment/c`)+"---\n"+ordered("c", `podkeep.io/depends-on: Deployment/a`)+"---\n"+
		ordered("d", `podkeep.io/depends-on: Deployment/a`))
	if len(s.Problems) != 3 || len(s.Workloads) != 1 || s.Workloads[0].Name != "d" {
		t.Fatalf("%d workloads, %v", len(s.Workloads), s.Problems)
	}
	if got := s.Problems[0].Text; got != "Deployment/default/a → Deployment/default/b → Deployment/default/c → Deployment/default/a wait for each other for ever; remove one" {
		t.Error(got)
	}
}

func TestAWaveOnWhatCannotBeOrderedIsANotice(t *testing.T) {
	s := set("a1", "x.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, annotations: {argocd.argoproj.io/sync-wave: \"-1\"}}}")
	if len(s.ConfigMaps) != 1 || len(s.Problems) != 1 || !s.Problems[0].Notice {
		t.Errorf("%d ConfigMaps, %v", len(s.ConfigMaps), s.Problems)
	}
}
