package sim

// themeDoors: Ingresses that come and go, nodes that are to have a door or none, and doors that are raised, end, take too long or lack a port.
func themeDoors(g *generator) {
	if g.once(4) {
		g.say("users %s", g.node())
	}
	g.say("side v1")
	g.say("net")
	g.commit("gate image=v1 replicas=%d surge=1 unavail=%d; svc/gate", 1+g.dice.IntN(3), g.dice.IntN(2))
	g.commit("ing/gate hosts=%s", g.pick("", "shop.example", "shop.example,*.shop.example"))
	g.commit("ro/grey image=v1 replicas=%d surge=1 unavail=%d steps=%s stable=grey canary=grey-new shared=grey; svc/grey; svc/grey-new selects=grey; ing/grey hosts=grey.example",
		1+g.dice.IntN(4), g.dice.IntN(2), g.steps())
	g.happens(func() {
		g.commit("ro/grey image=%s", g.image())
	}, func() {
		g.commit("ro/grey steps=%s replicas=%d", g.steps(), 1+g.dice.IntN(4))
	}, func() {
		g.commit("gate image=%s", g.pick("v1", "v2", "v3", "bad", "slow"))
	}, func() {
		g.commit("ing/gate hosts=%s path=%s port=%s acme=%s class=%s", g.pick("", "shop.example", "a.example,b.example"), g.pick("", "/a"), g.pick("", "81"), g.pick("", "true"), g.pick("", "", "nginx"))
	}, func() {
		g.commit("ing/more hosts=%s of=%s", g.pick("", "shop.example", "more.example"), g.pick("gate", "nobody"))
	}, func() {
		g.commit("%s", g.pick("remove ing/gate", "remove ing/more", "break ing-gate.yaml", "mend ing-gate.yaml"))
	}, func() {
		g.commit("ing/gate path=; remove ing/gate")
		g.say("settle %ds", g.dice.IntN(20))
		g.commit("ing/gate hosts=shop.example")
	}, func() {
		g.commit("node/%s file=nodes.yaml door=%s", g.node(), g.pick("true", "false", ""))
	}, func() {
		g.say("side %s", g.pick("v1", "v2", "v3", "v3", "never"))
	}, func() {
		g.say("door %s %s", g.node(), g.pick("frozen", "frozen", "prompt"))
	}, func() {
		g.say("listen %s %s", g.node(), g.pick("", "80/tcp"))
	}, func() {
		g.say("%s door 0", g.pick("crash", "rm"))
	}, func() {
		g.say("side %s %s", g.node(), g.pick("deaf", "heard"))
	}, func() {
		g.say("table %s %s", g.node(), g.pick("late", "prompt"))
	})
	for _, n := range g.nodes {
		g.mends = append(g.mends, "side "+n+" heard", "table "+n+" prompt", "door "+n+" prompt", "listen "+n)
		g.ends("node/" + n + " file=nodes.yaml door=")
	}
	g.mends = append(g.mends, "side v4")
	g.ends("gate image=v50", "mend ing-gate.yaml", "ing/gate hosts=shop.example path= class= port= acme=")
}
