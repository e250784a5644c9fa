package node

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/wire"
)

// kernel is what a Router has made of a host. It outlives the node side.
type kernel struct {
	mu    sync.Mutex
	does  uint64   // Number of the table that it has
	all   []uint64 // of those that were put into it, in order
	as    string
	net   live.Net
	fails error         // what comes of an attempt, which does nothing
	hangs chan struct{} // until it is closed, or the node side ends, an attempt hangs after it has done all
	early bool          // or before it has done anything
	under int           // attempts that have not returned
}

func (k *kernel) Route(ctx context.Context, t *route.Table, node string) (live.Net, error) {
	k.mu.Lock()
	if k.under++; k.under > 1 {
		panic("two at a time")
	}
	defer func() { k.mu.Lock(); k.under--; k.mu.Unlock() }()
	err, hangs, net := k.fails, k.hangs, k.net
	if err == nil && !(hangs != nil && k.early) {
		k.does, k.as = t.Number, node
		k.all = append(k.all, t.Number)
	}
	k.mu.Unlock()
	if hangs != nil {
		select {
		case <-hangs:
		case <-ctx.Done():
			return live.Net{}, ctx.Err()
		}
	}
	return net, err
}

// is changes what the host is like.
func (k *kernel) is(change func(*kernel)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(k)
}

func (k *kernel) puts() []uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.all)
}

// routing has the host route from now on.
func (s *stage) routing() *kernel {
	k := &kernel{}
	s.router = k
	return k
}

var signs = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

// numbered is a table; what tells one from another of the same number is its domain.
func numbered(number uint64, domain string) wire.Table {
	t, err := wire.Seal(signs, cluster, &route.Table{Number: number, Domain: domain})
	if err != nil {
		panic(err)
	}
	t.Node = "n1"
	return t
}

func (c *controller) sends(t wire.Table) { _ = wire.Write(c, wire.Down{Table: &t}) }

func (c *controller) asks() { _ = wire.Write(c, wire.Down{Show: true}) }

// serves says whether that table is said to be in force, and no other.
func (c *controller) serves(t wire.Table) error {
	if r := c.report(); r.Number != t.Number || r.Digest != t.Digest {
		return fmt.Errorf("table %d (%.6s) is in force, not %d (%.6s); %q", r.Number, r.Digest, t.Number, t.Digest, r.Net.Troubles)
	}
	return nil
}

func (c *controller) troubles() string { return strings.Join(c.report().Net.Troubles, "; ") }

func TestATableIsInForceOnceTheHostDoesAsItSays(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		k := s.routing()
		k.net = live.Net{Paths: map[string]string{"n2": "direct"}}
		s.begins()
		c := s.connects()
		s.passes(time.Second)
		if err := c.serves(wire.Table{}); err != nil {
			t.Error(err)
		}
		one := numbered(1, "")
		c.sends(one)
		s.passes(0)
		if err := c.serves(one); err != nil || k.as != "n1" || c.report().Net.Paths["n2"] != "direct" {
			t.Errorf("%v, as %q: %+v", err, k.as, c.report().Net)
		}
		k.hangs = make(chan struct{})
		two := numbered(2, "")
		c.sends(two)
		s.passes(5 * time.Second)
		if err := c.serves(one); err != nil || k.does != 2 || c.report().Taken != 2 {
			t.Errorf("%v; the kernel has %d, and nobody has said that all is done: %+v", err, k.does, c.report())
		}
		close(k.hangs)
		s.passes(0)
		if err := c.serves(two); err != nil {
			t.Error(err)
		}
	})
}

func TestOfTablesThatComeWhileTheHostIsBusyTheNewestAloneFollows(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		k := s.routing()
		k.hangs = make(chan struct{})
		s.begins()
		c := s.connects()
		for n := range uint64(20) {
			c.sends(numbered(n+1, ""))
		}
		s.passes(time.Second)
		close(k.hangs)
		s.passes(time.Second)
		if all := k.puts(); len(all) != 2 || all[1] != 20 {
			t.Errorf("%d", all)
		}
		if err := c.serves(numbered(20, "")); err != nil {
			t.Error(err)
		}
	})
}

