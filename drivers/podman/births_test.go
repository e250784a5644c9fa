package podman

import (
	"crypto/ed25519"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/containers/podman/v4/pkg/domain/entities"
	"golang.org/x/sync/errgroup"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

var anyKey = ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", ed25519.SeedSize)))

// bornOn are containers, as a list shows them, of so many signed pods.
func bornOn(host string, n int) (listed []entities.ListContainer) {
	for i := range n {
		app := manifest.ID{Kind: "Deployment", Namespace: "default", Name: fmt.Sprint("web", i)}
		labels := live.PodLabels(live.Pod{Cluster: "c", Source: "s", App: app, Rev: "v1-abcdef0123456789abcd", Gen: 1, Commit: "c0ffee", Expect: []string{"a"}})
		name := live.PodName("c", app, "v1-abcdef", 0)
		labels = live.Sign(anyKey, labels, live.PodMessage(host, name, labels))
		listed = append(listed, entities.ListContainer{Pod: fmt.Sprint("id", i), PodName: name, IsInfra: true, Labels: labels})
	}
	return listed
}

func (b *births) look(listed []entities.ListContainer, host string) []live.Pod {
	w := newWorld("c", 0)
	for _, c := range listed {
		w.add(c)
	}
	b.judge(w.labels, w.pods, []string{host})
	return w.sorted()
}

func TestAHostThatSaysSomethingElseOfAPodIsNotBelieved(t *testing.T) {
	var b births
	listed := bornOn("h1", 2)
	for range 2 {
		for _, p := range b.look(listed, "h1") {
			if p.Signer == "" || p.Host != "h1" {
				t.Errorf("%s is signed by %q for %q", p.Name, p.Signer, p.Host)
			}
		}
	}
	lied := maps.Clone(listed[0].Labels)
	lied[live.LabelGen] = "99"
	listed[0].Labels, listed[1].PodName = lied, "another"
	for _, p := range b.look(listed, "h1") {
		if p.Signer != "" {
			t.Errorf("%s of generation %d is signed by %q", p.Name, p.Gen, p.Signer)
		}
	}
	if pods := b.look(bornOn("h1", 1), "h2"); pods[0].Signer != "" {
		t.Error("what was born on one host is believed on another")
	}
}

// BenchmarkVerify is what signatures add to looks at 1,000 pods and 5,000 receipts, Podman's own time left out: the first, and a later one.
func BenchmarkVerify(b *testing.B) {
	const pods, receipts = 1000, 5000
	listed := bornOn("h1", pods)
	labels := make([]map[string]string, receipts)
	for i := range labels {
		r := live.Receipt{App: manifest.ID{Kind: "Deployment", Namespace: "default", Name: fmt.Sprint("web", i)}, Verb: live.Promoted, Rev: "v1-abcdef0123456789abcd", Gen: 1, Source: "s", Time: time.Unix(1, 0)}
		plain := r.Labels("c")
		plain[labelFile] = r.Name("me")
		labels[i] = live.Sign(anyKey, plain, live.FileMessage(r.Name("me"), plain))
	}
	look := func(d *Driver) {
		var group errgroup.Group
		group.SetLimit(8)
		for i, l := range labels {
			if id := fmt.Sprint(i); !d.seen.knows(id) {
				group.Go(func() error { return d.seen.add(d.entryOf(id, l)) })
			}
		}
		_ = group.Wait()
		ids := make([]string, receipts)
		for i := range ids {
			ids[i] = fmt.Sprint(i)
		}
		if _, all := d.seen.only(ids); all[0].Signer == "" {
			b.Fatal("no signer")
		}
		if all := d.births.look(listed, "h1"); all[0].Signer == "" {
			b.Fatal("no signer")
		}
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			look(&Driver{cluster: "c", seen: newSeen()})
		}
	})
	b.Run("later", func(b *testing.B) {
		d := &Driver{cluster: "c", seen: newSeen()}
		look(d)
		for b.Loop() {
			look(d)
		}
	})
}
