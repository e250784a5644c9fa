package live

import (
	"crypto/sha256"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/podkeep/podkeep/manifest"
)

// Labels, written at birth on pods, containers and files.
const (
	LabelCluster    = "podkeep.io/cluster"
	LabelSource     = "podkeep.io/source"
	LabelApp        = "podkeep.io/app"
	LabelSlot       = "podkeep.io/slot"
	LabelRev        = "podkeep.io/rev"
	LabelGen        = "podkeep.io/gen"
	LabelCommit     = "podkeep.io/commit"
	LabelContainers = "podkeep.io/containers" // comma-separated names that make the pod whole
	LabelRestart    = "podkeep.io/restart"    // restartPolicy
	LabelRoom       = "podkeep.io/room"       // requests: "MILLICPU,BYTES"
	LabelPorts      = "podkeep.io/ports"      // comma-separated host ports
	LabelKeep       = "podkeep.io/keep"       // "true": never pruned
	LabelContainer  = "podkeep.io/container"  // on a container: its name in the manifest
	LabelAttempt    = "podkeep.io/attempt"    // on a container: which start it is
	LabelInit       = "podkeep.io/init"       // comma-separated init containers in their order; a sidecar ends in "+"
	LabelTry        = "podkeep.io/try"        // which attempt at its completion a Job's pod is

	// What the template says of a pod, for those that choose among running pods, of older revisions too.
	LabelLabels    = "podkeep.io/labels"    // the template's: "app=web,tier=front"
	LabelRole      = "podkeep.io/role"      // labels and annotations of its role, as JSON; none where that has none
	LabelPriority  = "podkeep.io/priority"  // a number; none is 0
	LabelPortNames = "podkeep.io/portnames" // named container ports: "http=8080/tcp"
	LabelHostname  = "podkeep.io/hostname"
	LabelSubdomain = "podkeep.io/subdomain"
	LabelProbes    = "podkeep.io/probes"  // which probes containers have: "web=startup+readiness". On a form it says that they are in it
	LabelIP        = "podkeep.io/ip"      // the address that the plan gave it; none yet
	LabelNetwork   = "podkeep.io/network" // version of how it is joined to networks; none for the host's own network

	LabelSig = "podkeep.io/sig" // on pods, receipts, forms and identities: see Sign

	LabelReceipt = "podkeep.io/receipt" // on a receipt: its verb
	LabelStep    = "podkeep.io/step"
	LabelSteps   = "podkeep.io/steps"
	LabelNode    = "podkeep.io/node"      // on a claim's receipts: where its volume is
	LabelHost    = "podkeep.io/host"      // on an identity, and on receipts that speak of a host: its identity
	LabelWay     = "podkeep.io/way"       // on an identity: how the host was reached when it was written
	LabelHostKey = "podkeep.io/host-key"  // on an identity: the SSH host key shown then
	LabelBefore  = "podkeep.io/before"    // on a promoted receipt: revisions promoted before it, the newest first
	LabelAt      = "podkeep.io/before-at" // and at which commits
	LabelAnswers = "podkeep.io/answers"   // decisions that had been read when it was written
	LabelOf      = "podkeep.io/of"        // on an adopted receipt: the source that is taken over
	LabelTime    = "podkeep.io/time"      // RFC 3339, nanoseconds, UTC
	LabelWhy     = "podkeep.io/why"       // never a secret's value
	LabelObject  = "podkeep.io/object"    // on a rev File: the Revision, packed JSON
	LabelFiles   = "podkeep.io/files"     // on a rev File: comma-separated names of its config Files
)

// PodName is how a pod is called on every node: cluster (empty if default), kind (empty if Pod or Deployment), namespace (empty if
// default), name, with a _ after each, and none before the first that is not empty; then six digits of rev, slot. No name of
// Kubernetes has a _, so no two workloads share one.
func PodName(cluster string, app manifest.ID, rev string, slot int) string {
	kind := strings.ToLower(app.Kind)
	if app.Kind == "Pod" || app.Kind == "Deployment" {
		kind = ""
	}
	parts := []string{unless("default", cluster), kind, unless("default", app.Namespace), app.Name}
	return strings.TrimLeft(strings.Join(parts, "_"), "_") + "-" + ShortRev(rev) + "-" + strconv.Itoa(slot)
}

