package sim

// themeTraffic: Services, and hosts that route late or not at all, or whose node side is not heard.
func themeTraffic(g *generator) {
	if g.once(4) {
		g.say("users %s", g.node())
	}
	g.say("side v1")
	g.say("net%s", g.pick("", " 203.0.113.0/24"))
	g.commit("stall image=v1 replicas=%d surge=%d unavail=%d probe=%s; svc/stall%s", 1+g.dice.IntN(4), 1+g.dice.IntN(2), g.dice.IntN(2),
		g.pick("", "readiness"), g.pick("", " node-port", " headless", " not-ready", " target=http"))
	g.commit("svc/front selects=%s port=81", g.pick("stall", "web"))
	if g.once(2) {
		g.commit("node/%s file=nodes.yaml cidr=10.42.7.0/24", g.node())
	}
	g.happens(func() {
		g.commit("stall image=%s", g.pick("v1", "v2", "v3", "bad", "slow", "late", "flap", "unready"))
	}, func() {
		g.commit("svc/%s selects=%s ip=%s node-port=%s", g.pick("stall", "front"), g.pick("stall", "web", "nobody"), g.pick("", "10.43.0.10"), g.pick("", "30080"))
	}, func() {
		g.commit("remove svc/front")
		g.commit("svc/front selects=stall")
	}, func() {
		g.say("table %s %s", g.node(), g.pick("late", "prompt", "older"))
	}, func() {
		g.commit("svc/far %s", g.pick("by-hand external=", "by-hand= external=db.example.com", "by-hand= external= selects=stall"))
	}, func() {
		g.commit("eps/%s of=far ips=%s not-ready=%s on=%s", g.pick("far-1", "far-2"), g.pick("192.0.2.7", "192.0.2.7,192.0.2.8", "10.42.7.9", "127.0.0.1"), g.pick("", "true"), g.pick("", g.node()))
	}, func() {
		g.commit("svc/front balanced=%s outside=%s port=%s", g.pick("", "true"), g.pick("", "", "203.0.113.7", "192.0.2.1"), g.pick("81", "22", "30080"))
	}, func() {
		g.commit("node/%s file=nodes.yaml address=%s", g.node(), g.pick("192.0.2.1", "192.0.2.9", ""))
	}, func() {
		g.say("listen %s %s", g.node(), g.pick("", "81/tcp"))
	}, func() {
		g.say("side %s %s", g.node(), g.pick("deaf", "heard"))
	}, func() {
		g.say("%s stall %d", g.pick("rm", "crash"), g.dice.IntN(3))
	}, func() {
		g.commit("stall replicas=%d", g.dice.IntN(5))
	}, func() {
		g.commit("netpol/hold selects=%s from=%s to=%s", g.pick("stall", "web", ""), g.pick("web", "", "stall"), g.pick("", "stall", "nobody"))
		if g.once(2) {
			g.commit("%s", g.pick("remove netpol/hold", "break netpol-hold.yaml"))
		}
	})
	for _, n := range g.nodes {
		g.mends = append(g.mends, "side "+n+" heard", "table "+n+" prompt")
	}
	g.mends = append(g.mends, "side v1")
	g.ends("stall image=v50 probe=readiness", "svc/front selects=stall ip= node-port= balanced= outside= port=81")
}
