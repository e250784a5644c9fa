package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// job is the spec of a Job. Its pods are never restarted in place unless the story says restart=OnFailure.
func (o object) job() m {
	pod := o.pod()
	if pod["restartPolicy"] == nil {
		pod["restartPolicy"] = "Never"
	}
	spec := m{"template": m{"metadata": m{"labels": m{"app": o.name}}, "spec": pod}}
	for word, field := range map[string]string{
		"completions": "completions", "parallel": "parallelism", "backoff": "backoffLimit", "per-index": "backoffLimitPerIndex",
		"max-failed": "maxFailedIndexes", "ttl": "ttlSecondsAfterFinished", "active-deadline": "activeDeadlineSeconds",
	} {
		number(spec, field, o.words[word])
	}
	if o.words["indexed"] != "" {
		spec["completionMode"] = "Indexed"
	}
	if o.words["halt"] != "" {
		spec["suspend"] = true
	}
	if action, code, ok := strings.Cut(o.words["policy"], ":"); ok {
		exit, _ := strconv.Atoi(code)
		spec["podFailurePolicy"] = m{"rules": []m{{"action": action, "onExitCodes": m{"operator": "In", "values": []int{exit}}}}}
	}
	if o.words["replace"] != "" {
		spec["podReplacementPolicy"] = o.words["replace"]
	}
	if o.words["success"] != "" {
		spec["successPolicy"] = m{"rules": []m{{"succeededIndexes": o.words["success"]}}}
	}
	return spec
}

// jobBounds are a Job's: never more active pods than parallelism, and nothing of what is written down as ended is run.
func (j judge) jobBounds(w manifest.Workload, after view, when string) error {
	if w.Suspended {
		return nil
	}
	was, is := j.active(j.before, w), j.active(after, w)
	if ceiling := max(w.Replicas, was); is > ceiling {
		return fmt.Errorf("law 3, ceiling: %s %s has %d active pods, had %d, parallelism %d", when, w.ID.Short(), is, was, w.Replicas)
	}
	return nil
}

// active counts the Job's pods that have not ended, on nodes that answer and are not another's copy. One that is told to stop may have a successor at once, unless
// podReplacementPolicy says otherwise.
func (j judge) active(w view, app manifest.Workload) (n int) {
	for _, host := range w.hosts {
		if seen := j.seen(host.Name); !w.Answers(host.Name) || silent(seen) || j.p.Plan.Held[seen.Name] != "" {
			continue
		}
		for _, p := range host.Pods {
			if j.of(app, p) && !over(p) && (!p.Stopping || *app.Job.Spec.PodReplacementPolicy == batchv1.Failed) {
				n++
			}
		}
	}
	return n
}

func over(p live.Pod) bool {
	return len(p.Containers) == len(p.Expect) && live.Over(p.Restart, p.Init, p.Containers)
}

// once: no pod is made for a Job whose newest generation a trusted key wrote down as ended at that revision, since it last came into being.
func (j judge) once() error {
	for _, a := range j.p.Plan.Actions {
		if a.Verb != plan.Run || a.App.Kind != "Job" {
			continue
		}
		p, err := live.ParsePod(a.Pod.Name, a.Pod.Labels)
		if err != nil {
			return err
		}
		for _, n := range j.p.Snapshot.Nodes {
			ended := slices.ContainsFunc(n.Receipts, func(r live.Receipt) bool {
				return j.trusted[r.Signer] && r.App == p.App && r.Rev == p.Rev && r.Gen >= p.Gen && (r.Verb == live.Done || r.Verb == live.Failed) &&
					!j.c.source.repo.void(r, j.p.History.Head.Commit)
			})
			if ended {
				return fmt.Errorf("once: %s is run, and a receipt on %s says that it has ended", a.Name, n.Name)
			}
		}
	}
	return nil
}
