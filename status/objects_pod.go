package status

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/health"
)

// barePod is a Pod that Git asks for by itself: its pods, or a pending one while there is none.
func (l *lister) barePod(w Workload) {
	want, _ := l.object(w).(*corev1.Pod)
	if len(w.Pods) == 0 && want != nil {
		want.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
		l.meta(&want.ObjectMeta, w)
		want.Status = corev1.PodStatus{Phase: corev1.PodPending, Message: w.Why}
		l.add(want)
		return
	}
	for _, p := range w.Pods {
		o := l.pod(w, p)
		o.OwnerReferences = nil
		for k, v := range annotated(nil, w) {
			if o.Annotations[k] == "" {
				o.Annotations[k] = v
			}
		}
		l.add(o)
	}
}

func (l *lister) pod(w Workload, p Pod) *corev1.Pod {
	form := l.revisions[revisionKey{w.ID, p.Rev}]
	o := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: p.Name, Namespace: w.ID.Namespace, Labels: hashed(w.ID, form.Labels, p.Rev), CreationTimestamp: stamp(p.Created),
			Annotations: map[string]string{
				live.LabelRev: p.Rev, live.LabelCommit: p.Commit, live.LabelGen: strconv.Itoa(p.Gen), live.LabelSlot: strconv.Itoa(p.Slot),
			},
			OwnerReferences: []metav1.OwnerReference{l.podOwner(w.ID, p.Rev)},
		},
		Spec: *form.Spec.DeepCopy(),
	}
	for k, v := range form.Annotations {
		o.Annotations[k] = v
	}
	o.UID = l.podUID(p)
	o.Spec.NodeName = p.Node
	if len(o.Spec.Containers) == 0 {
		o.Spec.Containers = containersSeen(p)
	}
	o.Status = podStatus(p)
	return o
}

func (l *lister) podUID(p Pod) types.UID { return types.UID(l.uid(p.App, p.Node, p.Name)) }

// podOwner is the ReplicaSet of the pod's revision, or the set that Git asks for itself.
func (l *lister) podOwner(id manifest.ID, rev string) metav1.OwnerReference {
	owner := l.owner(id)
	if id.Kind == "Deployment" {
		owner.Kind, owner.Name, owner.UID = "ReplicaSet", setName(id, rev), types.UID(l.uid(id, rev))
	}
	return owner
}

// containersSeen stands in where the revision's form is not to be had.
func containersSeen(p Pod) []corev1.Container {
	var list []corev1.Container
	for _, c := range p.Containers {
		list = append(list, corev1.Container{Name: c.Name, Image: c.Image})
	}
	return list
}

func podStatus(p Pod) corev1.PodStatus {
	s := corev1.PodStatus{Phase: phase(p), PodIP: p.IP, Conditions: podConditions(p)}
	if p.IP != "" {
		s.PodIPs = []corev1.PodIP{{IP: p.IP}}
	}
	if !p.Created.IsZero() {
		at := stamp(p.Created)
		s.StartTime = &at
	}
	for _, i := range p.Init {
		for _, c := range p.Containers {
			if c.Name == i.Name {
				s.InitContainerStatuses = append(s.InitContainerStatuses, initStatus(p, c))
			}
		}
	}
	for _, c := range p.Containers {
		if !p.isInit(c.Name) {
			s.ContainerStatuses = append(s.ContainerStatuses, containerStatus(p, c))
		}
	}
	return s
}

func phase(p Pod) corev1.PodPhase {
	switch health.State(p.State) {
	case health.Done:
		return corev1.PodSucceeded
	case health.Failed:
		return corev1.PodFailed
	case Unknown:
		return corev1.PodUnknown
	}
	for _, c := range p.Containers {
		if !c.Started.IsZero() && !p.isInit(c.Name) {
			return corev1.PodRunning
		}
	}
	return corev1.PodPending
}

func podConditions(p Pod) []corev1.PodCondition {
	ready := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: "ContainersNotReady", Message: p.Why}
	switch p.State {
	case Ready:
		ready.Status, ready.Reason = corev1.ConditionTrue, ""
	case Unknown, string(health.Unheard):
		ready.Status, ready.Reason = corev1.ConditionUnknown, "NodeStatusUnknown"
	case string(health.Done):
		ready.Reason = "PodCompleted"
	}
	for _, c := range p.Containers {
		if at := stamp(c.Started); at.After(ready.LastTransitionTime.Time) {
			ready.LastTransitionTime = at
		}
	}
	containers := ready
	containers.Type = corev1.ContainersReady
	scheduled := corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: stamp(p.Created)}
	return []corev1.PodCondition{scheduled, containers, ready}
}

// initStatus is an init container's: it is ready when it ended well, or, a sidecar, while it runs.
func initStatus(p Pod, c live.Container) corev1.ContainerStatus {
	s := containerStatus(p, c)
	if p.goesOn(c.Name) {
		s.Ready = health.Serves(p.Pod, c)
		return s
	}
	if s.Ready = c.Ended() && c.Exit == 0; s.Ready {
		s.State, s.LastTerminationState = corev1.ContainerState{Terminated: termination(s, c)}, corev1.ContainerState{}
	}
	return s
}

func containerStatus(p Pod, c live.Container) corev1.ContainerStatus {
	runs := c.State == live.Running
	s := corev1.ContainerStatus{
		Name: c.Name, Image: c.Image, RestartCount: int32(live.Restarts(c.Attempt)), Started: &runs,
		Ready: runs && p.State == Ready,
	}
	if p.Birth.Probes[c.Name] != "" {
		w, ok := health.Word(p.Pod, c)
		started := runs && ok && w.Started
		s.Started, s.Ready = &started, health.Serves(p.Pod, c)
	}
	if c.ID != "" {
		s.ContainerID = "podman://" + c.ID
	}
	switch {
	case runs:
		s.State.Running = &corev1.ContainerStateRunning{StartedAt: stamp(c.Started)}
	case c.Ended():
		ended(&s, p, c)
	default:
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
	}
	return s
}

// ended says of a container that exited how it did so, and whether it waits to be started again.
func ended(s *corev1.ContainerStatus, p Pod, c live.Container) {
	end := termination(*s, c)
	if p.State != string(health.Crashed) {
		s.State.Terminated = end
		return
	}
	s.LastTerminationState.Terminated = end
	s.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: p.Why}
}

func termination(s corev1.ContainerStatus, c live.Container) *corev1.ContainerStateTerminated {
	reason := "Completed"
	if c.Exit != 0 {
		reason = "Error"
	}
	return &corev1.ContainerStateTerminated{
		ExitCode: int32(c.Exit), Reason: reason, StartedAt: stamp(c.Started), FinishedAt: stamp(c.Finished), ContainerID: s.ContainerID,
	}
}
