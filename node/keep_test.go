package node

import (
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/drivers/fake"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/wire"
	"github.com/podkeep/podkeep/reconciler/health"
)

// Containers with probes that are asked every second.
const (
	alive   = `{containers: [{name: app, image: "app:v1", livenessProbe: {httpGet: {port: 80, path: /app/liveness}, periodSeconds: 1}}]}`
	ready   = `{containers: [{name: app, image: "app:v1", readinessProbe: {httpGet: {port: 80, path: /app/readiness}, periodSeconds: 1}}]}`
	gated   = `{containers: [{name: app, image: "app:v1", startupProbe: {httpGet: {port: 80, path: /app/startup}, periodSeconds: 1, failureThreshold: 60}, livenessProbe: {httpGet: {port: 80, path: /app/liveness}, periodSeconds: 1}, readinessProbe: {httpGet: {port: 80, path: /app/readiness}, periodSeconds: 1}}]}`
	plain   = `{containers: [{name: app, image: "app:v1"}]}`
	crashes = `{containers: [{name: app, image: "app:bad"}]}`
)

func TestWhatLivenessGivesUpIsStartedAgainWithNoControllerThere(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", alive)
		s.toldOnce(web)
		s.begins()
		s.passes(time.Minute)
		if n := s.restarts(web, "app"); n != 0 {
			t.Fatalf("%d restarts of one that is well", n)
		}
		s.say("app/liveness", "refused")
		s.passes(10 * time.Second)
		if n := s.restarts(web, "app"); n != 1 {
			t.Fatalf("%d restarts", n)
		}
		s.say("app/liveness", "")
		s.passes(time.Hour)
		if c := s.container(web, "app"); c.State != live.Running || live.Restarts(c.Attempt) > 2 {
			t.Errorf("%s, attempt %d", c.State, c.Attempt)
		}
	})
}

func TestWhyAProbeHadAContainerEndedIsSaidUntilItIsStartedAgain(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", alive)
		s.begins()
		c := s.connects()
		c.tends(web)
		s.say("app/liveness", "refused")
		s.passes(time.Minute)
		if s.container(web, "app").State != live.Exited {
			t.Fatal("it does not wait for its next start")
		}
		if w := c.probed(web, "app"); w.ID != s.container(web, "app").ID || w.Ending != health.Liveness || !strings.HasSuffix(w.Why, "refused") {
			t.Errorf("%+v", w)
		}
		s.end()
		s.begins()
		c = s.connects()
		s.passes(time.Second)
		if w := c.probed(web, "app"); w.Ending != health.Liveness {
			t.Errorf("after a restart: %+v", w)
		}
		s.say("app/liveness", "")
		s.passes(5 * time.Minute)
		if w := c.probed(web, "app"); !w.Ready || w.Ending != "" {
			t.Errorf("%+v", w)
		}
	})
}

func TestWhatEndsIsStartedAgainWithBackOff(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", crashes)
		s.toldOnce(web)
		s.begins()
		s.passes(time.Hour)
		if n := s.restarts(web, "app"); n < 12 || n > 20 {
			t.Errorf("%d restarts in an hour, want one each five minutes and a few at first", n)
		}
	})
}

func TestWhatIsStartedAgainKnowsWhatItsNodeIsCalledNow(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", crashes)
		s.begins()
		c := s.connects()
		for _, name := range []string{"old", "new"} {
			_ = wire.Write(c, wire.Down{Tend: &wire.Tend{Source: source, Tend: live.Tend{Pods: []string{web.Name}, Node: name}}})
			s.passes(10 * time.Minute)
			if last := s.made[len(s.made)-1]; last.Node != name {
				t.Errorf("it is on %q, not %q", last.Node, name)
			}
		}
		_ = c.Close()
		s.end()
		s.begins()
		s.passes(10 * time.Minute)
		if last := s.made[len(s.made)-1]; last.Node != "new" {
			t.Errorf("after a restart it is on %q", last.Node)
		}
	})
}