func TestNoTableIsFollowedByAnOlderOneUnlessThatIsSaidToBeAnew(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		k := s.routing()
		s.begins()
		c := s.connects()
		five := numbered(5, "")
		for _, table := range []wire.Table{five, numbered(4, ""), numbered(5, "other")} {
			c.sends(table)
			s.passes(time.Second)
			if err := c.serves(five); err != nil {
				t.Error(err)
			}
		}
		k.is(func(k *kernel) { k.hangs = make(chan struct{}) })
		c.sends(numbered(7, ""))
		s.passes(time.Second)
		c.sends(numbered(6, "")) // 7 is on its way
		s.passes(time.Second)
		close(k.hangs)
		s.passes(time.Second)
		if err := c.serves(numbered(7, "")); err != nil {
			t.Error(err)
		}
		anew := numbered(2, "anew")
		anew.Anew = true
		c.sends(anew)
		s.passes(time.Second)
		if err := c.serves(anew); err != nil {
			t.Error(err)
		}
		done := len(k.puts())
		c.sends(anew)
		s.passes(time.Second)
		if n := len(k.puts()); n != done {
			t.Errorf("%d times more, for it came twice", n-done)
		}
		s.end()
		s.begins()
		c = s.connects()
		s.passes(time.Second)
		if err := c.serves(anew); err != nil {
			t.Errorf("after a restart: %v", err)
		}
		c.sends(numbered(1, ""))
		c.sends(numbered(3, ""))
		s.passes(time.Second)
		if err := c.serves(numbered(3, "")); err != nil {
			t.Error(err)
		}
	})
}

func TestATableThatCannotBeReadIsRefusedAndThatIsSaid(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.routing()
		s.begins()
		c := s.connects()
		one := numbered(1, "")
		c.sends(one)
		s.passes(time.Second)
		bad := numbered(2, "")
		bad.Body = bad.Body[:len(bad.Body)-3]
		c.sends(bad)
		s.passes(time.Second)
		if err := c.serves(one); err != nil || !strings.Contains(c.troubles(), "the table that was sent cannot be read") || c.isGone() != nil {
			t.Errorf("%v, %q, %v", err, c.troubles(), c.isGone())
		}
		c.sends(numbered(3, ""))
		s.passes(time.Second)
		if err := c.serves(numbered(3, "")); err != nil || c.troubles() != "" {
			t.Errorf("%v, %q", err, c.troubles())
		}
	})
}

func TestWhatKeepsATableFromBeingInForceIsSaidAndTriedAgain(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		k := s.routing()
		s.begins()
		c := s.connects()
		one, two := numbered(1, ""), numbered(2, "")
		c.sends(one)
		s.passes(time.Second)
		k.is(func(k *kernel) { k.fails = errors.New("no nft:\nPASSWORD=hunter22") })
		c.sends(two)
		s.passes(time.Minute)
		if err := c.serves(one); err != nil || c.troubles() != "table 2 is not in force: no nft: PASSWORD=…" {
			t.Errorf("%v, %q", err, c.troubles())
		}
		k.is(func(k *kernel) { k.fails = nil })
		s.passes(routeEvery)
		if err := c.serves(two); err != nil || c.troubles() != "" {
			t.Errorf("%v, %q", err, c.troubles())
		}
	})
}

func TestATableThatCannotBeKeptIsNotPutInForce(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		k := s.routing()
		s.begins()
		c := s.connects()
		one, two := numbered(1, ""), numbered(2, "")
		c.sends(one)
		s.passes(time.Second)
		blocked := filepath.Join(s.dir, "table.json.new")
		if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		c.sends(two)
		s.passes(time.Minute)
		if err := c.serves(one); err != nil || k.does != 1 || !strings.Contains(c.troubles(), "is a directory") {
			t.Errorf("%v, the kernel has %d, %q", err, k.does, c.troubles())
		}
		if err := os.RemoveAll(blocked); err != nil {
			t.Fatal(err)
		}
		s.passes(routeEvery)
		if err := c.serves(two); err != nil {
			t.Error(err)
		}
	})
}

