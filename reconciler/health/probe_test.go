package health

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// probing is a container with the probes of these kinds, each asked every 10 s, given up after 3 failures.
func probing(kinds ...string) corev1.Container {
	var c corev1.Container
	for _, kind := range kinds {
		p := &corev1.Probe{PeriodSeconds: 10, SuccessThreshold: 1, FailureThreshold: 3}
		switch kind {
		case Startup:
			c.StartupProbe = p
		case Liveness:
			c.LivenessProbe = p
		case Readiness:
			c.ReadinessProbe = p
		}
	}
	return c
}

// heard is a Probing after answers, one a second: "readiness+ liveness-" are two of them, + for good.
func heard(c corev1.Container, s Probing, answers string) Probing {
	for i, a := range strings.Fields(answers) {
		kind, ok := strings.CutSuffix(a, "+")
		s = s.Answer(c, strings.TrimSuffix(kind, "-"), ok, "refused", at(time.Duration(i+1)*time.Second))
	}
	return s
}

func TestAnswersAreCountedAsTheKubeletDoes(t *testing.T) {
	all := probing(Startup, Liveness, Readiness)
	twice := probing(Readiness)
	twice.ReadinessProbe.SuccessThreshold = 2
	once := probing(Liveness)
	once.LivenessProbe.FailureThreshold = 1
	bare := corev1.Container{LivenessProbe: &corev1.Probe{}}
	for _, r := range []struct {
		claim   string
		c       corev1.Container
		answers string
		started bool
		ready   bool
		since   time.Duration
		ending  string
		why     string
	}{
		{"without a startup and a readiness probe it is ready at once", probing(Liveness), "", true, true, 0, "", ""},
		{"readiness begins as false", probing(Readiness), "", true, false, 0, "", "readiness probe has not answered yet"},
		{"one success makes it ready", probing(Readiness), "readiness+", true, true, 1, "", ""},
		{"one failure does not end that", probing(Readiness), "readiness+ readiness-", true, true, 1, "", ""},
		{"nor do as many as the threshold that are not in a row", probing(Readiness), "readiness+ readiness- readiness- readiness+ readiness-", true, true, 1, "", ""},
		{"three in a row do", probing(Readiness), "readiness+ readiness- readiness- readiness-", true, false, 4, "", "readiness probe fails: refused"},
		{"one that has never succeeded says why from the first failure on", probing(Readiness), "readiness-", true, false, 0, "", "readiness probe fails: refused"},
		{"it is ready again after a success, since then", probing(Readiness), "readiness- readiness- readiness- readiness- readiness+", true, true, 5, "", ""},
		{"where it has to succeed twice, once is not enough", twice, "readiness+", true, false, 0, "", "readiness probe succeeded 1 of 2 times"},
		{"nor twice with a failure in between", twice, "readiness+ readiness- readiness+", true, false, 0, "", "readiness probe succeeded 1 of 2 times"},
		{"but twice in a row", twice, "readiness- readiness+ readiness+", true, true, 3, "", ""},
		{"nothing counts before startup has succeeded", all, "readiness+ liveness- liveness- liveness-", false, false, 0, "", "startup probe has not answered yet"},
		{"startup says how far it is", all, "startup- startup-", false, false, 0, "", "startup probe failed 2 of 3 times: refused"},
		{"startup that fails too often ends the container", all, "startup- startup- startup-", false, false, 0, Startup, "startup probe failed 3 times, so it is ended: refused"},
		{"startup that succeeds hands over", all, "startup- startup+", true, false, 0, "", "readiness probe has not answered yet"},
		{"and is asked no more", all, "startup+ readiness+ startup- startup- startup-", true, true, 2, "", ""},
		{"without a readiness probe it is ready then", probing(Startup, Liveness), "startup- startup+", true, true, 2, "", ""},
		{"liveness that fails too often ends the container, and it is not ready from then on", all,
			"startup+ readiness+ liveness- liveness- liveness-", true, false, 5, Liveness, "liveness probe failed 3 times, so it is ended: refused"},
		{"which nothing takes back", all, "startup+ readiness+ liveness- liveness- liveness- liveness+ readiness+",
			true, false, 5, Liveness, "liveness probe failed 3 times, so it is ended: refused"},
		{"a success in between starts the count over", all, "startup+ readiness+ liveness- liveness- liveness+ liveness- liveness-", true, true, 2, "", ""},
		{"liveness has no say in what readiness waits for", all, "startup+ readiness- liveness+ liveness-", true, false, 0, "", "readiness probe fails: refused"},
		{"a threshold of one is one", once, "liveness-", true, false, 1, Liveness, "liveness probe failed 1 time, so it is ended: refused"},
		{"what is not said is as in Kubernetes", bare, "liveness+ liveness- liveness-", true, true, 0, "", ""},
		{"to the last", bare, "liveness- liveness- liveness-", true, false, 3, Liveness, "liveness probe failed 3 times, so it is ended: refused"},
	} {
		t.Run(r.claim, func(t *testing.T) {
			s := heard(r.c, Begin(r.c, "a1", noon, noon), r.answers)
			if s.Started != r.started || s.Ready != r.ready || s.Ending != r.ending || s.Why != r.why {
				t.Errorf("%+v", s)
			}
			if want := at(r.since * time.Second); !s.Since.Equal(want) {
				t.Errorf("since %s, want %s", s.Since, want)
			}
		})
	}
}

