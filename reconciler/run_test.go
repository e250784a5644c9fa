package reconciler

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/sources"
)

func TestFilesArePutBeforePodsRunAndDeletedAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		b.sites["n1"].files["old"] = live.File{Name: "old"}
		b.sites["n1"].took = map[string]time.Duration{"put": time.Second, "run": time.Second}
		b.think = until(runs("n1", "a"), deletes("n1", "old"), puts("n1", "f"), puts("n1", "g"))
		during(t, b, func() { after(time.Minute) })
		got := slices.DeleteFunc(b.sites["n1"].heard(), func(c string) bool { return c == "pull img" })
		if diff := cmp.Diff([]string{"put f", "put g", "run a", "delete old"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAsManyPodsStartAtOnceAsOptionsSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		s := b.sites["n1"]
		s.took = map[string]time.Duration{"run": time.Second, "look": 20 * time.Millisecond}
		b.think = until(many("n1", 20)...)
		during(t, b, func() { after(4200 * time.Millisecond) })
		if len(s.pods) != 20 || s.most["run"] != 6 {
			t.Errorf("after 4.2s %d of 20 pods run, %d were started at once", len(s.pods), s.most["run"])
		}
		for _, p := range b.passes() {
			if len(p.Doing) > 6 {
				t.Errorf("doing %v", p.Doing)
			}
		}
	})
}

func TestAnActionUnderWayIsNotBegunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		s := b.sites["n1"]
		s.took["run"] = 20 * time.Second
		b.think = func(manifest.History, live.Snapshot, time.Time) plan.Plan {
			if len(s.pods) > 0 {
				return plan.Plan{}
			}
			return plan.Plan{Actions: []plan.Action{runs("n1", "a")}}
		}
		during(t, b, func() {
			for range 10 {
				after(time.Second)
				s.poke()
			}
			synctest.Wait()
			p := b.last().Snapshot.Nodes[0].Pods
			if len(p) != 1 || !p[0].Asked {
				t.Errorf("a pod that was asked for is seen as %+v", p)
			}
			after(time.Minute)
		})
		if got := s.heard(); !slices.Equal(got, []string{"pull img", "run a"}) {
			t.Errorf("heard %q", got)
		}
	})
}

func TestAHungPullHoldsUpNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		s := b.sites["n1"]
		s.hangs["pull stuck"] = true
		s.pods["old"] = live.Pod{Name: "old"}
		s.files["f"] = live.File{Name: "f"}
		b.think = until(with(runs("n1", "a"), "stuck", ""), runs("n1", "b"), stops("n1", "old"), deletes("n1", "f"))
		during(t, b, func() {
			after(time.Second)
			if got := s.heard(); !slices.Contains(got, "run b") || !slices.Contains(got, "stop old") || !slices.Contains(got, "delete f") {
				t.Errorf("heard %q", got)
			}
			after(time.Minute)
			want := []Doing{{Node: "n1", Verb: Pull, Name: "stuck", App: web, Since: s.times("pull stuck")[0]}}
			if diff := cmp.Diff(want, b.last().Doing); diff != "" {
				t.Error(diff)
			}
			after(10 * time.Minute)
		})
		if got := len(s.times("pull stuck")); got != 2 {
			t.Errorf("in 11 minutes it was pulled %d times, its limit is 10 minutes", got)
		}
	})
}

func TestAnImageIsPulledOnceForAllThatWaitForIt(t *testing.T) {
	for policy, pulls := range map[corev1.PullPolicy]int{corev1.PullIfNotPresent: 1, corev1.PullAlways: 1} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed("n1")
			s := b.sites["n1"]
			s.took["pull"] = 5 * time.Second
			var actions []plan.Action
			for _, a := range many("n1", 12) {
				actions = append(actions, with(a, "img", policy))
			}
			b.think = until(actions...)
			during(t, b, func() { after(time.Minute) })
			if got := len(s.times("pull img")); got != pulls || len(s.pods) != 12 {
				t.Errorf("%s: %d pulls, %d pods", policy, got, len(s.pods))
			}
		})
	}
}

