package manifest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	argo "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"k8s.io/apimachinery/pkg/runtime"
)

// A Rollout rolls as a Deployment cannot: in steps, or beside what serves. Its pods are made of its own template, or of a Deployment's.
var rolloutKind = kind{
	version: "argoproj.io/v1alpha1", name: aRollout,
	empty: func() typed { return &argo.Rollout{} },
	check: func(c *check, t typed) { c.rollout(t.(*argo.Rollout)) },
	add: func(a *assembly, m Meta, o *object) {
		r := o.typed.(*argo.Rollout)
		if r.Spec.WorkloadRef != nil {
			a.leads = append(a.leads, lead{m, o, r})
			return
		}
		n := replicasOf(r.Spec.Replicas)
		a.workload(m, o, pods{"spec.template", r.Spec.Template.ObjectMeta, r.Spec.Template.Spec}, n, rolloutStrategy(r, m.Namespace, n))
	},
}

// aRollout is the kind's name.
const aRollout = "Rollout"

// Strategy types.
const (
	RollingUpdate = "RollingUpdate"
	Recreate      = "Recreate"
	Canary        = "Canary"    // by Rollout.Steps; with none it is a rolling update
	BlueGreen     = "BlueGreen" // beside what serves, and then in its place
)

// Rollout is what an argoproj.io/v1alpha1 Rollout asks for beside what a Deployment can: the fields of its strategy, with their defaults.
type Rollout struct {
	Steps []Step // of a Canary, in order

	// Services of the workload's namespace, by name, that lead to pods of one revision alone; empty where none is named.
	CanaryService, StableService  string
	ActiveService, PreviewService string

	Shares []ID // canary: Ingresses and HTTPRoutes by which doors share requests between StableService and CanaryService as the weight says

	PreviewReplicas int           // blue-green: pods of the new revision until it is to serve; 0 is all
	AutoPromotion   bool          // blue-green: it serves without a person's decision,
	AutoAfter       time.Duration // so long after it is available
	Delay           time.Duration // blue-green: how long pods stay after others serve in their place; 0 is not at all
	DelayRevisions  *int          // blue-green: of how many revisions at once; nil is any number
	AbortDelay      time.Duration // blue-green: how long the new pods stay after they were rejected; 0 is for ever

	Threshold    *Threshold // canary: how many pods are enough for a step; nil is all
	Window       *int       // rollbackWindow: how many promotions back a revision comes again fast; 0 is none, nil any
	RestartAt    time.Time  // pods that are older are replaced once that time has come; the zero time is none
	AntiAffinity *Apart     // of pods of two revisions
	New, Stable  RoleMeta   // what pods are given at birth beside what the template says: those of a revision on its way, and of the stable one
}

// Step is one of a canary: exactly one of its fields is set.
type Step struct {
	Weight *int   `json:"setWeight,omitempty"` // 0 to 100
	Pause  *Pause `json:"pause,omitempty"`
}

// Pause is a step that waits.
type Pause struct {
	Ends     bool          `json:"ends"` // else it waits for a person's decision
	Duration time.Duration `json:"duration"`
}

// Threshold is how many of the new pods that a step, or the promotion, asks for have to be available: so many percent, or so many. One of the two
// is set.
type Threshold struct{ Percent, Pods int }

// Enough is how many of n new pods have to be available for a step, or the promotion, to be done.
func (r *Rollout) Enough(n int) int {
	switch t := r.Threshold; {
	case t == nil:
		return n
	case t.Percent > 0:
		return (n*t.Percent + 99) / 100
	default:
		return min(n, t.Pods)
	}
}

// Apart keeps pods of two revisions on different nodes: always, or as far as that can be had, with so much weight (1 to 100).
type Apart struct {
	Required bool
	Weight   int
}

// RoleMeta are labels and annotations.
type RoleMeta struct{ Labels, Annotations map[string]string }

// By is a Rollout that has its pods made by a Deployment.
type By struct {
	Meta
	Object runtime.Object // as decoded, for status
}

// StepsDigest tells a way from one revision to the next from any other: the strategy, and a canary's steps.
func (s Strategy) StepsDigest() string {
	var steps []Step
	if s.Rollout != nil && s.Type == Canary {
		steps = s.Rollout.Steps
	}
	text, err := json.Marshal(struct {
		Type  string
		Steps []Step
	}{s.Type, steps})
	if err != nil {
		panic(err) // there is nothing in it that has no JSON
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))[:10]
}