func TestWhatIsWrittenDownGoesOnCounting(t *testing.T) {
	c := probing(Startup, Liveness, Readiness)
	answers := strings.Fields("startup- startup+ readiness+ liveness- readiness- liveness- readiness- liveness-")
	whole := heard(c, Begin(c, "a1", noon, noon), strings.Join(answers, " "))
	for cut := range answers {
		text, err := json.Marshal(heard(c, Begin(c, "a1", noon, noon), strings.Join(answers[:cut], " ")))
		if err != nil {
			t.Fatal(err)
		}
		var s Probing
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		for i, a := range answers[cut:] {
			kind, ok := strings.CutSuffix(a, "+")
			s = s.Answer(c, strings.TrimSuffix(kind, "-"), ok, "refused", at(time.Duration(cut+i+1)*time.Second))
		}
		if s != whole {
			t.Errorf("cut before answer %d: %+v, want %+v", cut, s, whole)
		}
	}
}

func TestWhatIsForgottenIsUnknownUntilAnAnswerDecides(t *testing.T) {
	all, late := probing(Startup, Liveness, Readiness), probing(Readiness)
	late.ReadinessProbe.InitialDelaySeconds = 60
	for _, r := range []struct {
		c       corev1.Container
		answers string
		unknown bool
	}{
		{all, "", true}, {all, "startup+", true}, {all, "startup-", false}, {all, "startup+ readiness- readiness- liveness-", true},
		{all, "startup+ readiness+", false}, {all, "startup+ readiness- readiness- readiness-", false}, {all, "startup+ liveness- liveness- liveness-", false},
		{probing(Liveness), "", false}, {late, "", false},
	} {
		if s := heard(r.c, Begin(r.c, "a1", noon, at(time.Minute)).Forgotten(r.c, at(time.Minute)), r.answers); s.Unknown != r.unknown {
			t.Errorf("%q: %+v", r.answers, s)
		}
	}
}

func TestWhatGoesOnAsBeforeChangesNothing(t *testing.T) {
	c := probing(Liveness, Readiness)
	for _, answers := range []string{"readiness+ liveness+", "readiness- readiness- readiness- liveness+"} {
		s := heard(c, Begin(c, "a1", noon, noon), answers)
		last, ok := strings.CutSuffix(strings.Fields(answers)[0], "+")
		again := s.Answer(c, strings.TrimSuffix(last, "-"), ok, "refused", at(time.Hour)).Answer(c, Liveness, true, "", at(time.Hour))
		if again != s {
			t.Errorf("%s: %+v became %+v", answers, s, again)
		}
	}
}

func TestWhenProbesAreRun(t *testing.T) {
	c := probing(Startup, Liveness, Readiness)
	c.LivenessProbe.InitialDelaySeconds, c.ReadinessProbe.InitialDelaySeconds = 25, 25
	begun := Begin(c, "a1", noon, noon)
	started := heard(c, begun, "startup+")
	asked := heard(c, begun, "startup+ readiness-")
	for _, r := range []struct {
		claim       string
		s           Probing
		kind        string
		now         time.Duration
		least, most time.Duration // in seconds
		ok          bool
	}{
		{"startup comes within a period", begun, Startup, 0, 0, 10, true},
		{"readiness not before startup has succeeded", begun, Readiness, time.Minute, 0, 0, false},
		{"nor liveness", begun, Liveness, time.Minute, 0, 0, false},
		{"startup never again", started, Startup, time.Minute, 0, 0, false},
		{"readiness is asked as soon as its initial delay is over", started, Readiness, 5 * time.Second, 20, 20, true},
		{"at once, where that was long ago", started, Readiness, time.Minute, 0, 0, true},
		{"then within a period", asked, Readiness, time.Minute, 0, 10, true},
		{"liveness within a period after its initial delay", started, Liveness, 5 * time.Second, 20, 30, true},
		{"a clock that was set back holds up no first answer", started, Readiness, -time.Hour, 0, 0, true},
		{"nor any other", asked, Readiness, -time.Hour, 0, 10, true},
		{"nor liveness", started, Liveness, -time.Hour, 0, 10, true},
		{"nor one that was set forward", asked, Readiness, 1000 * time.Hour, 0, 10, true},
		{"what is to be ended is asked nothing", heard(c, begun, "startup- startup- startup-"), Startup, time.Minute, 0, 0, false},
	} {
		t.Run(r.claim, func(t *testing.T) {
			wait, ok := r.s.Wait(c, r.kind, at(r.now))
			if ok != r.ok || wait < r.least*time.Second || wait > r.most*time.Second {
				t.Errorf("%s, %v", wait, ok)
			}
		})
	}
}

