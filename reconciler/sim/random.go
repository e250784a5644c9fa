package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Random makes up a story from a seed: commits, faults and deaths in any order, and an end that mends everything
// that is broken.
func Random(seed uint64) (story, end []string) {
	g := &generator{dice: rand.New(rand.NewPCG(seed, 7)), nodes: []string{"n1", "n2", "n3"}}
	g.say("fleet n1 n2 n3 silence=30s")
	for _, n := range g.nodes {
		g.say("address %s-too %s", n, n)
	}
	g.commit("web image=v1 replicas=%d surge=%d unavail=%d", 1+g.dice.IntN(5), 1+g.dice.IntN(2), g.dice.IntN(2))
	g.commit("api image=v1 replicas=%d config=a:1", 1+g.dice.IntN(3))
	if g.dice.IntN(2) == 0 {
		g.commit("pod/one image=v1")
	}
	if g.dice.IntN(2) == 0 {
		g.commit("job/work image=once completions=%d parallel=%d", 1+g.dice.IntN(4), 1+g.dice.IntN(3))
	}
	g.commit("web cpu=100m")
	g.made = len(g.commits)
	for range 8 + g.dice.IntN(20) {
		g.line()
	}
	story, g.lines = g.lines, nil
	for _, n := range g.nodes {
		g.say("mend %s", n)
		g.say("return %s", n)
	}
	g.say("fetch up")
	g.say("fresh")
	g.commit("node/n1 file=nodes.yaml; node/n2 file=nodes.yaml; node/n3 file=nodes.yaml")
	g.commit("mend web.yaml; web image=v%d; web suspend=; web paused=; job/work image=once-9 halt=", 50+g.dice.IntN(2))
	g.say("settle")
	return story, g.lines
}

// generator writes lines that make sense one after the other.
type generator struct {
	dice    *rand.Rand
	nodes   []string
	lines   []string
	commits []string
	made    int // the first commits, which make things and are not reverted
}

func (g *generator) say(format string, args ...any) {
	g.lines = append(g.lines, fmt.Sprintf(format, args...))
}

func (g *generator) commit(format string, args ...any) {
	id := fmt.Sprintf("c%d", len(g.commits)+1)
	g.commits = append(g.commits, id)
	g.say("commit "+id+" "+format, args...)
}

func (g *generator) pick(list ...string) string { return list[g.dice.IntN(len(list))] }

func (g *generator) line() {
	node := g.pick(g.nodes...)
	switch g.dice.IntN(22) {
	case 0, 1, 2:
		g.change()
	case 3, 4, 5, 6:
		g.say("pass")
	case 7, 8:
		g.say("tick %ds", 1+g.dice.IntN(40))
	case 9, 10:
		g.say("settle %ds", 1+g.dice.IntN(120))
	case 11:
		g.say("kill")
	case 12:
		g.say("kill after %d", 1+g.dice.IntN(12))
	case 13, 14:
		g.say("%s %s", g.pick("partition", "die", "wipe"), node)
	case 15, 16:
		g.say(g.pick("heal %s", "return %s", "reboot %s", "reboot %s podman=5"), node)
	case 17:
		g.say("skew %s %ds", node, g.dice.IntN(600)-300)
	case 18:
		g.say("%s %s %s %d", g.pick("fail", "deaf"), node, g.pick("list", "run", "stop", "put", "delete", "pull"), 1+g.dice.IntN(3))
	case 19:
		g.say("fetch %s", g.pick("up", "down"))
	case 20:
		g.say("repeat %d tick %ds; pass", 2+g.dice.IntN(4), 1+g.dice.IntN(10))
	case 21:
		g.say("on B %s", g.pick("pass", "stale", "fresh", "kill"))
	}
}

