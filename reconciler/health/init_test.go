package health

import (
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
)

func made(name string) live.Container { return live.Container{Name: name, State: live.Created} }

// fallen is a container as a host shows it that went down under it.
func fallen(name string, since time.Duration) live.Container {
	return live.Container{Name: name, State: live.Created, Started: at(since)}
}

func TestOfAPodWithInitContainers(t *testing.T) {
	const min = time.Minute
	rows := []struct {
		claim   string
		restart string
		have    []live.Container
		state   State
		run     bool
		why     string
		setup   int // attempt of container setup, when run
	}{
		{"the first is started first", "Always", []live.Container{made("setup"), made("proxy"), made("app")},
			Starting, true, "init container setup was made and not started", 0},
		{"the others wait while it runs", "Always", []live.Container{up("setup", -min), made("proxy"), made("app")},
			Starting, false, "init container setup runs (1 of 2)", 0},
		{"the next starts when it ended well", "Always", []live.Container{down("setup", 0, 0, min, 0), made("proxy"), made("app")},
			Starting, true, "sidecar proxy was made and not started", 0},
		{"main containers start when a sidecar runs", "Always", []live.Container{down("setup", 0, 0, min, 0), up("proxy", -1), made("app")},
			Starting, true, "container app was made and not started", 0},
		{"it is ready though an init container has ended", "Always", []live.Container{down("setup", 0, 0, min, min), up("proxy", -min), up("app", -min)},
			Ready, false, "is ready", 0},
		{"a sidecar that is young is waited for", "Always", []live.Container{down("setup", 0, 0, min, min), up("proxy", -time.Second), up("app", -min)},
			Starting, false, "is up since 11:59:59, ready after 2s", 0},
		{"one that failed is started again", "Always", []live.Container{down("setup", 0, 1, min, 0), made("proxy"), made("app")},
			Crashed, true, "init container setup exited with 1", live.Attempt(1, 1)},
		{"with back-off", "OnFailure", []live.Container{down("setup", live.Attempt(1, 1), 1, min, 0), made("proxy"), made("app")},
			Crashed, false, "init container setup exited with 1, restarts at 12:00:10", 0},
		{"but with restartPolicy Never the pod has failed", "Never", []live.Container{down("setup", 0, 1, min, 0), made("proxy"), made("app")},
			Failed, false, "init container setup exited with 1", 0},
		{"a sidecar is started again whatever restartPolicy says", "Never", []live.Container{
			down("setup", 0, 0, min, min), down("proxy", 0, 0, min, 0), up("app", -min)}, Crashed, true, "sidecar proxy exited with 0", 0},
		{"a sidecar does not keep the pod from its end", "Never", []live.Container{
			down("setup", 0, 0, min, min), up("proxy", -min), down("app", 0, 0, min, 0)},
			Done, true, "ran to completion, and its sidecar proxy is to be stopped", 0},
		{"how the sidecar ended does not matter then", "OnFailure", []live.Container{
			down("setup", 0, 0, min, min), down("proxy", 0, 137, min, 0), down("app", 0, 0, min, 0)}, Done, false, "ran to completion", 0},
		{"nor when the pod failed", "Never", []live.Container{
			down("setup", 0, 0, min, min), up("proxy", -min), down("app", 0, 3, min, 0)},
			Failed, true, "container app exited with 3, and its sidecar proxy is to be stopped", 0},
		{"all run again after the host was restarted", "Always", []live.Container{
			down("setup", 0, 0, min, time.Hour), fallen("proxy", -59*min), fallen("app", -58*min)},
			Starting, true, "its host was restarted: init containers run again", live.Attempt(1, 0)},
		{"once", "Always", []live.Container{
			down("setup", live.Attempt(1, 0), 0, min, 0), fallen("proxy", -59*min), fallen("app", -58*min)},
			Starting, true, "sidecar proxy was cut off when its host was restarted", live.Attempt(1, 0)},
		{"and not for a pod that had ended", "Never", []live.Container{
			down("setup", 0, 0, min, time.Hour), fallen("proxy", -59*min), down("app", 0, 0, min, min)}, Done, false, "ran to completion", 0},
	}
	for _, r := range rows {
		t.Run(r.claim, func(t *testing.T) {
			v := Of(live.Pod{
				Expect: []string{"app", "proxy", "setup"}, Init: []live.Init{{Name: "setup"}, {Name: "proxy", Sidecar: true}},
				Restart: r.restart, Containers: r.have,
			}, noon)
			if v.State != r.state || v.Run != r.run || v.Why != r.why {
				t.Fatalf("%s run=%v (%s), want %s run=%v (%s)", v.State, v.Run, v.Why, r.state, r.run, r.why)
			}
			if r.run && v.Attempt["setup"] != r.setup {
				t.Errorf("attempt %d, want %d", v.Attempt["setup"], r.setup)
			}
		})
	}
}

// cut is a container as Podman 5 shows it after its host went down under it.
func cut(name string, since time.Duration) live.Container {
	return live.Container{Name: name, State: live.Exited, Started: at(since)}
}

func TestWhatARestartOfItsHostCutOffHasNotEnded(t *testing.T) {
	const min = time.Minute
	setup := down("setup", 0, 0, min, time.Hour)
	for _, form := range []func(string, time.Duration) live.Container{fallen, cut} {
		for _, restart := range []string{"Always", "OnFailure", "Never"} {
			pod := live.Pod{Expect: []string{"app"}, Restart: restart, Containers: []live.Container{form("app", -min)}}
			v := Of(pod, noon)
			if v.State != Starting || !v.Run || v.Attempt["app"] != 0 || v.Why != "container app was cut off when its host was restarted" {
				t.Errorf("%s, %s: %+v", form("app", -min).State, restart, v)
			}
			pod = live.Pod{
				Expect: []string{"app", "proxy", "setup"}, Init: []live.Init{{Name: "setup"}, {Name: "proxy", Sidecar: true}},
				Restart: restart, Containers: []live.Container{form("app", -58*min), form("proxy", -59*min), setup},
			}
			if v := Of(pod, noon); !v.Run || v.Attempt["setup"] != live.Attempt(1, 0) || v.Attempt["proxy"] != 0 || v.Attempt["app"] != 0 {
				t.Errorf("init containers run again, the others as they are: %s, %s: %+v", form("app", -min).State, restart, v)
			}
			pod.Containers[2] = up("setup", -time.Second)
			if v := Of(pod, noon); v.State != Starting || v.Run {
				t.Errorf("the others wait for them: %s, %s: %+v", form("app", -min).State, restart, v)
			}
			pod.Containers[2] = form("setup", -time.Second)
			if v := Of(pod, noon); !v.Run || v.Attempt["setup"] != 0 {
				t.Errorf("one that was cut off itself is started again: %s, %s: %+v", form("app", -min).State, restart, v)
			}
		}
	}
}

func TestAnEndBeforeTheStartIsAnEnd(t *testing.T) {
	ended := live.Container{Name: "app", State: live.Exited, Started: at(0), Finished: at(-time.Minute)}
	if v := Of(live.Pod{Expect: []string{"app"}, Restart: "Never", Containers: []live.Container{ended}}, noon); v.State != Done {
		t.Errorf("its host's clock was set back, and it ran: %+v", v)
	}
}