func TestNothingIsDoneToPodsThatAreNotTended(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web, other := s.has("web", alive), s.has("other", strings.Replace(crashes, "name: app", "name: other", 1))
		s.toldOnce(web)
		before := s.world.Writes()
		s.begins()
		s.passes(time.Hour)
		if c := s.container(other, "other"); c.State != live.Exited || c.Attempt != 0 {
			t.Errorf("%+v", c)
		}
		if n := s.world.Writes(); n != before {
			t.Errorf("%d writes", n-before)
		}
		c := s.connects()
		c.tends()
		s.passes(5 * time.Second)
		s.say("app/liveness", "refused")
		s.passes(time.Hour)
		if n := s.restarts(web, "app"); n != 0 {
			t.Errorf("%d restarts of one that is tended no more", n)
		}
	})
}

func TestAPodThatIsGoneIsNotMade(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", alive)
		s.toldOnce(web)
		s.begins()
		s.passes(time.Second)
		if err := s.world.Remove(web.Name); err != nil {
			t.Fatal(err)
		}
		s.passes(time.Hour)
		if n := len(s.world.Truth("n1", cluster).Pods); n != 0 {
			t.Errorf("%d pods", n)
		}
		c := s.connects()
		s.passes(time.Second)
		if r := c.report(); len(r.Tends) != 0 || len(r.Probed) != 0 || len(r.InForce) != 1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestAPodWhoseFormIsNotThereIsLeftToOthers(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", crashes)
		s.toldOnce(web)
		if err := s.world.Erase(live.RevFile(web.App, web.Rev, "")); err != nil {
			t.Fatal(err)
		}
		was := s.restarts(web, "app")
		s.begins()
		s.passes(time.Hour)
		if n := s.restarts(web, "app"); n != was {
			t.Errorf("%d restarts", n-was)
		}
		c := s.connects()
		s.passes(time.Second)
		if r := c.report(); len(r.Tends) != 0 {
			t.Errorf("tends %v", r.Tends)
		}
	})
}

func TestStartupComesBeforeTheOthers(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.say("app/startup", "refused")
		s.say("app/liveness", "refused")
		web := s.has("web", gated)
		s.toldOnce(web)
		s.begins()
		c := s.connects()
		s.passes(20 * time.Second)
		if n := s.ran("app/liveness") + s.ran("app/readiness"); n != 0 {
			t.Errorf("%d probes before startup", n)
		}
		if p := c.probed(web, "app"); p.Started || p.Ready || !strings.HasPrefix(p.Why, "startup probe failed") {
			t.Errorf("%+v", p)
		}
		s.say("app/startup", "")
		s.say("app/liveness", "")
		s.passes(2 * time.Second)
		began := time.Now()
		if p := c.probed(web, "app"); !p.Started || !p.Ready || p.Why != "" || began.Sub(p.Since) > 2*time.Second {
			t.Errorf("%+v", p)
		}
		asked := s.ran("app/startup")
		s.passes(time.Minute)
		if s.ran("app/startup") != asked || s.ran("app/liveness") < 50 || s.ran("app/readiness") < 50 {
			t.Errorf("startup is asked on, or the others are not")
		}
	})
}

func TestAHostThatDoesNotAnswerChangesNothing(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", ready)
		s.toldOnce(web)
		s.begins()
		c := s.connects()
		s.passes(5 * time.Second)
		if p := c.probed(web, "app"); !p.Ready {
			t.Fatalf("%+v", p)
		}
		s.world.Cut("n1", true)
		s.passes(time.Minute)
		if p := c.probed(web, "app"); !p.Ready {
			t.Errorf("%+v", p)
		}
		s.say("app/readiness", "refused")
		s.passes(5 * time.Second)
		if p := c.probed(web, "app"); p.Ready || p.Why != "readiness probe fails: refused" {
			t.Errorf("probes are run on: %+v", p)
		}
	})
}

