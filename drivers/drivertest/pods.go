package drivertest

import (
	"context"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

func emptyHost(s *stage) {
	n := s.look()
	for tries := 0; n.Unsized > 0 && tries < 20; tries++ { // a busy one may take longer to say how large it is than it is waited for
		n = s.look()
	}
	if n.Room.MilliCPU <= 0 || n.Room.Memory <= 0 {
		s.Errorf("room is %+v", n.Room)
	}
	if len(n.Pods)+len(n.Files)+len(n.Receipts) > 0 {
		s.Errorf("%+v", n)
	}
	if n.Name != "" || n.Known || n.Silent != 0 {
		s.Errorf("name, known and silent are the caller's to say: %+v", n)
	}
}

func runIsSeen(s *stage) {
	want := Pod("seen", s.Image)
	s.ok(s.Driver.Run(s.ctx(), want))
	p := s.await(want.Name, "running", running)
	born, _ := live.ParsePod(want.Name, want.Labels)
	got := p
	got.Created, got.Containers, got.IP = time.Time{}, nil, ""
	if d := cmp.Diff(born, got); d != "" {
		s.Errorf("(-born +seen)\n%s", d)
	}
	c := p.Containers[0]
	if c.ID == "" || c.Name != "a" || c.Image != s.Image || c.Attempt != 0 || c.Started.IsZero() || !c.Finished.IsZero() {
		s.Errorf("%+v", c)
	}
	if p.Created.IsZero() {
		s.Error("created at no time")
	}
}

func runTwice(s *stage) {
	want := Pod("twice", s.Image)
	s.ok(s.Driver.Run(s.ctx(), want))
	before := s.await(want.Name, "running", running)
	s.ok(s.Driver.Run(s.ctx(), want))
	after, _ := s.pod(want.Name)
	if d := cmp.Diff(before, after); d != "" {
		s.Errorf("(-before +after)\n%s", d)
	}
}

func runRace(s *stage) {
	want := Pod("race", s.Image, s.Image)
	// Of several at once some may be told that another is at it; the pod comes out whole, and the next run agrees.
	_ = together(3, func(int) error { return s.Driver.Run(s.ctx(), want) })
	s.ok(s.Driver.Run(s.ctx(), want))
	s.await(want.Name, "running", running)
	if n := len(s.look().Pods); n != 1 {
		s.Errorf("%d pods", n)
	}
}

func runThere(s *stage) {
	want := Pod("there", s.Ends)
	want.Spec.Containers[0].Args = []string{"exit", "3"}
	want.There = true
	if err := s.Driver.Run(s.ctx(), want); err == nil {
		s.Error("no error")
	}
	if n := len(s.look().Pods); n != 0 {
		s.Fatalf("%d pods", n)
	}
	want.There = false
	s.ok(s.Driver.Run(s.ctx(), want))
	s.await(want.Name, "over", over)
	want.There, want.Attempt = true, map[string]int{"a": 1}
	s.ok(s.Driver.Run(s.ctx(), want))
	s.await(want.Name, "made anew", func(p live.Pod) bool { return len(p.Containers) == 1 && p.Containers[0].Attempt == 1 })
}

func wholePod(s *stage) {
	want := Pod("whole", s.Image, s.Image)
	s.ok(s.Driver.Run(s.ctx(), want))
	p := s.await(want.Name, "running", running)
	if len(p.Containers) != 2 || p.Containers[0].Name != "a" || p.Containers[1].Name != "b" {
		s.Errorf("%+v", p.Containers)
	}
}

func halfMade(s *stage) {
	want := Pod("half", s.Image, s.Image)
	broken := want
	broken.Spec = *want.Spec.DeepCopy()
	broken.Spec.Containers[1].Image = "localhost/none:1"
	if err := s.Driver.Run(s.ctx(), broken); err == nil {
		s.Fatal("it ran without its image")
	}
	if p, ok := s.pod(want.Name); ok && (len(p.Expect) != 2 || len(p.Containers) > 1) {
		s.Errorf("half a pod shows as %+v", p)
	}
	s.ok(s.Driver.Run(s.ctx(), want))
	s.await(want.Name, "running", running)
}

func missingImage(s *stage) {
	err := s.Driver.Run(s.ctx(), Pod("imageless", "localhost/none:1"))
	if err == nil || !strings.Contains(err.Error(), "localhost/none:1") {
		s.Errorf("%v", err)
	}
}

func missingFile(s *stage) {
	pod := Pod("fileless", s.Image)
	pod.Spec.Containers[0].Env = fromFile("X", "config-none")
	err := s.Driver.Run(s.ctx(), pod)
	if err == nil || !strings.Contains(err.Error(), "config-none") {
		s.Errorf("%v", err)
	}
}

func attempts(s *stage) {
	want := Pod("attempt", s.Ends)
	want.Spec.Containers[0].Args = []string{"exit", "3"}
	s.ok(s.Driver.Run(s.ctx(), want))
	first := s.await(want.Name, "over", over).Containers[0]
	if first.Exit != 3 || first.Finished.IsZero() || first.Finished.Before(first.Started) {
		s.Errorf("%+v", first)
	}
	s.ok(s.Driver.Run(s.ctx(), want))
	if again, _ := s.pod(want.Name); again.Containers[0] != first {
		s.Errorf("the same attempt made %+v of %+v", again.Containers[0], first)
	}
	want.Attempt = map[string]int{"a": 2}
	s.ok(s.Driver.Run(s.ctx(), want))
	second := s.await(want.Name, "made anew", func(p live.Pod) bool { return len(p.Containers) == 1 && p.Containers[0].Attempt == 2 }).Containers[0]
	if second.ID == first.ID {
		s.Error("the container is the old one")
	}
}

func attemptOfRunning(s *stage) {
	want := Pod("steady", s.Image)
	s.ok(s.Driver.Run(s.ctx(), want))
	before := s.await(want.Name, "running", running)
	want.Attempt = map[string]int{"a": 1}
	s.ok(s.Driver.Run(s.ctx(), want))
	after, _ := s.pod(want.Name)
	if d := cmp.Diff(before, after); d != "" {
		s.Errorf("(-before +after)\n%s", d)
	}
}

func endOne(s *stage) {
	ender, ok := s.Driver.(drivers.Ender)
	if !ok {
		s.Fatal("it ends no containers")
	}
	want := Pod("end", s.Image, s.Image)
	s.ok(s.Driver.Run(s.ctx(), want))
	before := s.await(want.Name, "running", running)
	for range 2 {
		s.ok(ender.End(s.ctx(), want, "a", Patience))
		p, _ := s.pod(want.Name)
		if len(p.Containers) != 2 || p.Containers[0].State != live.Exited || p.Containers[1] != before.Containers[1] || p.Stopping {
			s.Fatalf("%+v", p)
		}
	}
	s.ok(ender.End(s.ctx(), want, "none", Patience))
	want.Attempt = map[string]int{"a": 1}
	s.ok(s.Driver.Run(s.ctx(), want))
	s.await(want.Name, "running", running)
	theirs := s.Open(s.T, "other")
	defer theirs.Close()
	if err := theirs.(drivers.Ender).End(s.ctx(), want, "a", Patience); err == nil {
		s.Error("a container of another cluster's was ended")
	}
	s.ok(ender.End(s.ctx(), Pod("endnone", s.Image), "a", Patience))
}

func stopTwice(s *stage) {
	want := Pod("stop", s.Image)
	s.ok(s.Driver.Run(s.ctx(), want))
	s.await(want.Name, "running", running)
	for range 2 {
		s.ok(s.Driver.Stop(s.ctx(), want.Name))
		if p, ok := s.pod(want.Name); ok {
			s.Fatalf("%+v", p)
		}
	}
}

func stopRace(s *stage) {
	want := Pod("stoprace", s.Image)
	s.ok(s.Driver.Run(s.ctx(), want))
	s.ok(together(3, func(int) error { return s.Driver.Stop(s.ctx(), want.Name) }))
	if p, ok := s.pod(want.Name); ok {
		s.Fatalf("%+v", p)
	}
}

func otherCluster(s *stage) {
	theirs := s.Open(s.T, "other")
	defer theirs.Close()
	pod := Pod("theirs", s.Image)
	pod.Labels[live.LabelCluster] = "other"
	s.ok(theirs.Run(s.ctx(), pod))
	defer func() { s.ok(theirs.Stop(context.WithoutCancel(s.ctx()), pod.Name)) }()
	if _, ok := s.pod(pod.Name); ok {
		s.Error("it is seen")
	}
	if s.Driver.Stop(s.ctx(), pod.Name) == nil {
		s.Error("it was stopped")
	}
	pod.Labels[live.LabelCluster] = Cluster
	if err := s.Driver.Run(s.ctx(), pod); err == nil || !strings.Contains(err.Error(), pod.Name) {
		s.Errorf("it was run over: %v", err)
	}
	n, err := theirs.Observe(s.ctx())
	s.ok(err)
	if len(n.Pods) != 1 {
		s.Errorf("they see %+v", n.Pods)
	}
}

func foreign(s *stage) {
	want := Pod("taken", s.Image)
	s.Foreign(s.T, want.Name)
	if _, ok := s.pod(want.Name); ok {
		s.Error("it is seen")
	}
	if s.Driver.Stop(s.ctx(), want.Name) == nil {
		s.Error("it was stopped")
	}
	if s.Driver.Run(s.ctx(), want) == nil {
		s.Error("it was run over")
	}
}

func ended(s *stage) {
	ctx, cancel := context.WithCancel(s.ctx())
	cancel()
	want := Pod("never", s.Image)
	for what, err := range map[string]error{
		"run": s.Driver.Run(ctx, want), "stop": s.Driver.Stop(ctx, want.Name),
		"put": s.Put(ctx, manifest.File{Name: "never"}), "delete": s.Delete(ctx, "never"),
	} {
		if err == nil {
			s.Errorf("%s succeeded", what)
		}
	}
	if _, err := s.Observe(ctx); err == nil {
		s.Error("it was observed")
	}
	if n := s.look(); len(n.Pods)+len(n.Files) > 0 {
		s.Errorf("%+v", n)
	}
}
