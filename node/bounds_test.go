package node

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/node/wire"
)

// mute is one that is connected and says nothing by itself.
func (s *stage) mute() *controller {
	here, there := net.Pipe()
	s.listen <- there
	c := &controller{Conn: here}
	go c.hear()
	return c
}

func TestAFloodOfControllersIsTurnedAwayAndGone(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", ready)
		s.begins()
		c := s.connects()
		c.tends(web)
		s.passes(time.Second)
		var flood []*controller
		for range 2 * mostControllers {
			flood = append(flood, s.mute())
		}
		s.passes(time.Second)
		in := 0
		for _, f := range flood {
			if f.isGone() == nil {
				in++
			}
		}
		if in != mostControllers-1 {
			t.Errorf("%d more are let in", in)
		}
		if n := strings.Count(s.log.String(), "others are turned away"); n != 1 {
			t.Errorf("it is said %d times", n)
		}
		s.passes(wire.Deaf)
		for i, f := range flood {
			if f.isGone() == nil {
				t.Fatalf("%d is still connected, and says nothing", i)
			}
		}
		if next := s.connects(); c.isGone() != nil || len(c.report().Tends) != 1 || len(next.report().Tends) != 1 {
			t.Errorf("%v: %+v, and who comes next hears %+v", c.isGone(), c.report(), next.report())
		}
	})
}

func TestOneThatTakesLongOverALineIsDropped(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.begins()
		slow := s.mute()
		for range int(wire.Deaf/time.Second) + 1 {
			_, _ = slow.Write([]byte(" "))
			s.passes(time.Second)
		}
		if slow.isGone() == nil {
			t.Error("it is not dropped")
		}
	})
}

func TestSourcesWithoutPodsGiveWayAndNoMoreThanThoseAreLookedAfter(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", ready)
		s.begins()
		c := s.connects()
		for i := range 2 * mostSources {
			c.tendsOf(fmt.Sprintf("old-%03d", i))
		}
		for i := range 2 * mostSources {
			c.tendsOf(fmt.Sprintf("new-%03d", i), web)
		}
		s.passes(time.Second)
		all := c.report().InForce
		if len(all) != mostSources || all[0].Source != "new-000" || all[mostSources-1].Source != "new-063" {
			t.Errorf("%d sources, from %s", len(all), all[0].Source)
		}
		c.tendsOf("new-000")
		c.tendsOf("newest", web)
		s.passes(time.Second)
		if all := c.report().InForce; len(all) != mostSources || all[mostSources-1].Source != "newest" {
			t.Errorf("%d sources, to %s", len(all), all[len(all)-1].Source)
		}
	})
}
