package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

func TestOnlySoManyWorkloadsBeginAnotherRevisionAtOnce(t *testing.T) {
	const more = maxRolling + 2
	paused := func(text string) string { return strings.Replace(text, "spec:\n", "spec:\n  paused: true\n", 1) }
	suspended := func(text string) string {
		return strings.Replace(text, "annotations: {", `annotations: {podkeep.io/suspend: "true"`, 1)
	}
	claimed := func(text string) string {
		return strings.Replace(text, `:2"}]`, `:2", volumeMounts: [{name: d, mountPath: /d}]}], volumes: [{name: d, persistentVolumeClaim: {claimName: d}}]`, 1)
	}
	needs := func(text string) string {
		return strings.Replace(text, "annotations: {", "annotations: {podkeep.io/depends-on: Deployment/w11", 1)
	}
	claim := "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: d}\nspec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}\n"
	lost := live.Receipt{App: manifest.ClaimID("default", "d"), Verb: live.Bound, Gen: 1, Node: "n9", Time: noon.Add(-time.Hour)}
	for _, c := range []struct {
		claim   string
		there   int // how many of them run at an older revision; the others are new
		rolling int // how many of those have begun to roll already
		but     func(text string) string
		begin   int
	}{
		{"as many as may roll at once", more, 0, nil, maxRolling},
		{"fewer while others are on their way", more, 3, nil, maxRolling - 3},
		{"none while as many are on their way", more, maxRolling, nil, 0},
		{"what is new takes no place", 0, 0, nil, more},
		{"and needs none", maxRolling, maxRolling, nil, 2},
		{"what is paused keeps no place", more, maxRolling, paused, 2},
		{"nor what is suspended", more, maxRolling, suspended, 2},
		{"nor what waits for the data of a claim", more, maxRolling, claimed, 2},
		{"nor what HEAD has overtaken and one of the others is to come before", more, maxRolling, needs, 2},
	} {
		t.Run(c.claim, func(t *testing.T) {
			var old, fresh []string
			for i := range more {
				text := deployment(fmt.Sprintf("w%02d", i), 1, "")
				next := strings.Replace(text, ":1\"", ":2\"", 1)
				if c.but != nil && i < c.rolling {
					next = c.but(next)
				}
				fresh = append(fresh, next)
				if i < c.there {
					old = append(old, text)
				}
			}
			before, head := commit(t, "a1", append(old, nodes("n1"))...), commit(t, "b2", append(fresh, nodes("n1"), claim)...)
			var pods []live.Pod
			receipts := []live.Receipt{lost}
			for i := range c.there {
				name := fmt.Sprintf("w%02d", i)
				pods = append(pods, running(before, name, 0))
				receipts = append(receipts, promoted(before, name)...)
				if i < c.rolling {
					r := begunAt(head, name, 2)
					if strings.Contains(fresh[i], "depends-on") {
						r.Rev = "v1-0123456789ab" // that HEAD has overtaken
					}
					receipts = append(receipts, r)
				}
			}
			h := history(head)
			h.Ancestor["a1"], h.At = true, map[string]manifest.Set{"a1": before}
			plan := Make(h, fleet(map[string][]live.Pod{"n1": pods}, receipts, "n1"), noon)
			begun := slices.DeleteFunc(plan.Actions, func(a Action) bool {
				return a.Verb != Put || a.File.Labels[live.LabelReceipt] != live.Began
			})
			if len(begun) != c.begin {
				t.Errorf("%d begin, want %d:\n%s", len(begun), c.begin, plan)
			}
		})
	}
}

func TestARejectedRevisionGivesWayThoughTheNextOneMayNotBegin(t *testing.T) {
	set := func(id, web, others string) manifest.Set {
		texts := []string{nodes("n1"), sized("web", web, 1, "{type: Recreate}")}
		for i := range maxRolling {
			texts = append(texts, sized(fmt.Sprintf("w%02d", i), others, 1, beside))
		}
		return commit(t, id, texts...)
	}
	first, bad, head := set("a1", "1", "1"), set("b2", "2", "1"), set("c3", "3", "2")
	failed := begunAt(bad, "web", 2)
	failed.Verb = live.Failed
	receipts := append(promoted(first, "web"), begunAt(bad, "web", 2), failed)
	for i := range maxRolling {
		name := fmt.Sprintf("w%02d", i)
		receipts = append(append(receipts, promoted(first, name)...), begunAt(head, name, 2))
	}
	p := running(bad, "web", 0)
	p.Gen = 2
	have := fleet(map[string][]live.Pod{"n1": {p}}, receipts, "n1")
	have.Nodes[0].Pulls, have.Nodes[0].Images = true, []string{"example.com/web:1"} // and not web:3
	h := history(head)
	h.Ancestor["a1"], h.Ancestor["b2"], h.At = true, true, map[string]manifest.Set{"a1": first, "b2": bad}
	plan := Make(h, have, noon)
	if a := app(plan, "web"); a.State != Held || !slices.Contains(doneTo(plan), "stop web-0") {
		t.Errorf("%s: %s\n%s", a.State, a.Why, plan)
	}
}
