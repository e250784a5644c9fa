package reconciler

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/live"
)

// strange has the nodes forget who they are.
func strange(b *bed) {
	for _, s := range b.sites {
		s.set(func() { delete(s.files, live.HostFile) })
	}
}

func TestAHostIsGivenAnIdentityBeforeAnythingIsThoughtAboutIt(t *testing.T) {
	for _, serial := range []bool{true, false} {
		b := newBed("n1", "n2")
		strange(b)
		b.Serial = serial
		r := b.new()
		p := r.Pass(t.Context())
		r.Close()
		ids := map[string]bool{}
		for _, n := range p.Snapshot.Nodes {
			if diff := cmp.Diff([]string{"put host"}, b.sites[n.Name].heard()); diff != "" {
				t.Error(diff)
			}
			for _, f := range n.Files {
				h, ok := live.ParseHost(f)
				if !ok || h.Signer != b.signer() || len(h.ID) != 32 || h.Way == "" {
					t.Errorf("serial %v: %s: %+v", serial, n.Name, h)
				}
				ids[h.ID] = true
			}
		}
		if len(ids) != 2 {
			t.Errorf("serial %v: two hosts are %v", serial, ids)
		}
	}
}

func TestWhoOnlyReadsGivesNoHostAnIdentity(t *testing.T) {
	for name, change := range map[string]func(*bed){
		"dry": func(b *bed) { b.DryRun = true }, "without a key": func(b *bed) { b.Key = nil },
	} {
		b := newBed("n1")
		strange(b)
		change(b)
		b.Serial = true
		b.think = until(runs("n1", "a"))
		r := b.new()
		if r.Pass(t.Context()); len(b.sites["n1"].heard()) > 0 {
			t.Errorf("%s: heard %q", name, b.sites["n1"].heard())
		}
		r.Close()
	}
}

func TestARunWaitsUntilItIsKnownWhoTheHostIs(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*site)
		want   string
	}{
		"it cannot be written": {func(s *site) { s.fails["put host"] = 1 }, "waits for file host: broken"},
		"it is forged": {func(s *site) {
			s.files[live.HostFile] = live.File{Name: live.HostFile, Labels: map[string]string{live.LabelHost: "0011"}}
		}, "waits for file host: what is there under that name bears no signature: remove it, and it is written anew"},
	} {
		for _, serial := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				b := newBed("n1")
				strange(b)
				b.Serial = serial
				b.sites["n1"].set(func() { c.change(b.sites["n1"]) })
				b.think = until(runs("n1", "a"))
				r := b.new()
				defer r.Close()
				r.Pass(t.Context())
				synctest.Wait()
				waits := func(trouble live.Trouble) bool { return trouble.Name == "a" && trouble.Why == c.want }
				if all := r.views(time.Now()).Nodes[0].Troubles; !slices.ContainsFunc(all, waits) {
					t.Errorf("%s: %+v", name, all)
				}
				if slices.Contains(b.sites["n1"].heard(), "run a") {
					t.Errorf("%s: it ran", name)
				}
				if c.want != "waits for file host: broken" {
					strange(b)
				}
				time.Sleep(2 * time.Second)
				r.Pass(t.Context())
				synctest.Wait()
				if heard := b.sites["n1"].heard(); heard[len(heard)-1] != "run a" {
					t.Errorf("%s: serial %v: once it may be written: %q", name, serial, heard)
				}
			})
		}
	}
}

func TestPodsAndWhatMustBeBelievedAreSignedOnTheirWay(t *testing.T) {
	b := newBed("n1")
	b.Serial = true
	form, config, receipt := puts("n1", "rev-1"), puts("n1", "cfg-1"), puts("n1", "receipt-1")
	form.File.Labels = map[string]string{live.LabelApp: web.String(), live.LabelRev: "v1-a", live.LabelObject: "{}"}
	config.File.Labels = map[string]string{live.LabelCluster: "test", live.LabelSource: "shelf"}
	receipt.File.Labels = live.Receipt{App: web, Verb: live.Began, Gen: 1}.Labels("test")
	b.think = until(form, config, receipt, runs("n1", "a"))
	r := b.new()
	defer r.Close()
	r.Pass(t.Context())
	got := map[string]string{}
	for name, f := range b.sites["n1"].files {
		got[name] = f.Signer
	}
	key := b.signer()
	if diff := cmp.Diff(map[string]string{"host": key, "rev-1": key, "cfg-1": "", "receipt-1": key}, got); diff != "" {
		t.Error(diff)
	}
	if p := b.sites["n1"].pods["a"]; p.Signer != key || p.Host != "id-of-n1" {
		t.Errorf("the pod is signed by %q for %q", p.Signer, p.Host)
	}
	if form.File.Labels[live.LabelSig] != "" {
		t.Error("the plan's own File was changed")
	}
}

func TestAPodThatWasAskedForIsAsTheLookWillShowIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		b.sites["n1"].took["run"] = time.Minute
		b.think = until(runs("n1", "a"))
		r := b.new()
		defer r.Close()
		r.Pass(t.Context())
		synctest.Wait()
		pods := r.views(time.Now()).Nodes[0].Pods
		if len(pods) != 1 || !pods[0].Asked || pods[0].Signer != b.signer() || pods[0].Host != "id-of-n1" {
			t.Errorf("%+v", pods)
		}
	})
}

func TestOfTwoWhoBeginAtOnceTheFirstNamesTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed("n1")
		strange(b)
		b.sites["n1"].took["put host"] = time.Second
		other := b.by(1)
		b.think, other.think = until(runs("n1", "a")), until(runs("n1", "b"))
		one, two := b.new(), other.new()
		defer one.Close()
		defer two.Close()
		done := make(chan bool)
		go func() { two.Pass(t.Context()); close(done) }()
		one.Pass(t.Context())
		<-done
		after(time.Second)
		s := b.sites["n1"]
		first, ok := live.ParseHost(s.files[live.HostFile])
		if !ok || s.pods["a"].Host != first.ID || s.pods["b"].Host != first.ID {
			t.Errorf("the host is %q, and the pods are of %q and %q", first.ID, s.pods["a"].Host, s.pods["b"].Host)
		}
		if s.pods["a"].Signer != b.signer() || s.pods["b"].Signer != other.signer() {
			t.Errorf("%+v", s.pods)
		}
	})
}
