package status

import (
	"fmt"
	"io"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// annotationNode is where Kubernetes keeps the node of a claim.
const annotationNode = "volume.kubernetes.io/selected-node"

// claims adds the PersistentVolumeClaims of HEAD, and those that left it and whose volume stays.
func (l *lister) claims() {
	for _, c := range l.report.Claims {
		o := claimObject(l.report.want, c.ID)
		o.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: c.ID.Kind}
		o.Name, o.Namespace = c.ID.Name, c.ID.Namespace
		setUID(&o.ObjectMeta, l.uid(c.ID))
		o.Annotations = withKnown(o.Annotations, map[string]string{annotationNode: c.Node, AnnotationWhy: c.Why})
		o.Status.Phase = corev1.PersistentVolumeClaimPhase(claimState(c, o.Spec.VolumeName))
		if c.Made {
			o.Spec.VolumeName = live.ClaimVolume(l.report.Cluster, c.ID.Namespace, c.ID.Name)
			o.Status.AccessModes, o.Status.Capacity = o.Spec.AccessModes, o.Spec.Resources.Requests
		}
		l.add(o)
	}
}

func claimObject(want manifest.Set, id manifest.ID) *corev1.PersistentVolumeClaim {
	for _, c := range want.Claims {
		if c.ID == id && c.Object != nil {
			return c.Object.DeepCopy()
		}
	}
	return &corev1.PersistentVolumeClaim{}
}

// withKnown is m with those of more that are not empty.
func withKnown(m, more map[string]string) map[string]string {
	for k, v := range more {
		if v == "" {
			continue
		}
		if m == nil {
			m = map[string]string{}
		}
		m[k] = v
	}
	return m
}

// claimState is Pending until a pod has been placed, Bound then and where a PersistentVolume is named, and Lost while the data cannot
// be had.
func claimState(c plan.Claim, volume string) string {
	switch {
	case c.Lost:
		return string(corev1.ClaimLost)
	case c.Node != "" || volume != "":
		return string(corev1.ClaimBound)
	}
	return string(corev1.ClaimPending)
}

func claimWhy(c plan.Claim, volume string) string {
	switch {
	case c.Left:
		return "left Git, its volume stays"
	case c.Why != "" || c.Node != "":
		return c.Why
	case volume != "":
		return "is the directory of PersistentVolume " + volume
	}
	return "waits for a first pod that uses it"
}

func (r Report) claims(w io.Writer, look Look) {
	if len(r.Claims) == 0 {
		return
	}
	var rows [][]cell
	for _, c := range r.Claims {
		volume := claimObject(r.want, c.ID).Spec.VolumeName
		row := plain(strings.TrimPrefix(c.ID.Short(), "persistentvolumeclaim/"), claimState(c, volume), dash(c.Node), claimWhy(c, volume))
		switch corev1.PersistentVolumeClaimPhase(row[1].text) {
		case corev1.ClaimBound:
			row[1].paint = Green
		case corev1.ClaimLost:
			row[1].paint = Red
		}
		rows = append(rows, row)
	}
	_, _ = fmt.Fprintln(w)
	look.table(w, []string{"CLAIM", "STATE", "NODE", "WHY"}, rows)
}

// isInit says whether the container is one of the pod's init containers, goesOn whether it runs as long as the pod does.
func (p Pod) isInit(name string) bool {
	return slices.ContainsFunc(p.Init, func(i live.Init) bool { return i.Name == name })
}

func (p Pod) goesOn(name string) bool {
	return !slices.Contains(p.Init, live.Init{Name: name})
}

// lasting is how many containers run as long as the pod does.
func (p Pod) lasting() int {
	n := 0
	for _, name := range p.Expect {
		if p.goesOn(name) {
			n++
		}
	}
	return n
}
