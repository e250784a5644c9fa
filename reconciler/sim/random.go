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
	themeSources, themeControllers, themeMany, themeRoom, themeKeys, themeFiles, themePeople, themeKinds, themeStops,
}

// generator writes lines that make sense one after the other.
type generator struct {
	dice    *rand.Rand
	nodes   []string
	lines   []string
	commits []string
	made    int        // the first commits, which make things and are not reverted
	may     []func()   // what may happen, of the themes
	mends   []string   // lines by which an end begins
	items   []string   // of the commit that ends a story
	more    [][]string // lines that end it
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
	for _, n := range g.nodes {
		g.say("mend %s", n)
		g.say("return %s", n)
	}
	g.say("fetch up")
	g.say("fresh")
	g.lines = append(g.lines, g.mends...)
	items := []string{"mend web.yaml", "mend api.yaml", "mend nodes.yaml"}
	for _, n := range g.nodes {
		items = append(items, fmt.Sprintf("node/%s file=nodes.yaml at= cordon= drain= taint= capacity=", n))
	}
	g.commit("%s", strings.Join(items, "; "))
	if g.once(2) {
		g.say("settle %ds", 1+g.dice.IntN(60))
	}
	if g.once(3) { // what people hold back, and what does not work, may stay
		g.items = slices.DeleteFunc(g.items, func(string) bool { return g.once(2) })
	}
	g.commit("%s", strings.Join(append(g.items, "web cpu=200m"), "; "))
	for _, lines := range g.more {
		g.lines = append(g.lines, lines...)
	}
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

// themeNodes: Nodes that are cordoned, drained, renamed, led elsewhere, taken out and brought back.
func themeNodes(g *generator) {
	g.say("fleet spare")
	g.happens(func() {
		g.commit("node/%s file=nodes.yaml cordon=%s", g.node(), g.pick("true", "true", ""))
	}, func() {
		g.commit("node/%s file=nodes.yaml drain=%s", g.node(), g.pick("true", "true", ""))
	}, func() {
		n := g.node()
		g.commit("node/%s file=nodes.yaml; remove node/%[1]s; node/edge-%[1]s file=nodes.yaml at=%[1]s", n)
	}, func() {
		n := g.node()
		g.commit("node/edge-%s file=nodes.yaml; remove node/edge-%[1]s; node/%[1]s file=nodes.yaml", n)
	}, func() {
		n := g.node()
		g.commit("node/%s file=nodes.yaml at=%s", n, g.pick(n, n+"-too", "spare", ""))
	}, func() {
		g.commit("node/%s file=nodes.yaml; remove node/%[1]s", g.node())
	}, func() {
		g.commit("node/%s file=nodes.yaml", g.node())
	}, func() {
		g.commit("node/%s file=nodes.yaml taint=%s", g.node(), g.pick("disk", ""))
	})
	for _, n := range g.nodes {
		g.ends(fmt.Sprintf("node/edge-%s file=nodes.yaml; remove node/edge-%[1]s", n))
	}
}

// themeHosts: machines that come and go, are replaced, or are another's copy.
func themeHosts(g *generator) {
	g.happens(func() {
		n := g.node()
		g.say("repeat %d partition %s; settle %ds; heal %[2]s; settle %ds", 2+g.dice.IntN(2), n, 10+g.dice.IntN(50), 5+g.dice.IntN(40))
	}, func() {
		n := g.node()
		g.say("die %s", n)
		g.say("settle %ds", 10+g.dice.IntN(60))
		g.say("%s %s", g.pick("replace", "wipe"), n)
		g.say("return %s", n)
	}, func() {
		n := g.node()
		g.say(g.pick("reboot %s", "reboot %s podman=5"), n)
		g.say("settle %ds", g.dice.IntN(20))
	}, func() {
		g.say("partition %s", g.nodes[0])
		g.say("partition %s", g.nodes[1])
	}, func() {
		i := g.dice.IntN(3)
		g.say("clone %s %s", g.nodes[i], g.nodes[(i+1)%3])
		g.mends = append(g.mends, "erase host "+g.nodes[(i+1)%3])
	}, func() {
		n := g.node()
		g.say("skew %s %dm", n, g.dice.IntN(60)-30)
		g.say("settle %ds", g.dice.IntN(30))
	})
}

// themeClaims: data that is on one host.
func themeClaims(g *generator) {
	g.commit("pvc/data; db image=v1 replicas=1 claim=data")
	g.commit("pvc/spare mode=%s; aux image=v1 replicas=%d claim=spare", g.pick("ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"), 1)
	g.happens(func() {
		g.commit("db image=%s", g.pick("v1", "v2", "v3", "bad", "missing", "stubborn"))
	}, func() {
		g.commit("aux image=%s", g.pick("v1", "v2", "slow"))
	}, func() {
		g.say("lose %s claim %s", g.node(), g.pick("data", "spare"))
	}, func() {
		g.say("decide retry pvc/%s", g.pick("data", "spare"))
	}, func() {
		g.commit("db image=v1; remove db; pvc/data; remove pvc/data")
	}, func() {
		g.commit("pvc/data; db image=v1 replicas=1 claim=data")
	}, func() {
		g.commit("node/%s file=nodes.yaml drain=%s", g.node(), g.pick("true", ""))
	})
	g.ends("pvc/data; db image=v50 replicas=1 claim=data", "pvc/spare; aux image=v50 replicas=1 claim=spare")
	g.more = append(g.more, []string{"settle 2m", "decide retry pvc/data", "decide retry pvc/spare"})
}

// themePorts: pods that have to stop first, for there is no place beside them.
func themePorts(g *generator) {
	g.commit("edge image=v1 port=80 replicas=%d surge=%s unavail=%s", 1+g.dice.IntN(3), g.pick("0", "1", "1"), g.pick("0", "1", "1"))
	g.commit("front image=v1 port=%s replicas=1", g.pick("80", "81"))
	g.commit("one-way image=v1 replicas=3 surge=0 unavail=1")
	g.happens(func() {
		g.commit("edge image=%s", g.pick("v1", "v2", "bad", "missing", "stubborn", "fade"))
	}, func() {
		g.commit("edge replicas=%d", g.dice.IntN(4))
	}, func() {
		g.commit("front image=%s port=%s", g.pick("v1", "v2"), g.pick("80", "81", "82"))
	}, func() {
		g.commit("edge surge=1 unavail=%s", g.pick("0", "1", ""))
	}, func() {
		g.commit("one-way image=%s", g.pick("v1", "v2", "bad", "missing", "slow"))
	}, func() {
		g.commit("node/%s file=nodes.yaml cordon=%s", g.node(), g.pick("true", ""))
	})
	g.ends("edge image=v50 port=80 replicas=1 surge=1 unavail=1", "front image=v50 port=81 replicas=1", "one-way image=v50")
}

// themeJobs: work that is to be done once.
func themeJobs(g *generator) {
	g.commit("job/work image=once completions=%d parallel=%d", 1+g.dice.IntN(4), 1+g.dice.IntN(3))
	g.commit("job/queue image=%s parallel=%d backoff=%d", g.pick("5s", "third", "5s.3"), 1+g.dice.IntN(3), g.dice.IntN(4))
	if g.once(2) {
		g.commit("job/again image=%s restart=OnFailure backoff=%d", g.pick("bad", "5s.1.1", "5s.1.2", "once"), g.dice.IntN(4))
	}
	g.happens(func() {
		g.commit("job/work image=%s parallel=%d halt=%s", g.pick("once-1", "once-2", "third", "5s", "hour", "fail", "stubborn"), 1+g.dice.IntN(3), g.pick("true", "", ""))
	}, func() {
		g.commit("job/work image=once active-deadline=%s ttl=%s", g.pick("", "15", "60", "600"), g.pick("", "0", "30"))
	}, func() {
		g.commit("job/queue image=%s parallel=%d", g.pick("5s", "third", "5s.3", "hour"), g.dice.IntN(4))
	}, func() {
		g.commit("job/work image=%s policy=%s backoff=%s", g.pick("fail", "third", "1s.3"), g.pick("FailJob:3", "Ignore:3", "Count:3", "FailJob:4"), g.pick("", "1"))
	}, func() {
		g.commit("job/work image=once policy= replace=%s", g.pick("Failed", "TerminatingOrFailed", ""))
	}, func() {
		g.say("decide retry %s", g.pick("work", "queue"))
	}, func() {
		g.commit("job/queue image=5s; remove job/queue")
	}, func() {
		g.say("%s %s %d", g.pick("rm", "crash"), g.pick("work", "queue", "again"), g.dice.IntN(2))
	})
	g.ends("job/work image=once-9 halt= policy= replace= active-deadline= suspend=", "job/queue image=5s-9 parallel=2 halt=")
}

// themeIndexed: Jobs whose pods know which part of the work is theirs.
func themeIndexed(g *generator) {
	g.commit("job/shard image=%s indexed completions=3 parallel=%d per-index=%d%s", g.pick("odd", "once", "5s.3"), 1+g.dice.IntN(3), g.dice.IntN(2),
		g.pick("", " max-failed=1"))
	g.happens(func() {
		g.commit("job/shard image=%s completions=%d", g.pick("odd", "once", "once-1", "third"), 2+g.dice.IntN(3))
	}, func() {
		g.commit("job/shard success=%s", g.pick("0", "1", ""))
	}, func() {
		g.commit("job/shard policy=%s", g.pick("FailIndex:3", "Ignore:3", ""))
	}, func() {
		g.commit("job/shard halt=%s parallel=%d", g.pick("true", ""), g.dice.IntN(4))
	}, func() {
		g.say("%s shard %d", g.pick("rm", "crash"), g.dice.IntN(3))
	}, func() {
		g.say("decide retry shard")
	})
	g.ends("job/shard image=once-9 indexed completions=3 halt= policy= parallel=2")
}

// themeHooks: Jobs of the phases of a sync.
func themeHooks(g *generator) {
	g.commit("job/before image=5s hook=PreSync%s; job/after image=5s hook=PostSync", g.pick("", " wave=1", " wave=-1"))
	if g.once(2) {
		g.commit("job/mourn image=5s hook=%s hook-delete=%s", g.pick("SyncFail", "SyncFail,PostSync"), g.pick("HookSucceeded", "HookFailed", "BeforeHookCreation"))
		g.ends("job/mourn image=5s")
	}
	g.happens(func() {
		g.commit("job/before image=%s backoff=%d", g.pick("5s", "5s.1", "hour", "missing", "once"), g.dice.IntN(2))
	}, func() {
		g.commit("job/after image=%s hook-delete=%s", g.pick("5s", "5s.1", "missing"), g.pick("HookSucceeded", "HookFailed", ""))
	}, func() {
		g.commit("job/before hook=%s", g.pick("PreSync", "PostSync", "SyncFail", "Sync", "Skip", ""))
	}, func() {
		g.commit("web image=%s; job/before image=%s", g.pick("v1", "v2", "bad"), g.pick("5s", "once"))
	}, func() {
		g.commit("job/before active-deadline=%s", g.pick("", "20"))
	}, func() {
		g.commit("job/after image=5s; remove job/after")
	})
	g.ends("job/before image=5s active-deadline= hook=PreSync suspend=", "job/after image=5s hook=PostSync")
}

// themeWaves: what goes before what.
func themeWaves(g *generator) {
	g.commit("base image=v1 wave=-1; top image=v1 needs=Deployment/base%s", g.pick("", ",Deployment/web"))
	g.happens(func() {
		g.commit("%s wave=%s", g.pick("web", "api", "top", "base"), g.pick("1", "-1", "", ""))
	}, func() {
		g.commit("base image=%s; top image=%s", g.pick("v1", "v2", "v3", "bad", "slow", "missing"), g.pick("v1", "v2", "v3"))
	}, func() {
		g.commit("base deadline=%s suspend=%s", g.pick("", "60"), g.pick("", "", "true"))
	}, func() {
		g.commit("base image=%s; web image=%s; api image=%s", g.pick("v2", "v3", "bad"), g.pick("v2", "v3"), g.pick("v2", "v3"))
	}, func() {
		g.commit("top needs=%s", g.pick("Deployment/base", "Deployment/web,Deployment/api", ""))
	})
	g.ends("web wave=; base image=v50 wave=-1 suspend= paused=; top image=v50 wave= needs=Deployment/base")
}

// themeHeld: what people hold back, and leave held when the story ends.
func themeHeld(g *generator) {
	g.commit("ns/team; app image=v1 replicas=2 ns=team; kept image=v1 keep; firm image=v1 replicas=2 on-failure=hold deadline=60")
	g.happens(func() {
		g.commit("ns/team suspend=%s", g.pick("true", "true", ""))
	}, func() {
		g.commit("app image=%s", g.pick("v1", "v2", "bad"))
	}, func() {
		g.commit("kept image=v1; remove kept")
	}, func() {
		g.commit("kept image=%s keep=%s", g.pick("v1", "v2"), g.pick("true", ""))
	}, func() {
		g.commit("firm image=%s", g.pick("v1", "v2", "bad", "fade"))
	}, func() {
		g.say("decide retry %s", g.pick("firm", "web", "app"))
	}, func() {
		g.commit("firm paused=%s", g.pick("true", "true", ""))
	}, func() {
		g.commit("firm image=v1; remove firm; app image=v1; remove app; api image=v1; remove api; allow-prune")
	}, func() {
		g.commit("web image=v1; remove web; api image=v1; remove api; firm image=v1; remove firm")
	})
	g.ends("web cpu=100m", "app image=v50 replicas=2 ns=team", "firm image=v50", "kept image=v50 keep")
	if g.once(2) {
		g.ends("ns/team suspend=", "firm paused=")
	}
}

// themeSources: another repository on the same hosts.
func themeSources(g *generator) {
	shop := 1
	push := func(format string, args ...any) {
		g.say("in shop commit s%d %s", shop, fmt.Sprintf(format, args...))
		shop++
	}
	push("shop image=v1 replicas=%d; job/stock image=once", 1+g.dice.IntN(3))
	g.happens(func() {
		push("shop image=%s replicas=%d", g.pick("v1", "v2", "bad"), g.dice.IntN(4))
	}, func() {
		g.say("in shop %s", g.pick("pass", "pass", "kill", "fetch down", "fetch up"))
	}, func() {
		g.say("in shop settle %ds", 1+g.dice.IntN(60))
	}, func() {
		push("web image=%s replicas=2", g.pick("v1", "v7"))
	}, func() {
		push("node/%s file=nodes.yaml cordon=%s", g.node(), g.pick("true", ""))
	})
	g.more = append(g.more, []string{
		"in shop fetch up", "in shop commit s99 node/n1 cordon=; node/n2 cordon=; node/n3 cordon=; web image=v1; remove web; shop image=v50 replicas=2; allow-prune",
		"in shop settle", "settle",
	})
	g.mends = append(g.mends, "in shop settle 1m")
}

// themeControllers: a second controller of the same cluster, which may see other things.
func themeControllers(g *generator) {
	g.happens(func() {
		g.say("on B %s", g.pick("pass", "pass", "stale", "fresh", "kill"))
	}, func() {
		g.say("on B settle %ds", 1+g.dice.IntN(60))
	}, func() {
		id := g.pick(g.commits...)
		g.say("on B pin %s", id)
		g.say("on B pass")
		g.say("on B fresh")
	}, func() {
		g.say("%s", g.pick("stale", "fresh"))
	}, func() {
		g.say("kill after %d", 1+g.dice.IntN(6))
		g.say("on B pass")
	})
	g.mends = append(g.mends, "on B fresh")
	g.more = append(g.more, []string{"on B settle"})
}

// themeMany: more workloads than may roll at once.
func themeMany(g *generator) {
	each := func(format string) string {
		var items []string
		for i := range 12 {
			items = append(items, fmt.Sprintf(format, i))
		}
		return strings.Join(items, "; ")
	}
	g.commit("%s", each("w%d image=v1"))
	g.happens(func() {
		g.commit("%s", each("w%d image="+g.pick("v1", "v2", "v3", "slow", "bad", "missing")))
	}, func() {
		g.commit("w%d image=%s", g.dice.IntN(12), g.pick("v2", "bad", "slow"))
	}, func() {
		g.commit("w%d %s=%s", g.dice.IntN(12), g.pick("paused", "suspend", "wave"), g.pick("1", ""))
	}, func() {
		g.commit("w%d image=v4; remove w%[1]d", g.dice.IntN(12))
	})
	g.ends(each("w%d image=v50 paused= suspend= wave="))
}

// themeRoom: pods that ask for what there is little of.
func themeRoom(g *generator) {
	g.commit("big image=v1 replicas=2 cpu=%s mem=1Gi", g.pick("1500m", "2500m"))
	g.commit("ns/team; near image=v1 replicas=1 on=%s tolerate=%s", g.node(), g.pick("true", ""))
	g.commit("zoned image=v1 replicas=1 zone=%s; node/n2 file=nodes.yaml zone=a", g.pick("a", "b"))
	g.happens(func() {
		g.commit("big image=%s replicas=%d", g.pick("v1", "v2", "slow"), 1+g.dice.IntN(4))
	}, func() {
		g.commit("node/%s file=nodes.yaml capacity=%s", g.node(), g.pick("cpu=1,memory=1Gi", ""))
	}, func() {
		g.commit("near image=%s on=%s", g.pick("v1", "v2"), g.node())
	}, func() {
		g.commit("zoned image=%s zone=%s", g.pick("v1", "v2"), g.pick("a", "b", ""))
	}, func() {
		g.commit("node/%s file=nodes.yaml taint=%s zone=%s", g.node(), g.pick("disk", ""), g.pick("a", "b"))
	})
	g.ends("big image=v50 replicas=1 cpu=100m mem=64Mi", "near image=v50 on=", "zoned image=v50 zone=")
}

// themeKeys: controllers with other keys, and hosts whose root writes what he likes.
func themeKeys(g *generator) {
	g.say("settle 20s") // what a thief signs where nothing else is holds all up, and a person has to remove it
	g.happens(func() {
		g.say("as %s", g.pick("own", "new"))
	}, func() {
		g.commit("signers %s", g.pick("own", "new", "own new", ""))
	}, func() {
		g.say("as new")
		g.say("pass")
		g.commit("signers own")
	}, func() {
		g.say("forge %s receipt %s verb=%s%s", g.node(), g.pick("web", "api"), g.pick("failed", "promoted", "began"), g.pick("", " key=thief"))
	}, func() {
		g.say("forge %s form web rev=v1-0123456789ab%s", g.node(), g.pick("", " key=thief"))
	}, func() {
		g.say("forge %s pod web slot=%d%s", g.node(), g.dice.IntN(3), g.pick("", " gen=9"))
	})
	g.mends = append(g.mends, "as own")
	g.ends("signers own new")
}

// themeFiles: files that are damaged, and a history that is not what it was.
func themeFiles(g *generator) {
	file := func() string { return g.pick("web.yaml", "api.yaml", "nodes.yaml") }
	g.happens(func() {
		g.commit("break %s", file())
	}, func() {
		g.commit("blank %s", file())
	}, func() {
		g.commit("damage %s %s", file(), g.pick(`"oid: 1"`, `"# nothing\n"`, `"version:\x20https://git-lfs.github.com/spec/v1\noid sha256:77\n"`))
	}, func() {
		g.commit("mend %s", file())
	}, func() {
		g.say("force-push %s", g.pick(g.commits[max(0, len(g.commits)-3):]...))
	}, func() {
		g.say("checkout %s", g.pick(g.commits[max(0, len(g.commits)-3):]...))
	}, func() {
		g.commit("web file=%s", g.pick("web.yaml", "apps.yaml"))
	}, func() {
		g.commit("web image=v1; remove web")
	}, func() {
		g.commit("revert %s", g.pick(g.commits...))
	})
	g.ends("web file=web.yaml cpu=100m", "api config=a:1")
}

// themePeople: what people do by hand on hosts.
func themePeople(g *generator) {
	g.happens(func() {
		g.say("%s %s %d", g.pick("rm", "crash"), g.pick("web", "api", "one"), g.dice.IntN(3))
	}, func() {
		g.say("erase %s%s", g.pick("receipt-", "cfg-"), g.pick("", " "+g.node()))
	}, func() {
		g.say("foreign %s theirs%s", g.node(), g.pick("", " app=Deployment/default/web source=sim cluster=other", " app=Deployment/default/old source=else cluster=default"))
	}, func() {
		g.say("adopt else")
	}, func() {
		g.say("decide retry %s%s", g.pick("web", "api"), g.pick("", " 1m", " -1m"))
	})
}

// themeKinds: workloads that are no Deployments, and what goes before their containers.
func themeKinds(g *generator) {
	g.commit("rs/set image=v1 replicas=%d; rc/old image=v1 replicas=%d", 1+g.dice.IntN(3), 1+g.dice.IntN(2))
	g.commit("pod/batch image=%s restart=%s; cm/loose config=a:1", g.pick("once", "5s.1", "5s.1.1"), g.pick("Never", "OnFailure"))
	g.commit("side image=v1 replicas=2 init=%s", g.pick("5s", "5s,v1+", "v1+"))
	g.happens(func() {
		g.commit("%s image=%s", g.pick("rs/set", "rc/old"), g.pick("v1", "v2", "bad", "missing"))
	}, func() {
		g.commit("%s replicas=%d", g.pick("rs/set", "rc/old"), g.dice.IntN(4))
	}, func() {
		g.commit("rs/set min-ready=%s", g.pick("5", ""))
	}, func() {
		g.commit("pod/batch image=%s", g.pick("once", "once-1", "5s.1"))
	}, func() {
		g.commit("side image=%s init=%s", g.pick("v1", "v2"), g.pick("5s", "5s,v1+", "5s.1", ""))
	}, func() {
		g.commit("pod/one image=v1; remove pod/one")
	}, func() {
		g.commit("cm/loose config=a:%d", g.dice.IntN(3))
	})
	g.ends("rs/set image=v50; rc/old image=v50; side image=v50 init=5s; pod/batch image=once-9 restart=Never")
}

// themeStops: pods that take long to stop, calls that fail, images that are not there.
func themeStops(g *generator) {
	g.commit("lame image=stubborn replicas=%d grace=30%s", 1+g.dice.IntN(3), g.pick("", " strategy=recreate", " surge=0 unavail=1"))
	g.happens(func() {
		g.commit("lame image=%s", g.pick("stubborn", "stubborn-2", "v1", "missing", "bad"))
	}, func() {
		g.commit("lame replicas=%d", g.dice.IntN(4))
	}, func() {
		n := g.node()
		g.say("%s %s %s %d", g.pick("fail", "deaf"), n, g.pick("stop", "pull"), 3+g.dice.IntN(10))
	}, func() {
		g.commit("lame pull=%s", g.pick("Always", "Never", ""))
	}, func() {
		g.commit("lame image=v1; remove lame")
	}, func() {
		g.commit("lame image=%s; web image=missing", g.pick("stubborn-3", "v2"))
	})
	g.ends("lame image=stubborn-50 pull=")
}