func TestAfterARestartTheTableThatWasKeptComesIntoForceWithNobodyToAsk(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		k := s.routing()
		s.begins()
		c := s.connects()
		one := numbered(1, "")
		c.sends(one)
		s.passes(time.Second)
		s.end()
		k.is(func(k *kernel) { k.does, k.fails = 0, errors.New("not yet") }) // a reboot
		s.begins()
		c = s.connects()
		s.passes(time.Second)
		if err := c.serves(wire.Table{}); err != nil {
			t.Error(err)
		}
		k.is(func(k *kernel) { k.fails = nil })
		s.passes(routeEvery)
		if err := c.serves(one); err != nil || k.does != 1 {
			t.Errorf("%v, the kernel has %d", err, k.does)
		}
	})
}

func TestAfterARestartPodsComeOnceTheTableThatWasKeptIsInForceOrCannotBe(t *testing.T) {
	for claim, then := range map[string]error{"in force": nil, "cannot be": errors.New("no nft")} {
		t.Run(claim, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				k := s.routing()
				cut := s.has("cut", `{containers: [{name: app, image: app}]}`)
				s.begins()
				c := s.connects()
				c.tends(cut)
				c.sends(numbered(1, ""))
				s.passes(5 * time.Second)
				s.end()
				s.world.Reboot("n1", 4)
				hangs := make(chan struct{})
				k.is(func(k *kernel) { k.does, k.hangs, k.fails, k.early = 0, hangs, then, true })
				s.begins()
				s.passes(5 * time.Second)
				if is := s.container(cut, "app"); is.State == live.Running {
					t.Errorf("%+v", is)
				}
				close(hangs)
				s.passes(5 * time.Second)
				if is := s.container(cut, "app"); is.State != live.Running {
					t.Errorf("%+v", is)
				}
			})
		})
	}
}

func TestWhateverMomentItIsKilledAtNoTableComesBackThatIsOlderThanOneSaidToBeInForce(t *testing.T) {
	for claim, early := range map[string]bool{"before the kernel has it": true, "when nobody has heard that the kernel has it": false} {
		t.Run(claim, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				k := s.routing()
				s.begins()
				c := s.connects()
				c.sends(numbered(1, ""))
				s.passes(time.Second)
				k.is(func(k *kernel) { k.hangs, k.early = make(chan struct{}), early })
				c.sends(numbered(2, ""))
				s.passes(0)
				if err := c.serves(numbered(1, "")); err != nil || k.does == 2 == early {
					t.Fatalf("%v, the kernel has %d", err, k.does)
				}
				s.kill()
				k.is(func(k *kernel) { k.hangs = nil })
				s.begins()
				c = s.connects()
				s.passes(time.Second)
				if err := c.serves(numbered(2, "")); err != nil || !slices.IsSorted(k.puts()) {
					t.Errorf("%v; %d", err, k.puts())
				}
			})
		})
	}
}

func TestWhatSomebodyElseHasChangedIsPutRight(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		k := s.routing()
		s.begins()
		c := s.connects()
		c.sends(numbered(1, ""))
		s.passes(time.Second)
		_, before, _ := c.heard()
		k.is(func(k *kernel) { k.does = 0 })
		s.passes(routeEvery)
		if _, after, _ := c.heard(); k.does != 1 || after != before {
			t.Errorf("the kernel has %d, and %d reports of it", k.does, after-before)
		}
		k.is(func(k *kernel) { k.net.Paths = map[string]string{"n2": "no answer"} })
		s.passes(routeEvery)
		if c.report().Net.Paths["n2"] != "no answer" {
			t.Errorf("%+v", c.report().Net)
		}
		done := len(k.puts())
		s.has("web", ready) // the host has something to tell
		s.passes(routePause)
		if n := len(k.puts()); n != done+1 {
			t.Errorf("%d times", n-done)
		}
	})
}

