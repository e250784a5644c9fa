package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/fake"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/wire"
)

const (
	cluster = "c"
	source  = "s"
)

// journal is a log that is read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// stage is one host in memory with a node side, on a clock that goes when nobody does anything.
type stage struct {
	machine string
	t       *testing.T
	world   *fake.World
	dir     string
	log     journal
	probes
	inside bool   // it is among the pods of a user's own Podman
	ip     string // of the pods that it has from then on
	older  bool   // forms are as an older podkeep wrote them, without probes
	fuse   *fake.Fuse
	listen listener
	router Router
	stirs  chan struct{}
	end    func() // of the node side that runs

	doors       string // where it meets doors; empty: it meets none
	listenDoors listener

	mu   sync.Mutex
	made []manifest.Pod // what it had its driver run
}

// onStage runs a test on the clock of its own.
func onStage(t *testing.T, test func(*testing.T, *stage)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, world: fake.New(time.Now, "n1"), dir: dir, listen: make(listener)}
		s.probes.says = map[string]Answer{}
		defer func() {
			if s.end != nil {
				s.end()
			}
			s.passes(2 * wire.Beat) // so that controllers notice
			if t.Failed() {
				t.Log(s.log.String())
			}
		}()
		test(t, s)
	})
}

// has puts a pod with its form on the host, as a controller would. spec is YAML of the containers.
func (s *stage) has(name, spec string) live.Pod {
	s.t.Helper()
	text := fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: %s", name, spec)
	set := manifest.Assemble(manifest.Info{Commit: "a1"}, []manifest.Parsed{manifest.Parse("x.yaml", []byte(text))})
	if len(set.Workloads) != 1 {
		s.t.Fatal(set.Problems)
	}
	r := set.Workloads[0].Revision
	p := live.Pod{
		Name: live.PodName(cluster, r.App, r.Rev, 0), Cluster: cluster, Source: source, App: r.App, Rev: r.Rev, Gen: 1,
		Restart: string(r.Spec.RestartPolicy), Init: live.InitOf(r.Spec), Birth: live.BirthOf(r),
	}
	p.Birth.IP = s.ip
	for _, c := range slices.Concat(r.Spec.InitContainers, r.Spec.Containers) {
		p.Expect = append(p.Expect, c.Name)
	}
	if s.older {
		c := &r.Spec.Containers[0]
		c.StartupProbe, c.LivenessProbe, c.ReadinessProbe = nil, nil, nil
	}
	d := s.world.Open("n1", cluster, nil)
	form := live.RevFile(r.App, r.Rev, "")
	err := d.Put(s.t.Context(), manifest.File{Name: form, Labels: live.FormLabels(r, cluster, source), Data: manifest.Bytes(form)})
	for _, c := range slices.Concat(r.Spec.InitContainers, r.Spec.Containers) {
		err = errors.Join(err, d.(drivers.Puller).Pull(s.t.Context(), c.Image, "Always"))
	}
	if err := errors.Join(err, d.Run(s.t.Context(), live.PodOf(r, p, nil))); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// begins starts a node side; end ends it as SIGTERM does.
func (s *stage) begins() {
	s.t.Helper()
	if s.end != nil {
		s.t.Fatal("one runs already")
	}
	log := logrus.New()
	log.SetOutput(&s.log)
	log.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true, TimestampFormat: time.TimeOnly})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = Run(ctx, Options{
			Driver: s.driver(), Prober: &s.probes, Router: s.router, Stirs: s.stirs, Inside: s.inside, Dir: s.dir, Version: "v1", Machine: s.machine, Log: log,
			Doors: s.doors, listenDoors: func() (net.Listener, error) { return s.listenDoors.open(), nil },
			listen: func() (net.Listener, error) { return s.listen.open(), nil },
		})
	}()
	s.end = func() { cancel(); <-done; s.end = nil }
	synctest.Wait()
}

