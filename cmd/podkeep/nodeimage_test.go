package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/podkeep/podkeep/live"
)

func TestTheNodeSidesImageIsTheProgramAloneAndTheSameEachTime(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var archives [][]byte
	for range 2 {
		image, err := newNodeImage(program, "v1.2")
		if err != nil {
			t.Fatal(err)
		}
		if image.arch != runtime.GOARCH {
			t.Errorf("it is for %s", image.arch)
		}
		archives = append(archives, archiveOf(t, image), archiveOf(t, image))
	}
	for _, a := range archives[1:] {
		if !bytes.Equal(a, archives[0]) {
			t.Error("it is another one")
		}
	}
	image, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archives[0])), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil || config.Config.Labels[live.LabelSide] != "v1.2" || config.Architecture != runtime.GOARCH || !config.Created.IsZero() {
		t.Errorf("%+v %v", config, err)
	}
}

func archiveOf(t *testing.T, image *nodeImage) []byte {
	t.Helper()
	in := image.archive()
	defer func() { _ = in.Close() }()
	data, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestWhatIsNoProgramForAHostIsNoImage(t *testing.T) {
	text := filepath.Join(t.TempDir(), "podkeep")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := newNodeImage(text, "v1")
	if want := "the node side's image of " + text + ": it is not a program for Linux"; err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	if _, err := newNodeImage(text+"-none", "v1"); err == nil {
		t.Error("there is none, and an image of it")
	}
}