func (g *generator) change() {
	node := g.pick(g.nodes...)
	switch g.dice.IntN(16) {
	case 15:
		g.commit("node/%s file=nodes.yaml at=%s", node, g.pick(node, node+"-too", ""))
	case 14:
		g.commit("node/%s file=nodes.yaml", node)
	case 13:
		g.commit("node/%s file=nodes.yaml; remove node/%[1]s", node)
	case 12:
		g.commit("job/work hook=%s", g.pick("PreSync", "PostSync", "SyncFail", ""))
	case 11:
		g.commit("%s wave=%s", g.pick("web", "api"), g.pick("1", "-1", "", ""))
	case 10:
		g.commit("job/work image=%s parallel=%d halt=%s", g.pick("once-1", "once-2", "third", "5s"), 1+g.dice.IntN(3), g.pick("true", "", ""))
	case 0, 1, 2:
		g.commit("web image=%s", g.pick("v1", "v2", "v3", "bad", "slow", "missing", "flaky", "v1,v2"))
	case 3:
		g.commit("web replicas=%d", g.dice.IntN(6))
	case 4:
		g.commit("api config=a:%d", g.dice.IntN(3))
	case 5:
		g.commit("%s", g.pick("break web.yaml", "blank web.yaml", `damage web.yaml "oid: 1"`, "mend web.yaml"))
	case 6:
		g.commit("node/%s file=nodes.yaml cordon=%s", g.pick(g.nodes...), g.pick("true", ""))
	case 7:
		g.commit("web %s=%s", g.pick("paused", "suspend"), g.pick("true", "", ""))
	case 8:
		g.commit("revert %s", g.pick(g.commits[g.made-1:]...))
	case 9:
		g.commit("web strategy=%s", g.pick("recreate", ""))
	}
}

// TellRandom tells a made-up story with all laws checked, and demands at the end that every workload of the head is
// all there, at its revision, unless that revision was rejected.
func TellRandom(lines []string) error {
	s := New()
	for i, text := range lines {
		if _, err := s.Do(text); err != nil {
			return fmt.Errorf("line %d: %s: %w", i+1, text, err)
		}
	}
	return s.arrived()
}

// arrived compares the world with the head.
func (s *Sim) arrived() error {
	set, err := s.repo.load(s.repo.head)
	if err != nil {
		return err
	}
	var errs []error
	for _, w := range set.Workloads {
		if s.behind(w, set) == "" {
			errs = append(errs, s.arrivedAt(w))
		}
	}
	return errors.Join(errs...)
}

// behind is a workload that failed and that this one waits for, if there is one. A SyncFail hook waits for one to fail.
func (s *Sim) behind(w manifest.Workload, set manifest.Set) string {
	failed := ""
	for _, other := range set.Workloads {
		before := other.In(manifest.PreSync) || w.In(manifest.PostSync) || !w.IsHook() && !other.IsHook() && other.Wave < w.Wave
		if other.ID != w.ID && before && s.failed(other) {
			return other.Name
		}
		if s.failed(other) {
			failed = other.Name
		}
	}
	if w.In(manifest.SyncFail) && failed == "" {
		return "nothing failed"
	}
	return ""
}

// failed says whether a receipt of the workload's revision says so.
func (s *Sim) failed(w manifest.Workload) bool {
	for _, host := range s.world.Hosts() {
		for _, r := range s.world.Truth(host, cluster).Receipts {
			if r.App == w.ID && r.Verb == live.Failed && r.Rev == w.Revision.Rev {
				return true
			}
		}
	}
	return false
}

func (s *Sim) arrivedAt(w manifest.Workload) error {
	var pods []live.Pod
	for _, host := range s.world.Hosts() {
		n := s.world.Truth(host, cluster)
		for _, r := range n.Receipts {
			if r.App == w.ID && r.Verb == live.Failed && r.Rev == w.Revision.Rev {
				return nil
			}
		}
		for _, p := range n.Pods {
			if p.App == w.ID {
				pods = append(pods, p)
			}
		}
	}
	if w.Job != nil {
		return s.arrivedJob(w)
	}
	good := 0
	for _, p := range pods {
		if p.Rev == w.Revision.Rev && ready(p, s.now) {
			good++
		}
	}
	if good == w.Replicas && len(pods) == w.Replicas {
		return nil
	}
	return fmt.Errorf("%s asks for %d of %s, there are %d, of them ready and right %d:\n%s",
		w.ID.Short(), w.Replicas, live.ShortRev(w.Revision.Rev), len(pods), good, strings.TrimSpace(s.pods()))
}
