package node

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/drivers/fake"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/reconciler/health"
)

func TestNoVerdictChangesBecauseTheNodeSideWasStartedAgain(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web, ill := s.has("web", gated), s.has("ill", `{containers: [{name: ill, image: "app:v1", readinessProbe: {httpGet: {port: 80, path: /ill/readiness}, periodSeconds: 1}}]}`)
		s.say("ill/readiness", "refused")
		s.toldOnce(web, ill)
		s.begins()
		c := s.connects()
		s.passes(time.Minute)
		before := c.report()
		if !c.probed(web, "app").Ready || c.probed(ill, "ill").Ready {
			t.Fatalf("%+v", before.Probed)
		}
		s.end()
		s.passes(time.Minute)
		s.hangs() // nothing is answered anew
		s.begins()
		c = s.connects()
		s.passes(time.Second)
		if diff := cmp.Diff(before, c.report(), addresses); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOfWhatMayHaveBeenReadyWhenItWasKilledNothingIsSaidUntilItsProbesTell(t *testing.T) {
	const slow = `{containers: [{name: slow, image: "app:v1", readinessProbe: {httpGet: {port: 80, path: /slow/readiness}, initialDelaySeconds: 60}}]}`
	for _, r := range []struct {
		claim, why string // why is what the readiness probe comes to
		after      time.Duration
		ready      bool
	}{
		{"that it is ready is said", "", 2 * time.Second, true},
		{"one failure says nothing", "refused", 1500 * time.Millisecond, true},
		{"as many as its threshold do", "refused", 5 * time.Second, false},
	} {
		t.Run(r.claim, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				web, slow := s.has("web", gated), s.has("slow", slow)
				s.toldOnce(web, slow)
				k := s.kept()
				if !k.Probing[web.Name]["app"].Ready {
					t.Fatalf("%+v", k)
				}
				k.Probing = map[string]map[string]health.Probing{} // as if it had been killed before that was written
				text, err := json.Marshal(k)
				if err := errors.Join(err, os.WriteFile(s.file(), text, 0o600)); err != nil {
					t.Fatal(err)
				}
				s.say("app/readiness", r.why)
				s.begins()
				c := s.connects()
				said := func() (all []live.Probed) {
					for end := time.Now().Add(r.after); time.Now().Before(end); s.passes(50 * time.Millisecond) {
						all = append(all, c.report().Probed[web.Name]...)
					}
					return all
				}()
				for i, w := range said {
					if w.Ready != r.ready {
						t.Errorf("word %d of %d: %+v", i, len(said), w)
					}
				}
				if concluded := r.why == "" || !r.ready; concluded != (len(said) > 0) {
					t.Errorf("%+v", said)
				}
				if is := c.probed(slow, "slow"); is.Ready || is.Why != "readiness probe has not answered yet" {
					t.Errorf("it can never have been ready: %+v", is)
				}
			})
		})
	}
}

func TestAProbeThatFailsGoesOnCountingAfterARestart(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", `{containers: [{name: app, image: "app:v1", livenessProbe: {httpGet: {port: 80, path: /app/liveness}, periodSeconds: 10, failureThreshold: 6}}]}`)
		s.toldOnce(web)
		s.say("app/liveness", "refused")
		for range 5 {
			s.begins()
			s.passes(10 * time.Second) // one answer, or two where the turn comes at once
			s.end()
		}
		s.begins()
		s.passes(11 * time.Second)
		if n := s.restarts(web, "app"); n != 1 {
			t.Errorf("%d restarts after %d failures", n, s.ran("app/liveness"))
		}
	})
}

func TestWhatItKnewOfAContainerIsForgottenWithIt(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", ready)
		s.toldOnce(web)
		s.begins()
		s.passes(5 * time.Second)
		s.end()
		if k := s.kept(); len(k.Probing) != 1 {
			t.Fatalf("%+v", k)
		}
		if err := s.world.Remove(web.Name); err != nil {
			t.Fatal(err)
		}
		s.begins()
		s.passes(5 * time.Second)
		s.end()
		if k := s.kept(); len(k.Probing) != 0 || len(k.Tends) != 1 {
			t.Errorf("%+v", k)
		}
	})
}

func (s *stage) file() string { return filepath.Join(s.dir, "state.json") }

// kept is what the file says.
func (s *stage) kept() (k kept) {
	s.t.Helper()
	text, err := os.ReadFile(s.file())
	if err := errors.Join(err, json.Unmarshal(text, &k)); err != nil {
		s.t.Fatal(err)
	}
	return k
}

