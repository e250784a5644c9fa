package devfleet_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
)

// kills is how often the busy hour kills the controller.
var kills = flag.Int("kills", 500, "how often to kill the controller with -9 during the busy hour")

// pushEvery is how many kills there are to a push.
const pushEvery = 20

// A busy hour: pushes come while the controller is killed with -9 again and again, at random moments. Every container
// that was ever started is one that a commit asked for, it was started once, and three served throughout.
func TestABusyHourOfKillsRestartsNothing(t *testing.T) {
	s := build(t, "fl-kills")
	s.populate("1m")
	s.source = []string{"--source", s.path("fleet.git"), "--branch", "main"}
	s.start()
	s.converges(s.push("hello, three times"))
	s.three()

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	began, least := time.Now(), s.least()
	starts := s.starts()
	commits := map[string]bool{s.head(): true}
	mood := "calm"
	for i := range *kills {
		if i%pushEvery == 0 {
			next := fmt.Sprintf("busy %d", i)
			s.edit("config.yaml", "mood: "+mood, "mood: "+next)
			mood = next
			commits[s.push(next)] = true
		}
		life := time.NewTimer(lifetime(random))
		<-life.C
		s.stop()
		s.start()
	}
	s.patience = 5 * time.Minute // Podman has questions of the dead to work off
	s.converges(s.head())
	s.three()
	if n := least(); n < 3 {
		t.Errorf("only %d ran for a while, want 3 throughout", n)
	}
	t.Logf("%d kills and %d pushes in %s", *kills, len(commits)-1, time.Since(began).Round(time.Second))
	s.explained(starts(), commits)
}

// lifetime is short most of the time, so that many die before or in their first look; one in five lives on for some passes.
func lifetime(random *rand.Rand) time.Duration {
	if random.IntN(5) == 0 {
		return time.Duration(200+random.IntN(1800)) * time.Millisecond
	}
	return time.Duration(5+random.IntN(95)) * time.Millisecond
}

// start is one start of a container, as Podman's events tell it.
type start struct{ node, id, pod, commit, attempt string }

// starts gives a function that says which of hello's containers were started since.
func (s *stage) starts() func() []start {
	since := time.Now()
	return func() (all []start) {
		s.Helper()
		for _, n := range s.fleet.Nodes {
			events := s.on(n.Name, "podman", "events", "--stream=false", "--since", since.Format(time.RFC3339Nano),
				"--filter", "event=start", "--filter", "label="+live.LabelApp+"=Deployment/default/hello", "--format",
				`{{.ID}} {{index .Attributes "`+live.LabelContainer+`"}} {{.Name}} {{index .Attributes "`+live.LabelCommit+`"}} {{index .Attributes "`+live.LabelAttempt+`"}}`)
			for line := range strings.Lines(events) {
				if f := strings.Fields(line); len(f) >= 4 && f[1] == "hello" {
					all = append(all, start{node: n.Name, id: f[0], pod: f[2], commit: f[3], attempt: strings.Join(f[4:], "")})
				}
			}
		}
		return all
	}
}

// explained checks that each start is the first of a container that one of the commits asked for.
func (s *stage) explained(starts []start, commits map[string]bool) {
	s.Helper()
	times := map[string][]start{}
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
	if len(times) < 6 {
		s.Errorf("%d containers were started, which is too few to have learnt anything", len(times))
	}
}
