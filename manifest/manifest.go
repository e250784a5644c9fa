// Package manifest is what a commit asks for: Kubernetes objects, decoded strictly, defaulted, validated
// and rendered to the point where nothing is left to look up.
//
// Parse reads one file, Assemble makes the files of one commit a Set, and History.Want is what to hold the fleet to
// when some of HEAD does not load. Rendering replaces every reference to a ConfigMap or a Secret
// by a literal or by the name of a File, so that a Revision says everything its pods are made of. Rev is the
// digest of that. The package does no I/O and reads no clock.
package manifest

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ID names an object. Namespace is empty for cluster-scoped kinds (Node, Namespace).
type ID struct{ Kind, Namespace, Name string }

// String is kind/namespace/name, the form that label podkeep.io/app carries. It is ParseID's inverse.
func (id ID) String() string { return id.Kind + "/" + id.Namespace + "/" + id.Name }

// Short is the name as a person says it: without the kind of Pods and Deployments, without namespace default.
func (id ID) Short() string {
	var parts []string
	if id.Kind != "Deployment" && id.Kind != "Pod" {
		parts = append(parts, strings.ToLower(id.Kind))
	}
	if id.Namespace != "" && id.Namespace != "default" {
		parts = append(parts, id.Namespace)
	}
	return strings.Join(append(parts, id.Name), "/")
}

// Less orders IDs by namespace, name, kind.
func (id ID) Less(other ID) bool {
	if id.Namespace != other.Namespace {
		return id.Namespace < other.Namespace
	}
	if id.Name != other.Name {
		return id.Name < other.Name
	}
	return id.Kind < other.Kind
}

// ParseID reads kind/namespace/name.
func ParseID(s string) (ID, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 || parts[0] == "" || parts[2] == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ID{}, fmt.Errorf("%q is not kind/namespace/name", s)
	}
	return ID{Kind: parts[0], Namespace: parts[1], Name: parts[2]}, nil
}

// Origin is where in the repository an object or a field stands. Line counts from 1.
type Origin struct {
	File string
	Line int
}

func (o Origin) String() string { return fmt.Sprintf("%s:%d", o.File, o.Line) }

// Problem is why an object did not load, and what to write instead. It stops that object, never its neighbours.
type Problem struct {
	Origin
	Object string // KIND/NAME as far as it could be read, else ""
	Field  string // spec.template.spec.containers[0].image, or ""
	Text   string
	// Notice marks what is worth saying and breaks nothing: a kind that is not built yet, or a field, such as a priority,
	// that is accepted and has no effect yet.
	Notice bool `json:",omitempty"`
	// Lost marks a notice of why an object did not load that holds up nobody else. The object keeps the form that loaded last.
	Lost bool `json:",omitempty"`
}

