package status

import (
	"bytes"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

func TestNoticesAreOneLineUnlessAllIsAskedForAndWhatIsRefusedIsSaidInFull(t *testing.T) {
	notice := func(object, field string) manifest.Problem {
		return manifest.Problem{Origin: manifest.Origin{File: "web.yaml", Line: 7}, Object: object, Field: field, Text: "changes nothing: " + field, Notice: true}
	}
	gone := notice("Service/web", "") // a kind that is not built is refused
	all := []manifest.Problem{
		gone, notice("Deployment/web", "spec.template.spec.containers[0].livenessProbe"), notice("ServiceAccount/web", "kind"),
		notice("Deployment/web", "spec.template.spec.containers[0].resources.limits[nvidia.com/gpu]"), notice("", ""),
	}
	for _, c := range []struct {
		name     string
		problems []manifest.Problem
		wide     bool
		want     string
	}{
		{"all", all, false, gone.Error() + "\n4 notices (livenessProbe, ServiceAccount/web, limits[nvidia.com/gpu] and 1 more): podkeep status -o wide shows them\n"},
		{"three", all[:4], false, gone.Error() + "\n3 notices (livenessProbe, ServiceAccount/web, limits[nvidia.com/gpu]): podkeep status -o wide shows them\n"},
		{"one alone", all[1:2], false, all[1].Error() + "\n"},
		{"wide", all[:3], true, all[0].Error() + "\n" + all[1].Error() + "\n" + all[2].Error() + "\n"},
	} {
		w := fleet()
		w.History.Head.Problems = c.problems
		var b bytes.Buffer
		Of(w).Text(&b, Look{}, c.wide)
		if _, got, _ := strings.Cut(b.String(), "stays on edge-1\n\n"); got != c.want {
			t.Errorf("%s:\n%swant\n%s", c.name, b.String(), c.want)
		}
	}
}

func TestASilenceIsToldOnceByItsNodeOrWhereThatIsNotShownByANote(t *testing.T) {
	var whole, one bytes.Buffer
	Of(fleet()).Text(&whole, Look{}, false)
	Of(fleet()).Only(Selection{Objects: []manifest.ID{appID("api")}}).Text(&one, Look{}, false)
	for _, said := range []string{silent3.Then, "no route to host", silent4.Then, "known_hosts"} {
		if strings.Count(whole.String(), said) != 1 || strings.Count(one.String(), said) != 1 {
			t.Errorf("%q is not said once:\n%s\n%s", said, whole.String(), one.String())
		}
	}
}

func TestWhatIsTheSameOfSeveralNodesIsSaidOnce(t *testing.T) {
	told := func(name, why string) Node { return Node{Node: live.Node{Name: name}, Why: why} }
	r := Report{Nodes: []Node{told("n1", "no room"), told("n2", "a user's own Podman"), told("n3", ""), told("n4", "a user's own Podman")}}
	var b strings.Builder
	r.nodeTroubles(&b, Look{})
	if got, want := b.String(), "node n1: no room\nnodes n2, n4: a user's own Podman\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
