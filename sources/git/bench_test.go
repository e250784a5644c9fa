package git_test

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/sources/sourcetest"
)

// anonymous is this process's anonymous memory, after what is free was given back.
func anonymous(b *testing.B) float64 {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/status")
	must(b, err)
	var kib float64
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			_, err = fmt.Sscan(rest, &kib)
			must(b, err)
		}
	}
	return kib / 1024
}

// The first fetch brings the whole history: 10,000 commits.
func BenchmarkFirstFetch(b *testing.B) {
	a, _ := newHTTPS(b)
	line(b, a.Repository, 10_000)
	a.Git(b, "push", "-q", "origin", "main")
	before := anonymous(b)
	for b.Loop() {
		o := a.options
		o.Cache = b.TempDir()
		s := open(b, o)
		_, _, err := s.Head(b.Context())
		must(b, err)
	}
	b.ReportMetric(anonymous(b)-before, "MiB-kept")
}

// All Nodes of 10,000 commits, as after a start, and again for one more commit.
func BenchmarkNodes(b *testing.B) {
	r := sourcetest.NewRepository(b)
	commits := line(b, r, 10_001)
	r.Git(b, "gc", "-q")
	head, next := commits[9_999], commits[10_000]
	before := anonymous(b)
	var more time.Duration
	for b.Loop() {
		s := open(b, git.Options{URL: r.Dir})
		_, err := s.Nodes(b.Context(), head)
		must(b, err)
		began := time.Now()
		_, err = s.Nodes(b.Context(), next)
		must(b, err)
		more += time.Since(began)
	}
	b.ReportMetric(float64(more.Microseconds())/float64(b.N), "µs/commit-more")
	b.ReportMetric(anonymous(b)-before, "MiB-kept")
}

// What came anew in 3,000 commits of 300 Deployments, of each since the first commit: as after a start, the same again, and for one more
// commit.
func BenchmarkRenewed(b *testing.B) {
	r := sourcetest.NewRepository(b)
	commits := busy(b, r, 3_001, 300)
	r.Git(b, "gc", "-q")
	named := map[manifest.ID][]string{}
	for app := range 300 {
		named[manifest.ID{Kind: "Deployment", Namespace: "default", Name: fmt.Sprint("app-", app)}] = []string{commits[0], commits[1500], commits[2900]}
	}
	before := anonymous(b)
	var same, more time.Duration
	for b.Loop() {
		s := open(b, git.Options{URL: r.Dir})
		ask := func(head string) time.Duration {
			began := time.Now()
			_, err := s.Renewed(b.Context(), head, named)
			must(b, err)
			return time.Since(began)
		}
		ask(commits[2_999])
		same += ask(commits[2_999])
		more += ask(commits[3_000])
	}
	b.ReportMetric(float64(same.Microseconds())/float64(b.N), "µs/again")
	b.ReportMetric(float64(more.Microseconds())/float64(b.N), "µs/commit-more")
	b.ReportMetric(anonymous(b)-before, "MiB-kept")
}

// A push into a watched bare repository, from the moment the ref names the commit to the poke.
func BenchmarkPushToPoke(b *testing.B) {
	a := newAway(b)
	a.push(b, one("1"))
	s := open(b, git.Options{URL: a.bare.Dir, Interval: time.Hour})
	_, _, err := s.Head(b.Context())
	must(b, err)
	poke := make(chan struct{}, 1)
	go func() { _ = s.Watch(b.Context(), poke) }()
	var took []time.Duration
	for i := range 50 {
		head := a.Commit(b, one(fmt.Sprint("later ", i)))
		poked := make(chan time.Time)
		go func() { <-poke; poked <- time.Now() }()
		a.Git(b, "push", "-q", "-f", "origin", "HEAD:main")
		at := <-poked
		now, _, err := s.Head(b.Context())
		must(b, err)
		if now != head {
			b.Fatal("a poke before the ref was there")
		}
		info, err := os.Stat(a.bare.Dir + "/refs/heads/main")
		must(b, err)
		took = append(took, at.Sub(info.ModTime()))
	}
	for b.Loop() {
		slices.Sort(took)
	}
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-worst")
}
