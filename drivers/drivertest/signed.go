package drivertest

import (
	"crypto/ed25519"
	"maps"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Key is a controller's that is the same in each run, and KeyText its public half.
var (
	Key     = ed25519.NewKeyFromSeed([]byte(strings.Repeat("d", ed25519.SeedSize)))
	KeyText = manifest.KeyText(Key.Public().(ed25519.PublicKey))
)

// signed is the File with Key's signature.
func signed(f manifest.File) manifest.File {
	f.Labels = live.Sign(Key, f.Labels, live.FileMessage(f.Name, f.Labels))
	return f
}

// HostRecord is a signed record that the host is the one of this id.
func HostRecord(name, id string) manifest.File {
	at := time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)
	return signed(manifest.File{Name: name, Labels: live.Host{ID: id, Way: "a way", Time: at, Source: "tests"}.Labels(Cluster)})
}

// BornOn is a pod with Key's signature for the host of this id.
func BornOn(host, name string, images ...string) manifest.Pod {
	p := Pod(name, images...)
	p.Labels = live.Sign(Key, p.Labels, live.PodMessage(host, p.Name, p.Labels))
	return p
}

// forged has a label changed since it was signed.
func forged(labels map[string]string, label, value string) map[string]string {
	changed := maps.Clone(labels)
	changed[label] = value
	return changed
}

func signedFiles(s *stage) {
	form := file("rev-1", "x")
	receipt := live.Receipt{App: manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}, Verb: live.Promoted, Rev: "v1-a", Gen: 1, Source: "tests"}
	good := manifest.File{Name: receipt.Name(KeyText), Labels: receipt.Labels(Cluster)}
	moved := signed(form)
	moved.Name = "rev-3"
	want := map[string]string{
		"rev-1": KeyText, "rev-2": "", "rev-3": "", "cfg-1": "", live.HostFile: KeyText, "receipt-2": "", good.Name: KeyText,
	}
	bad, altered := signed(form), signed(good)
	bad.Name, bad.Labels = "rev-2", forged(bad.Labels, live.LabelObject, `{"another":"form"}`)
	altered.Name, altered.Labels = "receipt-2", forged(altered.Labels, live.LabelRev, "v1-b")
	for _, f := range []manifest.File{signed(form), bad, moved, file("cfg-1", "x"), HostRecord(live.HostFile, "0011"), signed(good), altered} {
		s.ok(s.Put(s.ctx(), f))
	}
	for range 2 { // the second look knows from the first
		got := map[string]string{}
		n := s.look()
		for _, f := range n.Files {
			got[f.Name] = f.Signer
		}
		for _, r := range n.Receipts {
			got[r.File] = r.Signer
		}
		if !maps.Equal(got, want) {
			s.Errorf("signers are %v, want %v", got, want)
		}
	}
}

func firstIdentity(s *stage) {
	s.ok(s.Put(s.ctx(), HostRecord(live.HostFile, "0011")))
	s.ok(s.Put(s.ctx(), HostRecord(live.HostFile, "2233")))
	s.ok(s.Put(s.ctx(), HostRecord(live.HostFile+"-2", "0011")))
	n := s.look()
	if hosts := live.HostsOf(n.Files); len(n.Files) != 2 || len(hosts) != 1 || hosts[0] != "0011" {
		s.Errorf("the host is %v by %+v", hosts, n.Files)
	}
}

func signedPods(s *stage) {
	moved, renamed, altered := BornOn("4455", "carried", s.Image), BornOn("0011", "renamed", s.Image), BornOn("0011", "altered", s.Image)
	renamed.Name = "renamed-abcdef-9"
	altered.Labels = forged(altered.Labels, live.LabelGen, "99")
	want := map[string]string{
		"signed-abcdef-0": "0011", moved.Name: "", renamed.Name: "", altered.Name: "", "unsigned-abcdef-0": "",
	}
	for _, p := range []manifest.Pod{BornOn("0011", "signed", s.Image), moved, renamed, altered, Pod("unsigned", s.Image)} {
		s.ok(s.Driver.Run(s.ctx(), p))
	}
	for name := range want {
		if p := s.await(name, "running", running); p.Signer != "" || p.Host != "" {
			s.Errorf("%s is signed by %q before it is known who the host is", name, p.Signer)
		}
	}
	s.ok(s.Put(s.ctx(), HostRecord(live.HostFile, "0011")))
	for range 2 {
		for _, p := range s.look().Pods {
			signer := ""
			if want[p.Name] != "" {
				signer = KeyText
			}
			if p.Host != want[p.Name] || p.Signer != signer {
				s.Errorf("%s is signed for %q by %q", p.Name, p.Host, p.Signer)
			}
		}
	}
	another := s.Open(s.T, Cluster)
	defer another.Close()
	n, err := another.Observe(s.ctx())
	s.ok(err)
	for _, p := range n.Pods {
		if p.Host != want[p.Name] {
			s.Errorf("another controller sees %s signed for %q", p.Name, p.Host)
		}
	}
}

func signedParts(s *stage) {
	s.ok(s.Put(s.ctx(), HostRecord(live.HostFile, "0011")))
	want := BornOn("0011", "parts", s.Image, s.Image)
	broken := want
	broken.Spec = *want.Spec.DeepCopy()
	broken.Spec.Containers[1].Image = "localhost/nowhere:1"
	if err := s.Driver.Run(s.ctx(), broken); err == nil {
		s.Error("an image that is not there was run")
	}
	s.ok(s.Driver.Run(s.ctx(), want))
	if p := s.await(want.Name, "running", running); p.Signer != KeyText {
		s.Errorf("a pod that was made in two parts is signed by %q", p.Signer)
	}
}
