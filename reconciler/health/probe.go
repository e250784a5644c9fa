package health

import (
	"fmt"
	"hash/fnv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Kinds of probes.
const (
	Startup   = "startup"
	Liveness  = "liveness"
	Readiness = "readiness"
)

// Kinds are all of them.
var Kinds = []string{Startup, Liveness, Readiness}

// ProbeOf is the container's probe of that kind; nil if it has none.
func ProbeOf(c corev1.Container, kind string) *corev1.Probe {
	switch kind {
	case Startup:
		return c.StartupProbe
	case Liveness:
		return c.LivenessProbe
	}
	return c.ReadinessProbe
}

// Probing is what the answers of a container's probes have come to, counted as the kubelet does. It is a value that can be written
// down and gone on with. Rows are how many answers of one sort came last: successes above zero, failures below it, none beyond its threshold,
// so that what goes on as before changes nothing.
type Probing struct {
	ID      string    // of the container
	From    time.Time // when it was started: one that is started again under its ID begins anew
	Started bool      // its startup probe has succeeded, or it has none
	Ready   bool      // it is Started, and its readiness probe says so, or it has none
	Since   time.Time // when Ready last changed, or it was first seen
	Why     string    `json:",omitempty"` // it is not Ready
	Ending  string    `json:",omitempty"` // kind of the probe that gave it up: it is to be ended. It is asked nothing more
	Unknown bool      `json:",omitempty"` // it is not Ready for all that was written down, and may be: nothing is said of it until its probes tell

	StartupRow, LivenessRow, ReadinessRow int `json:",omitempty"`
}

// Begin is the Probing of a container that was started at from, and is seen first now.
func Begin(c corev1.Container, id string, from, now time.Time) Probing {
	s := Probing{ID: id, From: from, Since: now, Started: c.StartupProbe == nil}
	s.Ready = s.Started && c.ReadinessProbe == nil
	s.Why = s.unasked()
	return s
}

// Forgotten is the Probing of a container whose probes may have had it ready by then, when who asked them ended without writing that down.
func (s Probing) Forgotten(c corev1.Container, by time.Time) Probing {
	for _, kind := range []string{Startup, Readiness} {
		if p := ProbeOf(c, kind); p != nil {
			s.Unknown = s.From.Add(time.Duration(p.InitialDelaySeconds) * time.Second).Before(by)
			break
		}
	}
	return s
}

// Of says whether it is about that start of that container. Lists show times in whole seconds.
func (s Probing) Of(id string, from time.Time) bool {
	return s.ID == id && s.From.Sub(from).Abs() < Settle
}

// Wait is how long it is until the container's probe of that kind is to be run next; 0 is at once. ok is false when it is not its turn: liveness
// and readiness come after startup, and nothing is asked of what is to be ended. Readiness is asked first as soon as it may be. All others
// come once in a period, at a moment that the container's ID gives, so that what started together is not asked together. However
// the clock is set, no probe waits for longer than its initial delay and a period.
func (s Probing) Wait(c corev1.Container, kind string, now time.Time) (wait time.Duration, ok bool) {
	p := ProbeOf(c, kind)
	if p == nil || s.Ending != "" || s.Started == (kind == Startup) {
		return 0, false
	}
	first := s.From.Add(time.Duration(p.InitialDelaySeconds) * time.Second).Sub(now)
	if later(s.From, now) {
		first = 0
	}
	if kind == Readiness && s.ReadinessRow == 0 {
		return max(first, 0), true
	}
	period := time.Duration(or(p.PeriodSeconds, 10)) * time.Second
	after := max(first-1, 0)
	passed := (now.Add(after).Sub(s.From) - spread(s.ID+kind, period)) % period
	if passed < 0 {
		passed += period
	}
	return after + period - passed, true
}

// spread is a moment within the period, another one for each key.
func spread(key string, period time.Duration) time.Duration {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(key))
	return time.Duration(sum.Sum64() % uint64(period))
}

// Answer counts an answer of the container's probe of that kind. why says of one that failed how.
func (s Probing) Answer(c corev1.Container, kind string, ok bool, why string, now time.Time) Probing {
	p := ProbeOf(c, kind)
	if p == nil || s.Ending != "" || s.Started == (kind == Startup) {
		return s
	}
	row, successes, failures := s.row(kind), or(p.SuccessThreshold, 1), or(p.FailureThreshold, 3)
	*row = follow(*row, ok, successes, failures)
	ready := s.Ready
	switch good, bad := *row == successes, *row == -failures; {
	case bad && kind != Readiness:
		s.Ending, ready = kind, false
	case good && kind == Startup:
		s.Started, ready = true, c.ReadinessProbe == nil
	case kind == Readiness && (good || bad):
		ready = good
	}
	if ready != s.Ready {
		s.Ready, s.Since = ready, now
	}
	if s.Ready || s.Ending != "" || kind == Startup && !ok || kind == Readiness && *row == -failures {
		s.Unknown = false
	}
	return s.explained(kind, why, successes, failures)
}

// Unanswered takes in that the container's probe of that kind could not be run, which counts for nothing and is said of one that waits for it.
func (s Probing) Unanswered(kind, why string) Probing {
	if !s.Ready && s.Ending == "" && s.Started != (kind == Startup) && kind != Liveness {
		s.Why, s.Unknown = kind+" probe cannot be run: "+why, false
	}
	return s
}

func (s *Probing) row(kind string) *int {
	switch kind {
	case Startup:
		return &s.StartupRow
	case Liveness:
		return &s.LivenessRow
	}
	return &s.ReadinessRow
}

func follow(row int, ok bool, successes, failures int) int {
	if ok {
		return min(max(row, 0)+1, successes)
	}
	return max(min(row, 0)-1, -failures)
}

// explained says why it is not ready, after an answer of a probe of that kind. One that has no say in it leaves the words as they are.
func (s Probing) explained(kind, why string, successes, failures int) Probing {
	switch row := *s.row(kind); {
	case s.Ready:
		s.Why = ""
	case s.Ending != "":
		s.Why = fmt.Sprintf("%s probe failed %s, so it is ended: %s", kind, times(failures), why)
	case kind == Startup && s.Started:
		s.Why = s.unasked()
	case kind == Startup && row < 0:
		s.Why = fmt.Sprintf("startup probe failed %d of %s: %s", -row, times(failures), why)
	case kind == Readiness && row < 0:
		s.Why = "readiness probe fails: " + why
	case kind == Readiness:
		s.Why = fmt.Sprintf("readiness probe succeeded %d of %s", row, times(successes))
	}
	return s
}

// unasked says whose answer it waits for.
func (s Probing) unasked() string {
	switch {
	case s.Ready:
		return ""
	case s.Started:
		return "readiness probe has not answered yet"
	}
	return "startup probe has not answered yet"
}

func times(n int) string {
	if n == 1 {
		return "1 time"
	}
	return fmt.Sprintf("%d times", n)
}

// Grace is how long a container has that is to be ended: what the probe says that gave it up, else its pod.
func (s Probing) Grace(c corev1.Container, pod corev1.PodSpec) time.Duration {
	seconds := pod.TerminationGracePeriodSeconds
	if p := ProbeOf(c, s.Ending); p != nil && p.TerminationGracePeriodSeconds != nil {
		seconds = p.TerminationGracePeriodSeconds
	}
	if seconds == nil {
		return 30 * time.Second
	}
	return time.Duration(*seconds) * time.Second
}

// or is a number of a probe, or what Kubernetes takes where none is given: forms of an older podkeep have none.
func or(n int32, usual int) int {
	if n <= 0 {
		return usual
	}
	return int(n)
}
