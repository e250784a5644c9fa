package status

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// Annotations that say of an object what Kubernetes has no field for.
const (
	AnnotationState  = "podkeep.io/state"
	AnnotationWhy    = "podkeep.io/why"
	AnnotationStable = "podkeep.io/stable"
	AnnotationDecide = "podkeep.io/decide" // decisions that would do something now, of what can have them
	AnnotationStep   = "podkeep.io/step"   // how many steps are done, of what has steps
	AnnotationPods   = "podkeep.io/pods"   // of a NetworkPolicy: how many it holds, of those that it selects
	AnnotationNodes  = "podkeep.io/nodes"  // of a NetworkPolicy: how many do as it says, of those that it is about
)

// List is the world as a v1.List of Kubernetes objects with status filled in: Nodes, Services with their
// EndpointSlices, NetworkPolicies, Ingresses, GatewayClasses, Gateways, HTTPRoutes, PersistentVolumeClaims, then of each workload its own
// object, its ReplicaSets (one a revision) and Pods, then Events for what was fetched, does not load or concerns the
// fleet. Secrets are not in it. What a Node, Deployment, ReplicaSet or Pod has in spec is what Git asks for or, for
// revisions of the past, what was written down on the nodes.
func List(w World) corev1.List { return ListOnly(w, Selection{}) }

// ListOnly lists what of the world is asked for.
func ListOnly(w World, s Selection) corev1.List {
	w.Snapshot = plan.Believed(w.History, w.Snapshot)
	l := lister{World: w, report: Of(w).Only(s), revisions: revisions(w)}
	l.nodes()
	l.services()
	l.policies()
	l.entries()
	l.claims()
	for _, app := range l.report.Workloads {
		l.workload(app)
	}
	l.events()
	list := corev1.List{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}, Items: []runtime.RawExtension{}}
	for _, o := range l.objects {
		list.Items = append(list.Items, runtime.RawExtension{Object: o})
	}
	return list
}

type lister struct {
	World
	report    Report
	revisions map[revisionKey]manifest.Revision
	objects   []runtime.Object
}

type revisionKey struct {
	app manifest.ID
	rev string
}

// revisions are those that HEAD asks for and those whose form nodes keep.
func revisions(w World) map[revisionKey]manifest.Revision {
	known := map[revisionKey]manifest.Revision{}
	for _, n := range w.Snapshot.Nodes {
		for _, f := range n.Files {
			if r, ok := live.ParseForm(f.Labels); ok {
				known[revisionKey{r.App, r.Rev}] = r
			}
		}
	}
	for _, app := range w.History.Want().Workloads {
		known[revisionKey{app.ID, app.Revision.Rev}] = app.Revision
	}
	return known
}

func (l *lister) add(o runtime.Object) { l.objects = append(l.objects, o) }

// uid is the same for the same thing in every answer: an RFC 9562 UUID of version 8.
func (l *lister) uid(parts ...any) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(append([]any{l.report.Cluster, "\x00"}, parts...)...)))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// annotated is m with what podkeep thinks of the workload.
func annotated(m map[string]string, w Workload) map[string]string {
	out := map[string]string{
		AnnotationState: string(w.State), AnnotationWhy: w.Why, AnnotationStable: w.Stable,
		live.LabelRev: w.Rev, live.LabelCommit: w.Commit,
	}
	for k, v := range out {
		if v == "" {
			delete(out, k)
		}
	}
	if r := w.Rollout; r != nil {
		out[AnnotationDecide] = strings.Join(r.Decide, " ")
		if r.Step > 0 {
			out[AnnotationStep] = strconv.Itoa(r.Step)
		}
	}
	for k, v := range m {
		out[k] = v
	}
	return out
}

func (l *lister) workload(w Workload) {
	kind := w.ID.Kind
	if w.partial && kind != "Pod" {
		kind = "" // of which only pods are asked for
	}
	switch kind {
	case "Pod":
		l.barePod(w)
		return
	case "ReplicaSet":
		l.replicaSetObject(w)
	case "ReplicationController":
		l.replicationController(w)
	case "Job":
		l.job(w)
	case "Rollout":
		l.rolloutObject(w)
	case "Deployment":
		if w.by() != (manifest.ID{}) {
			l.rolloutObject(w)
		}
		l.deployment(w)
		for _, set := range l.replicaSets(w) {
			l.add(set)
		}
	}
	for _, p := range w.Pods {
		l.add(l.pod(w, p))
	}
}

// object is the workload's own object as Git asks for it, nil when it left HEAD.
func (l *lister) object(w Workload) runtime.Object {
	if w.want == nil || w.want.Object == nil {
		return nil
	}
	return w.want.Object.DeepCopyObject()
}

// meta fills in what a declared object's metadata does not say.
func (l *lister) meta(m *metav1.ObjectMeta, w Workload) {
	m.Name, m.Namespace = w.ID.Name, w.ID.Namespace
	m.Annotations = annotated(m.Annotations, w)
	if !w.Since.IsZero() {
		m.CreationTimestamp = stamp(oldest(w.Pods))
	}
	setUID(m, l.uid(w.ID))
}

func oldest(pods []Pod) time.Time {
	var t time.Time
	for _, p := range pods {
		t = earlier(t, p.Created)
	}
	return t
}

func stamp(t time.Time) metav1.Time {
	if t.IsZero() {
		return metav1.Time{}
	}
	return metav1.NewTime(t.UTC().Truncate(time.Second))
}

func (l *lister) replicaSetObject(w Workload) {
	set, ok := l.object(w).(*appsv1.ReplicaSet)
	if !ok {
		set = &appsv1.ReplicaSet{}
	}
	set.TypeMeta = metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ReplicaSet"}
	l.meta(&set.ObjectMeta, w)
	set.Status = appsv1.ReplicaSetStatus{
		Replicas: int32(w.Total), FullyLabeledReplicas: int32(w.Total),
		ReadyReplicas: int32(w.Ready), AvailableReplicas: int32(w.Available),
	}
	l.add(set)
}

func (l *lister) replicationController(w Workload) {
	rc, ok := l.object(w).(*corev1.ReplicationController)
	if !ok {
		rc = &corev1.ReplicationController{}
	}
	rc.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "ReplicationController"}
	l.meta(&rc.ObjectMeta, w)
	rc.Status = corev1.ReplicationControllerStatus{
		Replicas: int32(w.Total), FullyLabeledReplicas: int32(w.Total),
		ReadyReplicas: int32(w.Ready), AvailableReplicas: int32(w.Available),
	}
	l.add(rc)
}

// receipt is the newest of the verbs that is written down of the workload's revision.
func (l *lister) receipt(w Workload, verbs ...string) (live.Receipt, bool) {
	var newest live.Receipt
	for _, r := range l.Plan.Ledgers[w.ID] {
		if r.Rev == w.Rev && slices.Contains(verbs, r.Verb) && r.Time.After(newest.Time) {
			newest = r
		}
	}
	return newest, !newest.Time.IsZero()
}

func byName[T metav1.Object](a, b T) int { return cmp.Compare(a.GetName(), b.GetName()) }
