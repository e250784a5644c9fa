package sim

import (
	"fmt"
	"strings"
)

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
		g.commit("job/shard policy=%s", g.pick("FailIndex:3", "Ignore:4", "")) // what is ignored never comes here, or it would have no end
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

// themeProbes: pods that the node sides of their hosts look after.
func themeProbes(g *generator) {
	g.say("side v1")
	g.commit("shown image=v1 replicas=%d surge=%d unavail=%d probe=%s", 1+g.dice.IntN(4), 1+g.dice.IntN(2), g.dice.IntN(2),
		g.pick("readiness", "readiness+liveness", "startup+readiness", "liveness"))
	g.commit("guarded image=v1 replicas=2 init=%s init-probe=%s probe=readiness", g.pick("warm+", "late+", "5s,warm+"), g.pick("startup", "startup+readiness"))
	g.happens(func() {
		g.commit("shown image=%s", g.pick("v1", "v2", "late", "unready", "flap", "hang", "dull", "bad", "warm"))
	}, func() {
		g.commit("shown replicas=%d", g.dice.IntN(5))
	}, func() {
		g.commit("shown probe=%s deadline=%s", g.pick("readiness", "startup+readiness", "liveness", ""), g.pick("", "60", "120"))
	}, func() {
		g.commit("guarded image=%s", g.pick("v1", "v2", "late", "flap"))
	}, func() {
		g.say("side %s deaf", g.node())
	}, func() {
		g.say("side %s heard", g.node())
	}, func() {
		g.say("side %s", g.pick("v1", "v2", "v3", "never", "none"))
	}, func() {
		g.say("%s %s %d", g.pick("rm", "crash"), g.pick("shown", "guarded"), g.dice.IntN(2))
	}, func() {
		g.commit("node/%s file=nodes.yaml drain=%s", g.node(), g.pick("true", ""))
	})
	g.mends = append(g.mends, "side v4")
	for _, n := range g.nodes {
		g.mends = append(g.mends, fmt.Sprintf("side %s heard", n))
	}
	g.ends("shown image=v50 probe=readiness deadline=", "guarded image=v50 init=warm+ init-probe=startup")
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
		n, word := g.dice.IntN(12), g.pick("paused=true", "suspend=true", "wave=1")
		if g.once(2) {
			word, _, _ = strings.Cut(word, "=")
			word += "="
		}
		g.commit("w%d %s", n, word)
	}, func() {
		g.commit("w%d image=v4; remove w%[1]d", g.dice.IntN(12))
	})
	g.ends(each("w%d image=v50 paused= suspend= wave="))
}
