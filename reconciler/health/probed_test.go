package health

import (
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
)

// is is a container with an ID, as the node side knows it.
func is(id string, c live.Container) live.Container {
	c.ID = id
	return c
}

func TestOfAPodWithProbes(t *testing.T) {
	const min = time.Minute
	word := func(id string, started, ready bool, since time.Duration, why string) live.Probed {
		return live.Probed{Container: "app", ID: id, Started: started, Ready: ready, Since: at(since), Why: why}
	}
	run := is("1", up("app", -min))
	for _, r := range []struct {
		claim  string
		probes string
		have   live.Container
		word   live.Probed
		change func(*live.Pod)
		state  State
		since  time.Duration
		why    string
	}{
		{"it is ready as soon as its probe says so", "readiness", is("1", up("app", 0)), word("1", true, true, 0, ""), nil, Ready, 0, "is ready"},
		{"and since then", "readiness", run, word("1", true, true, -time.Second, ""), nil, Ready, -time.Second, "is ready"},
		{"a host's clock that is ahead keeps nothing from being ready", "readiness", run, word("1", true, true, time.Second, ""), nil, Ready, 0, "is ready"},
		{"it is starting while its startup probe has not succeeded", "startup+readiness", run, word("1", false, false, -min, "startup probe: connection refused"), nil,
			Starting, -min, "container app: startup probe: connection refused"},
		{"it is not ready while its readiness probe fails", "readiness", run, word("1", true, false, -time.Second, "readiness probe: 503"), nil,
			Unready, -time.Second, "container app: readiness probe: 503"},
		{"with a liveness probe alone it settles as without", "liveness", is("1", up("app", -time.Second)), word("1", true, true, -time.Second, ""), nil,
			Starting, time.Second, "is up since 11:59:59, ready after 2s"},
		{"and is ready then", "liveness", run, word("1", true, true, -min, ""), nil, Ready, 2*time.Second - min, "is ready"},
		{"what was said of another container of the name does not count", "readiness", run, word("0", true, true, -min, ""), nil,
			Unheard, -min, "container app: the node side has said nothing of it yet"},
		{"while the node side is not heard nobody knows", "readiness", run, live.Probed{}, func(p *live.Pod) { p.Unheard = true },
			Unheard, -min, "container app: the node side is not heard"},
		{"where nobody runs them it does not become ready", "readiness", run, live.Probed{}, func(p *live.Pod) { p.Unprobed = "nobody runs its probes" },
			Starting, -min, "container app: nobody runs its probes"},
		{"what exited is judged as without probes", "readiness", is("1", down("app", live.Attempt(1, 1), 137, min, 0)), word("1", true, true, -min, ""), nil,
			Crashed, 0, "container app exited with 137, restarts at 12:00:10"},
		{"a probe that had it ended is said", "liveness", is("1", down("app", live.Attempt(1, 1), 137, min, 0)),
			live.Probed{Container: "app", ID: "1", Started: true, Ending: Liveness, Why: "liveness probe failed 3 times, so it is ended: 503"}, nil,
			Crashed, 0, "container app exited with 137 (liveness probe failed 3 times, so it is ended: 503), restarts at 12:00:10"},
		{"but not of another container", "liveness", is("2", down("app", live.Attempt(1, 1), 137, min, 0)),
			live.Probed{Container: "app", ID: "1", Started: true, Ending: Liveness, Why: "liveness probe failed 3 times, so it is ended: 503"}, nil,
			Crashed, 0, "container app exited with 137, restarts at 12:00:10"},
		{"whoever is heard", "readiness", is("1", down("app", live.Attempt(1, 1), 137, min, 0)), live.Probed{}, func(p *live.Pod) { p.Unheard = true },
			Crashed, 0, "container app exited with 137, restarts at 12:00:10"},
		{"one without probes beside it settles", "readiness", run, word("1", true, true, -min, ""), func(p *live.Pod) {
			p.Containers = append(p.Containers, up("log", -time.Second))
		}, Starting, time.Second, "is up since 11:59:59, ready after 2s"},
	} {
		p := live.Pod{Restart: "Always", Containers: []live.Container{r.have}, Probed: []live.Probed{r.word}}
		p.Birth.Probes = map[string]string{"app": r.probes}
		if r.change != nil {
			r.change(&p)
		}
		v := Of(p, noon)
		if v.State != r.state || v.Why != r.why {
			t.Errorf("%s: %s (%s)", r.claim, v.State, v.Why)
		}
		if v.State != Crashed && !v.Since.Equal(at(r.since)) {
			t.Errorf("%s: since %s", r.claim, v.Since)
		}
		if v.Run {
			t.Errorf("%s: it is run again", r.claim)
		}
	}
}

func TestASidecarsStartupProbeHoldsBackWhatComesAfterIt(t *testing.T) {
	for _, r := range []struct {
		claim   string
		started bool
		have    []live.Container
		state   State
		run     bool
		why     string
	}{
		{"the next init container waits", false, []live.Container{is("1", up("proxy", -time.Minute)), made("setup"), made("app")},
			Starting, false, "sidecar proxy: startup probe: no"},
		{"until it has succeeded", true, []live.Container{is("1", up("proxy", -time.Minute)), made("setup"), made("app")},
			Starting, true, "init container setup was made and not started"},
		{"main containers wait too", false, []live.Container{is("1", up("proxy", -time.Minute)), down("setup", 0, 0, time.Minute, 0), made("app")},
			Starting, false, "sidecar proxy: startup probe: no"},
		{"the sidecar itself does not", false, []live.Container{made("proxy"), made("setup"), made("app")},
			Starting, true, "sidecar proxy was made and not started"},
		{"what runs already goes on, and is not ready", false, []live.Container{is("1", up("proxy", -time.Minute)), down("setup", 0, 0, time.Minute, 0), up("app", -time.Minute)},
			Starting, false, "sidecar proxy: startup probe: no"},
	} {
		p := live.Pod{
			Expect: []string{"app", "proxy", "setup"}, Restart: "Always", Init: []live.Init{{Name: "proxy", Sidecar: true}, {Name: "setup"}}, Containers: r.have,
			Probed: []live.Probed{{Container: "proxy", ID: "1", Started: r.started, Ready: r.started, Why: "startup probe: no"}},
		}
		p.Birth.Probes = map[string]string{"proxy": "startup"}
		if r.started {
			p.Probed[0].Why = ""
		}
		if v := Of(p, noon); v.State != r.state || v.Run != r.run || v.Why != r.why {
			t.Errorf("%s: %s run=%v (%s)", r.claim, v.State, v.Run, v.Why)
		}
	}
}
