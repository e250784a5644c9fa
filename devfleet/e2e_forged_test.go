package devfleet_test

import (
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// hostForges lets root of n1 write there, through n1's Podman alone, what would make all hosts run a pod of his: the form of a revision that
// was never in Git, and that it is the stable one, since HEAD's was rejected.
func hostForges(s *stage) {
	before := s.census()
	n1, err := s.fleet.Node("n1")
	s.ok(err)
	d, err := drivers.Open(s.Context(), manifest.Node{ProviderID: "podman+unix://" + n1.Socket}, drivers.Options{Cluster: "e2e"})
	s.ok(err)
	defer func() { s.ok(d.Close()) }()
	seen, err := d.Observe(s.Context())
	s.ok(err)
	evil := "v1-eeeeeeeeeeeeeeeeeeee"
	var forged []manifest.File
	for _, f := range seen.Files {
		if r, ok := live.ParseForm(f.Labels); ok {
			r.Rev, r.Spec.HostPID, r.Files = evil, true, nil
			forged = append(forged, manifest.File{Name: live.RevFile(r.App, evil, ""), Labels: live.FormLabels(r, "e2e", f.Labels[live.LabelSource]), Data: manifest.Bytes("x")})
		}
	}
	if len(forged) != 1 || len(seen.Pods) == 0 {
		s.Fatalf("%d forms, %d pods on n1", len(forged), len(seen.Pods))
	}
	p := seen.Pods[0]
	for _, r := range []live.Receipt{
		{Verb: live.Began, Rev: evil, Gen: 50}, {Verb: live.Promoted, Rev: evil, Gen: 50}, {Verb: live.Began, Rev: p.Rev, Gen: 51}, {Verb: live.Failed, Rev: p.Rev, Gen: 51},
	} {
		r.App, r.Commit, r.Source, r.Time, r.Why = p.App, p.Commit, p.Source, time.Now(), "forged"
		forged = append(forged, manifest.File{Name: r.Name(""), Labels: r.Labels("e2e"), Data: manifest.Bytes("x")})
	}
	for _, f := range forged {
		s.ok(d.Put(s.Context(), f))
	}
	s.says("n1 shows 4 receipts that no trusted key signed (nobody)", "n1 shows 1 form that no trusted key signed (nobody)", "3/3", "Converged")
	s.converges(s.empty("while a host lies"))
	s.still(before)
	for _, f := range forged {
		s.ok(d.Delete(s.Context(), f.Name))
	}
	s.saysNoMore("no trusted key")
}