func TestACallThatHangsIsGivenUpWhenItsTimeIsOver(t *testing.T) {
	for limit, a := range map[time.Duration]plan.Action{2 * time.Minute: runs("n1", "a"), 15 * time.Second: puts("n1", "f"), 15*time.Second + 1: deletes("n1", "g")} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed("n1")
			s, what := b.sites["n1"], fmt.Sprint(a.Verb, " ", a.Name)
			s.hangs[what] = true
			s.files["g"] = live.File{Name: "g"}
			b.think = until(a)
			during(t, b, func() {
				after(limit - time.Second)
				early := len(s.times(what))
				after(5 * time.Second)
				if late := len(s.times(what)); early != 1 || late != 2 {
					t.Errorf("%s: tried %d times by its limit of %v, and %d times just after", what, early, limit, late)
				}
			})
		})
	}
}

func TestAPullShowsTheLoginsOfAllThatWaitForIt(t *testing.T) {
	for _, serial := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed("n1")
			b.Serial = serial
			one, two := runs("n1", "a"), runs("n1", "b")
			one.Pod.Auth, two.Pod.Auth = []manifest.Bytes{manifest.Bytes("ann")}, []manifest.Bytes{manifest.Bytes("bob")}
			b.think = until(one, two)
			if serial {
				r := b.new()
				defer r.Close()
				r.Pass(t.Context())
			} else {
				during(t, b, func() { after(10 * time.Second) })
			}
			if got := b.sites["n1"].shown; !slices.Contains(got, "ann") || !serial && !slices.Contains(got, "bob") {
				t.Errorf("serial %v: shown are %q", serial, got)
			}
		})
	}
}

func TestAnImageWhosePolicyIsAlwaysIsPulledForEachPod(t *testing.T) {
	for policy, pulls := range map[corev1.PullPolicy]int{corev1.PullIfNotPresent: 1, corev1.PullAlways: 2} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed("n1")
			s := b.sites["n1"]
			one, two := with(runs("n1", "a"), "img", policy), with(runs("n1", "b"), "img", policy)
			began := time.Now()
			b.think = func(h manifest.History, have live.Snapshot, now time.Time) plan.Plan {
				if now.Sub(began) < time.Minute {
					return until(one)(h, have, now)
				}
				return until(one, two)(h, have, now)
			}
			during(t, b, func() { after(2 * time.Minute) })
			if got := len(s.times("pull img")); got != pulls || len(s.pods) != 2 {
				t.Errorf("%s: %d pulls, %d pods", policy, got, len(s.pods))
			}
		})
	}
}

func TestAnImageIsAskedForAgainAfterARunFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		s := b.sites["n1"]
		s.fails["run a"] = 1
		b.think = until(with(runs("n1", "a"), "img", ""))
		during(t, b, func() { after(time.Minute) })
		if diff := cmp.Diff([]string{"pull img", "run a", "pull img", "run a"}, s.heard()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAPodIsStoppedOnceTheImageOfTheNextIsKnownToBeThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		s := b.sites["n1"]
		s.fails["pull img"], s.took["pull"] = 2, 5*time.Second
		s.pods["old"] = live.Pod{Name: "old"}
		pull := with(runs("n1", "new"), "img", "")
		pull.Verb = plan.Pull
		b.think = func(h manifest.History, have live.Snapshot, now time.Time) (p plan.Plan) {
			switch n := have.Nodes[0]; {
			case !n.Pulls || !lacks(n, pull):
			case !slices.Contains(n.Images, "img"):
				p.Actions = append(p.Actions, pull)
			default:
				return until(stops("n1", "old"))(h, have, now)
			}
			return p
		}
		during(t, b, func() { after(time.Minute) })
		if diff := cmp.Diff([]string{"pull img", "pull img", "pull img", "stop old"}, s.heard()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOnlySoManyPodsAreStoppedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		s := b.sites["n1"]
		s.took = map[string]time.Duration{"stop": 30 * time.Second}
		var list []plan.Action
		for i := range mostStops + 4 {
			name := fmt.Sprint("p", i)
			s.pods[name] = live.Pod{Name: name}
			list = append(list, stops("n1", name))
		}
		b.think = until(list...)
		during(t, b, func() { after(5 * time.Minute) })
		if s.most["stop"] != mostStops || len(s.pods) > 0 {
			t.Errorf("%d at once, %d are left", s.most["stop"], len(s.pods))
		}
	})
}

func TestNothingBeginsWhileTheLoopThinksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		b.Parallel = 1
		s := b.sites["n1"]
		s.took = map[string]time.Duration{"run": 3 * time.Second}
		thought := false
		b.think = func(h manifest.History, have live.Snapshot, now time.Time) plan.Plan {
			if !thought {
				p := until(runs("n1", "a"), runs("n1", "b"))(h, have, now)
				thought = len(p.Actions) > 0
				return p
			}
			time.Sleep(10 * time.Second) // and b is not wanted any more
			return until(runs("n1", "a"))(h, have, now)
		}
		during(t, b, func() {
			after(time.Second)
			s.poke()
			after(time.Minute)
		})
		if diff := cmp.Diff([]string{"pull img", "run a"}, s.heard()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOnlySoManyImagesArePulledAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		s := b.sites["n1"]
		s.took = map[string]time.Duration{"pull": time.Minute}
		var list []plan.Action
		for i := range mostPulls + 4 {
			list = append(list, with(runs("n1", fmt.Sprint("p", i)), fmt.Sprint("img", i), ""))
		}
		b.think = until(list...)
		pulls := func() int {
			return len(slices.DeleteFunc(s.heard(), func(call string) bool { return !strings.HasPrefix(call, "pull ") }))
		}
		during(t, b, func() {
			after(50 * time.Second)
			if n := pulls(); n != mostPulls {
				t.Errorf("%d images are pulled at once", n)
			}
			after(time.Minute)
			if n := pulls(); n != mostPulls+4 {
				t.Errorf("%d images were pulled", n)
			}
		})
	})
}

func TestAFailedAttemptIsRepeatedWithBackOff(t *testing.T) {
	for _, verb := range []string{"pull img", "run a"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed("n1")
			s := b.sites["n1"]
			s.fails[verb] = 4
			b.think = until(runs("n1", "a"))
			during(t, b, func() {
				after(4 * time.Second)
				troubles := b.last().Snapshot.Nodes[0].Troubles
				if len(troubles) != 1 || troubles[0].Count != 3 || troubles[0].Why != "broken" || troubles[0].Rev != "v1-a" {
					t.Errorf("%s: troubles after three attempts: %+v", verb, troubles)
				}
				after(time.Minute)
			})
			var gaps []time.Duration
			times := s.times(verb)
			for i := range times[1:] {
				gaps = append(gaps, times[i+1].Sub(times[i]).Round(100*time.Millisecond))
			}
			want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}
			if diff := cmp.Diff(want, gaps); diff != "" {
				t.Errorf("%s: %s", verb, diff)
			}
			if left := b.last().Snapshot.Nodes[0].Troubles; len(left) > 0 {
				t.Errorf("%s: troubles after success: %+v", verb, left)
			}
		})
	}
}

func TestARunWaitsForItsFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		s := b.sites["n1"]
		s.fails["put f"] = 2
		a := runs("n1", "a")
		a.Pod.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{Items: []corev1.KeyToPath{{Key: "f"}}},
		}}}
		b.think = until(puts("n1", "f"), a, runs("n1", "b"))
		during(t, b, func() {
			after(500 * time.Millisecond)
			if got := s.heard(); slices.Contains(got, "run a") || !slices.Contains(got, "run b") {
				t.Errorf("heard %q", got)
			}
			troubles := b.last().Snapshot.Nodes[0].Troubles
			if len(troubles) != 2 || troubles[0].Why != "waits for file f: broken" {
				t.Errorf("troubles: %+v", troubles)
			}
			after(10 * time.Second)
		})
		if len(s.pods) != 2 {
			t.Errorf("heard %q", s.heard())
		}
	})
}

func TestABurstOfPokesIsOnePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1", "n2", "n3")
		during(t, b, func() {
			after(5 * time.Second)
			before := len(b.passes())
			for range 50 {
				for _, s := range b.sites {
					s.poke()
				}
				b.shelf.push("c2", manifest.Set{Nodes: fleetOf("n1", "n2", "n3")})
			}
			after(time.Second)
			if n := len(b.passes()) - before; n > 2 {
				t.Errorf("%d passes", n)
			}
		})
	})
}

func TestAWakeIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		var woken []time.Duration
		start := time.Now()
		b.think = func(_ manifest.History, _ live.Snapshot, now time.Time) plan.Plan {
			woken = append(woken, now.Sub(start).Round(100*time.Millisecond))
			return plan.Plan{Wake: start.Add(7 * time.Second)}
		}
		during(t, b, func() { after(7500 * time.Millisecond) })
		if !slices.Contains(woken, 7*time.Second) {
			t.Errorf("thought at %v", woken)
		}
		if len(woken) > 15 {
			t.Errorf("a Wake that is past made %d passes", len(woken))
		}
	})
}

func TestAPushIsActedOnAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		s := b.sites["n1"]
		s.took["look"] = 40 * time.Millisecond
		b.think = func(h manifest.History, have live.Snapshot, now time.Time) plan.Plan {
			if h.Head.Commit == "c1" {
				return plan.Plan{}
			}
			return until(puts("n1", "f"))(h, have, now)
		}
		during(t, b, func() {
			after(8 * time.Second)
			pushed := time.Now()
			b.shelf.push("c2", manifest.Set{Nodes: fleetOf("n1")})
			after(time.Second)
			if took := s.times("put f")[0].Sub(pushed); took > 90*time.Millisecond {
				t.Errorf("the first call came %v after the push, a look takes 40ms", took)
			}
		})
	})
}

func TestAnIdleFleetIsSeldomLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1", "n2", "n3")
		during(t, b, func() { after(10*time.Minute + time.Second) })
		for name, s := range b.sites {
			if n := len(s.times("look ")); n < 60 || n > 75 {
				t.Errorf("%s: %d looks in ten minutes, one every ten seconds is enough", name, n)
			}
		}
		if n := len(b.passes()); n > 150 {
			t.Errorf("%d passes in ten minutes", n)
		}
	})
}

func TestAnEventIsSeenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		s := b.sites["n1"]
		s.took["look"] = 20 * time.Millisecond
		during(t, b, func() {
			after(5 * time.Second)
			s.set(func() { s.pods["x"] = live.Pod{Name: "x"} })
			s.poke()
			after(300 * time.Millisecond)
			if n := b.last().Snapshot.Nodes[0]; len(n.Pods) != 1 {
				t.Errorf("seen %+v", n)
			}
		})
	})
}

func TestANodeThatHangsHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1", "n2")
		during(t, b, func() {
			after(5 * time.Second)
			b.sites["n1"].set(func() { b.sites["n1"].hangs["look"] = true })
			after(20 * time.Second)
			n := b.last().Snapshot.Nodes[0]
			if n.Silent < 10*time.Second || n.Silent > 16*time.Second || !n.Known || n.Why == "" {
				t.Errorf("n1 is silent for %v: %s", n.Silent, n.Why)
			}
			before := time.Now()
			b.sites["n2"].poke()
			after(time.Second)
			if at := b.sites["n2"].times("look "); at[len(at)-1].Sub(before) > 100*time.Millisecond {
				t.Errorf("n2 was looked at %v after its poke", at[len(at)-1].Sub(before))
			}
			b.sites["n1"].set(func() { b.sites["n1"].hangs["look"] = false })
			after(20 * time.Second)
			if n := b.last().Snapshot.Nodes[0]; n.Silent != 0 {
				t.Errorf("n1 answers and is silent for %v: %s", n.Silent, n.Why)
			}
		})
	})
}

// tape keeps what is logged until it is taken.
type tape struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *tape) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *tape) take() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.text.Reset()
	return t.text.String()
}

