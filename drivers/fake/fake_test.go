package fake

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// stage is a world of one host, n1, with a clock that the test moves.
type stage struct {
	*World
	now time.Time
}

func newStage() *stage {
	s := &stage{now: time.Date(2026, 3, 1, 14, 0, 0, 700e6, time.UTC)}
	s.World = New(func() time.Time { return s.now }, "n1")
	return s
}

func onePod(images ...string) manifest.Pod {
	app := manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}
	p := manifest.Pod{Name: "web-abc123-0"}
	var names []string
	for i, image := range images {
		name := string(rune('a' + i))
		names = append(names, name)
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: name, Image: "x:" + image})
	}
	p.Labels = live.PodLabels(live.Pod{
		Cluster: "c", Source: "s", App: app, Rev: "v1-abc123", Gen: 1, Expect: names, Restart: "Always",
	})
	return p
}

// start pulls and runs, and gives the first error.
func (s *stage) start(fuse *Fuse, p manifest.Pod) error {
	d := s.Open("n1", "c", fuse)
	for _, c := range p.Spec.Containers {
		if err := d.(driver).Pull(context.Background(), c.Image, "IfNotPresent"); err != nil {
			return err
		}
	}
	return d.Run(context.Background(), p)
}

func (s *stage) look(t *testing.T) live.Node {
	t.Helper()
	n, err := s.Open("n1", "c", nil).Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAControllerKilledBetweenTwoContainersLeavesHalfAPod(t *testing.T) {
	s := newStage()
	p := onePod("v1", "v1")
	// pull, pod, container a
	if err := s.start(&Fuse{Left: 3}, p); !errors.Is(err, ErrKilled) {
		t.Fatal(err)
	}
	half := s.look(t).Pods[0]
	if len(half.Expect) != 2 || len(half.Containers) != 1 || half.Containers[0].State != live.Created {
		t.Fatalf("%+v", half)
	}
	if err := s.start(nil, p); err != nil {
		t.Fatal(err)
	}
	if whole := s.look(t).Pods[0]; len(whole.Containers) != 2 {
		t.Fatalf("%+v", whole)
	}
}

func TestWhatRanBeforeARebootIsNotStartedAfterIt(t *testing.T) {
	for podman, state := range map[int]string{4: live.Created, 5: live.Exited} {
		t.Run(fmt.Sprint("Podman ", podman), func(t *testing.T) { reboots(t, podman, state) })
	}
}

func reboots(t *testing.T, podman int, state string) {
	s := newStage()
	p := onePod("v1", "bad")
	if err := s.start(nil, p); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Minute)
	s.Reboot("n1", podman)
	got := s.look(t).Pods[0].Containers
	if got[0].State != state || !got[0].Felled() || got[0].Exit != 0 || !got[1].Ended() || got[1].Exit != 1 {
		t.Fatalf("%+v", got)
	}
	if err := s.start(nil, p); err != nil {
		t.Fatal(err)
	}
	got = s.look(t).Pods[0].Containers
	if got[0].State != live.Running || got[1].State != live.Exited {
		t.Fatalf("Run starts what the reboot ended, and leaves what exited at the asked attempt: %+v", got)
	}
}

func TestListsShowWholeSecondsOfTheHostsClock(t *testing.T) {
	s := newStage()
	s.Skew("n1", 5*time.Minute)
	if err := s.start(nil, onePod("v1")); err != nil {
		t.Fatal(err)
	}
	if got, want := s.look(t).Pods[0].Containers[0].Started, s.now.Truncate(time.Second); !got.Equal(want) {
		t.Fatalf("started %v, want %v", got, want)
	}
}

func TestACopySharesNothing(t *testing.T) {
	s := newStage()
	if err := s.start(nil, onePod("v1")); err != nil {
		t.Fatal(err)
	}
	c := s.Copy()
	if err := c.Crash("web-abc123-0"); err != nil {
		t.Fatal(err)
	}
	c.Cut("n1", true)
	if s.look(t).Pods[0].Containers[0].State != live.Running {
		t.Fatal("the crash in the copy is seen in the original")
	}
}

func TestACallWhoseAnswerIsLostHasDoneItsWork(t *testing.T) {
	s := newStage()
	s.Lose("n1", Run, 1)
	if err := s.start(nil, onePod("v1")); !errors.Is(err, ErrTimeout) {
		t.Fatal(err)
	}
	if len(s.look(t).Pods) != 1 {
		t.Fatal("no pod")
	}
}

