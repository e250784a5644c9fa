package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/wire"
)

func TestSeveralControllersAreHeardAndToldTheSame(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web, shop := s.has("web", ready), s.has("shop", ready)
		s.begins()
		a, b := s.connects(), s.connects()
		a.tendsOf("a", web)
		b.tendsOf("b", shop)
		s.passes(5 * time.Second)
		want := []wire.Tend{{Source: "a", Tend: live.Tend{Pods: []string{web.Name}}}, {Source: "b", Tend: live.Tend{Pods: []string{shop.Name}}}}
		if diff := cmp.Diff(want, a.report().InForce); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(a.report(), b.report(), addresses); diff != "" {
			t.Error(diff)
		}
		if hello, _, _ := a.heard(); hello != "v1" || !slices.Equal(a.report().Tends, []string{shop.Name, web.Name}) || !a.probed(shop, "app").Ready {
			t.Errorf("%q: %+v", hello, a.report())
		}
		a.tendsOf("a")
		s.passes(time.Second)
		if r := b.report(); !slices.Equal(r.Tends, []string{shop.Name}) || len(r.Probed) != 1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestItIsQuietWhileNothingChanges(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", gated)
		s.begins()
		c := s.connects()
		c.tends(web)
		s.passes(10 * time.Second)
		_, reports, beats := c.heard()
		asked := s.ran("app/liveness")
		s.passes(time.Minute)
		_, more, on := c.heard()
		if more != reports {
			t.Errorf("%d reports of nothing", more-reports)
		}
		if n := on - beats; n < 29 || n > 31 {
			t.Errorf("%d signs of life in a minute", n)
		}
		if n := s.ran("app/liveness") - asked; n < 59 || n > 61 {
			t.Errorf("%d probes in a minute", n)
		}
	})
}

func TestNothingIsSaidOfPodsBeforeTheFirstLook(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", ready)
		s.toldOnce(web)
		s.world.Cut("n1", true)
		s.begins()
		c := s.connects()
		s.passes(10 * time.Second)
		if hello, reports, _ := c.heard(); hello != "v1" || reports > 0 {
			t.Fatalf("%q, %+v", hello, c.report())
		}
		s.world.Cut("n1", false)
		s.passes(time.Minute)
		if r := c.report(); len(r.Tends) != 1 || !c.probed(web, "app").Ready {
			t.Errorf("%+v", r)
		}
	})
}

func TestOneThatDoesNotReadIsDroppedAndHoldsUpNobody(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", gated)
		s.begins()
		here, there := net.Pipe()
		s.listen <- there
		deaf := &controller{Conn: here}
		go deaf.live()
		c := s.connects()
		c.tends(web)
		s.passes(5 * time.Second)
		if !c.probed(web, "app").Ready {
			t.Errorf("%+v", c.report())
		}
		s.passes(time.Minute)
		if _, err := here.Write([]byte("{}\n")); err == nil {
			t.Error("it is not dropped")
		}
		if err := c.isGone(); err != nil {
			t.Errorf("the other one is: %v", err)
		}
	})
}

func TestOneThatSaysNothingIsDropped(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.begins()
		here, there := net.Pipe()
		s.listen <- there
		mute := &controller{Conn: here}
		go mute.hear()
		s.passes(wire.Deaf - time.Second)
		if err := mute.isGone(); err != nil {
			t.Fatalf("too soon: %v", err)
		}
		s.passes(2 * time.Second)
		if mute.isGone() == nil {
			t.Error("it is not dropped")
		}
	})
}

func TestGarbageEndsItsStreamAndNothingElse(t *testing.T) {
	for _, garbage := range []string{"\x00\xff\n", "hello\n", "[]\n", `{"Tend":{"Pods":7}}` + "\n", "\n", strings.Repeat("x", 1<<20)} {
		t.Run(fmt.Sprintf("%.20q", garbage), func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				web := s.has("web", ready)
				s.begins()
				c := s.connects()
				c.tends(web)
				s.passes(5 * time.Second)
				here, there := net.Pipe()
				s.listen <- there
				bad := &controller{Conn: here}
				go bad.hear()
				_, _ = here.Write([]byte(garbage))
				s.passes(wire.Deaf + time.Second)
				if bad.isGone() == nil {
					t.Error("its stream is open")
				}
				if r := c.report(); c.isGone() != nil || len(r.Tends) != 1 {
					t.Errorf("%v, %+v", c.isGone(), r)
				}
			})
		})
	}
}

func TestAPeerOfAnotherVersionIsUnderstood(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", ready)
		s.begins()
		for _, words := range []string{
			`{"Hello":{"Version":"v9","Speaks":["x"]},"Routes":{"a":[1]}}`,
			fmt.Sprintf(`{"Tend":{"Source":"new","Pods":[%q],"Weights":{"a":1}},"More":null}`, web.Name),
			`{}`,
		} {
			c := s.connects()
			if _, err := c.Write([]byte(words + "\n")); err != nil {
				t.Fatal(err)
			}
			s.passes(time.Second)
			if err := c.isGone(); err != nil {
				t.Errorf("%s: %v", words, err)
			}
		}
		c := s.connects()
		s.passes(time.Second)
		if r := c.report(); len(r.InForce) != 1 || r.InForce[0].Source != "new" || len(r.Tends) != 1 {
			t.Errorf("%+v", r)
		}
	})
}

// shortDir is one whose path a socket's address has room for.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "pk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestTheSocketIsItsOwnersAndTakesTheStaleOnesPlace(t *testing.T) {
	at := filepath.Join(shortDir(t), "d", "node.sock")
	for range 2 { // the second finds what a killed one left
		l, err := listen(at)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(at)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%v, %v", info.Mode(), err)
		}
		c, err := net.Dial("unix", at)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		_ = l.Close()
	}
}

func TestAttachJoinsAStreamToTheSocket(t *testing.T) {
	at := filepath.Join(shortDir(t), "node.sock")
	l, err := listen(at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	heard := make(chan string)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte("up\n"))
		text := make([]byte, 5)
		_, _ = io.ReadFull(c, text)
		heard <- string(text)
		_ = c.Close()
	}()
	in, feed := io.Pipe()
	var out bytes.Buffer
	done := make(chan error)
	go func() { done <- Attach(context.Background(), at, in, &out) }()
	if _, err := feed.Write([]byte("down\n")); err != nil {
		t.Fatal(err)
	}
	if said := <-heard; said != "down\n" {
		t.Errorf("%q", said)
	}
	if err := <-done; err != nil || out.String() != "up\n" {
		t.Errorf("%v, %q", err, out.String())
	}
}

func TestAttachEndsWithItsInput(t *testing.T) {
	at := filepath.Join(shortDir(t), "node.sock")
	l, err := listen(at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := Attach(t.Context(), at, strings.NewReader(""), io.Discard); err != nil {
		t.Error(err)
	}
	if err := Attach(t.Context(), at+"x", strings.NewReader(""), io.Discard); err == nil {
		t.Error("no error where nobody listens")
	}
}