func TestAnAttemptThatFailsIsMadeAgainAndSaid(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", alive)
		s.toldOnce(web)
		s.world.Fail("n1", fake.End, 3)
		s.begins()
		c := s.connects()
		s.say("app/liveness", "refused")
		s.passes(5 * time.Second)
		if why := c.report().Failed[web.Name]; why != fake.ErrBroken.Error() {
			t.Errorf("failed: %q", why)
		}
		s.say("app/liveness", "")
		s.passes(20 * time.Second)
		if n := s.restarts(web, "app"); n != 1 {
			t.Errorf("%d restarts", n)
		}
		if failed := c.report().Failed; failed != nil {
			t.Errorf("%v", failed)
		}
	})
}

func TestATargetThatNeverAnswersHoldsUpNobodyElse(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", ready)
		s.hangs()
		crash := s.has("crash", crashes)
		s.toldOnce(web, crash)
		s.begins()
		s.passes(time.Minute)
		if n := s.ran("app/readiness"); n != 2 { // one of each node side
			t.Errorf("asked %d times", n)
		}
		if n := s.restarts(crash, "app"); n < 2 {
			t.Errorf("%d restarts", n)
		}
	})
}

func TestAFlappingProbeIsCountedAsItFlaps(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", alive)
		s.toldOnce(web)
		s.begins()
		for range 20 {
			s.say("app/liveness", "refused")
			s.passes(2 * time.Second)
			s.say("app/liveness", "")
			s.passes(time.Second)
		}
		if n := s.restarts(web, "app"); n != 0 {
			t.Errorf("%d restarts, though it never failed three times in a row", n)
		}
	})
}

func TestAnotherStartBeginsAnew(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", gated)
		s.toldOnce(web)
		s.begins()
		c := s.connects()
		s.passes(10 * time.Second)
		if p := c.probed(web, "app"); !p.Ready {
			t.Fatalf("%+v", p)
		}
		s.say("app/startup", "refused")
		s.world.Reboot("n1", 4) // its ID stays
		s.passes(10 * time.Second)
		if p := c.probed(web, "app"); p.Started || p.Ready || p.ID != s.container(web, "app").ID {
			t.Errorf("%+v", p)
		}
	})
}

func TestAPodWhoseFormLacksItsProbesIsReady(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.older = true
		web := s.has("web", gated)
		s.toldOnce(web)
		s.begins()
		c := s.connects()
		s.passes(time.Second)
		if p := c.probed(web, "app"); !p.Started || !p.Ready || s.ran("app/startup") > 0 {
			t.Errorf("%+v", p)
		}
	})
}

func TestWhatCannotBeStartedAgainIsLeftToAController(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", crashes)
		s.toldOnce(web)
		s.world.Fail("n1", fake.Run, 4)
		s.begins()
		c := s.connects()
		s.passes(time.Second)
		if r := c.report(); len(r.Tends) != 1 {
			t.Errorf("one failure is none yet: %+v", r)
		}
		s.passes(5 * time.Second)
		if r := c.report(); len(r.Tends) != 0 || r.Failed[web.Name] != fake.ErrBroken.Error() {
			t.Errorf("%+v", r)
		}
		s.passes(time.Minute)
		if r := c.report(); len(r.Tends) != 1 || len(r.Failed) != 0 || s.restarts(web, "app") < 2 {
			t.Errorf("%+v", r)
		}
	})
}

func TestWhatIsIdleIsProbedAndNoMore(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web, other := s.has("web", alive), s.has("other", strings.Replace(crashes, "name: app", "name: other", 1))
		s.toldOnce(web, other)
		s.begins()
		c := s.connects()
		_ = wire.Write(c, wire.Down{Tend: &wire.Tend{Source: source, Tend: live.Tend{Pods: []string{other.Name, web.Name}, Idle: []string{other.Name, web.Name}}}})
		s.passes(time.Second)
		s.say("app/liveness", "refused")
		before := s.world.Writes()
		s.passes(time.Hour)
		if now := s.world.Writes(); now != before {
			t.Errorf("%d writes", now-before)
		}
		if p := c.probed(web, "app"); p.Why == "" || len(c.report().Tends) > 0 {
			t.Errorf("%+v", c.report())
		}
	})
}
