package devfleet_test

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
)

// How often to kill the controller with -9 during the busy hour, and how long that is, both at least.
var (
	kills = flag.Int("kills", 50, "how often to kill the controller with -9 during the busy hour, at least")
	busy  = flag.Duration("busy", 0, "how long the busy hour is, at least")
)

// pushEvery is how many kills there are to a push.
const pushEvery = 10

// A busy hour: pushes come while the controller is killed with -9 again and again, at random moments. Every container
// that was ever started is one that a commit asked for, it was started once, and three served throughout.
func TestABusyHourOfKillsRestartsNothing(t *testing.T) {
	t.Parallel()
	s := build(t, "fl-kills")
	s.populate()
	s.source = []string{"--source", s.path("fleet.git"), "--branch", "main"}
	s.start()
	s.converges(s.push("hello, three times"))
	s.three()
	pace := s.measured()

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, a look takes %s, a rollout %s", seed, pace.look, pace.rollout)
	random := rand.New(rand.NewPCG(seed, 0))
	began, least, starts := time.Now(), s.least(), s.starts()
	commits := map[string]bool{s.head(): true}
	killed := 0
	for ; killed < *kills || time.Since(began) < *busy || killed%pushEvery != 0 || !enough(starts()); killed++ {
		if killed%pushEvery == 0 {
			commits[s.another(killed/pushEvery)] = true
		}
		if killed == max(1000, 3**kills) && !enough(starts()) {
			t.Fatalf("after %d kills too few were started to have learnt anything: %+v", killed, starts())
		}
		s.lives(random, &pace)
	}
	s.start()
	s.converges(s.head())
	s.three()
	if n := least(); n < 3 {
		t.Errorf("only %d ran for a while, want 3 throughout", n)
	}
	s.explained(starts(), commits)
	t.Logf("%d kills and %d pushes in %s", killed, len(commits)-1, time.Since(began).Round(time.Second))
}

// pace is how long a controller takes on this machine: for its first look, from its start until it tells what it saw; and
// for a rollout, from the push until it is over.
type pace struct{ look, rollout time.Duration }

// measured is the pace of a controller that nobody disturbs.
func (s *stage) measured() (p pace) {
	s.Helper()
	s.stop()
	began := time.Now()
	s.start()
	s.looked()
	p.look = time.Since(began)
	commit := s.another(-1)
	began = time.Now()
	s.converges(commit)
	p.rollout = time.Since(began)
	s.stop()
	return p
}

// looked waits until the controller tells what it saw.
func (s *stage) looked() {
	s.Helper()
	s.await(func() error { _, err := s.hello(); return err })
}

// lives starts the controller and kills it at a random moment. Most die before their first look is over; one in five lives
// on from there for a share of a rollout.
func (s *stage) lives(random *rand.Rand, p *pace) {
	s.Helper()
	began, share := time.Now(), p.look
	s.start()
	if random.IntN(5) == 0 {
		s.looked()
		p.look = time.Since(began) // which may be another by now
		share = p.rollout
	}
	life := time.NewTimer(time.Duration(random.Int64N(int64(share))))
	<-life.C
	s.stop()
}

var moodLine = regexp.MustCompile(`mood: .*`)

// another pushes a commit that changes what hello is told, and, every second time, its image.
func (s *stage) another(number int) (commit string) {
	s.Helper()
	s.replace("config.yaml", moodLine, fmt.Sprintf("mood: busy %d", number))
	s.replace("deployment.yaml", imageLine, fmt.Sprintf("image: localhost/hello:v%d", 1+number&1))
	return s.push(fmt.Sprintf("busy %d", number))
}

// event is what Podman's own record tells of a container of hello's.
type event struct {
	at                                   int64
	what, node, id, pod, commit, attempt string
}

// events are those since a time, in their order, of all nodes or only those named.
func (s *stage) events(since time.Time, nodes ...string) (all []event) {
	s.Helper()
	const format = `{{if eq (printf "%T" .Time) "int64"}}{{.TimeNano}}{{else}}{{.Time.UnixNano}}{{end}} {{.Status}} {{.ID}} {{.Name}} {{index .Attributes "` + live.LabelContainer +
		`"}} {{index .Attributes "` + live.LabelCommit + `"}} {{index .Attributes "` + live.LabelAttempt + `"}}`
	for _, n := range s.fleet.Nodes {
		if len(nodes) > 0 && !slices.Contains(nodes, n.Name) {
			continue
		}
		said := s.on(n.Name, "podman", "events", "--stream=false", "--since", since.Format(time.RFC3339Nano),
			"--filter", "type=container", "--filter", "label="+live.LabelApp+"=Deployment/default/hello", "--format", format)
		for line := range strings.Lines(said) {
			f := append(strings.Fields(line), "")
			if len(f) < 7 || f[4] != "hello" {
				continue // the infra container
			}
			at, err := strconv.ParseInt(f[0], 10, 64)
			s.ok(err)
			all = append(all, event{at: at, what: f[1], node: n.Name, id: f[2], pod: f[3], commit: f[5], attempt: f[6]})
		}
	}
	slices.SortStableFunc(all, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return all
}

// starts gives a function that says which of hello's containers were started since.
func (s *stage) starts() func() []event {
	since := time.Now()
	return func() []event {
		return slices.DeleteFunc(s.events(since), func(e event) bool { return e.what != "start" })
	}
}

// least gives a function that says how few of hello's containers ran at any time since, by Podman's own record. On a few
// nodes only, if they are named.
func (s *stage) least(nodes ...string) func() int {
	s.Helper()
	since, running := time.Now(), map[string]bool{}
	found, err := s.containers(nodes...)
	s.ok(err)
	for _, c := range found {
		if c.State == "running" {
			running[c.ID] = true
		}
	}
	return func() int {
		s.Helper()
		least := len(running)
		for _, e := range s.events(since, nodes...) {
			switch e.what {
			case "start":
				running[e.id] = true
			case "died":
				delete(running, e.id)
			}
			least = min(least, len(running))
		}
		return least
	}
}

// enough says whether so much was started that something was learnt.
func enough(starts []event) bool {
	commits := map[string]bool{}
	for _, e := range starts {
		commits[e.commit] = true
	}
	return len(starts) >= 6 && len(commits) >= 2
}

// explained checks that each start is the first of a container that one of the commits asked for.
func (s *stage) explained(starts []event, commits map[string]bool) {
	s.Helper()
	times := map[string][]event{}
	born := map[string]bool{}
	for _, one := range starts {
		times[one.pod] = append(times[one.pod], one)
		born[one.commit] = true
		if !commits[one.commit] {
			s.Errorf("no commit explains %+v", one)
		}
		if one.attempt != "" && one.attempt != "0" {
			s.Errorf("restarted: %+v", one)
		}
	}
	for _, pod := range slices.Sorted(maps.Keys(times)) {
		if len(times[pod]) > 1 {
			s.Errorf("started more than once: %+v", times[pod])
		}
	}
	s.Logf("%d containers were started, of %d commits", len(times), len(born))
}
