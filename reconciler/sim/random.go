package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Random makes up a story from a seed: commits, faults and deaths in any order, and an end that mends every host and file
// that is broken, and most of what manifests ask for in vain. Beside what every story has it draws from a few of the themes.
func Random(seed uint64) (story, end []string) {
	g := &generator{dice: rand.New(rand.NewPCG(seed, 7)), nodes: []string{"n1", "n2", "n3"}}
	g.say("fleet n1 n2 n3 silence=%s", g.pick("30s", "30s", "1m"))
	for _, n := range g.nodes {
		g.say("address %s-too %s", n, n)
	}
	g.basics()
	for _, i := range g.dice.Perm(len(themes))[:2+g.dice.IntN(3)] {
		themes[i](g)
	}
	g.made = len(g.commits)
	for range 8 + g.dice.IntN(20) {
		g.line()
	}
	story, g.lines = g.lines, nil
	g.mended()
	return story, g.lines
}

// themes are what a story may be about: each makes objects, and says what may happen to them.
var themes = []func(*generator){
	themeNodes, themeHosts, themeClaims, themePorts, themeJobs, themeJobs, themeIndexed, themeHooks, themeWaves, themeHeld,
	themeSources, themeControllers, themeMany, themeRoom, themeKeys, themeFiles, themePeople, themeKinds, themeStops, themeProbes, themeTraffic, themeDoors,
	themeRollouts,
}

// generator writes lines that make sense one after the other.
type generator struct {
	dice    *rand.Rand
	nodes   []string
	lines   []string
	commits []string
	made    int      // the first commits, which make things and are not reverted
	may     []func() // what may happen, of the themes
	mends   []string // lines by which an end begins
	items   []string // of the commit that ends a story
	more    []string // lines that end it
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

func (g *generator) node() string { return g.pick(g.nodes...) }

// once says whether what happens once in n times does.
func (g *generator) once(n int) bool { return g.dice.IntN(n) == 0 }

func (g *generator) happens(what ...func()) { g.may = append(g.may, what...) }

// ends adds items to the commit that ends the story.
func (g *generator) ends(items ...string) { g.items = append(g.items, items...) }

// basics are in every story.
func (g *generator) basics() {
	g.commit("web image=v1 replicas=%d surge=%d unavail=%d", 1+g.dice.IntN(5), 1+g.dice.IntN(2), g.dice.IntN(2))
	g.commit("api image=v1 replicas=%d config=a:1", 1+g.dice.IntN(3))
	if g.once(2) {
		g.commit("pod/one image=v1")
	}
	g.commit("web cpu=100m")
	g.ends(fmt.Sprintf("web image=v%d suspend= paused= strategy= deadline=", 50+g.dice.IntN(2)), "api image=v50 suspend= paused= wave=")
}

// mended ends a story.
func (g *generator) mended() {
	g.restored("mend web.yaml", "mend api.yaml", "mend nodes.yaml")
	if g.once(2) {
		g.say("settle %ds", 1+g.dice.IntN(60))
	}
	if g.once(3) { // what people hold back, and what does not work, may stay
		g.items = slices.DeleteFunc(g.items, func(string) bool { return g.once(2) })
	}
	g.commit("%s", strings.Join(append(g.items, "web cpu=200m"), "; "))
	g.lines = append(g.lines, g.more...)
}

// restored has every host and all Nodes as they were.
func (g *generator) restored(items ...string) {
	for _, n := range g.nodes {
		g.say("mend %s", n)
		g.say("return %s", n)
	}
	g.say("fetch up")
	g.say("fresh")
	g.lines = append(g.lines, g.mends...)
	for _, n := range g.nodes {
		items = append(items, fmt.Sprintf("node/%s file=nodes.yaml at= cordon= drain= taint= capacity= address=", n))
	}
	g.commit("%s", strings.Join(items, "; "))
}

func (g *generator) line() {
	if len(g.may) > 0 && g.once(2) {
		g.may[g.dice.IntN(len(g.may))]()
		return
	}
	node := g.node()
	switch g.dice.IntN(21) {
	case 0, 1, 2:
		g.change()
	case 3, 4, 5, 6:
		g.say("pass")
	case 7, 8:
		g.say("tick %ds", 1+g.dice.IntN(40))
	case 9, 10, 11:
		g.say("settle %ds", 1+g.dice.IntN(120))
	case 12:
		g.say("kill")
	case 13:
		g.say("kill after %d", 1+g.dice.IntN(12))
	case 14:
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
	}
}

// change is a commit such as any repository sees.
func (g *generator) change() {
	switch g.dice.IntN(11) {
	case 0, 1, 2:
		g.commit("web image=%s", g.pick("v1", "v2", "v3", "bad", "slow", "missing", "flaky", "fade", "v1,v2"))
	case 3:
		g.commit("web replicas=%d", g.dice.IntN(6))
	case 4:
		g.commit("api config=a:%d env=%s", g.dice.IntN(3), g.pick("", "A:1", "A:2"))
	case 5:
		g.commit("api secret=%s", g.pick("", "key:one", "key:two"))
	case 6:
		g.commit("%s %s=%s", g.pick("web", "api"), g.pick("paused", "suspend"), g.pick("true", "", ""))
	case 7, 8:
		g.commit("revert %s", g.pick(g.commits[max(0, g.made-1):]...))
	case 9:
		g.commit("web strategy=%s", g.pick("recreate", ""))
	case 10:
		g.commit("web surge=%s unavail=%s deadline=%s min-ready=%s", g.pick("1", "25%", ""), g.pick("1", "50%", ""), g.pick("", "60", "120"), g.pick("", "5", "20"))
		g.ends("web min-ready=")
	}
}
