package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// themeRollouts: a canary and a blue-green Rollout, Services that they name, and people who decide.
func themeRollouts(g *generator) {
	g.say("side v1")
	g.say("net")
	for _, name := range []string{"grey", "blue"} {
		g.rolls(name)
	}
	for _, n := range g.nodes {
		g.mends = append(g.mends, "side "+n+" heard")
	}
	g.mends = append(g.mends, "side v1")
}

// Rollouts makes up a story of Rollouts alone, of several at once, with the faults that any story has.
func Rollouts(seed uint64) (story, end []string) {
	g := &generator{dice: rand.New(rand.NewPCG(seed, 8)), nodes: []string{"n1", "n2", "n3"}, made: 1}
	g.say("fleet n1 n2 n3 silence=30s")
	if g.once(2) {
		g.say("net")
	}
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	for _, name := range names {
		g.rolls(name)
	}
	g.say("settle 1m")
	for range 12 + g.dice.IntN(8) {
		if g.once(4) {
			g.fault()
		}
		for range g.dice.IntN(4) {
			g.may[g.dice.IntN(len(g.may))]()
		}
		var items []string
		for _, name := range names {
			if !g.once(5) {
				items = append(items, fmt.Sprintf("ro/%s image=%s", name, g.image()))
			}
		}
		if len(items) > 0 && !g.once(6) {
			g.commit("%s", strings.Join(items, "; "))
		}
		g.say("settle %ds", 1+g.dice.IntN(40))
	}
	story, g.lines = g.lines, nil
	g.restored()
	g.commit("%s", strings.Join(g.items, "; "))
	g.lines = append(g.lines, g.more...)
	return story, g.lines
}

// image is one that works, in most cases, and that was not there before in half of them.
func (g *generator) image() string {
	switch g.dice.IntN(8) {
	case 0:
		return g.pick("slow", "bad", "fade", "flaky", "missing", "unready", "stubborn")
	case 1, 2, 3:
		return g.pick("v1", "v2", "v3")
	}
	return fmt.Sprintf("v%d", 4+len(g.lines))
}

// steps are a canary's.
func (g *generator) steps() string {
	var all []string
	for range g.dice.IntN(5) {
		all = append(all, g.pick("1", "10", "20", "25", "33", "50", "60", "75", "90", "100", "0", "pause", "pause:0", "pause:10", "pause:40s", "pause:1m"))
	}
	return strings.Join(all, ",")
}

// rolls makes a Rollout, the Services that it names and one that it does not, and says what may happen to it.
func (g *generator) rolls(name string) {
	strategy := func() string {
		if g.once(2) {
			return fmt.Sprintf("active=%s preview=%s", name, g.pick("", name+"-new"))
		}
		return "active= steps=" + g.steps()
	}
	g.commit("ro/%s image=v1 replicas=%d surge=%d unavail=%s %s %s stable=%[1]s canary=%[1]s-new; svc/%[1]s; svc/%[1]s-new selects=%[1]s; svc/%[1]s-all selects=%[1]s",
		name, g.dice.IntN(5), 1+g.dice.IntN(2), g.pick("0", "1", "25%"), strategy(), g.pick("", "hand", "auto=20", "delay=0", "some=1"))
	g.happens(func() {
		g.commit("ro/%s image=%s", name, g.image())
	}, func() {
		g.commit("ro/%s image=%s", name, g.image())
	}, func() {
		g.commit("ro/%s replicas=%d", name, g.dice.IntN(6))
	}, func() {
		g.commit("ro/%s %s", name, strategy())
	}, func() {
		g.commit("ro/%s hand=%s auto=%s delay=%s abort-delay=%s delay-revs=%s some=%s", name,
			g.pick("", "true"), g.pick("", "0", "20"), g.pick("", "0", "10", "60"), g.pick("", "0", "10"), g.pick("", "1"), g.pick("", "1", "2"))
	}, func() {
		g.commit("ro/%s surge=%s unavail=%s deadline=%s min-ready=%s window=%s", name,
			g.pick("1", "2", "50%"), g.pick("0", "1", "50%"), g.pick("", "40", "120"), g.pick("", "5", "20"), g.pick("", "0", "1", "2"))
	}, func() {
		g.commit("ro/%s on-failure=%s abort-late=%s", name, g.pick("", "hold", "rollback"), g.pick("", "true"))
	}, func() {
		g.commit("ro/%s paused=%s", name, g.pick("true", "", ""))
	}, func() {
		g.commit("ro/%s suspend=%s", name, g.pick("true", "", ""))
	}, func() {
		g.commit("ro/%s restart-at=2026-03-01T14:%02d:00Z", name, g.dice.IntN(40))
	}, func() {
		g.commit("revert %s", g.pick(g.commits[min(len(g.commits)-1, g.made):]...))
	}, func() {
		g.say("%s %s %d", g.pick("rm", "crash"), name, g.dice.IntN(4))
	})
	for range 5 {
		g.happens(func() {
			g.say("decide %s %s", g.pick("promote", "promote", "promote-full", "abort", "retry", "pause", "resume", "skip"), name)
		})
	}
	g.happens(func() {
		g.say("decide %s %s step=%d", g.pick("promote", "skip"), name, g.dice.IntN(4))
	})
	g.ends(fmt.Sprintf("ro/%s image=v50 paused= suspend= min-ready=", name))
	if !g.once(3) {
		g.more = append(g.more, "settle 2m", fmt.Sprintf("decide %s %s", g.pick("promote-full", "promote", "abort", "resume"), name))
	}
}

// fault is one of those that any story has.
func (g *generator) fault() {
	node := g.node()
	switch g.dice.IntN(8) {
	case 0:
		g.say("kill")
	case 1:
		g.say("kill after %d", 1+g.dice.IntN(12))
	case 2:
		g.say("%s %s", g.pick("partition", "die", "wipe"), node)
	case 3, 4:
		g.say(g.pick("heal %s", "return %s", "reboot %s", "reboot %s podman=5"), node)
	case 5:
		g.say("skew %s %ds", node, g.dice.IntN(600)-300)
	case 6:
		g.say("%s %s %s %d", g.pick("fail", "deaf"), node, g.pick("list", "run", "stop", "put", "delete", "pull"), 1+g.dice.IntN(3))
	case 7:
		g.commit("node/%s file=nodes.yaml drain=%s", node, g.pick("true", "", ""))
	}
}
