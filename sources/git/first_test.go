package git_test

import (
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/podkeep/podkeep/sources/sourcetest"
)

// cutting stands before a server, and cuts each connection once so many bytes have come from there. It gives the URL with its own address.
func cutting(t *testing.T, server string, most int64) string {
	t.Helper()
	u, err := url.Parse(server)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	target := u.Host
	var serving sync.WaitGroup
	serving.Go(func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			serving.Go(func() {
				defer c.Close()
				s, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				defer s.Close()
				serving.Go(func() {
					_, _ = io.Copy(s, c)
					_ = s.Close()
				})
				_, _ = io.CopyN(c, s, most)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	u.Host = l.Addr().String()
	return u.String()
}

// noisy makes n commits, each of which takes 8 KiB however it is packed, and a merge now and then.
func noisy(t *testing.T, a away, n int) (commits []string) {
	t.Helper()
	rng := rand.New(rand.NewSource(1))
	noise := make([]byte, 8<<10)
	var b strings.Builder
	for i := range n {
		rng.Read(noise)
		fmt.Fprintf(&b, "commit refs/heads/main\nmark :%d\ncommitter Ada <ada@example.com> %d +0000\ndata 1\nc\n", i+1, 1_700_000_000+i)
		if i > 10 && i%7 == 0 {
			fmt.Fprintf(&b, "merge :%d\n", i-5)
		}
		for name, text := range map[string]string{"a.yaml": sourcetest.ConfigMap("a", fmt.Sprint(i)), "noise": string(noise)} {
			fmt.Fprintf(&b, "M 100644 inline %s\ndata %d\n%s\n", name, len(text), text)
		}
	}
	a.Import(t, b.String())
	a.Git(t, "push", "-q", "origin", "main")
	return strings.Fields(a.Git(t, "rev-list", "--reverse", "--first-parent", "main"))
}

// size is how many bytes of objects a cache has.
func size(t *testing.T, cache string) (n int64) {
	t.Helper()
	must(t, filepath.WalkDir(cache, func(path string, d os.DirEntry, err error) error {
		if info, e := d.Info(); e == nil && !d.IsDir() {
			n += info.Size()
		}
		return err
	}))
	return n
}

// A first fetch over a connection that never lasts for all of it comes to its end, also when each try is another process's.
func TestAFirstFetchThatBreaksGoesOn(t *testing.T) {
	t.Parallel()
	https, h := newHTTPS(t)
	https.options.URL = cutting(t, h.URL, 100<<10)
	overSSH, s := newSSH(t)
	overSSH.options.URL = cutting(t, s.URL, 250<<10)
	known, err := os.ReadFile(s.KnownHosts)
	must(t, err)
	of, _ := url.Parse(s.URL)
	by, _ := url.Parse(overSSH.options.URL)
	sourcetest.WriteFile(t, s.KnownHosts, []byte(strings.ReplaceAll(string(known), of.Port(), by.Port())))
	for name, a := range map[string]away{"https": https, "ssh": overSSH} {
		commits := noisy(t, a, 120)
		for _, restarts := range []bool{false, true} {
			if !restarts && name == "ssh" {
				continue // a handshake for each step takes its time
			}
			t.Run(fmt.Sprint(name, ", with restarts: ", restarts), func(t *testing.T) {
				o := a.options
				o.Cache = t.TempDir()
				source := open(t, o)
				broken, grown := 0, 0
				for was := int64(0); ; broken++ {
					head, _, err := source.Head(t.Context())
					if err == nil {
						equal(t, commits[len(commits)-1], head)
						break
					}
					if head != "" {
						t.Fatalf("HEAD is %s before its history is here", head)
					}
					if now := size(t, o.Cache); now > was+1000 {
						was = now
						grown++
						refused(t, err, "commits of the first fetch are here, the next goes on from there")
					}
					if broken > 60 {
						t.Fatalf("after %d tries, %d of which brought something: %v", broken, grown, err)
					}
					if restarts {
						source = open(t, o)
					}
				}
				if grown < 3 {
					t.Errorf("%d of %d tries brought something", grown, broken)
				}
				for _, i := range []int{0, 100, len(commits) - 1} {
					equal(t, []string{fmt.Sprint("a=", i)}, sourcetest.Values(sourcetest.Load(t, source, commits[i])))
				}
				if left, _ := filepath.Glob(o.Cache + "/*/fetched/*.part"); len(left) > 0 {
					t.Errorf("left there: %s", left)
				}
				next := a.push(t, one("next"))
				equal(t, next, sourcetest.Head(t, source))
				a.Git(t, "reset", "-q", "--hard", commits[len(commits)-1])
				a.Git(t, "push", "-q", "-f", "origin", "main")
			})
		}
	}
}

// What was pushed meanwhile, or pushed away, stands in nothing's way.
func TestAFirstFetchGoesOnAfterAPush(t *testing.T) {
	t.Parallel()
	a, h := newHTTPS(t)
	commits := noisy(t, a, 250)
	a.options.URL = cutting(t, h.URL, 300<<10)
	s := open(t, a.options)
	for _, back := range []string{commits[249], commits[200], commits[240]} {
		for range 3 {
			if _, _, err := s.Head(t.Context()); err == nil {
				t.Fatal("a connection lasted")
			}
		}
		a.Git(t, "reset", "-q", "--hard", back)
		a.push(t, one("in place of "+back))
	}
	head := a.push(t, one("last"))
	for try := 0; ; try++ {
		got, _, err := s.Head(t.Context())
		if err == nil {
			equal(t, head, got)
			break
		}
		if try > 60 {
			t.Fatal(err)
		}
	}
	equal(t, []string{"a=0"}, sourcetest.Values(sourcetest.Load(t, s, commits[0])))
	descends(t, s, commits[100], head, true)
	descends(t, s, commits[245], head, false)
}
