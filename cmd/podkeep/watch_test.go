package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// reader answers what it reads: once a text has been printed, what belongs to it is done, in order.
type reader struct {
	bytes.Buffer
	steps []step
}

type step struct {
	text string
	then func()
}

func (r *reader) Write(p []byte) (int, error) {
	n, err := r.Buffer.Write(p)
	if len(r.steps) > 0 && strings.Contains(r.String(), r.steps[0].text) {
		then := r.steps[0].then
		r.steps = r.steps[1:]
		then()
	}
	return n, err
}

func TestAWatchedStatusIsWrittenAgainWhenSomethingHasChanged(t *testing.T) {
	onFakes(t)
	dir := fleetOf(t, map[string]string{"node.yaml": aNode, "web.yaml": aDeployment})
	if code := execute([]string{"sync", "--source", dir}, io.Discard, os.Stderr); code != 0 {
		t.Fatal(code)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := &reader{steps: []step{
		{"Converged", func() {
			more := strings.Replace(aDeployment, "replicas: 1", "replicas: 2", 1)
			if err := os.WriteFile(filepath.Join(dir, "web.yaml"), []byte(more), 0o644); err != nil {
				t.Error(err)
			}
		}},
		{"Progressing", cancel},
	}}
	root := rootCommand()
	root.SetArgs([]string{"status", "web", "-w", "--source", dir})
	root.SetOut(out)
	if err := root.ExecuteContext(ctx); err != nil {
		t.Error(err)
	}
	all := strings.Split(out.String(), "\ncluster default from")
	if len(all) < 2 || !strings.Contains(all[0], "Converged") || !strings.Contains(all[len(all)-1], "1/2") {
		t.Error(out)
	}
}

func TestAWatchedStatusIsADocumentAfterEachChange(t *testing.T) {
	for form, want := range map[string]string{"yaml": "\n---\napiVersion: v1\n", "json": "\n}\n{\n"} {
		onFakes(t)
		dir := fleetOf(t, map[string]string{"node.yaml": aNode, "web.yaml": aDeployment})
		ctx, cancel := context.WithCancel(t.Context())
		out := &reader{steps: []step{
			{"begins", func() {
				if err := os.WriteFile(filepath.Join(dir, "web.yaml"), []byte(strings.Replace(aDeployment, "web:v1", "web:v2", 1)), 0o644); err != nil {
					t.Error(err)
				}
			}},
			{want, cancel},
		}}
		root := rootCommand()
		root.SetArgs([]string{"status", "web", "-w", "-o", form, "--source", dir})
		root.SetOut(out)
		if err := root.ExecuteContext(ctx); err != nil || !strings.Contains(out.String(), "web:v2") {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

func TestAWatchedStatusEndsWhenItCannotBeWritten(t *testing.T) {
	onFakes(t)
	dir := fleetOf(t, map[string]string{"node.yaml": aNode, "web.yaml": aDeployment})
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = full.Close() }()
	var said bytes.Buffer
	if code := execute([]string{"status", "-w", "--source", dir}, full, &said); code != 1 || said.String() != "podkeep: the output cannot be written: no space left on device\n" {
		t.Errorf("exit code %d, %q", code, said.String())
	}
}

func TestAWatchedStatusSaysThatWhatIsNamedIsNotThere(t *testing.T) {
	onFakes(t)
	dir := fleetOf(t, map[string]string{"node.yaml": aNode, "web.yaml": aDeployment})
	root := rootCommand()
	root.SetArgs([]string{"status", "wbe", "-w", "--source", dir})
	root.SetOut(io.Discard)
	if err := root.ExecuteContext(t.Context()); err == nil || err.Error() != "no wbe: did you mean deployment/web?" {
		t.Error(err)
	}
}
