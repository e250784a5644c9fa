package status

import (
	"cmp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// podLimit is how many pods a Podman host has locks for.
const podLimit = 680

func (l *lister) nodes() {
	for _, n := range l.report.Nodes {
		l.add(l.node(n))
	}
}

func (l *lister) node(n Node) *corev1.Node {
	o := l.declared(n.Name)
	o.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}
	o.Name = n.Name
	setUID(&o.ObjectMeta, l.uid("Node", n.Name))
	o.Status = corev1.NodeStatus{Conditions: []corev1.NodeCondition{l.nodeReady(n)}}
	if why, lacks := l.Plan.Sides[n.Name]; lacks || n.Side.Heard() {
		o.Status.Conditions = append(o.Status.Conditions, sideUp(n, why))
	}
	if doorWanted(l.table().Doors, n.Name) && !quiet(n.Node) {
		o.Status.Conditions = append(o.Status.Conditions, doorUp(l.World, n.Node))
	}
	l.net(o, n)
	if !n.Known {
		return o
	}
	o.Status.Capacity = resources(int64(n.Facts.CPUs)*1000, n.Facts.Memory)
	o.Status.Allocatable = resources(n.Room.MilliCPU, n.Room.Memory)
	o.Status.NodeInfo = corev1.NodeSystemInfo{
		KernelVersion: n.Facts.Kernel, OSImage: n.Facts.OS, OperatingSystem: "linux", Architecture: n.Facts.Arch,
		ContainerRuntimeVersion: strings.TrimSuffix("podman://"+n.Facts.Podman, "podman://"),
	}
	return o
}

// declared is the Node as HEAD or, when it left HEAD, an ancestor has it. This machine, which nobody declares, has only a
// name.
func (l *lister) declared(name string) *corev1.Node {
	for _, n := range append(append([]manifest.Node{}, l.History.Want().Nodes...), l.History.Gone...) {
		if n.Name == name && n.Object != nil {
			return n.Object.DeepCopy()
		}
	}
	return &corev1.Node{}
}

func (l *lister) nodeReady(n Node) corev1.NodeCondition {
	c := corev1.NodeCondition{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "PodmanAnswers", Message: n.Why,
		LastHeartbeatTime: stamp(l.Now.Add(-n.Silent)),
	}
	switch {
	case !n.Known:
		c.Status, c.Reason, c.LastHeartbeatTime = corev1.ConditionUnknown, "NeverAnswered", metav1.Time{}
	case n.State == Silent:
		c.Status, c.Reason = corev1.ConditionUnknown, "Silent"
		c.LastTransitionTime = c.LastHeartbeatTime
	case n.State == Late:
		c.Reason = Late
	case len(n.Marks) > 0:
		c.Reason = n.Marks[0]
	}
	return c
}

// doorUp says whether the door of a node that is to have one serves.
func doorUp(w World, n live.Node) corev1.NodeCondition {
	c := corev1.NodeCondition{Type: "podkeep.io/Door", Status: corev1.ConditionTrue, Reason: "Serves"}
	if _, why := w.door(n); why != "" {
		c.Status, c.Reason, c.Message = corev1.ConditionFalse, "DoesNotServe", why
	}
	return c
}

// sideUp says whether the node side is heard, and is the one that it is to be.
func sideUp(n Node, why string) corev1.NodeCondition {
	c := corev1.NodeCondition{Type: "podkeep.io/NodeSide", Status: corev1.ConditionFalse, Reason: "NotHeard", Message: why}
	if n.Side.Heard() {
		c.Status, c.Reason, c.Message = corev1.ConditionTrue, "Heard", cmp.Or(why, n.Side.Short())
	}
	return c
}

// net fills in the node's place in the pod network, where there is one.
func (l *lister) net(o *corev1.Node, n Node) {
	at, ok := cmp.Or(l.Plan.Table, l.Plan.Before, &route.Table{}).Node(n.Name)
	if !ok {
		return
	}
	if at.Range.IsValid() {
		o.Spec.PodCIDR, o.Spec.PodCIDRs = at.Range.String(), []string{at.Range.String()}
	}
	if at.Address.IsValid() {
		o.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: at.Address.String()}}
	}
	c := corev1.NodeCondition{
		Type: corev1.NodeNetworkUnavailable, Status: corev1.ConditionFalse, Reason: "PodNetworkIsThere", Message: strings.Join(n.Side.Net.Troubles, "; "),
	}
	switch {
	case quiet(n.Node) || !n.Side.Heard():
		c.Status, c.Reason = corev1.ConditionUnknown, "NotHeard"
	case n.Side.Net.Range != at.Range:
		c.Status, c.Reason = corev1.ConditionTrue, "NoPodNetwork"
	case l.Lags(n.Node):
		c.Status, c.Reason = corev1.ConditionTrue, "TableNotInForce"
	}
	o.Status.Conditions = append(o.Status.Conditions, c)
}

func resources(milliCPU, memory int64) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(milliCPU, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(memory, resource.BinarySI),
		corev1.ResourcePods:   *resource.NewQuantity(podLimit, resource.DecimalSI),
	}
}