func unless(usual, s string) string {
	if s == usual {
		return ""
	}
	return s
}

// ShortRev is the first six hex digits of a rev.
func ShortRev(rev string) string {
	_, hex, ok := strings.Cut(rev, "-")
	if !ok {
		hex = rev
	}
	return hex[:min(6, len(hex))]
}

// ParsePod reads a pod from its labels; states and times are the driver's to add.
func ParsePod(name string, labels map[string]string) (Pod, error) {
	app, err := manifest.ParseID(labels[LabelApp])
	if err != nil {
		return Pod{}, fmt.Errorf("%s: label %s: %w", name, LabelApp, err)
	}
	p := Pod{
		Name: name, Cluster: labels[LabelCluster], Source: labels[LabelSource], App: app,
		Rev: labels[LabelRev], Commit: labels[LabelCommit], Restart: labels[LabelRestart],
		Expect: list(labels[LabelContainers]), Ports: list(labels[LabelPorts]), Keep: labels[LabelKeep] == "true",
	}
	if p.Slot, err = strconv.Atoi(labels[LabelSlot]); err != nil {
		return Pod{}, fmt.Errorf("%s: label %s: %w", name, LabelSlot, err)
	}
	if p.Gen, err = strconv.Atoi(labels[LabelGen]); err != nil {
		return Pod{}, fmt.Errorf("%s: label %s: %w", name, LabelGen, err)
	}
	p.Init = parseInit(labels[LabelInit])
	p.Birth = parseBirth(labels)
	p.Side = labels[LabelSide]
	p.Try, _ = strconv.Atoi(labels[LabelTry])
	cpu, memory, _ := strings.Cut(labels[LabelRoom], ",")
	p.Room.MilliCPU, _ = strconv.ParseInt(cpu, 10, 64)
	p.Room.Memory, _ = strconv.ParseInt(memory, 10, 64)
	return p, nil
}

// PodLabels is ParsePod's inverse.
func PodLabels(p Pod) map[string]string {
	labels := map[string]string{
		LabelCluster: p.Cluster, LabelSource: p.Source, LabelApp: p.App.String(), LabelSlot: strconv.Itoa(p.Slot),
		LabelRev: p.Rev, LabelGen: strconv.Itoa(p.Gen), LabelCommit: p.Commit, LabelRestart: p.Restart,
		LabelContainers: strings.Join(p.Expect, ","),
		LabelRoom:       fmt.Sprintf("%d,%d", p.Room.MilliCPU, p.Room.Memory),
	}
	if len(p.Ports) > 0 {
		labels[LabelPorts] = strings.Join(p.Ports, ",")
	}
	if p.Side != "" {
		labels[LabelSide] = p.Side
	}
	if p.Keep {
		labels[LabelKeep] = "true"
	}
	if len(p.Init) > 0 {
		labels[LabelInit] = joinInit(p.Init)
	}
	if p.Try > 0 {
		labels[LabelTry] = strconv.Itoa(p.Try)
	}
	p.Birth.write(labels)
	return labels
}

// Name is the name of the File in which a key's owner writes the receipt down: the same transition has the same name, so writing it
// twice is writing it once. It ends in a digest of all that makes it another transition, so no two of them meet.
func (r Receipt) Name(signer string) string {
	digest := digest(r.Source, r.App.String(), strconv.Itoa(r.Gen), r.Rev, r.Verb, strconv.Itoa(r.Step), r.Host, r.Of, signer)
	return fmt.Sprintf("receipt-%s-g%d-%s-%s", clip(r.App.Name), r.Gen, r.Verb, digest)
}

// Transition is which one a receipt writes down, whoever wrote it.
type Transition struct {
	Source, Verb, Rev string
	App               manifest.ID
	Gen, Step         int
	Host, Of          string
}

// Transition is the one that the receipt writes down.
func (r Receipt) Transition() Transition {
	return Transition{r.Source, r.Verb, r.Rev, r.App, r.Gen, r.Step, r.Host, r.Of}
}