func TestAPodOfOthersIsInvisibleAndCannotBeStopped(t *testing.T) {
	s := newStage()
	s.Foreign("n1", "db", nil)
	before := s.Others("c")
	if n := s.look(t); len(n.Pods) != 0 {
		t.Fatalf("%+v", n.Pods)
	}
	if err := s.Open("n1", "c", nil).Stop(context.Background(), "db"); err == nil {
		t.Fatal("it was stopped")
	}
	if after := s.Others("c"); after != before {
		t.Fatalf("%s became %s", before, after)
	}
}

func TestAFileIsListedOnlyWhenItIsWhole(t *testing.T) {
	s := newStage()
	f := manifest.File{Name: "config-1", Labels: map[string]string{live.LabelCluster: "c"}, Data: manifest.Bytes("x")}
	if err := s.Open("n1", "c", &Fuse{Left: 1}).Put(context.Background(), f); !errors.Is(err, ErrKilled) {
		t.Fatal(err)
	}
	if n := s.look(t); len(n.Files) != 0 {
		t.Fatalf("%+v", n.Files)
	}
	if err := s.Open("n1", "c", nil).Put(context.Background(), f); err != nil {
		t.Fatal(err)
	}
	if n := s.look(t); len(n.Files) != 1 {
		t.Fatalf("%+v", n.Files)
	}
}

func TestWhatIsThereAlreadyIsNotWrittenAgain(t *testing.T) {
	s := newStage()
	ctx, d := context.Background(), s.Open("n1", "c", nil)
	file := manifest.File{Name: "config-a", Data: manifest.Bytes("x")}
	var writes int
	for range 2 {
		writes = s.Writes()
		if err := errors.Join(s.start(nil, onePod("v1")), d.Put(ctx, file)); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Writes() - writes; n != 0 {
		t.Errorf("%d writes", n)
	}
}

func TestAContainerThatIsSlowToStopIsStoppingUntilItHasEnded(t *testing.T) {
	s := newStage()
	if err := s.start(nil, onePod("stubborn")); err != nil {
		t.Fatal(err)
	}
	d := s.Open("n1", "c", nil)
	for range 2 {
		if err := d.Stop(context.Background(), "web-abc123-0"); !errors.Is(err, ErrTimeout) {
			t.Fatalf("stop: %v", err)
		}
		if p := s.look(t).Pods[0]; !p.Stopping || p.Containers[0].State != live.Running {
			t.Errorf("stopping %v, %s", p.Stopping, p.Containers[0].State)
		}
	}
	if s.Writes() != 5 {
		t.Errorf("%d writes, want pull, pod, container, start and one stop", s.Writes())
	}
	s.now = s.now.Add(25 * time.Second)
	if p := s.look(t).Pods[0]; p.Stopping || p.Containers[0].State != live.Exited {
		t.Errorf("stopping %v, %s", p.Stopping, p.Containers[0].State)
	}
	if err := d.Stop(context.Background(), "web-abc123-0"); err != nil || len(s.look(t).Pods) > 0 {
		t.Errorf("stop: %v, %d pods", err, len(s.look(t).Pods))
	}
}

func TestAContainerThatIsEndedRunsUntilItHasStoppedOrItsGraceIsOver(t *testing.T) {
	for grace, want := range map[time.Duration]int{time.Minute: 143, 5 * time.Second: 137} {
		s := newStage()
		if err := s.start(nil, onePod("stubborn")); err != nil {
			t.Fatal(err)
		}
		end := func() error {
			return s.Open("n1", "c", nil).(drivers.Ender).End(t.Context(), manifest.Pod{Name: "web-abc123-0"}, "a", grace)
		}
		for range 2 {
			if err := end(); !errors.Is(err, ErrTimeout) {
				t.Fatalf("end: %v", err)
			}
			if p := s.look(t).Pods[0]; p.Stopping || p.Containers[0].State != live.Running {
				t.Errorf("stopping %v, %s", p.Stopping, p.Containers[0].State)
			}
		}
		s.now = s.now.Add(min(grace, 25*time.Second))
		if c := s.look(t).Pods[0].Containers[0]; c.State != live.Exited || c.Exit != want {
			t.Errorf("%s with %d", c.State, c.Exit)
		}
		if err := end(); err != nil || s.Writes() != 5 {
			t.Errorf("end: %v, %d writes", err, s.Writes())
		}
	}
}