func TestKilledAtEveryWriteItEndsAsIfItHadNotBeen(t *testing.T) {
	for left := 0; ; left++ {
		burnt := false
		onStage(t, func(t *testing.T, s *stage) {
			web := s.has("web", alive)
			s.toldOnce(web)
			before := s.world.Writes()
			s.fuse = &fake.Fuse{Left: left + 1}
			s.say("app/liveness", "refused")
			s.begins()
			s.passes(5 * time.Second)
			burnt = s.fuse.Left <= 0
			s.kill()
			s.fuse = nil
			s.say("app/liveness", "")
			s.begins()
			s.passes(10 * time.Minute)
			if c := s.container(web, "app"); c.State != live.Running || live.Restarts(c.Attempt) > 1 {
				t.Errorf("killed after %d writes: %s, %d restarts", s.world.Writes()-before, c.State, live.Restarts(c.Attempt))
			}
		})
		if !burnt {
			if left < 3 {
				t.Errorf("only %d writes", left)
			}
			return
		}
	}
}

func TestWithoutItsFileItGoesOnInMemoryAndSaysSo(t *testing.T) {
	for claim, spoil := range map[string]func(*stage) (mend func()){
		"damaged": func(s *stage) func() {
			if err := os.WriteFile(filepath.Join(s.dir, "state.json"), []byte(`{"Tends":[{"Sou`), 0o600); err != nil {
				s.t.Fatal(err)
			}
			return nil // the next write mends it
		},
		"no directory": func(s *stage) func() {
			s.dir = filepath.Join(s.dir, "a", "b")
			if err := os.WriteFile(filepath.Dir(s.dir), nil, 0o600); err != nil {
				s.t.Fatal(err)
			}
			return func() { _ = os.Remove(filepath.Dir(s.dir)) }
		},
		"full": func(s *stage) func() {
			full := filepath.Join(s.dir, "state.json.new")
			if err := os.Symlink("/dev/full", full); err != nil {
				s.t.Fatal(err)
			}
			return nil // what could not be written is removed
		},
		"a directory in its place": func(s *stage) func() {
			at := filepath.Join(s.dir, "state.json")
			if err := os.MkdirAll(filepath.Join(at, "x"), 0o700); err != nil {
				s.t.Fatal(err)
			}
			return func() { _ = os.RemoveAll(at) }
		},
	} {
		t.Run(claim, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				web := s.has("web", alive)
				mend := spoil(s)
				s.begins()
				c := s.connects()
				c.tends(web)
				s.say("app/liveness", "refused")
				s.passes(5 * time.Second)
				if n := s.restarts(web, "app"); n < 1 {
					t.Errorf("%d restarts", n)
				}
				if why := c.report().Trouble; mend != nil && why == "" {
					t.Error("says nothing of it")
				}
				if mend != nil {
					mend()
				}
				s.say("app/liveness", "")
				s.passes(time.Minute)
				if why := c.report().Trouble; why != "" {
					t.Errorf("goes on saying: %s", why)
				}
				if k := s.kept(); len(k.Tends) != 1 || k.Tends[0].Pods[0] != web.Name {
					t.Errorf("%+v", k)
				}
			})
		})
	}
}

func TestAWriteThatBreaksOffLeavesTheFileAsItWas(t *testing.T) {
	name := filepath.Join(t.TempDir(), "state.json")
	if err := write(name, []byte("before")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", name+".new"); err != nil {
		t.Fatal(err)
	}
	if err := write(name, []byte("after")); err == nil {
		t.Error("no error")
	}
	if text, err := os.ReadFile(name); string(text) != "before" {
		t.Errorf("%s, %v", text, err)
	}
}

func TestWhateverMomentItIsKilledAtNothingIsUndone(t *testing.T) {
	for at := 100 * time.Millisecond; at < 6*time.Second; at += 370 * time.Millisecond {
		onStage(t, func(t *testing.T, s *stage) {
			web := s.has("web", gated)
			s.say("app/startup", "refused")
			s.begins()
			c := s.connects()
			c.tends(web)
			s.passes(2 * time.Second)
			s.say("app/startup", "")
			s.passes(at)
			before := c.probed(web, "app")
			s.kill()
			s.begins()
			c = s.connects()
			s.passes(200 * time.Millisecond)
			if after := c.probed(web, "app"); before.Ready && at > 3*time.Second && cmp.Diff(before, after) != "" {
				t.Errorf("killed after %s: %+v, was %+v", at, after, before)
			}
			s.passes(5 * time.Second)
			if p := c.probed(web, "app"); !p.Ready || s.restarts(web, "app") > 0 {
				t.Errorf("killed after %s: %+v", at, p)
			}
		})
	}
}

func TestACopyOfADiskObeysNobodyUntilItIsTold(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", `{containers: [{name: app, image: "app:v1"}]}`)
		for _, c := range []struct {
			machine string
			obeys   bool
		}{{"one", true}, {"one", true}, {"another", false}, {"another", true}} {
			if s.machine = c.machine; c.obeys {
				s.toldOnce(web)
			}
			s.begins()
			s.passes(time.Second)
			if tends := len(s.connects().report().Tends); (tends > 0) != c.obeys {
				t.Errorf("on %s it tends %d pods", c.machine, tends)
			}
			s.end()
		}
	})
}
