package status

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/podkeep/podkeep/manifest"
)

func TestASelectionKeepsWhatIsAskedFor(t *testing.T) {
	api := manifest.ID{Kind: "Deployment", Namespace: "default", Name: "api"}
	node := manifest.ID{Kind: "Node", Name: "edge-1"}
	inZone, err := labels.Parse("zone=a")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		ask       Selection
		workloads string
		nodes     int
		problems  int
	}{
		{"nothing said is everything", Selection{}, "api broken night shop web", 4, 1},
		{"one object", Selection{Objects: []manifest.ID{api}}, "api", 0, 0},
		{"one that does not load", Selection{Objects: []manifest.ID{{Kind: "Deployment", Name: "cart"}}}, "", 0, 1},
		{"a host", Selection{Objects: []manifest.ID{node}}, "", 1, 0},
		{"hosts by label", Selection{Kinds: []string{"Node"}, Labels: inZone}, "", 1, 0},
		{"pods alone", Selection{Kinds: []string{"Pod"}}, "api* broken* web*", 0, 0},
		{"another namespace", Selection{Namespace: "elsewhere"}, "", 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			world := fleet()
			world.History.Head.Nodes[1].Labels = map[string]string{"zone": "a"}
			r := Of(world).Only(c.ask)
			var names []string
			for _, w := range r.Workloads {
				name := w.ID.Name
				if w.partial {
					name += "*"
				}
				names = append(names, name)
			}
			if got := strings.Join(names, " "); got != c.workloads || len(r.Nodes) != c.nodes || len(r.Problems) != c.problems {
				t.Errorf("%q, %d nodes, %d problems", got, len(r.Nodes), len(r.Problems))
			}
		})
	}
}

func TestPodsThatAloneAreAskedForAreShownWithoutTheirWorkload(t *testing.T) {
	r := Of(fleet())
	pod := r.Workloads[0].Pods[0]
	ask := Selection{Objects: []manifest.ID{pod.id(r.Workloads[0])}}
	var b bytes.Buffer
	r.Only(ask).Text(&b, Look{}, false)
	if strings.Contains(b.String(), "UP-TO-DATE") || strings.Count(b.String(), pod.Name) != 1 {
		t.Error(b.String())
	}
	if list := ListOnly(fleet(), ask); len(list.Items) != 1 {
		t.Errorf("%d objects, want the pod", len(list.Items))
	}
}

func TestAllThatAReportTellsOfHasAName(t *testing.T) {
	all := Of(fleet()).Objects()
	for _, id := range []manifest.ID{
		{Kind: "Deployment", Namespace: "default", Name: "api"}, {Kind: "Node", Name: "edge-3"}, {Kind: "Deployment", Name: "cart"},
	} {
		if !slices.Contains(all, id) {
			t.Errorf("%s is not among %v", id, all)
		}
	}
}

func TestTheStampChangesWithWhatIsTold(t *testing.T) {
	was, later, other := fleet(), fleet(), fleet()
	later.Now = noon.Add(time.Second)
	other.Plan.Apps[0].Ready++
	if Of(was).Stamp() != Of(later).Stamp() {
		t.Error("it changed with time alone")
	}
	if Of(was).Stamp() == Of(other).Stamp() {
		t.Error("it did not change with a pod that is ready")
	}
}
