package sim

import (
	"fmt"
	"math/rand/v2"
)

// Successions makes up a story of one workload that is now of this kind and now of that, with the faults that any story has.
func Successions(seed uint64) (story, end []string) {
	g := &generator{dice: rand.New(rand.NewPCG(seed, 9)), nodes: []string{"n1", "n2", "n3"}}
	g.say("fleet n1 n2 n3 silence=30s")
	if g.once(3) {
		g.say("net")
	}
	kind := g.pick("web", "rs/web", "ro/web")
	g.commit("svc/live selects=web; %s %s", kind, g.shape(kind))
	g.say("settle 1m")
	for range 8 + g.dice.IntN(16) {
		switch next := g.pick("web", "rs/web", "ro/web", "ro/web"); {
		case g.once(3):
			g.fault()
		case g.once(3):
			g.say("decide %s web", g.pick("promote", "promote-full", "abort", "retry", "pause", "resume", "skip"))
		case g.once(3):
			g.say("%s web %d", g.pick("rm", "crash"), g.dice.IntN(4))
		case next == kind:
			g.commit("%s image=%s replicas=%d", kind, g.image(), 1+g.dice.IntN(4))
		default:
			g.commit("remove %s; %s %s", kind, next, g.shape(next))
			kind = next
		}
		g.say("%s", g.pick("pass", fmt.Sprintf("settle %ds", 1+g.dice.IntN(90)), "settle 2m", "settle"))
	}
	story, g.lines = g.lines, nil
	g.restored()
	g.commit("%s image=v50 replicas=2 steps= hand=", kind)
	g.say("settle 5m")
	return story, g.lines
}

// shape is what one of that kind says from its beginning.
func (g *generator) shape(kind string) string {
	words := fmt.Sprintf("image=%s replicas=%d", g.image(), 1+g.dice.IntN(4))
	switch kind {
	case "web":
		words += " surge=1 unavail=" + g.pick("0", "1")
	case "ro/web":
		words += " deadline=60 abort-late" + g.pick(" active=live", " active=live hand", "", " surge=1 unavail=1 steps="+g.steps(), " surge=1 unavail=0 steps="+g.steps())
	}
	return words
}
