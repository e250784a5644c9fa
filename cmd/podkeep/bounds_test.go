package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources"
	"github.com/podkeep/podkeep/status"
)

func TestAFileThatPodkeepGoesByIsReadSoFar(t *testing.T) {
	const want = "/dev/zero: is larger than 1024 KiB: name the file that was meant"
	_, flags := configure(pflag.NewFlagSet("", pflag.ContinueOnError), "/dev/zero")
	_, key := readKey("/dev/zero")
	_, signers := addLine("/dev/zero", "line", "ssh-ed25519 AAAA")
	_, public := new(trustOptions).keyOf(nil, "/dev/zero")
	for what, err := range map[string]error{"flags": flags, "a key": key, "signers": signers, "a public key": public} {
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAControllersAnswerIsReadSoFar(t *testing.T) {
	said := make(chan int, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n, block := 0, []byte(strings.Repeat(" ", 1<<20))
		for {
			wrote, err := w.Write(block)
			if n += wrote; err != nil {
				said <- n
				return
			}
		}
	}))
	defer s.Close()
	if _, err := itemsOf(t.Context(), s.URL); err == nil || !strings.Contains(err.Error(), "is no answer of a controller") {
		t.Error(err)
	}
	if n := <-said; n > mostAnswer+16<<20 {
		t.Errorf("it could say %d bytes", n)
	}
}

// endless is a source whose history has no beginning.
type endless struct {
	sources.Source
	loads int
}

func (e *endless) Load(_ context.Context, commit string) (manifest.Set, error) {
	e.loads++
	return manifest.Set{Commit: commit, Parent: commit + "x"}, nil
}

func TestHistoryIsReadSoFarBack(t *testing.T) {
	var e endless
	var w status.World
	w.History.Head = manifest.Set{Commit: "c", Parent: "p"}
	o := historyOptions{limit: 3}
	if _, err := o.past(t.Context(), &e, w, &manifest.ID{Kind: "Deployment", Namespace: "default", Name: "a"}); err != nil || e.loads != mostCommits-1 {
		t.Errorf("%d commits are read: %v", e.loads, err)
	}
}
