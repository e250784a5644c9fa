package health

import (
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
)

var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return noon.Add(d) }

func up(name string, since time.Duration) live.Container {
	return live.Container{Name: name, State: live.Running, Started: at(since)}
}

func down(name string, attempt, exit int, ran, ago time.Duration) live.Container {
	return live.Container{
		Name: name, State: live.Exited, Exit: exit, Attempt: attempt, Started: at(-ran - ago), Finished: at(-ago),
	}
}

func TestOf(t *testing.T) {
	type row struct {
		claim   string
		pod     live.Pod
		state   State
		run     bool
		attempt int // of container app, when run
		wake    time.Duration
	}
	both := []string{"app", "log"}
	rows := []row{
		{"a pod with all containers up for two seconds is ready", live.Pod{Expect: both, Containers: []live.Container{
			up("app", -2*time.Second), up("log", -time.Minute)}}, Ready, false, 0, 0},
		{"before that it is starting, and says when to look again", live.Pod{Expect: both, Containers: []live.Container{
			up("app", -time.Second), up("log", -time.Minute)}}, Starting, false, 0, time.Second},
		{"a pod that lacks a container is half made and is run again", live.Pod{Expect: both, Containers: []live.Container{
			up("app", -time.Minute)}}, Starting, true, 0, 0},
		{"a container that was made and not started is run again", live.Pod{Expect: []string{"app"}, Containers: []live.Container{
			{Name: "app", State: live.Created}}}, Starting, true, 0, 0},
		{"a clock that was set back makes no pod young", live.Pod{Expect: []string{"app"}, Containers: []live.Container{
			up("app", 5*time.Minute)}}, Ready, false, 0, 0},
		{"nor makes it a crash wait", live.Pod{Expect: []string{"app"}, Containers: []live.Container{
			down("app", live.Attempt(3, 3), 1, time.Minute, -5*time.Minute)}}, Crashed, true, live.Attempt(4, 4), 0},
		{"a pod being stopped is left alone", live.Pod{Stopping: true, Expect: both}, Stopping, false, 0, 0},
		{"a pod being started is left alone", live.Pod{Asked: true, Expect: both}, Starting, false, 0, 0},
		{"the first crash restarts at once", live.Pod{Expect: []string{"app"}, Containers: []live.Container{
			down("app", 0, 1, time.Minute, 0)}}, Crashed, true, live.Attempt(1, 1), 0},
		{"the second waits ten seconds", live.Pod{Expect: []string{"app"}, Containers: []live.Container{
			down("app", live.Attempt(1, 1), 1, time.Minute, 4*time.Second)}}, Crashed, false, 0, 6 * time.Second},
		{"the fourth waits forty", live.Pod{Expect: []string{"app"}, Containers: []live.Container{
			down("app", live.Attempt(3, 3), 1, time.Minute, time.Second)}}, Crashed, false, 0, 39 * time.Second},
		{"none waits longer than five minutes", live.Pod{Expect: []string{"app"}, Containers: []live.Container{
			down("app", live.Attempt(40, 40), 1, time.Minute, time.Second)}}, Crashed, false, 0, 299 * time.Second},
		{"ten good minutes start the back-off over", live.Pod{Expect: []string{"app"}, Containers: []live.Container{
			down("app", live.Attempt(9, 9), 1, 10*time.Minute, 0)}}, Crashed, true, live.Attempt(10, 1), 0},
		{"exit 0 is a crash where restartPolicy is Always", live.Pod{Restart: "Always", Expect: []string{"app"}, Containers: []live.Container{
			down("app", 0, 0, time.Minute, 0)}}, Crashed, true, live.Attempt(1, 1), 0},
		{"exit 0 is the end where it is OnFailure", live.Pod{Restart: "OnFailure", Expect: []string{"app"}, Containers: []live.Container{
			down("app", 0, 0, time.Minute, 0)}}, Done, false, 0, 0},
		{"OnFailure restarts what failed", live.Pod{Restart: "OnFailure", Expect: []string{"app"}, Containers: []live.Container{
			down("app", 0, 3, time.Minute, 0)}}, Crashed, true, live.Attempt(1, 1), 0},
		{"Never leaves what failed", live.Pod{Restart: "Never", Expect: []string{"app"}, Containers: []live.Container{
			down("app", 0, 3, time.Minute, 0)}}, Failed, false, 0, 0},
		{"a pod of which one container ended well goes on", live.Pod{Restart: "Never", Expect: both, Containers: []live.Container{
			down("app", 0, 0, time.Minute, 0), up("log", -time.Minute)}}, Ready, false, 0, 0},
		{"a container paused by hand is not ready", live.Pod{Expect: []string{"app"}, Containers: []live.Container{
			{Name: "app", State: live.Paused, Started: at(-time.Hour)}}}, Starting, false, 0, 0},
	}
	for _, r := range rows {
		t.Run(r.claim, func(t *testing.T) {
			v := Of(r.pod, noon)
			if v.State != r.state || v.Run != r.run {
				t.Fatalf("%s run=%v (%s), want %s run=%v", v.State, v.Run, v.Why, r.state, r.run)
			}
			if r.run && v.Attempt["app"] != r.attempt {
				t.Errorf("attempt %d, want %d", v.Attempt["app"], r.attempt)
			}
			if wake := v.Wake; r.wake == 0 != wake.IsZero() || r.wake != 0 && !wake.Equal(at(r.wake)) {
				t.Errorf("wake %v, want noon + %v", wake, r.wake)
			}
			if v.Why == "" {
				t.Error("no reason given")
			}
		})
	}
}