func TestAProbeThatThereIsNotIsNotRun(t *testing.T) {
	if wait, ok := Begin(probing(Liveness), "a1", noon, noon).Wait(probing(Liveness), Readiness, noon); ok {
		t.Errorf("in %s", wait)
	}
}

func TestEachProbeComesOncePerPeriod(t *testing.T) {
	c := probing(Liveness)
	s := Begin(c, "a1", noon, noon)
	now := noon
	for i := range 5 {
		wait, _ := s.Wait(c, Liveness, now)
		if i > 0 && wait != 10*time.Second {
			t.Errorf("round %d: %s", i, wait)
		}
		now = now.Add(wait)
	}
	if late, _ := s.Wait(c, Liveness, now.Add(12*time.Second)); late != 8*time.Second {
		t.Errorf("one that took 12 s waits %s for its turn, want 8s", late)
	}
}

func TestContainersThatStartTogetherAreNotAskedTogether(t *testing.T) {
	c := probing(Liveness)
	turns := map[time.Duration]int{}
	for i := range 100 {
		wait, _ := Begin(c, string(rune('a'+i)), noon, noon).Wait(c, Liveness, noon)
		turns[wait.Truncate(time.Second)]++
	}
	for second := range 10 {
		if n := turns[time.Duration(second)*time.Second]; n == 0 || n > 30 {
			t.Errorf("%d of 100 in second %d: %v", n, second, turns)
		}
	}
}

func TestAContainerThatIsStartedAgainUnderItsIDIsAnother(t *testing.T) {
	s := Begin(probing(Readiness), "a1", noon, noon)
	for _, r := range []struct {
		id   string
		from time.Duration
		same bool
	}{{"a1", 0, true}, {"a1", time.Second, true}, {"a1", time.Minute, false}, {"a1", -time.Minute, false}, {"b2", 0, false}} {
		if s.Of(r.id, at(r.from)) != r.same {
			t.Errorf("%s started at %s: want %v", r.id, at(r.from), r.same)
		}
	}
}

func TestTheGraceOfWhatIsEnded(t *testing.T) {
	five, seven := int64(5), int64(7)
	own := probing(Startup, Liveness)
	own.LivenessProbe.TerminationGracePeriodSeconds = &five
	for _, r := range []struct {
		claim  string
		ending string
		pod    *int64
		want   time.Duration
	}{
		{"the probe's own goes first", Liveness, &seven, 5 * time.Second},
		{"of the probe that gave it up", Startup, &seven, 7 * time.Second},
		{"else 30 s", Startup, nil, 30 * time.Second},
	} {
		if got := (Probing{Ending: r.ending}).Grace(own, corev1.PodSpec{TerminationGracePeriodSeconds: r.pod}); got != r.want {
			t.Errorf("%s: %s, want %s", r.claim, got, r.want)
		}
	}
}

func TestAProbeThatCannotBeRunCountsForNothing(t *testing.T) {
	c := probing(Startup, Liveness, Readiness)
	for _, r := range []struct{ claim, answers, kind, why string }{
		{"it is said where startup waits for it", "startup- startup-", Startup, "startup probe cannot be run: no runtime"},
		{"and where readiness does", "startup+ readiness-", Readiness, "readiness probe cannot be run: no runtime"},
		{"not where nothing waits", "startup+ readiness+", Readiness, ""},
		{"nor of another than the one that is waited for", "startup+ readiness-", Liveness, "readiness probe fails: refused"},
	} {
		before := heard(c, Begin(c, "a1", noon, noon), r.answers)
		s := before
		for range 5 {
			s = s.Unanswered(r.kind, "no runtime")
		}
		if s.Why != r.why {
			t.Errorf("%s: %q", r.claim, s.Why)
		}
		if s.Why = before.Why; s != before {
			t.Errorf("%s: %+v, want %+v", r.claim, s, before)
		}
	}
}