// Same says whether two receipts are of one transition, whoever wrote them.
func (r Receipt) Same(other Receipt) bool { return r.Transition() == other.Transition() }

// Labels say all of the receipt; ParseReceipt reads them back.
func (r Receipt) Labels(cluster string) map[string]string {
	labels := map[string]string{
		LabelCluster: cluster, LabelSource: r.Source, LabelReceipt: r.Verb, LabelApp: r.App.String(),
		LabelRev: r.Rev, LabelGen: strconv.Itoa(r.Gen), LabelCommit: r.Commit, LabelStep: strconv.Itoa(r.Step),
		LabelSteps: r.Steps, LabelTime: r.Time.UTC().Format(time.RFC3339Nano), LabelWhy: Words(r.Why),
	}
	for label, value := range map[string]string{
		LabelNode: r.Node, LabelHost: r.Host, LabelOf: r.Of, LabelBefore: Join(r.Before), LabelAt: Join(r.At), LabelAnswers: Join(r.Answers),
	} {
		if value != "" {
			labels[label] = value
		}
	}
	return labels
}

// ParseReceipt reads a receipt from its labels; who signed it is not among them. ok is false when the labels are not a receipt's.
func ParseReceipt(labels map[string]string) (r Receipt, ok bool) {
	if labels[LabelReceipt] == "" {
		return Receipt{}, false
	}
	app, err := manifest.ParseID(labels[LabelApp])
	if err != nil {
		return Receipt{}, false
	}
	gen, err := strconv.Atoi(labels[LabelGen])
	if err != nil {
		return Receipt{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, labels[LabelTime])
	if err != nil {
		return Receipt{}, false
	}
	step, _ := strconv.Atoi(labels[LabelStep])
	return Receipt{
		App: app, Verb: labels[LabelReceipt], Rev: labels[LabelRev], Gen: gen, Commit: labels[LabelCommit],
		Step: step, Steps: labels[LabelSteps], Time: at, Why: Words(labels[LabelWhy]), Node: labels[LabelNode], Source: labels[LabelSource],
		Host: labels[LabelHost], Of: labels[LabelOf], Before: inOrder(labels[LabelBefore]), At: inOrder(labels[LabelAt]), Answers: list(labels[LabelAnswers]),
	}, true
}

func inOrder(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	parts := strings.Split(s, ",")
	sort.Strings(parts)
	return parts
}

// Attempt packs how often a container was restarted in all, and how often in a row without running well in between.
// It grows with every restart, so a higher attempt is a later one.
func Attempt(restarts, row int) int { return restarts*100 + min(row, 99) }

// Restarts is how often a container of that attempt was restarted.
func Restarts(attempt int) int { return attempt / 100 }

// Row is how many of those restarts came in a row.
func Row(attempt int) int { return attempt % 100 }

// RevFile is the name of the File in which a key's owner keeps a revision's form.
func RevFile(app manifest.ID, rev, signer string) string {
	return fmt.Sprintf("rev-%s-%s-%s", clip(app.Name), ShortRev(rev), digest(app.String(), rev, signer))
}

// clip is as much of a name as a File's name has, for people: what tells it from others is a digest.
func clip(name string) string { return strings.TrimRight(name[:min(len(name), 30)], "-.") }

// digest is twelve hex digits over the parts, no two lists of which are alike.
func digest(parts ...string) string {
	sum := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(sum, "%d:%s", len(p), p)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:6])
}

// Join is the form that labels with several values have; Split is its inverse.
func Join(parts []string) string { return strings.Join(parts, ",") }

// Split gives the values of a label that Join made, sorted.
func Split(s string) []string { return list(s) }

// ClaimVolume is the name of the Podman volume behind a claim. No namespace and no name of Kubernetes has a _, so no two claims share one.
func ClaimVolume(cluster, namespace, name string) string {
	return fmt.Sprintf("podkeep-%s_claim_%s_%s", cluster, namespace, name)
}

// PodVolume is the name of a Podman volume that goes with a pod.
func PodVolume(pod, volume string) string { return pod + "_" + volume }