// Error is FILE:LINE: OBJECT: FIELD: TEXT, leaving out what is not known.
func (p Problem) Error() string {
	parts := []string{p.Origin.String()}
	for _, s := range []string{p.Object, p.Field, p.Text} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// Meta is what all objects have.
type Meta struct {
	ID
	Origin
	Labels, Annotations map[string]string
	// Commit is the commit whose form of the object this is: HEAD's, or an ancestor's when HEAD's did not load.
	Commit string
	// Held says why an ancestor's form stands in; empty when this is HEAD's own form.
	Held string
	// Suspended is set by podkeep.io/suspend: "true" on the object or on its Namespace.
	Suspended bool
	// Wave is argocd.argoproj.io/sync-wave: lower waves are in place before higher ones begin to change. Needs
	// are the objects that podkeep.io/depends-on names.
	Wave  int
	Needs []ID
}

// Resources are a pod's requests or a node's room: thousandths of a core and bytes.
type Resources struct{ MilliCPU, Memory int64 }

// Node is a host. Grace is how long it may be silent before its pods are replaced elsewhere
// (annotation podkeep.io/silence-grace, default 30 s).
type Node struct {
	Meta
	ProviderID    string
	PodCIDR       string
	Unschedulable bool
	Taints        []corev1.Taint
	Grace         time.Duration
	Capacity      *Resources // annotation podkeep.io/capacity; nil means what Podman says
	Object        *corev1.Node
}

// Namespace need not be declared; declaring one gives its objects labels and annotations such as suspend.
type Namespace struct {
	Meta
	Object *corev1.Namespace
}

// ConfigMap and Secret stand here for status and for what is built later; workloads carry their content already.
type ConfigMap struct {
	Meta
	Object *corev1.ConfigMap
}

// Secret never prints its values.
type Secret struct {
	Meta
	Data map[string]Bytes
	Type corev1.SecretType
}

// What happens to a revision that missed its deadline: annotation podkeep.io/on-failure.
const (
	OnFailureRollback = "rollback"
	OnFailureHold     = "hold"
	OnFailureRevert   = "revert"
	OnFailureReport   = "report" // nothing: it is only said. What a Rollout has unless it says otherwise; not to be written
)

// Strategy is how a workload goes from one revision to the next. MaxSurge and MaxUnavailable are pods,
// resolved against Replicas.
type Strategy struct {
	Type                     string
	MaxSurge, MaxUnavailable int
	Firm                     bool          // maxUnavailable is written, as 0
	MinReady                 time.Duration // minReadySeconds
	Deadline                 time.Duration // progressDeadlineSeconds; 0 means none
	Paused                   bool
	OnFailure                string
	Rollout                  *Rollout // what a Rollout adds; nil for all else
}

// Job is what a workload that runs to completion asks for beside its pods' form; batch/v1 says what each field means.
type Job struct {
	Spec batchv1.JobSpec // defaulted; its template and selector are not to be looked at
	Hook *Hook           // nil for a Job that is no hook
}

// Hook is when a hook Job runs, and when its pods are removed, as Argo CD's annotations say.
type Hook struct {
	Phases []string // PreSync, PostSync, SyncFail
	Delete []string // BeforeHookCreation, HookSucceeded, HookFailed
}

// Claim is a PersistentVolumeClaim: a named volume on one node that outlives pods and is never pruned.
type Claim struct {
	Meta
	Object *corev1.PersistentVolumeClaim
}

// Workload is what becomes pods: a Deployment, ReplicaSet, ReplicationController, Rollout, bare Pod or Job.
type Workload struct {
	Meta
	By       *By // the Rollout that puts its strategy over this Deployment (workloadRef); nil where there is none
	Replicas int
	Strategy Strategy
	Job      *Job // nil for all that is to run for ever
	Revision Revision
	Config   []File   // the content of every File that Revision.Files and Revision.Spec.ImagePullSecrets name
	without  []ID     // optional ConfigMaps and Secrets that are not there
	secrets  []string // the names of the Files of Secrets, by position, see setRev
	// PruneDisabled is set by annotation podkeep.io/prune: disabled.
	PruneDisabled bool
	Object        runtime.Object // as decoded, for status
}

// Revision is what every pod of one revision is made of. It holds no secret value, so it can be stored and shown.
//
// Spec is rendered: images are expanded, defaults are set, and what is left of references is only
//   - env: a Value, a SecretKeyRef whose Name is the name of a File (Key empty), a FieldRef to metadata.*, which
//     method Pod replaces by a value, or a FieldRef to status.podIP(s), status.hostIP(s) or spec.nodeName, which only
//     the node knows;
//   - $(VAR) and $$ in command, args, env values and the commands of probes, which method Pod expands, and Pod.OnNode, but for those of probes,
//     where VAR is known only there;
//   - volumes: emptyDir, hostPath, a persistentVolumeClaim in the workload's namespace, or a secret whose SecretName is
//     empty and whose Items have a File's name as Key and the path below the mount as Path (ConfigMaps and projected
//     volumes take that form too). What the downward API adds to a volume is a downwardAPI source beside that one, which
//     method Pod makes Pod.Texts of;
//   - subPathExpr, which method Pod makes a subPath of;
//   - imagePullSecrets: each name is that of a File, a .dockerconfigjson, which is not among Files: no node keeps it.
type Revision struct {
	App         ID
	Rev         string // v1-HEX
	Commit      string
	Labels      map[string]string `json:",omitempty"` // the template's, not Podman's
	Annotations map[string]string `json:",omitempty"`
	Spec        corev1.PodSpec
	Files       []string `json:",omitempty"` // names of the Files that must be there before a pod can start, sorted

	Priority int32             `json:",omitempty"` // 0 until there are classes
	Probes   map[string]string `json:",omitempty"` // by container: "startup+liveness+readiness", those it has, in this order
}

// Pod is one pod to run: a Revision given a name, labels and a slot.
type Pod struct {
	Name      string            // as Podman shows it
	Namespace string            // Kubernetes namespace
	Labels    map[string]string // Podman's labels, written at birth on the pod and on each container
	Spec      corev1.PodSpec    // rendered, see Revision
	// Attempt is, for each container, the number of the start to make so: 0 is the first. A container that
	// exists with a lower attempt and has exited is made anew.
	Attempt map[string]int
	// There says that the pod is there: it is mended, and an error if it is not. A node side makes none.
	There bool
	// Node is what the Node is called, for pods that ask; empty where that is what the driver was opened with.
	Node string
	// Form is the name of the File that holds the revision's form, and has to be there before the pod; empty if none has.
	Form string
	// Net is where it is in the cluster's own network; without an address that is the host's Podman's to give.
	Net PodNet
	// Make are the claims, by name, whose volume may be made if it is not there. Any other must be there.
	Make []string
	// Texts are small files that the driver writes into the pod's own volumes before a container starts.
	Texts []Text
	// Auth are .dockerconfigjson contents to try when an image of the pod is pulled.
	Auth []Bytes
	// Secrets are the contents of the pod's Files, as far as they are known: nothing that is said of the pod may quote them.
	Secrets []Bytes

	late *Revision // see OnNode; nil where no text refers to what only the node knows
}

// PodNet is a pod's place in the cluster's own network.
type PodNet struct {
	IP     netip.Addr // its own
	DNS    netip.Addr // who answers it for names: its node
	Domain string     // of names, "cluster.local"; empty means DefaultDomain
}

// Text is a small file of the pod's own, made by the downward API: its content differs from pod to pod.
type Text struct {
	Volume, Path string
	Mode         int32
	Data         Bytes
}

// File is a small immutable content under a name, kept on nodes: config, the form of a revision, or a receipt
// (all of whose meaning is in its labels). Names are unique in a cluster; the driver adds the cluster.
// Data has 0 to 511,999 bytes.
type File struct {
	Name   string
	Labels map[string]string
	Data   Bytes
}

// Set is what one commit asks for. Every list is sorted by ID. It is immutable.
type Set struct {
	Commit     string
	Parent     string // the first parent; empty at the root
	Time       time.Time
	Author     string
	Subject    string
	AllowPrune bool // trailer Allow-Prune: yes

	Namespaces []Namespace
	Nodes      []Node
	Workloads  []Workload
	ConfigMaps []ConfigMap
	Secrets    []Secret
	Claims     []Claim
	Services   []Service
	Endpoints  []Endpoints // what Services lead to that choose no pods; see History.Want
	// NetworkPolicies hold whether or not their Namespace is suspended.
	NetworkPolicies []NetworkPolicy
	// Ingresses and what follows are what doors serve.
	Ingresses       []Ingress
	IngressClasses  []IngressClass
	GatewayClasses  []GatewayClass
	Gateways        []Gateway
	HTTPRoutes      []HTTPRoute
	ReferenceGrants []ReferenceGrant
	Signers         []string // keys whose word is believed beside the controller's own, as KeyText has them; from SignersFile
	Files           []string // every manifest file of the commit, sorted; SignersFile is none
	Problems        []Problem

	failed  map[ID]string      // objects that did not load, with the file that names them
	origins map[ID]Origin      // objects that loaded by themselves, those too that cannot be put together
	held    map[string][]ID    // those of each file
	foreign map[string]foreign // files without a manifest in them; what one held before is not taken to be deleted

	signersLost bool // the file of signers does not load
}

// Decision is a person's word, a line in Git notes.
type Decision struct {
	Time           time.Time
	Verb           string // promote, promote-full, abort, retry, pause, resume, skip
	App            ID
	Rev            string
	Step           int
	Who, Why, Note string // Note is the commit it was written on
}

// ID tells a decision from every other. A receipt that answers it names it.
func (d Decision) ID() string {
	sum := sha256.New()
	for _, part := range []string{d.Time.UTC().Format(time.RFC3339Nano), d.Verb, d.App.String(), d.Rev, strconv.Itoa(d.Step), d.Who, d.Why, d.Note} {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:6])
}