func TestTheTableInForceIsShownToWhomAsks(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		k := s.routing()
		s.begins()
		c, other := s.connects(), s.connects()
		c.asks()
		s.passes(time.Second)
		if c.shown() != nil {
			t.Errorf("%+v", c.shown())
		}
		k.is(func(k *kernel) { k.fails = errors.New("no nft") })
		one, two := numbered(1, ""), numbered(2, "")
		for _, step := range []struct {
			sent   wire.Table
			works  bool
			wanted wire.Table
		}{{one, false, one}, {one, true, one}, {two, false, one}, {two, true, two}} {
			k.is(func(k *kernel) {
				if k.fails = nil; !step.works {
					k.fails = errors.New("no nft")
				}
			})
			c.sends(step.sent)
			s.passes(2 * routeEvery)
			c.asks()
			s.passes(time.Second)
			got := c.shown()
			if got == nil || got.Digest != step.wanted.Digest || got.Signer(cluster) == "" || !bytes.Equal(got.Body, step.wanted.Body) {
				t.Errorf("%+v: %+v", step, got)
			}
		}
		if other.shown() != nil {
			t.Error("somebody is shown it who has not asked")
		}
	})
}

func TestADamagedTableOnTheVolumeIsSaidAndReplaced(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.routing()
		if err := os.WriteFile(filepath.Join(s.dir, "table.json"), []byte(`{"Node":"n1","Bo`), 0o600); err != nil {
			t.Fatal(err)
		}
		s.begins()
		c := s.connects()
		s.passes(time.Second)
		if err := c.serves(wire.Table{}); err != nil || !strings.Contains(c.troubles(), "the table that was kept cannot be read") {
			t.Errorf("%v, %q", err, c.troubles())
		}
		c.sends(numbered(1, ""))
		s.passes(time.Second)
		if err := c.serves(numbered(1, "")); err != nil || c.troubles() != "" {
			t.Errorf("%v, %q", err, c.troubles())
		}
	})
}

func TestWhereNothingRoutesNoTableIsInForce(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.begins()
		c := s.connects()
		c.sends(numbered(1, ""))
		c.asks()
		s.passes(time.Minute)
		if err := c.serves(wire.Table{}); err != nil || c.shown() != nil || c.isGone() != nil {
			t.Errorf("%v, %+v", err, c.shown())
		}
	})
}

func TestAHostThatHasChangedIsRoutedAgainAtOnce(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		k := s.routing()
		s.stirs = make(chan struct{})
		s.begins()
		c := s.connects()
		s.stirs <- struct{}{} // nothing is told yet
		one := numbered(1, "")
		c.sends(one)
		s.passes(0)
		k.is(func(k *kernel) { k.net.Keeps = []route.HostPort{{Port: 80, Protocol: "tcp"}} })
		s.stirs <- struct{}{}
		s.passes(0)
		if keeps := c.report().Net.Keeps; len(keeps) != 1 || len(k.puts()) != 2 {
			t.Errorf("keeps %v after %v", keeps, k.puts())
		}
	})
}

func TestARouterThatHangsIsGivenUpAndHoldsNothingElseUp(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		k := s.routing()
		k.hangs = make(chan struct{})
		web := s.has("web", ready)
		s.begins()
		c := s.connects()
		c.sends(numbered(1, ""))
		c.tends(web)
		s.passes(5 * time.Second)
		if !c.probed(web, "app").Ready {
			t.Errorf("%+v", c.report())
		}
		s.passes(routeFor)
		if !strings.Contains(c.troubles(), "deadline exceeded") {
			t.Errorf("%q", c.troubles())
		}
		k.is(func(k *kernel) { close(k.hangs); k.hangs = nil })
		s.passes(routeFor)
		if err := c.serves(numbered(1, "")); err != nil {
			t.Error(err)
		}
	})
}
