package status

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

func claimed() World {
	id := func(name string) manifest.ID { return manifest.ClaimID("default", name) }
	file := manifest.Parse("x.yaml", []byte(`apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: own}
spec: {volumeName: disk, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /srv/disk}}
`))
	return World{
		History: manifest.History{Cluster: "c1", Head: manifest.Assemble(manifest.Info{Commit: "a1"}, []manifest.Parsed{file})},
		Plan: plan.Plan{Claims: []plan.Claim{
			{ID: id("data"), Node: "n1", Made: true},
			{ID: id("fresh")},
			{ID: id("lost"), Node: "n2", Made: true, Lost: true, Why: "claim lost lost its volume on n2"},
			{ID: id("old"), Node: "n2", Made: true, Left: true},
			{ID: id("own")},
		}},
	}
}

func TestClaimsAreShownWithTheirNode(t *testing.T) {
	var b strings.Builder
	Of(claimed()).claims(&b, Look{})
	want := `
CLAIM  STATE    NODE  WHY
data   Bound    n1
fresh  Pending  -     waits for a first pod that uses it
lost   Lost     n2    claim lost lost its volume on n2
old    Bound    n2    left Git, its volume stays
own    Bound    -     is the directory of PersistentVolume disk
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestClaimsAreKubernetesObjects(t *testing.T) {
	data := List(claimed()).Items[0].Object.(*corev1.PersistentVolumeClaim)
	size := data.Status.Capacity[corev1.ResourceStorage]
	if data.Status.Phase != corev1.ClaimBound || data.Spec.VolumeName != "podkeep-c1_claim_default_data" ||
		data.Annotations[annotationNode] != "n1" || size.String() != "1Gi" {
		t.Errorf("%+v", data)
	}
	own := List(claimed()).Items[4].Object.(*corev1.PersistentVolumeClaim)
	if own.Status.Phase != corev1.ClaimBound || own.Spec.VolumeName != "disk" {
		t.Errorf("%+v", own)
	}
}

func TestInitContainersAreToldApart(t *testing.T) {
	at := time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)
	p := pod(live.Node{Name: "n1", Known: true}, live.Pod{
		Name: "web", Expect: []string{"app", "proxy", "setup"}, Init: []live.Init{{Name: "setup"}, {Name: "proxy", Sidecar: true}},
		Containers: []live.Container{
			{Name: "app", State: live.Exited, Exit: 1, Started: at, Finished: at},
			{Name: "proxy", State: live.Running, Started: at}, {Name: "setup", State: live.Exited, Started: at, Finished: at},
		},
	}, at)
	s := podStatus(p)
	if p.Ready != 1 || p.lasting() != 2 || len(s.InitContainerStatuses) != 2 || len(s.ContainerStatuses) != 1 {
		t.Fatalf("%d/%d ready, %+v", p.Ready, p.lasting(), s)
	}
	setup, proxy := s.InitContainerStatuses[0], s.InitContainerStatuses[1]
	if setup.Name != "setup" || !setup.Ready || setup.State.Terminated == nil || proxy.Name != "proxy" || !proxy.Ready {
		t.Errorf("%+v", s.InitContainerStatuses)
	}
}