func TestALookThatIsLateIsNoSilenceUntilItFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, said := newBed("n1", "n2"), new(tape)
		b.Log = logrus.New()
		b.Log.SetOutput(said)
		looks := func(took time.Duration) { b.sites["n1"].set(func() { b.sites["n1"].took["look"] = took }) }
		heard := func() string {
			lines := regexp.MustCompile(`level=(\w+) msg="node ([^"]*)" node=n1`).FindAllStringSubmatch(said.take(), -1)
			var words []string
			for _, l := range lines {
				words = append(words, l[1]+" "+l[2])
			}
			return strings.Join(words, ", ")
		}
		looks(4 * time.Second)
		during(t, b, func() {
			for _, step := range []struct {
				took, lasts time.Duration
				silent      bool
				late        bool
				heard       string
			}{
				{4 * time.Second, 3500 * time.Millisecond, true, true, "info is late"},
				{time.Millisecond, time.Second, false, false, "info answers"},
				{time.Minute, 15 * time.Second, true, true, "info is late"},
				{time.Minute, 20 * time.Second, true, false, "warning is silent"},
				{time.Millisecond, 30 * time.Second, false, false, "info answers"},
			} {
				looks(step.took)
				after(step.lasts)
				n := b.last().Snapshot.Nodes[0]
				if n.Silent > 0 != step.silent || n.Late != step.late || n.Late && n.Silent > 10*time.Second || n.Slow != step.silent {
					t.Errorf("after %v of looks of %v: silent for %v, late: %v, slow: %v", step.lasts, step.took, n.Silent, n.Late, n.Slow)
				}
				if got := heard(); got != step.heard {
					t.Errorf("after %v of looks of %v it was said %q, want %q", step.lasts, step.took, got, step.heard)
				}
			}
		})
	})
}

func TestAHostThatAnswersAPingWhileItsLooksHangIsSaidToBeThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		hangs := func(look, ping bool) {
			b.sites["n1"].set(func() { b.sites["n1"].hangs["look"], b.sites["n1"].hangs["ping"] = look, ping })
		}
		during(t, b, func() {
			for _, step := range []struct{ look, ping, pings bool }{
				{true, true, false}, {true, false, true}, {true, true, false}, {true, false, true}, {false, false, false},
			} {
				hangs(step.look, step.ping)
				after(time.Minute)
				n := b.last().Snapshot.Nodes[0]
				if n.Silent > 0 != step.look || n.Slow != step.look || n.Pings != step.pings || strings.Contains(n.Why, "it answers a ping") != step.pings {
					t.Errorf("%+v: silent for %v, slow: %v, pings: %v, %s", step, n.Silent, n.Slow, n.Pings, n.Why)
				}
			}
		})
	})
}

func TestAControllerThatWasFrozenDoesNotTakeItForSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		var freeze atomic.Bool
		b.Tell = func(p Pass) {
			b.mu.Lock()
			b.told = append(b.told, p)
			b.mu.Unlock()
			if freeze.Swap(false) {
				time.Sleep(time.Hour)
			}
		}
		during(t, b, func() {
			after(5 * time.Second)
			freeze.Store(true)
			after(30 * time.Minute)
			b.sites["n1"].set(func() { b.sites["n1"].fails["look"] = 1 })
			after(30*time.Minute + 20*time.Second)
			var most time.Duration
			for _, p := range b.passes() {
				most = max(most, p.Snapshot.Nodes[0].Silent)
			}
			if most == 0 || most > 20*time.Second {
				t.Errorf("the node was taken to be silent for %v", most)
			}
		})
	})
}

func TestASourceThatHangsHoldsUpNoPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		during(t, b, func() {
			after(5 * time.Second)
			b.shelf.set(func() { b.shelf.hangs = true; b.shelf.watch <- struct{}{} })
			after(time.Second)
			b.sites["n1"].poke()
			after(time.Second)
			if age := time.Since(b.last().Time); age > time.Second {
				t.Errorf("the last pass was %v ago", age)
			}
			after(2 * time.Minute)
			p := b.last()
			if p.History.Err == "" || p.History.Head.Commit != "c1" || p.Err != nil {
				t.Errorf("head %q, %q, %v", p.History.Head.Commit, p.History.Err, p.Err)
			}
		})
	})
}

