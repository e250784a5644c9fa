package sim

import (
	"fmt"
)

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
		n := g.node()
		g.commit("node/%s file=nodes.yaml; remove node/%[1]s", n)
		if g.once(2) {
			g.say("settle %ds", 1+g.dice.IntN(90))
			g.commit("node/%s file=nodes.yaml", n)
		}
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
		g.say("%s %s claim %s", g.pick("lose", "lose", "restore"), g.node(), g.pick("data", "spare"))
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
	for _, n := range g.nodes[1:] { // of several volumes no retry takes one
		g.more = append(g.more, "lose "+n+" claim data", "lose "+n+" claim spare")
	}
	g.more = append(g.more, "settle 2m", "decide retry pvc/data", "decide retry pvc/spare")
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
