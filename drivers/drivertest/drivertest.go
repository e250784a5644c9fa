// Package drivertest is the contract of a driver, as tests: they run over the fake hosts and over real Podman, which
// keeps the fake honest. A Host is a stage for them; testapp is the program in their containers.
package drivertest

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Host is one empty host.
type Host struct {
	// Open gives a driver for the host on behalf of a cluster. Each call is another controller.
	Open func(t *testing.T, cluster string) drivers.Driver
	// Image is the name of an image on the host whose containers run until they are stopped. Ends is one whose
	// containers end by themselves with code 3 within Patience. Both may be the same where arguments decide.
	Image, Ends string
	// Tick lets a little time pass.
	Tick func()
	// Foreign makes a pod that carries no label of podkeep's.
	Foreign func(t *testing.T, name string)
}

// Patience is how long a test waits for what must happen: far longer than the slowest machine takes.
const Patience = 2 * time.Minute

// Cluster is whose pods the tests make.
const Cluster = "drivertest"

// Run runs the contract. Each test uses names of its own, so that one host serves all.
func Run(t *testing.T, h Host) {
	for _, c := range claims {
		t.Run(c.name, func(t *testing.T) {
			s := &stage{T: t, Host: h, Driver: h.Open(t, Cluster)}
			defer s.clean()
			c.test(s)
		})
	}
}

var claims = []struct {
	name string
	test func(*stage)
}{
	{"an empty host has room, and nothing else", emptyHost},
	{"a pod that was run is seen with all of its labels, its containers running", runIsSeen},
	{"running twice is running once", runTwice},
	{"two runs at the same time make one pod", runRace},
	{"a pod that has to be there is not made, and is mended when it is", runThere},
	{"a pod of two containers is whole only when both exist", wholePod},
	{"a run that broke off shows as half a pod, or not at all, and the next one finishes it", halfMade},
	{"an image that is not there is an error that names it", missingImage},
	{"a file that is not there is an error that names it", missingFile},
	{"a script among a pod's files runs where the root is read-only, whole or alone, and does again", scriptRuns},
	{"a claim that is not there is an error that names it, unless the pod may make its volume", missingClaim},
	{"a claim's volume is seen by its cluster and outlives the pod that made it", claimStays},
	{"a container that exited is made anew by a higher attempt only", attempts},
	{"what runs is left alone by a higher attempt", attemptOfRunning},
	{"init containers run one after the other, and one that failed holds up the rest until it is tried again", initOrder},
	{"sidecars start one by one before the main containers", sidecarFirst},
	{"a sidecar is stopped once the main containers have ended for good", sidecarLast},
	{"runs at the same time make one pod with its sidecar", initRace},
	{"a container that is ended has exited, the others of its pod run on, and a higher attempt makes it anew", endOne},
	{"a pod that was stopped is gone, and stopping it again succeeds", stopTwice},
	{"two stops at the same time both succeed", stopRace},
	{"a pod of another cluster is invisible and is not stopped", otherCluster},
	{"a pod of nobody's is invisible, is not stopped and keeps its name", foreign},
	{"a file that was put is seen with its labels, and putting it again changes nothing", putTwice},
	{"one of two contents under one name wins, and both puts succeed", putRace},
	{"a file of no bytes is a file", putEmpty},
	{"a file of 511,999 bytes is a file", putLarge},
	{"labels of 800 KiB come back whole", putLongLabels},
	{"a long name is seen as it was given", putLongName},
	{"the node side's volume outlives its pod until the host is cleaned, and no other volume goes then", sideRemains},
	{"doors run beside the node side and beside each other, in one volume, and each goes by itself", doorsBeside},
	{"the cluster's network is made and removed, again with success, and goes when the host is cleaned", networkStays},
	{"a pod has the address that it was given; where another has it, it does not start, and gets one that is free", givenAddress},
	{"a deleted file is gone, and deleting it again succeeds", deleteTwice},
	{"a file of another cluster is invisible and stays", otherClustersFile},
	{"a receipt is seen as a receipt", receipt},
	{"what was signed is seen with its signer, and what was changed since is seen with none", signedFiles},
	{"of two identities the first stays, and a further record says the same", firstIdentity},
	{"a pod is seen with who signed it for this host, and as nobody's where its labels, name or host are others", signedPods},
	{"a pod of several parts has one signer", signedParts},
	{"a container that is not there has no log", logsOfNone},
	{"what ended has a log, whole, from its end and from a time on", logsOfEnded},
	{"the log of the attempt before is kept, and no other", logsBefore},
	{"who follows a log leaves when told to", logsLeft},
	{"a call whose context has ended is an error and does nothing", ended},
}

