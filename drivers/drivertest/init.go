package drivertest

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// initPod is a pod whose containers a, b, … have these init containers before them; a name that ends in "+" is a sidecar's.
func initPod(pod manifest.Pod, image string, names ...string) manifest.Pod {
	for _, name := range names {
		c := corev1.Container{Name: name, Image: image}
		if n := len(name) - 1; name[n] == '+' {
			always := corev1.ContainerRestartPolicyAlways
			c.Name, c.RestartPolicy = name[:n], &always
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	}
	p, _ := live.ParsePod(pod.Name, pod.Labels)
	p.Init, p.Restart = live.InitOf(pod.Spec), string(pod.Spec.RestartPolicy)
	for _, i := range p.Init {
		p.Expect = append(p.Expect, i.Name)
	}
	slices.Sort(p.Expect)
	pod.Labels = live.PodLabels(p)
	return pod
}

// states are the pod's containers as "NAME STATE", sorted by name.
func states(p live.Pod) (all []string) {
	for _, c := range p.Containers {
		all = append(all, c.Name+" "+c.State)
	}
	return all
}

func are(want ...string) func(live.Pod) bool {
	return func(p live.Pod) bool { return slices.Equal(states(p), want) }
}

func initOrder(s *stage) {
	want := initPod(Pod("initorder", s.Image), s.Ends, "x", "y")
	want.Spec.InitContainers[0].Args = []string{"exit", "3"}
	want.Spec.InitContainers[1].Args = []string{"exit", "3"}
	s.ok(s.Driver.Run(s.ctx(), want))
	s.await(want.Name, "one init container over, the rest waiting", are("a created", "x exited", "y created"))
	s.ok(s.Driver.Run(s.ctx(), want))
	p, _ := s.pod(want.Name)
	if !are("a created", "x exited", "y created")(p) {
		s.Errorf("an init container that failed let others go on: %v", states(p))
	}
	want.Attempt = map[string]int{"x": 101}
	s.ok(s.Driver.Run(s.ctx(), want))
	p = s.await(want.Name, "tried again", func(p live.Pod) bool {
		return len(p.Containers) == 3 && p.Containers[1].Attempt == 101 && p.Containers[1].State == live.Exited
	})
	if p.Containers[0].State != live.Created || p.Containers[2].State != live.Created {
		s.Errorf("%v", states(p))
	}
}

func sidecarFirst(s *stage) {
	want := initPod(Pod("sidecar", s.Image), s.Image, "x+", "y+")
	for i, state := range [][]string{
		{"a created", "x running", "y created"}, {"a created", "x running", "y running"}, {"a running", "x running", "y running"},
	} {
		s.ok(s.Driver.Run(s.ctx(), want))
		s.await(want.Name, fmt.Sprint("at step ", i), are(state...))
	}
}

func sidecarLast(s *stage) {
	pod := Pod("over", s.Ends)
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	want := initPod(pod, s.Image, "x+")
	want.Spec.Containers[0].Args = []string{"exit", "3"}
	s.ok(s.Driver.Run(s.ctx(), want))
	s.await(want.Name, "a sidecar up", are("a created", "x running"))
	s.ok(s.Driver.Run(s.ctx(), want))
	s.await(want.Name, "a sidecar that outlives what it helps", are("a exited", "x running"))
	s.ok(s.Driver.Run(s.ctx(), want))
	s.await(want.Name, "over", are("a exited", "x exited"))
	s.ok(s.Driver.Run(s.ctx(), want))
	if p, _ := s.pod(want.Name); !are("a exited", "x exited")(p) {
		s.Errorf("what is over went on: %v", states(p))
	}
}

func initRace(s *stage) {
	want := initPod(Pod("initrace", s.Image), s.Image, "x+")
	_ = together(3, func(int) error { return s.Driver.Run(s.ctx(), want) })
	for range 2 {
		s.ok(s.Driver.Run(s.ctx(), want))
	}
	s.await(want.Name, "running", running)
	s.ok(s.Driver.Stop(context.WithoutCancel(s.ctx()), want.Name))
	if p, ok := s.pod(want.Name); ok {
		s.Errorf("%+v", p)
	}
}