// kill ends the node side as SIGKILL does: what it had not written down is lost.
func (s *stage) kill() {
	s.t.Helper()
	name := s.file()
	was, err := os.ReadFile(name)
	s.end()
	if errors.Is(err, fs.ErrNotExist) {
		err = os.Remove(name)
	} else if err == nil {
		err = os.WriteFile(name, was, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) driver() Driver { return noting{s.world.Open("n1", cluster, s.fuse).(Driver), s} }

// noting is the stage's driver.
type noting struct {
	Driver
	stage *stage
}

func (n noting) Run(ctx context.Context, pod manifest.Pod) error {
	n.stage.mu.Lock()
	n.stage.made = append(n.stage.made, pod)
	n.stage.mu.Unlock()
	return n.Driver.Run(ctx, pod)
}

// passes lets time go by until all is still again.
func (s *stage) passes(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// container is one as it is on the host.
func (s *stage) container(pod live.Pod, name string) live.Container {
	s.t.Helper()
	for _, p := range s.world.Truth("n1", cluster).Pods {
		for _, c := range p.Containers {
			if p.Name == pod.Name && c.Name == name {
				return c
			}
		}
	}
	s.t.Fatalf("%s has no container %s", pod.Name, name)
	return live.Container{}
}

func (s *stage) restarts(pod live.Pod, name string) int {
	return live.Restarts(s.container(pod, name).Attempt)
}

// probes answer as a test says, at once; whoever was not spoken of is well.
type probes struct {
	mu   sync.Mutex
	says map[string]Answer // by the path that is asked: container/kind
	hang bool              // until its end nothing answers
	runs map[string]int    // by path
}

func (p *probes) Run(ctx context.Context, _ Target, probe *corev1.Probe) Answer {
	key := probe.HTTPGet.Path[1:]
	p.mu.Lock()
	answer, ok := p.says[key]
	hang := p.hang
	if p.runs == nil {
		p.runs = map[string]int{}
	}
	p.runs[key]++
	p.mu.Unlock()
	if hang {
		<-ctx.Done()
	}
	if !ok {
		return Answer{OK: true}
	}
	return answer
}

// say sets what a probe answers from now on: "" is well, all else why not.
func (p *probes) say(key, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.says[key] = Answer{OK: why == "", Why: why}
}

func (p *probes) hangs() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hang = true
}

func (p *probes) ran(key string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.runs[key]
}

// listener hands over streams in memory.
type listener chan net.Conn

type listening struct {
	from   listener
	closed chan struct{}
	once   sync.Once
}

func (l listener) open() net.Listener { return &listening{from: l, closed: make(chan struct{})} }

func (l *listening) Accept() (net.Conn, error) {
	select {
	case c := <-l.from:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listening) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *listening) Addr() net.Addr { return &net.UnixAddr{} }

// controller is one that is connected. It remembers what it heard last.
type controller struct {
	net.Conn
	mu      sync.Mutex
	hello   string
	said    *wire.Report
	reports int
	beats   int
	gone    error
	table   *wire.Table

	kept     *wire.Kept
	keptLast bool // it came after a report
}

// connects has a controller connect that says hello and gives signs of life.
func (s *stage) connects() *controller {
	s.t.Helper()
	here, there := net.Pipe()
	s.listen <- there
	c := &controller{Conn: here}
	go c.hear()
	go c.live()
	synctest.Wait()
	return c
}

func (c *controller) hear() {
	lines := wire.NewReader(c)
	for {
		var up wire.Up
		err := lines.Read(&up)
		c.mu.Lock()
		switch {
		case err != nil:
			c.gone = err
		case up.Hello != nil:
			c.hello = up.Hello.Version
		case up.Report != nil:
			c.said = up.Report
			c.reports++
		case up.Table != nil:
			c.table = up.Table
		case up.Kept != nil:
			c.kept, c.keptLast = up.Kept, c.said != nil
		default:
			c.beats++
		}
		c.mu.Unlock()
		if err != nil {
			_ = c.Close()
			return
		}
	}
}

func (c *controller) live() {
	down := wire.Down{Hello: &wire.Hello{Version: "v1"}}
	for wire.Write(c, down) == nil {
		time.Sleep(wire.Beat)
		down = wire.Down{}
	}
}

func (c *controller) tends(pods ...live.Pod) { c.tendsOf(source, pods...) }

func (c *controller) tendsOf(source string, pods ...live.Pod) {
	t := wire.Tend{Source: source}
	for _, p := range pods {
		t.Pods = append(t.Pods, p.Name)
	}
	_ = wire.Write(c, wire.Down{Tend: &t})
}

// addresses are compared as they are.
var addresses = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

// report is the newest.
func (c *controller) report() wire.Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.said == nil {
		return wire.Report{}
	}
	return *c.said
}

// probed is what is said of a pod's container.
func (c *controller) probed(pod live.Pod, container string) live.Probed {
	for _, p := range c.report().Probed[pod.Name] {
		if p.Container == container {
			return p
		}
	}
	return live.Probed{}
}

// heard is what it was told so far: the node side's version, and how many reports and signs of life.
func (c *controller) heard() (hello string, reports, beats int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hello, c.reports, c.beats
}

// shown is the table that it was shown last.
func (c *controller) shown() *wire.Table {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.table
}

// keptWords are what it was told last of what ACME clients keep.
func (c *controller) keptWords() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept != nil {
		for name, e := range c.kept.Entries {
			all = append(all, "kept "+name+"="+string(e.Value))
		}
	}
	return all
}

func (c *controller) isGone() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// toldOnce has the node side tend pods, with no controller left, before it begins.
func (s *stage) toldOnce(pods ...live.Pod) {
	s.begins()
	c := s.connects()
	c.tends(pods...)
	s.passes(2 * time.Second)
	_ = c.Close()
	s.passes(0)
	s.end()
}
