package job

import (
	"fmt"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

const rev, older = "v1-aaaaaaaaaaaa", "v1-bbbbbbbbbbbb"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// ago is a moment before noon.
func ago(seconds int) time.Time { return noon.Add(-time.Duration(seconds) * time.Second) }

type spec = batchv1.JobSpec

func ptr[T any](v T) *T { return &v }

// wl is a Job of one completion, changed by each of edits.
func wl(edits ...func(*spec)) manifest.Workload {
	s := spec{
		Parallelism: ptr(int32(1)), Completions: ptr(int32(1)), BackoffLimit: ptr(int32(6)), Suspend: ptr(false),
		CompletionMode: ptr(batchv1.NonIndexedCompletion), PodReplacementPolicy: ptr(batchv1.TerminatingOrFailed),
	}
	for _, edit := range edits {
		edit(&s)
	}
	id := manifest.ID{Kind: "Job", Namespace: "default", Name: "work"}
	return manifest.Workload{
		Meta: manifest.Meta{ID: id}, Job: &manifest.Job{Spec: s},
		Revision: manifest.Revision{App: id, Rev: rev, Commit: "c1"},
	}
}

func indexed(n, parallel int32) func(*spec) {
	return func(s *spec) {
		s.Completions, s.Parallelism, s.CompletionMode = &n, &parallel, ptr(batchv1.IndexedCompletion)
	}
}

func many(n, parallel int32) func(*spec) {
	return func(s *spec) { s.Completions, s.Parallelism = &n, &parallel }
}

func queue(parallel int32) func(*spec) {
	return func(s *spec) { s.Completions, s.Parallelism = nil, &parallel }
}

// p is a pod of generation 1: slot, try, state, made 60 s ago, ended 5 s ago.
func p(slot, try int, state State, edits ...func(*Pod)) Pod {
	pod := Pod{
		Name: fmt.Sprintf("work-%d-%d", slot, try), Node: "n1", Slot: slot, Try: try, Gen: 1, Rev: rev, State: state, Created: ago(60),
		Exits: map[string]int{},
	}
	if state == Ended || state == Broke {
		pod.Finished = ago(5)
	}
	if state == Broke {
		pod.Exits["main"], pod.Why = 3, "container main exited with 3"
	}
	for _, edit := range edits {
		edit(&pod)
	}
	return pod
}

func at(created, finished int) func(*Pod) {
	return func(p *Pod) { p.Created, p.Finished = ago(created), ago(finished) }
}

func code(n int) func(*Pod) { return func(p *Pod) { p.Exits["main"] = n } }

func receipt(verb, steps string, edits ...func(*live.Receipt)) live.Receipt {
	r := live.Receipt{Verb: verb, Rev: rev, Gen: 1, Steps: steps, Time: ago(30), Why: "Word: why"}
	for _, edit := range edits {
		edit(&r)
	}
	return r
}

func step(n int) func(*live.Receipt) { return func(r *live.Receipt) { r.Step = n } }

// text is a step in short: what is begun as slot.try, what is stopped, what is written down, and when to wake.
func text(s Step, pods []Pod) string {
	words := []string{string(s.Phase)}
	for _, b := range s.Start {
		words = append(words, fmt.Sprintf("+%d.%d", b.Slot, b.Try))
	}
	for _, b := range s.Stop {
		words = append(words, fmt.Sprintf("-%d.%d", pods[b.Pod].Slot, pods[b.Pod].Try))
	}
	for _, r := range s.Receipts {
		reason, _, _ := strings.Cut(r.Why, ":")
		word := r.Verb
		if r.Verb == live.Done || r.Verb == live.Failed {
			word += "=" + reason
		}
		words = append(words, word)
	}
	if !s.Wake.IsZero() {
		words = append(words, "wake", s.Wake.Sub(noon).String())
	}
	return strings.Join(words, " ")
}

func TestNext(t *testing.T) {
	unseen := func(p *Pod) { p.Unseen = true }
	old := func(p *Pod) { p.Rev = older }
	early := func(r *live.Receipt) { r.Time = ago(600) }
	begun := func(p *Pod) { p.Begun = true }
	hook := func(w manifest.Workload) manifest.Workload {
		w.Job.Hook = &manifest.Hook{Phases: []string{manifest.PreSync}}
		return w
	}
	gen2 := func(p *Pod) { p.Gen = 2 }
	limit := func(n int32) func(*spec) { return func(s *spec) { s.BackoffLimit = &n } }
	perIndex := func(n int32) func(*spec) {
		return func(s *spec) { s.BackoffLimitPerIndex, s.BackoffLimit = &n, ptr(int32(1<<30)) }
	}
	mostFailed := func(n int32) func(*spec) { return func(s *spec) { s.MaxFailedIndexes = &n } }
	deadline := func(n int64) func(*spec) { return func(s *spec) { s.ActiveDeadlineSeconds = &n } }
	ttl := func(n int32) func(*spec) { return func(s *spec) { s.TTLSecondsAfterFinished = &n } }
	suspend := func(s *spec) { s.Suspend = ptr(true) }
	strict := func(s *spec) { s.PodReplacementPolicy = ptr(batchv1.Failed) }
	rule := func(action batchv1.PodFailurePolicyAction, codes ...int32) func(*spec) {
		return func(s *spec) {
			s.PodFailurePolicy = &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
				Action:      action,
				OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{Operator: batchv1.PodFailurePolicyOnExitCodesOpIn, Values: codes},
			}}}
		}
	}
	success := func(r batchv1.SuccessPolicyRule) func(*spec) {
		return func(s *spec) { s.SuccessPolicy = &batchv1.SuccessPolicy{Rules: []batchv1.SuccessPolicyRule{r}} }
	}
	for _, c := range []struct {
		claim  string
		wl     manifest.Workload
		pods   []Pod
		ledger Ledger
		want   string
	}{
		{"a new Job begins its first attempt", wl(), nil, Ledger{}, "running +0.0"},
		{"one that may run no pod any more lets the last one go", wl(many(3, 0)), []Pod{p(0, 0, Active)}, Ledger{}, "running -0.0"},
		{"one that runs is left to run", wl(), []Pod{p(0, 0, Active)}, Ledger{}, "running"},
		{"one whose pod succeeded is done", wl(), []Pod{p(0, 0, Ended)}, Ledger{}, "ending done=CompletionsReached"},
		{"no completions are reached at once", wl(many(0, 1)), nil, Ledger{}, "ending done=CompletionsReached"},
		{"a done one stays done without its pods", wl(), nil, Ledger{Receipts: []live.Receipt{receipt(live.Done, "")}}, "complete"},
		{"a done one of another revision runs", wl(), nil,
			Ledger{Receipts: []live.Receipt{receipt(live.Done, "", func(r *live.Receipt) { r.Rev = older })}}, "running +0.0"},
		{"going back to an older revision runs it again", wl(), nil, Ledger{Receipts: []live.Receipt{
			receipt(live.Done, ""), receipt(live.Done, "", func(r *live.Receipt) { r.Rev, r.Gen = older, 2 })}}, "running +0.0"},
		{"nothing is begun while a node may know that it ended", wl(), nil, Ledger{Hidden: "n2 has not been heard yet"}, "waiting"},
		{"nothing is begun behind a gate", wl(), nil, Ledger{Gate: "wave 1 waits"}, "waiting"},
		{"a gate does not hold up what has begun", wl(many(2, 2)), []Pod{p(0, 0, Active)}, Ledger{Gate: "wave 1 waits"}, "running +1.0"},

		{"parallelism bounds what is begun", wl(many(5, 2)), nil, Ledger{}, "running +0.0 +1.0"},
		{"a free place is filled, and what has ended is written down", wl(many(5, 2)),
			[]Pod{p(0, 0, Ended), p(1, 0, Active)}, Ledger{}, "running +2.0 tally"},
		{"a tally stands for pods that are gone", wl(many(5, 2)), nil,
			Ledger{Receipts: []live.Receipt{receipt(live.Tallied, `{"succeeded":"0-2"}`)}}, "running +3.0 +4.0"},
		{"finished pods beyond the newest five are kept until a tally counts them", wl(many(7, 1)),
			[]Pod{p(0, 0, Ended, at(60, 9)), p(1, 0, Ended), p(2, 0, Ended), p(3, 0, Ended), p(4, 0, Ended), p(5, 0, Ended)}, Ledger{},
			"running +6.0 tally"},
		{"the newest tally counts", wl(many(5, 5)), nil, Ledger{Receipts: []live.Receipt{
			receipt(live.Tallied, `{"succeeded":"0-2"}`, step(1)), receipt(live.Tallied, `{"succeeded":"0"}`)}}, "running +3.0 +4.0"},
		{"the last places are not overfilled", wl(many(5, 4)), []Pod{p(4, 0, Active)},
			Ledger{Receipts: []live.Receipt{receipt(live.Tallied, `{"start":"2026-03-01T11:59:00Z","succeeded":"0-2"}`)}}, "running +3.0"},
		{"less parallelism stops the highest", wl(many(5, 1)), []Pod{p(0, 0, Active), p(1, 0, Active)}, Ledger{}, "running -1.0"},
		{"no parallelism begins nothing, and holds the Job back", wl(many(5, 0)), nil, Ledger{}, "suspended"},
		{"of two pods at one completion the older stays", wl(), []Pod{p(0, 1, Active, at(50, 0)), p(0, 0, Active)}, Ledger{}, "running -0.1"},
		{"a second pod goes when its completion has succeeded", wl(many(2, 2)), []Pod{p(0, 0, Ended), p(0, 1, Active), p(1, 0, Active)},
			Ledger{}, "running -0.1 tally"},

		{"a failed attempt is followed by another after 10 s", wl(), []Pod{p(0, 0, Broke)}, Ledger{}, "running tally wake 5s"},
		{"when the back-off is over it begins", wl(), []Pod{p(0, 0, Broke, at(60, 10))}, Ledger{}, "running +0.1 tally"},
		{"the back-off doubles", wl(), []Pod{p(0, 0, Broke, at(90, 60)), p(0, 1, Broke, at(50, 10))}, Ledger{}, "running tally wake 10s"},
		{"the back-off ends at 6 min", wl(limit(20)), []Pod{p(0, 9, Broke, at(90, 0))}, Ledger{Receipts: []live.Receipt{
			receipt(live.Tallied, `{"failures":9,"row":9,"of":"9"}`)}}, "running tally wake 6m0s"},
		{"a Job without indexes has one back-off for all completions", wl(many(60, 3)), []Pod{p(0, 0, Broke), p(1, 0, Broke), p(2, 0, Broke)}, Ledger{},
			"running tally wake 35s"},
		{"which a success ends", wl(many(60, 3)), []Pod{p(0, 0, Broke), p(1, 0, Broke), p(2, 0, Ended, at(60, 2))}, Ledger{},
			"running +0.1 +1.1 +3.0 tally"},
		{"another index does not wait for one that failed", wl(indexed(2, 1)), []Pod{p(0, 0, Broke)}, Ledger{}, "running +1.0 tally wake 5s"},
		{"a tallied failure is not counted again", wl(), []Pod{p(0, 0, Broke)}, Ledger{Receipts: []live.Receipt{
			receipt(live.Tallied, `{"start":"2026-03-01T11:59:00Z","failures":1,"row":1,"of":"1"}`)}}, "running wake 5s"},
		{"attempts that are gone keep their numbers", wl(), nil, Ledger{Receipts: []live.Receipt{
			receipt(live.Tallied, `{"failures":2,"of":"2"}`)}}, "running +0.2"},
		{"more failures than backoffLimit fail it", wl(limit(1)), []Pod{p(0, 0, Broke, at(60, 50)), p(0, 1, Broke)}, Ledger{},
			"ending failed=BackoffLimitExceeded"},
		{"backoffLimit 0 allows no failure", wl(limit(0)), []Pod{p(0, 0, Broke)}, Ledger{}, "ending failed=BackoffLimitExceeded"},
		{"restarts in place count", wl(limit(2)), []Pod{p(0, 0, Active, func(p *Pod) { p.Restarts = 2 })}, Ledger{},
			"ending failed=BackoffLimitExceeded"},
		{"fewer restarts do not", wl(limit(2)), []Pod{p(0, 0, Active, func(p *Pod) { p.Restarts = 1 })}, Ledger{}, "running"},
		{"all done is done though it failed too often", wl(limit(0)), []Pod{p(0, 0, Broke), p(0, 1, Ended)}, Ledger{},
			"ending done=CompletionsReached"},
		{"a failed one stops what still runs and keeps the failed", wl(many(2, 2)), []Pod{p(0, 0, Broke), p(1, 0, Active)},
			Ledger{Receipts: []live.Receipt{receipt(live.Failed, "")}}, "failed -1.0"},
		{"nothing goes before that it failed is seen on enough nodes", wl(many(2, 2)), []Pod{p(0, 0, Broke), p(1, 0, Active)},
			Ledger{Receipts: []live.Receipt{receipt(live.Failed, "")}, Pending: "failed is written down on one node"}, "ending"},
		{"and nothing begins before what is written down is", wl(), nil, Ledger{Pending: "halted is written down on one node"}, "ending"},
		{"a failed one is tried again when a person decides so", wl(), nil,
			Ledger{Receipts: []live.Receipt{receipt(live.Failed, "")}, Retries: again}, "running +0.0"},
		{"one that had been read when it failed does not", wl(), nil,
			Ledger{Receipts: []live.Receipt{receipt(live.Failed, "", func(r *live.Receipt) { r.Answers = []string{again[0].ID()} })}, Retries: again}, "failed"},
		{"a Job that another controller saw done is not run again", wl(), nil,
			Ledger{Receipts: []live.Receipt{receipt(live.Failed, ""), receipt(live.Done, "")}, Retries: again}, "complete"},

		{"an index that failed does not keep the others from their turn", wl(indexed(2, 1), perIndex(0)), []Pod{p(0, 0, Broke)}, Ledger{}, "running +1.0 tally"},
		{"an index that failed too often is given up", wl(indexed(2, 2), perIndex(0)), []Pod{p(0, 0, Broke), p(1, 0, Active)}, Ledger{},
			"running tally"},
		{"with one index given up the Job fails when the others have ended", wl(indexed(2, 2), perIndex(0)),
			[]Pod{p(0, 0, Broke), p(1, 0, Ended)}, Ledger{}, "ending failed=FailedIndexes"},
		{"too many failed indexes fail it at once", wl(indexed(3, 3), perIndex(0), mostFailed(1)),
			[]Pod{p(0, 0, Broke), p(1, 0, Broke), p(2, 0, Active)}, Ledger{}, "ending failed=MaxFailedIndexesExceeded"},

		{"FailJob fails it at the first such exit", wl(rule("FailJob", 3)), []Pod{p(0, 0, Broke)}, Ledger{}, "ending failed=PodFailurePolicy"},
		{"other exits count", wl(rule("FailJob", 42)), []Pod{p(0, 0, Broke)}, Ledger{}, "running tally wake 5s"},
		{"Ignore does not count", wl(limit(0), rule("Ignore", 3)), []Pod{p(0, 0, Broke)}, Ledger{}, "running tally wake 5s"},
		{"Count counts", wl(limit(0), rule("Count", 3)), []Pod{p(0, 0, Broke)}, Ledger{}, "ending failed=BackoffLimitExceeded"},
		{"FailIndex gives the index up", wl(indexed(2, 2), perIndex(5), rule("FailIndex", 3)), []Pod{p(0, 0, Broke), p(1, 0, Ended)}, Ledger{},
			"ending failed=FailedIndexes"},
		{"NotIn matches every other exit", wl(func(s *spec) {
			rule("FailJob", 42)(s)
			s.PodFailurePolicy.Rules[0].OnExitCodes.Operator = batchv1.PodFailurePolicyOnExitCodesOpNotIn
		}), []Pod{p(0, 0, Broke, code(7))}, Ledger{}, "ending failed=PodFailurePolicy"},

		{"enough indexes suffice", wl(indexed(3, 3), success(batchv1.SuccessPolicyRule{SucceededCount: ptr(int32(1))})),
			[]Pod{p(0, 0, Active), p(1, 0, Ended), p(2, 0, Active)}, Ledger{}, "ending done=SuccessPolicy"},
		{"the named indexes suffice", wl(indexed(3, 3), success(batchv1.SuccessPolicyRule{SucceededIndexes: ptr("1")})),
			[]Pod{p(0, 0, Active), p(1, 0, Ended)}, Ledger{}, "ending done=SuccessPolicy"},
		{"others do not", wl(indexed(3, 3), success(batchv1.SuccessPolicyRule{SucceededIndexes: ptr("0-1"), SucceededCount: ptr(int32(2))})),
			[]Pod{p(0, 0, Active), p(1, 0, Ended), p(2, 0, Active)}, Ledger{}, "running tally"},
		{"what has ended with a done Job is stopped", wl(indexed(2, 2)), []Pod{p(0, 0, Ended), p(1, 0, Active)},
			Ledger{Receipts: []live.Receipt{receipt(live.Done, "")}}, "complete -1.0"},

		{"the deadline is waited for", wl(deadline(100)), []Pod{p(0, 0, Active)}, Ledger{}, "running wake 40s"},
		{"the deadline fails it", wl(deadline(60)), []Pod{p(0, 0, Active)}, Ledger{}, "ending failed=DeadlineExceeded"},
		{"the deadline counts from the first pod, which may be gone", wl(deadline(100)), []Pod{p(0, 1, Active, at(10, 0))},
			Ledger{Receipts: []live.Receipt{receipt(live.Tallied, `{"start":"2026-03-01T11:58:40Z","failures":1,"of":"1"}`)}},
			"running wake 20s"},
		{"a resume starts the deadline over", wl(deadline(100)), []Pod{p(0, 0, Active)},
			Ledger{Receipts: []live.Receipt{receipt(live.Halted, ""), receipt(live.Resumed, "")}}, "running wake 1m10s"},

		{"that a Job with a deadline begins is written down first", wl(deadline(100)), nil, Ledger{}, "waiting began"},
		{"and a hook without one", hook(wl()), nil, Ledger{}, "waiting began"},
		{"then it begins, and its deadline counts", wl(deadline(100)), nil, Ledger{Receipts: []live.Receipt{receipt(live.Began, "")}}, "running +0.0 wake 1m10s"},
		{"a deadline counts though no pod has begun", wl(deadline(30)), nil, Ledger{Receipts: []live.Receipt{receipt(live.Began, "")}},
			"ending failed=DeadlineExceeded"},
		{"one that was written when it had begun counts from the pod", wl(deadline(100)), []Pod{p(0, 0, Active)}, Ledger{}, "running wake 40s"},
		{"a hook without a deadline has ten minutes to begin a container", hook(wl()), []Pod{p(0, 0, Active)},
			Ledger{Receipts: []live.Receipt{receipt(live.Began, "")}, Watched: time.Hour}, "running wake 9m30s"},
		{"and has failed then", hook(wl()), []Pod{p(0, 0, Active)},
			Ledger{Receipts: []live.Receipt{receipt(live.Began, "", early)}, Watched: time.Hour}, "ending failed=DeadlineExceeded"},
		{"unless nobody was there to try", hook(wl()), []Pod{p(0, 0, Active)},
			Ledger{Receipts: []live.Receipt{receipt(live.Began, "", early)}, Watched: 10 * time.Second}, "running wake 50s"},
		{"one that has begun a container has all the time, and that is written down", hook(wl()), []Pod{p(0, 0, Active, begun)},
			Ledger{Receipts: []live.Receipt{receipt(live.Began, "", early)}, Watched: time.Hour}, "running tally"},
		{"also when that pod is gone", hook(wl()), nil,
			Ledger{Receipts: []live.Receipt{receipt(live.Began, "", early), receipt(live.Tallied, `{"start":"2026-03-01T11:50:00Z","begun":true}`)}, Watched: time.Hour}, "running +0.0"},
		{"the silence of its node is given back", wl(deadline(30)), []Pod{p(0, 0, Active, unseen)},
			Ledger{Receipts: []live.Receipt{receipt(live.Began, "")}}, "running resumed"},
		{"and so is what else podkeep imposes", wl(deadline(30)), nil,
			Ledger{Receipts: []live.Receipt{receipt(live.Began, "")}, Hidden: "n2 has not been heard yet"}, "running resumed"},

		{"a suspended Job that has not begun does nothing", wl(suspend), nil, Ledger{}, "suspended"},
		{"suspending is written down first", wl(suspend), []Pod{p(0, 0, Active)}, Ledger{}, "suspended paused"},
		{"then its pods are stopped", wl(suspend), []Pod{p(0, 0, Active)}, Ledger{Receipts: []live.Receipt{receipt(live.Halted, stopsPods)}}, "suspended -0.0"},
		{"a pod that another controller stopped has not failed", wl(limit(0), suspend), []Pod{p(0, 0, Broke)},
			Ledger{Receipts: []live.Receipt{receipt(live.Halted, stopsPods)}}, "suspended -0.0"},
		{"one that failed before has", wl(limit(0), suspend), []Pod{p(0, 0, Broke, at(60, 40))},
			Ledger{Receipts: []live.Receipt{receipt(live.Halted, stopsPods)}}, "ending failed=BackoffLimitExceeded"},
		{"so has one that podkeep.io/suspend left alone", wl(limit(0)), []Pod{p(0, 0, Broke)},
			Ledger{Suspended: true, Receipts: []live.Receipt{receipt(live.Halted, "")}}, "ending failed=BackoffLimitExceeded"},
		{"which spec.suspend stops after it is written down that it does", wl(suspend), []Pod{p(0, 0, Active)},
			Ledger{Receipts: []live.Receipt{receipt(live.Halted, "")}}, "suspended paused"},
		{"what was stopped is none when the Job goes on either", wl(limit(0)), []Pod{p(0, 0, Broke, at(60, 40))},
			Ledger{Receipts: []live.Receipt{receipt(live.Resumed, stopsPods)}}, "running +0.1 -0.0"},
		{"what fails after that is one", wl(limit(0)), []Pod{p(0, 0, Broke)},
			Ledger{Receipts: []live.Receipt{receipt(live.Resumed, stopsPods)}}, "ending failed=BackoffLimitExceeded"},
		{"what failed on a node that is drained was stopped there", wl(limit(0)), []Pod{p(0, 0, Broke, func(p *Pod) { p.Moving = true })},
			Ledger{}, "running +0.1 -0.0"},
		{"the deadline stands still", wl(suspend, deadline(10)), []Pod{p(0, 0, Active)},
			Ledger{Receipts: []live.Receipt{receipt(live.Halted, stopsPods)}}, "suspended -0.0"},
		{"going on is written down first", wl(), nil, Ledger{Receipts: []live.Receipt{receipt(live.Halted, "")}}, "waiting paused-over"},
		{"podkeep.io/suspend leaves the pods", wl(), []Pod{p(0, 0, Active)},
			Ledger{Suspended: true, Receipts: []live.Receipt{receipt(live.Halted, "")}}, "suspended"},
		{"one that finished before it was suspended is done", wl(suspend), []Pod{p(0, 0, Ended)}, Ledger{}, "ending done=CompletionsReached"},

		{"ttl is waited for", wl(ttl(60)), []Pod{p(0, 0, Ended)}, Ledger{Receipts: []live.Receipt{receipt(live.Done, "")}}, "complete wake 30s"},
		{"ttl removes the pods", wl(ttl(30)), []Pod{p(0, 0, Ended)}, Ledger{Receipts: []live.Receipt{receipt(live.Done, "")}}, "complete -0.0"},
		{"without pods no ttl is waited for", wl(ttl(60)), nil, Ledger{Receipts: []live.Receipt{receipt(live.Done, "")}}, "complete"},
		{"without ttl the newest five pods stay", wl(many(7, 7)), []Pod{p(0, 0, Ended, at(60, 30)), p(1, 0, Ended), p(2, 0, Ended),
			p(3, 0, Ended), p(4, 0, Ended, at(60, 40)), p(5, 0, Ended), p(6, 0, Ended)},
			Ledger{Receipts: []live.Receipt{receipt(live.Done, "")}}, "complete -0.0 -4.0"},
		{"finished pods of a running Job go when they are tallied", wl(many(9, 1)), []Pod{p(0, 0, Ended, at(60, 30)), p(1, 0, Ended),
			p(2, 0, Ended), p(3, 0, Ended), p(4, 0, Ended), p(5, 0, Ended, at(60, 20)), p(6, 0, Active)},
			Ledger{Receipts: []live.Receipt{receipt(live.Tallied, `{"succeeded":"0-4"}`)}}, "running -0.0 tally"},

		{"an older revision's pod goes first", wl(), []Pod{p(0, 0, Active, old)}, Ledger{}, "waiting -0.0"},
		{"and is waited for", wl(), []Pod{p(0, 0, Stopping, old)}, Ledger{}, "waiting"},
		{"also where its node is silent", wl(), []Pod{p(0, 0, Active, old, unseen)}, Ledger{}, "waiting"},
		{"a finished one does not stand in the way", wl(), []Pod{p(0, 0, Ended, old)}, Ledger{}, "running +0.0 -0.0"},
		{"but one of a hook that has begun ends first", hook(wl()), []Pod{p(0, 0, Active, old, begun)}, Ledger{}, "waiting"},
		{"within its deadline", hook(wl(deadline(100))), []Pod{p(0, 0, Active, old, begun)}, Ledger{}, "waiting wake 40s"},
		{"and no longer", hook(wl(deadline(60))), []Pod{p(0, 0, Active, old, begun)}, Ledger{}, "waiting -0.0"},
		{"one of a hook that has not begun goes", hook(wl()), []Pod{p(0, 0, Active, old)}, Ledger{}, "waiting -0.0"},
		{"pods of an older run of the same revision count for nothing", wl(), []Pod{p(0, 0, Ended), p(0, 0, Ended, old, gen2)}, Ledger{},
			"running +0.0 -0.0 -0.0"},

		{"a pod on a silent node counts as active", wl(), []Pod{p(0, 0, Active, unseen)}, Ledger{}, "running"},
		{"a pod on a node that is drained is stopped, and replaced once that is seen", wl(),
			[]Pod{p(0, 0, Active, func(p *Pod) { p.Moving = true })}, Ledger{}, "running -0.0"},
		{"but not before it is gone, where podReplacementPolicy says Failed", wl(strict),
			[]Pod{p(0, 0, Active, func(p *Pod) { p.Moving = true })}, Ledger{}, "running -0.0"},
		{"a pod that is being stopped is replaced", wl(), []Pod{p(0, 0, Stopping)}, Ledger{}, "running +0.1"},
		{"but not where podReplacementPolicy says Failed", wl(strict), []Pod{p(0, 0, Stopping)}, Ledger{}, "running"},

		{"a work queue starts all its workers", wl(queue(3)), nil, Ledger{}, "running +0.0 +1.0 +2.0"},
		{"a worker that succeeded ends the starting", wl(queue(3)), []Pod{p(0, 0, Ended), p(1, 0, Active)}, Ledger{}, "running tally"},
		{"when the others have ended it is done", wl(queue(3)), []Pod{p(0, 0, Ended), p(1, 0, Broke), p(2, 0, Ended)}, Ledger{},
			"ending done=CompletionsReached"},
		{"a worker that failed is begun anew", wl(queue(2)), []Pod{p(0, 0, Broke, at(60, 20)), p(1, 0, Active)}, Ledger{}, "running +0.1 tally"},
	} {
		t.Run(c.claim, func(t *testing.T) {
			got := Next(c.wl, c.pods, c.ledger, noon)
			want := strings.Replace(c.want, "paused-over", live.Resumed, 1)
			if short := text(got, c.pods); short != want {
				t.Errorf("got  %s\nwant %s\nwhy: %s, waits %q", short, want, got.Why, got.Waits)
			}
			for _, s := range got.Start {
				if s.Why == "" {
					t.Error("a start without a reason")
				}
			}
		})
	}
}

func TestATallyOutlivesItsReceipt(t *testing.T) {
	s := read(wl(indexed(5, 5)), []Pod{p(0, 0, Ended), p(2, 0, Ended), p(3, 1, Broke)}, Ledger{}, noon)
	text := s.tally.encode()
	if again := decode(text).encode(); again != text || text == "" {
		t.Errorf("got %s, want %s", again, text)
	}
	if decode("{").encode() != "" {
		t.Error("what cannot be read counts for something")
	}
}

// again is a person's decision to run a Job once more.
var again = []manifest.Decision{{Verb: "retry", Rev: "v1-a"}}