// stage is a Host in the hands of one test.
type stage struct {
	*testing.T
	Host
	drivers.Driver
}

func (s *stage) ctx() context.Context { return s.Context() }

// clean removes what the test made.
func (s *stage) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n, err := s.Observe(ctx)
	s.ok(err)
	for _, p := range n.Pods {
		s.ok(s.Driver.Stop(ctx, p.Name))
	}
	for _, f := range n.Files {
		s.ok(s.Delete(ctx, f.Name))
	}
	for _, r := range n.Receipts {
		s.ok(s.Delete(ctx, r.File))
	}
	s.ok(s.Close())
}

func (s *stage) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) look() live.Node {
	s.Helper()
	n, err := s.Observe(s.ctx())
	s.ok(err)
	return n
}

// pod is the one of that name, or none.
func (s *stage) pod(name string) (live.Pod, bool) {
	s.Helper()
	for _, p := range s.look().Pods {
		if p.Name == name {
			return p, true
		}
	}
	return live.Pod{}, false
}

// await looks until the pod is as it should be.
func (s *stage) await(name, what string, is func(live.Pod) bool) live.Pod {
	s.Helper()
	for deadline := time.Now().Add(Patience); ; s.Tick() {
		p, ok := s.pod(name)
		if ok && is(p) {
			return p
		}
		if time.Now().After(deadline) {
			s.Fatalf("%s: never %s: %+v", name, what, p)
		}
	}
}

// Pod is a pod to run with one container for each image, named a, b, c.
func Pod(name string, images ...string) manifest.Pod {
	app := manifest.ID{Kind: "Deployment", Namespace: "default", Name: name}
	now := int64(2)
	pod := manifest.Pod{Name: name + "-abcdef-0", Namespace: "default"}
	pod.Spec.TerminationGracePeriodSeconds = &now
	pod.Spec.Hostname = name
	pod.Spec.RestartPolicy = corev1.RestartPolicyAlways
	var expect []string
	for i, image := range images {
		c := corev1.Container{Name: string(rune('a' + i)), Image: image}
		expect = append(expect, c.Name)
		pod.Spec.Containers = append(pod.Spec.Containers, c)
	}
	pod.Labels = live.PodLabels(live.Pod{
		Cluster: Cluster, Source: "tests", App: app, Slot: 0, Rev: "v1-abcdef0123", Gen: 7, Commit: "c0ffee", Restart: "Always",
		Expect: expect, Room: manifest.Resources{MilliCPU: 10, Memory: 1 << 20}, Ports: []string{"80/tcp"}, Keep: true,
	})
	return pod
}

func running(p live.Pod) bool {
	for _, c := range p.Containers {
		if c.State != live.Running {
			return false
		}
	}
	return len(p.Containers) == len(p.Expect)
}

func over(p live.Pod) bool {
	return len(p.Containers) == 1 && (p.Containers[0].State == live.Exited || p.Containers[0].State == live.Stopped)
}

// together calls f from n goroutines and gives all errors.
func together(n int, f func(int) error) error {
	out := make(chan error, n)
	for i := range n {
		go func() { out <- f(i) }()
	}
	var all []error
	for range n {
		all = append(all, <-out)
	}
	return errors.Join(all...)
}
