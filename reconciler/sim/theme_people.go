package sim

import (
	"fmt"
)

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
	g.more = append(g.more,
		"in shop fetch up", "in shop commit s99 node/n1 cordon=; node/n2 cordon=; node/n3 cordon=; web image=v1; remove web; shop image=v50 replicas=2; allow-prune",
		"in shop settle", "settle",
	)
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
	g.more = append(g.more, "on B settle")
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
		g.say("erase %s%s", g.pick("receipt-", "cfg-", "rev-"), g.pick("", " "+g.node()))
	}, func() {
		g.say("foreign %s theirs%s", g.node(), g.pick("", " app=Deployment/default/web source=sim cluster=other", " app=Deployment/default/old source=else cluster=default"))
	}, func() {
		if g.once(2) {
			g.say("foreign %s theirs app=Deployment/default/old source=else cluster=default", g.node())
		}
		g.say("adopt else")
	}, func() {
		g.say("decide retry %s%s", g.pick("web", "api"), g.pick("", " 1m", " -1m"))
	})
}