func TestAFailedFetchKeepsTheLastGoodHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		during(t, b, func() {
			after(5 * time.Second)
			fetched := b.last().History.Fetched
			b.shelf.set(func() { b.shelf.head = "gone"; b.shelf.watch <- struct{}{} })
			after(time.Second)
			h := b.last().History
			if h.Head.Commit != "c1" || h.Err != "load gone: the commit is gone" || !h.Fetched.Equal(fetched) {
				t.Errorf("head %s, %q", h.Head.Commit, h.Err)
			}
			b.shelf.set(func() { b.shelf.head, b.shelf.err = "", errors.New("no route") })
			after(time.Minute)
			if h := b.last().History; h.Head.Commit != "c1" || h.Err != "no route" || h.Lasting {
				t.Errorf("head %s, %q", h.Head.Commit, h.Err)
			}
			b.shelf.set(func() { b.shelf.head, b.shelf.err = "c1", sources.ErrLasting })
			after(3 * time.Minute)
			if h := b.last().History; h.Head.Commit != "c1" || h.Err != sources.ErrLasting.Error() || !h.Lasting {
				t.Errorf("head %s, %q, lasting: %v", h.Head.Commit, h.Err, h.Lasting)
			}
			b.shelf.set(func() { b.shelf.head, b.shelf.err = "c1", nil })
			after(3 * time.Minute)
			if h := b.last().History; h.Err != "" || h.Lasting {
				t.Errorf("mended: %q", h.Err)
			}
		})
	})
}

func TestAControllerWithoutASourceSaysSoAndAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		b.shelf.head, b.shelf.err = "", sources.ErrLasting
		during(t, b, func() {
			after(time.Minute)
			p := b.last()
			if p.Err == nil || p.Err.Error() != sources.ErrLasting.Error() || !p.History.Lasting || len(p.Snapshot.Nodes) > 0 {
				t.Errorf("%v, %+v", p.Err, p.Snapshot)
			}
			if n := len(b.passes()); n > 12 {
				t.Errorf("%d passes in a minute", n)
			}
			b.shelf.set(func() { b.shelf.head, b.shelf.err = "c1", nil })
			after(time.Minute)
			if p := b.last(); p.Err != nil || p.History.Err != "" || !p.Snapshot.Nodes[0].Known {
				t.Errorf("%v, %q, %+v", p.Err, p.History.Err, p.Snapshot)
			}
		})
	})
}

func TestAKilledControllerIsFollowedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1", "n2")
		actions := append(many("n1", 10), many("n2", 10)...)
		b.think = until(actions...)
		for _, s := range b.sites {
			s.took["run"] = time.Second
		}
		during(t, b, func() { after(1500 * time.Millisecond) })
		half := len(b.sites["n1"].pods)
		during(t, b, func() { after(10 * time.Second) })
		for name, s := range b.sites {
			if len(s.pods) != 10 || half == 10 {
				t.Errorf("%s: %d pods, %d before the kill", name, len(s.pods), half)
			}
		}
	})
}

func TestNothingIsLeftOfARunThatEndsWhileEverythingHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		s := b.sites["n1"]
		s.hangs = map[string]bool{"run a": true, "pull stuck": true, "stop old": true}
		s.pods["old"] = live.Pod{Name: "old"}
		b.think = until(runs("n1", "a"), with(runs("n1", "b"), "stuck", ""), stops("n1", "old"))
		during(t, b, func() {
			after(time.Second)
			s.set(func() { s.hangs["look"] = true })
			b.shelf.set(func() { b.shelf.hangs = true; b.shelf.watch <- struct{}{} })
			s.poke()
			after(time.Second)
			if n := len(b.last().Doing); n != 3 {
				t.Errorf("doing %+v", b.last().Doing)
			}
		})
	})
}

func TestAPodThatIsToldToStopIsSeenSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		s := b.sites["n1"]
		s.took["stop"] = 5 * time.Second
		s.pods["old"] = live.Pod{Name: "old"}
		b.think = until(stops("n1", "old"))
		during(t, b, func() {
			after(time.Second)
			s.poke()
			after(time.Second)
			if pods := b.last().Snapshot.Nodes[0].Pods; len(pods) != 1 || !pods[0].Stopping {
				t.Errorf("%+v", pods)
			}
			after(10 * time.Second)
		})
		if got := s.heard(); !slices.Equal(got, []string{"stop old"}) {
			t.Errorf("heard %q", got)
		}
	})
}

func TestANodeThatIsForgottenIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1", "n2")
		during(t, b, func() {
			after(time.Second)
			b.shelf.push("c2", manifest.Set{Nodes: fleetOf("n2")})
			after(time.Second)
			if n := b.last().Snapshot.Nodes; len(n) != 1 || n[0].Name != "n2" || b.sites["n1"].open != 0 {
				t.Errorf("%+v, n1 has %d drivers", n, b.sites["n1"].open)
			}
		})
	})
}

func TestANodeThatIsReachedInAnotherWayIsOpenedAnew(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*manifest.Node)
		opened int
		known  bool
	}{
		{"another provider is another host", func(n *manifest.Node) { n.ProviderID = "stub://other" }, 2, false},
		{"an annotation changes the way", func(n *manifest.Node) { n.Annotations = map[string]string{"a": "b"} }, 2, true},
		{"more patience changes nothing", func(n *manifest.Node) {
			n.Annotations = map[string]string{"podkeep.io/silence-grace": "1m"}
		}, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed("n1")
				opened := 0
				open := b.Open
				b.Open = func(ctx ctx, n manifest.Node) (driver, error) { opened++; return open(ctx, n) }
				during(t, b, func() {
					after(2 * time.Second)
					b.sites["n1"].set(func() { b.sites["n1"].fails["look"] = 1000 })
					nodes := fleetOf("n1")
					c.change(&nodes[0])
					b.shelf.push("c2", manifest.Set{Nodes: nodes})
					after(2 * time.Second)
					if n := b.last().Snapshot.Nodes[0]; opened != c.opened || n.Known != c.known || n.Silent == 0 {
						t.Errorf("opened %d times, known: %v, silent for %v", opened, n.Known, n.Silent)
					}
				})
			})
		})
	}
}

func TestANodeThatCannotBeOpenedIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1", "n2")
		open := b.Open
		b.Open = func(ctx ctx, n manifest.Node) (driver, error) {
			if n.Name == "n1" {
				return nil, errors.New("no such key")
			}
			return open(ctx, n)
		}
		during(t, b, func() {
			after(40 * time.Second)
			n := b.last().Snapshot.Nodes
			if n[0].Known || n[0].Silent < 30*time.Second || n[0].Why != "no such key" || !n[1].Known {
				t.Errorf("%+v", n)
			}
		})
	})
}

func TestWhatEndsWhileTheLoopThinksIsSeenSoon(t *testing.T) {
	for took := 100 * time.Millisecond; took < 200*time.Millisecond; took += 7 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			b := newBed("n1")
			b.Parallel = 1
			b.sites["n1"].took = map[string]time.Duration{"run": took, "look": 50 * time.Millisecond}
			next := until(many("n1", 10)...)
			b.think = func(h manifest.History, s live.Snapshot, now time.Time) plan.Plan {
				time.Sleep(60 * time.Millisecond)
				return next(h, s, now)
			}
			during(t, b, func() {
				after(4 * time.Second)
				for _, p := range b.last().Snapshot.Nodes[0].Pods {
					if p.Asked {
						t.Errorf("a start of %v: %s runs and was not seen", took, p.Name)
					}
				}
				if n := len(b.sites["n1"].pods); n != 10 {
					t.Errorf("a start of %v: %d of 10 pods run", took, n)
				}
			})
		})
	}
}