// History is everything that was read: HEAD, and as much of the past as thinking asked for.
type History struct {
	Cluster, Source string
	Key             string // the controller's own public key, as KeyText has it; empty for one that only reads
	AllowPrune      bool   // sync --allow-prune
	Proposal        bool   // Head is not in force: what would be done is asked, as if it were newer than all that runs
	Side            SideOffer
	Net             Net
	Doors           DoorOffer

	Head Set
	// Past has what HEAD's first-parent line said to the questions that thinking has (plan.Asks): of the commit that answers one no more than
	// was asked for, and an empty Set where none does. A question that could not be answered yet is missing.
	Past map[Question]Set
	// At holds commits that live pods and receipts name, where Git still has them: of each no more than was asked for (Set.Excerpt, plan.Thought.Lacks).
	At map[string]Set
	// Ancestor says of each commit that live pods and receipts name whether HEAD descends from it (or is it).
	Ancestor map[string]bool
	// Renewed has, of objects that were taken out and came anew on HEAD's first-parent line, the commits from before that, among those that
	// receipts name.
	Renewed map[ID][]string
	// Gone are Nodes that an ancestor held and HEAD does not, in their last form. A Node of HEAD that is reached as one of them was is
	// that host under another name: Renamed has it by the old one, which is not among Gone.
	Gone    []Node
	Renamed map[string]string
	// Fetched is when the last successful fetch began. Err is why the newest fetch or load failed, or ""; Lasting, that no time mends that.
	Fetched   time.Time
	Err       string
	Lasting   bool
	Decisions []Decision
}
