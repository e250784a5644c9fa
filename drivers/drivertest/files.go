package drivertest

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// file is a File with the labels that ours have.
func file(name, data string) manifest.File {
	labels := map[string]string{live.LabelCluster: Cluster, live.LabelSource: "tests", live.LabelObject: `{"a": "b & c=d"}`}
	return manifest.File{Name: name, Labels: labels, Data: manifest.Bytes(data)}
}

// fromFile is a variable whose value is a File's content.
func fromFile(variable, file string) []corev1.EnvVar {
	ref := &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: file}}
	return []corev1.EnvVar{{Name: variable, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: ref}}}
}

// only says that the host has just this File.
func (s *stage) only(want manifest.File) {
	s.Helper()
	if d := cmp.Diff([]live.File{{Name: want.Name, Labels: want.Labels}}, s.look().Files); d != "" {
		s.Errorf("(-put +seen)\n%s", d)
	}
}

func putTwice(s *stage) {
	want := file("config-1", "hello")
	for range 2 {
		s.ok(s.Put(s.ctx(), want))
		s.only(want)
	}
	another := s.Open(s.T, Cluster)
	defer another.Close()
	n, err := another.Observe(s.ctx())
	s.ok(err)
	if len(n.Files) != 1 || n.Files[0].Name != want.Name {
		s.Errorf("another controller sees %+v", n.Files)
	}
}

func putRace(s *stage) {
	s.ok(together(4, func(i int) error {
		f := file("config-race", strings.Repeat("x", i+1))
		f.Labels[live.LabelWhy] = strings.Repeat("x", i+1)
		return s.Put(s.ctx(), f)
	}))
	if n := len(s.look().Files); n != 1 {
		s.Errorf("%d files", n)
	}
}

func putEmpty(s *stage) {
	want := file("config-empty", "")
	s.ok(s.Put(s.ctx(), want))
	s.only(want)
}

func putLarge(s *stage) {
	want := file("config-large", "")
	want.Data = bytes.Repeat([]byte{0, 255, '\n'}, 170_667)[:511_999]
	s.ok(s.Put(s.ctx(), want))
	s.only(want)
}

// putLongLabels puts what is the longest there may be: the form of a revision, and the tally of a Job of 100,000 indexes.
func putLongLabels(s *stage) {
	for _, size := range []int{manifest.MaxPacked, 800 << 10} {
		want := file("config-labels", "x")
		want.Labels[live.LabelObject] = strings.Repeat("Az09-_", size/6)
		s.ok(s.Put(s.ctx(), want))
		s.only(want)
		s.ok(s.Delete(s.ctx(), want.Name))
	}
}

func putLongName(s *stage) {
	want := file("receipt-deployment-"+strings.Repeat("n", 100)+"-g1", "x")
	s.ok(s.Put(s.ctx(), want))
	s.only(want)
	s.ok(s.Delete(s.ctx(), want.Name))
	if n := s.look(); len(n.Files) > 0 {
		s.Errorf("%+v", n.Files)
	}
}

func deleteTwice(s *stage) {
	s.ok(s.Put(s.ctx(), file("config-2", "x")))
	for range 2 {
		s.ok(s.Delete(s.ctx(), "config-2"))
		if n := s.look(); len(n.Files) > 0 {
			s.Errorf("%+v", n.Files)
		}
	}
}

func otherClustersFile(s *stage) {
	theirs := s.Open(s.T, "other")
	defer theirs.Close()
	f := file("config-theirs", "x")
	f.Labels[live.LabelCluster] = "other"
	s.ok(theirs.Put(s.ctx(), f))
	defer func() { s.ok(theirs.Delete(context.WithoutCancel(s.ctx()), f.Name)) }()
	s.ok(s.Delete(s.ctx(), f.Name))
	if n := s.look(); len(n.Files) > 0 {
		s.Errorf("%+v", n.Files)
	}
	n, err := theirs.Observe(s.ctx())
	s.ok(err)
	if len(n.Files) != 1 {
		s.Errorf("they see %+v", n.Files)
	}
}

func receipt(s *stage) {
	want := live.Receipt{
		App: manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}, Verb: live.Promoted, Rev: "v1-abcdef", Gen: 3,
		Commit: "c0ffee", Step: 2, Steps: "s", Time: time.Date(2026, 3, 1, 14, 0, 0, 5, time.UTC), Why: "web: 3 of 3, & all = well", Source: "tests",
	}
	s.ok(s.Put(s.ctx(), manifest.File{Name: want.Name(""), Labels: want.Labels(Cluster)}))
	want.File = want.Name("")
	n := s.look()
	if d := cmp.Diff([]live.Receipt{want}, n.Receipts); d != "" || len(n.Files) > 0 {
		s.Errorf("(-put +seen)\n%s\n%+v", d, n.Files)
	}
}
