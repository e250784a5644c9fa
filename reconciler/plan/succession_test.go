package plan

import (
	"strings"
	"testing"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// replicaSet is the YAML of a ReplicaSet of one container.
func replicaSet(name string, replicas int) string {
	return strings.Replace(deployment(name, replicas, ""), "kind: Deployment", "kind: ReplicaSet", 1)
}

func TestWhoseHeirAWorkloadIs(t *testing.T) {
	web := deployment("web", 2, "")
	for _, c := range []struct {
		name, old, head string
		heir            string // of web; empty if it has none
		stops           int    // pods of web that are pruned
		none            bool   // it has no pods any more
	}{
		{name: "a Rollout of that name", old: web, head: staged("web", "1", 2, ""), heir: "Rollout/default/web"},
		{name: "a ReplicaSet", old: web, head: replicaSet("web", 2), heir: "ReplicaSet/default/web"},
		{name: "one of another name", old: web, head: staged("shop", "1", 2, ""), stops: 2},
		{name: "one of another namespace", old: web, head: strings.Replace(staged("web", "1", 2, ""), "{name: web}", "{name: web, namespace: shop}", 1), stops: 2},
		{name: "one that selects other pods", old: web, head: strings.Replace(staged("web", "1", 2, ""), "matchLabels: {app: web}", "matchLabels: {tier: front}", 1), stops: 2},
		{name: "a Job", old: web, head: jobNamed("web"), stops: 2},
		{name: "nobody, where it is in Git still", old: web, head: web + "---\n" + strings.ReplaceAll(staged("web", "1", 2, ""), "app: web", "app: shop")},
		{name: "nobody, where it is never pruned", old: deployment("web", 2, "podkeep.io/prune: disabled"), head: staged("web", "1", 2, "")},
		{name: "nobody, where nothing of it runs and the other did not begin after it", old: web, head: staged("web", "1", 2, ""), none: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			old, head := commit(t, "a1", nodes("n1", "n2"), c.old), commit(t, "b2", nodes("n1", "n2"), c.head)
			pods := map[string][]live.Pod{"n1": {running(old, "web", 0)}, "n2": {running(old, "web", 1)}}
			if c.none {
				pods = nil
			}
			have := fleet(pods, promoted(old, "web"), "n1", "n2")
			h := history(head)
			h.Ancestor["a1"], h.At = true, map[string]manifest.Set{"a1": old}
			h = along(h, have, old)
			p := Make(h, have, noon)
			heir := ""
			if id, ok := p.Heirs[manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}]; ok {
				heir = id.String()
			}
			stops := 0
			for _, a := range p.Actions {
				if a.Verb == Stop {
					stops++
				}
			}
			if heir != c.heir || stops != c.stops {
				t.Errorf("heir %q and %d stops, want %q and %d\n%s", heir, stops, c.heir, c.stops, p)
			}
		})
	}
}

// A host cannot have what runs pruned by a pod of its own making, which nothing selects.
func TestAForgedPodDisinheritsNobody(t *testing.T) {
	old, head := commit(t, "a1", nodes("n1", "n2"), deployment("web", 2, "")), commit(t, "b2", nodes("n1", "n2"), staged("web", "1", 2, ""))
	forged := running(old, "web", 7)
	forged.Signer, forged.Birth.Labels, forged.Keep = "", map[string]string{"app": "other"}, true
	have := fleet(map[string][]live.Pod{"n1": {running(old, "web", 0), forged}, "n2": {running(old, "web", 1)}}, promoted(old, "web"), "n1", "n2")
	h := history(head)
	h.Ancestor["a1"], h.At = true, map[string]manifest.Set{"a1": old}
	p := Make(along(h, have, old), have, noon)
	for _, a := range p.Actions {
		if a.Verb == Stop && a.Name != forged.Name {
			t.Errorf("%s is stopped: %s", a.Name, a.Why)
		}
	}
	if len(p.Heirs) != 1 {
		t.Errorf("%v", p.Heirs)
	}
}

// All pods of the one before are lost with their hosts in the midst of the rollout that replaces it: what was promoted is still what it was.
func TestAnHeirRemembersWhoWasBeforeIt(t *testing.T) {
	old, head := commit(t, "a1", nodes("n1", "n2"), deployment("web", 4, "")), commit(t, "b2", nodes("n1", "n2"), staged("web", "1", 4, "{setWeight: 25}, {pause: {}}"))
	wl := find(head, rolloutID("web"))
	began := live.Receipt{App: wl.ID, Verb: live.Began, Rev: wl.Revision.Rev, Gen: 2, Commit: "b2", Time: noon}
	h := history(head)
	h.Ancestor["a1"], h.At = true, map[string]manifest.Set{"a1": old}
	canary := aged(*wl, "b2", 0)
	canary.Gen, canary.Birth = 2, live.BirthOf(wl.Revision)
	have := fleet(map[string][]live.Pod{"n1": {canary}}, append(promoted(old, "web"), began), "n1", "n2")
	p := Make(along(h, have, old), have, noon)
	again := 0
	for _, pod := range born(p) {
		if pod.App.Kind != "Deployment" || pod.Gen != 1 {
			t.Errorf("%s of generation %d is run", pod.Name, pod.Gen)
		}
		again++
	}
	if a := app(p, "web"); again != 3 || a.Stable != running(old, "web", 0).Rev || count(p, Delete) > 0 {
		t.Errorf("%d come back\n%s", again, p)
	}
}
