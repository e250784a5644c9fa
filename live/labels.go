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

	LabelReceipt = "podkeep.io/receipt" // on a receipt: its verb
	LabelStep    = "podkeep.io/step"
	LabelSteps   = "podkeep.io/steps"
	LabelNode    = "podkeep.io/node"   // on a claim's receipts: where its volume is
	LabelTime    = "podkeep.io/time"   // RFC 3339, nanoseconds, UTC
	LabelWhy     = "podkeep.io/why"    // never a secret's value
	LabelObject  = "podkeep.io/object" // on a rev File: the Revision as JSON
	LabelFiles   = "podkeep.io/files"  // on a rev File: comma-separated names of its config Files
)

// PodName is how a pod is called on every node: cluster (unless default), kind (unless Pod or Deployment),
// namespace (unless default), name, six digits of rev, slot.
func PodName(cluster string, app manifest.ID, rev string, slot int) string {
	var parts []string
	if cluster != "default" {
		parts = append(parts, cluster)
	}
	if app.Kind != "Pod" && app.Kind != "Deployment" {
		parts = append(parts, strings.ToLower(app.Kind))
	}
	if app.Namespace != "default" {
		parts = append(parts, app.Namespace)
	}
	return strings.Join(append(parts, app.Name, ShortRev(rev), strconv.Itoa(slot)), "-")
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
	if p.Keep {
		labels[LabelKeep] = "true"
	}
	if len(p.Init) > 0 {
		labels[LabelInit] = joinInit(p.Init)
	}
	if p.Try > 0 {
		labels[LabelTry] = strconv.Itoa(p.Try)
	}
	return labels
}

// Name is the receipt's File name: the same transition has the same name, so writing it twice is writing it once. The revision
// is part of it: two controllers that did not see each other's may have begun one generation with two.
func (r Receipt) Name() string {
	what := fmt.Sprintf("%s-%d", r.Verb, r.Step)
	if r.Rev != "" {
		what = ShortRev(r.Rev) + "-" + what
	}
	return fileName("receipt", r.App, fmt.Sprintf("g%d-%s", r.Gen, what))
}

// Labels say all of the receipt; ParseReceipt reads them back.
func (r Receipt) Labels(cluster, source string) map[string]string {
	labels := map[string]string{
		LabelCluster: cluster, LabelSource: source, LabelReceipt: r.Verb, LabelApp: r.App.String(),
		LabelRev: r.Rev, LabelGen: strconv.Itoa(r.Gen), LabelCommit: r.Commit, LabelStep: strconv.Itoa(r.Step),
		LabelSteps: r.Steps, LabelTime: r.Time.UTC().Format(time.RFC3339Nano), LabelWhy: Words(r.Why),
	}
	if r.Node != "" {
		labels[LabelNode] = r.Node
	}
	return labels
}

// ParseReceipt reads a receipt from its labels. ok is false when the labels are not a receipt's.
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
	}, true
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

// RevFile is the name of the File that holds a revision's form.
func RevFile(app manifest.ID, rev string) string {
	return fileName("rev", app, rev)
}

// fileName joins the parts; what would be longer than a File's name may be ends in a digest.
func fileName(kind string, app manifest.ID, rest string) string {
	name := strings.Join([]string{kind, strings.ToLower(app.Kind), app.Namespace, app.Name, rest}, "-")
	if len(name) <= 160 {
		return name
	}
	return fmt.Sprintf("%s-%s-%x", kind, strings.ToLower(app.Kind), sha256.Sum256([]byte(name)))
}

// Join is the form that labels with several values have; Split is its inverse.
func Join(parts []string) string { return strings.Join(parts, ",") }

// Split gives the values of a label that Join made, sorted.
func Split(s string) []string { return list(s) }
