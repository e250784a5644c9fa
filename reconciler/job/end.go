package job

import (
	"fmt"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// end says whether the Job ends now, and how. That all completions succeeded counts before anything that speaks against it.
func (s *state) end() (verb, reason, why string) {
	spec := s.job.Spec
	switch {
	case s.reached():
		return live.Done, Reached, s.said()
	case s.suffices() != "":
		return live.Done, BySuccessPolicy, s.suffices()
	case s.veto != "":
		return live.Failed, ByFailurePolicy, s.veto
	case s.tally.Failed > int(*spec.BackoffLimit), s.restartsTooOften():
		return live.Failed, Backoff, s.backoffSaid()
	case spec.MaxFailedIndexes != nil && len(s.tally.lost) > int(*spec.MaxFailedIndexes):
		return live.Failed, TooManyIndexes, fmt.Sprintf("%d indexes failed (%s), more than maxFailedIndexes, which is %d",
			len(s.tally.lost), manifest.FormatIndexes(s.tally.lost), *spec.MaxFailedIndexes)
	case len(s.tally.lost) > 0 && len(s.tally.lost)+len(s.tally.ended) >= s.slots() && s.occupied() == 0:
		return live.Failed, SomeIndexes, fmt.Sprintf("index %s failed, the others succeeded", manifest.FormatIndexes(s.tally.lost))
	case s.late() != "":
		return live.Failed, Deadline, s.late()
	}
	return "", "", ""
}

// reached says whether all is done. A work queue is done when one of its workers succeeded and the others have ended, wherever they may be.
func (s *state) reached() bool {
	if !s.isQueue() {
		return len(s.tally.ended) >= s.slots()
	}
	return len(s.tally.ended) > 0 && s.occupied() == 0 && s.ledger.Hidden == ""
}

// suffices says which rule of successPolicy is met, or nothing.
func (s *state) suffices() string {
	if s.job.Spec.SuccessPolicy == nil {
		return ""
	}
	for i, r := range s.job.Spec.SuccessPolicy.Rules {
		if s.meets(r) {
			return fmt.Sprintf("rule %d of successPolicy is met: index %s succeeded", i, manifest.FormatIndexes(s.tally.ended))
		}
	}
	return ""
}

func (s *state) meets(r batchv1.SuccessPolicyRule) bool {
	of := s.tally.ended
	need := len(of) + 1
	if r.SucceededIndexes != nil {
		named, err := manifest.ParseIndexes(*r.SucceededIndexes, s.slots())
		if err != nil {
			return false
		}
		of = map[int]bool{}
		for i := range named {
			if s.tally.ended[i] {
				of[i] = true
			}
		}
		need = len(named)
	}
	if r.SucceededCount != nil {
		need = int(*r.SucceededCount)
	}
	return len(of) >= need
}

// restartsTooOften says whether containers were restarted in place, under restartPolicy OnFailure, as often as backoffLimit allows.
func (s *state) restartsTooOften() bool {
	limit := int(*s.job.Spec.BackoffLimit)
	n := s.restarts()
	return n > 0 && n >= limit
}

func (s *state) restarts() (n int) {
	for _, i := range s.inOrder() {
		n += s.pods[i].Restarts
	}
	return n
}

func (s *state) backoffSaid() string {
	why := fmt.Sprintf("failed %d times, and backoffLimit is %d", s.tally.Failed+s.restarts(), *s.job.Spec.BackoffLimit)
	var last Pod
	for _, i := range s.sorted() {
		if p := s.pods[i]; s.mine(p) && p.State == Broke && !p.Finished.Before(last.Finished) {
			last = p
		}
	}
	if last.Why != "" {
		why += "; " + last.Name + ": " + last.Why
	}
	return why
}

// said is how far the Job is.
func (s *state) said() string {
	if s.isQueue() {
		return fmt.Sprintf("%d workers succeeded, %d active, %d failed", len(s.tally.ended), s.occupied(), s.tally.Failed)
	}
	why := fmt.Sprintf("%d of %d succeeded", len(s.tally.ended), s.slots())
	if n := s.tally.Failed; n > 0 {
		why += fmt.Sprintf(", failed attempts: %d", n)
	}
	if n := len(s.tally.lost); n > 0 {
		why += ", index " + manifest.FormatIndexes(s.tally.lost) + " failed"
	}
	return why
}

// account fills in how far the Job is.
func (s *state) account(st *Status) {
	for _, p := range s.pods {
		switch {
		case p.State == Stopping || p.State == cut:
			st.Terminating++
		case p.State == Active:
			st.Active++
			if p.Ready {
				st.Ready++
			}
		}
	}
	st.Succeeded, st.Failed, st.Started = len(s.tally.ended), s.tally.Failed, s.tally.Start
	if !s.isQueue() {
		st.Completions = s.slots()
	}
	if s.job.Indexed() {
		st.CompletedIndexes, st.FailedIndexes = manifest.FormatIndexes(s.tally.ended), manifest.FormatIndexes(s.tally.lost)
	}
	st.Suspended = s.over == nil && s.suspended()
}

// verdict fills in how the Job ended.
func (s *state) verdict(step *Step) {
	st := &step.Status
	st.Ended, st.Complete, st.Broken = s.over.Time, s.over.Verb == live.Done, s.over.Verb == live.Failed
	st.Reason, st.Message = cutReason(s.over.Why)
	st.Expires = step.Wake
}
