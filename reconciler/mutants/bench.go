package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

const sim = "reconciler/sim"

// trial is one run of tests that may notice a mutant.
type trial struct {
	name string
	dir  string // whose tests; empty for the mutant's own package
	arg  string // which of them; empty for all
}

// What notices a mutant.
const (
	unit  = "the tests of its package"
	story = "the stories"
	kills = "kills or made-up stories"
)

// together is how many stories one trial tells.
const together = 8

// trials are made in this order, until one notices.
func trials() ([]trial, error) {
	all := []trial{{name: unit}}
	stories, err := filepath.Glob(filepath.Join(sim, "testdata", "*.txt"))
	for names := range slices.Chunk(stories, together) {
		for i := range names {
			names[i] = regexp.QuoteMeta(filepath.Base(names[i]))
		}
		all = append(all, trial{story, sim, "-test.run=^TestEveryStory/^(" + strings.Join(names, "|") + ")$"})
	}
	return append(all, trial{kills, sim, "-test.skip=^TestEveryStory"}), err
}

// bench is where mutants are tried: the tests of every package that has some, and the stories, all mutants in each.
type bench struct {
	tmp     string
	timeout time.Duration
	trials  []trial

	sync.Mutex
	proven map[string]error // trials that were made with nothing broken
}

// verdict is which trial, and which test of it, noticed a mutant; nothing for one that survived.
type verdict struct{ trial, by string }

// build builds the tests of every package that has mutants, and the stories.
func (b *bench) build(ctx context.Context, all []mutant) error {
	overlay, err := b.overlay(all)
	if err != nil {
		return err
	}
	dirs := map[string]bool{sim: true}
	for _, m := range all {
		dirs[m.dir()] = true
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		build := exec.CommandContext(ctx, "go", "test", "-c", "-overlay", overlay, "-o", b.binary(dir), "./"+dir)
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", dir, err, out)
		}
	}
	return nil
}

// overlay puts all mutants in their packages, as go build -overlay reads it: no file of the tree is touched.
func (b *bench) overlay(all []mutant) (file string, err error) {
	byFile, replace := map[string][]mutant{}, map[string]string{}
	for _, m := range all {
		byFile[m.file] = append(byFile[m.file], m)
	}
	for file, mutants := range byFile {
		code, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		text, err := graft(string(code), mutants, listFile)
		if err == nil {
			err = b.lay(replace, file, text)
		}
		if err == nil {
			err = b.lay(replace, path.Join(path.Dir(file), "mutant.go"), variable(path.Base(path.Dir(file))))
		}
		if err != nil {
			return "", err
		}
	}
	config, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	return b.at("overlay.json"), os.WriteFile(b.at("overlay.json"), config, 0o600)
}

// lay puts a text in the place of a file of the module.
func (b *bench) lay(replace map[string]string, file, text string) error {
	from, err := filepath.Abs(filepath.FromSlash(file))
	if err != nil {
		return err
	}
	replace[from] = b.at(file)
	return os.WriteFile(replace[from], []byte(text), 0o600)
}

// at is where the bench keeps what is of a file or a folder of the module.
func (b *bench) at(name string) string {
	return filepath.Join(b.tmp, strings.ReplaceAll(name, "/", "-"))
}

func (b *bench) binary(dir string) string { return b.at(dir + ".test") }

// judge tries one mutant.
func (b *bench) judge(ctx context.Context, m mutant) (verdict, error) {
	for _, t := range b.trials {
		t.dir = cmp.Or(t.dir, m.dir())
		by, err := b.try(ctx, t, m.id())
		if err == nil && by != "" {
			err = b.sound(ctx, t)
		}
		if by != "" || err != nil {
			return verdict{t.name, by}, err
		}
	}
	return verdict{}, nil
}

// sound says which test of a trial fails though nothing is broken. Each is asked for once, when it has noticed something.
func (b *bench) sound(ctx context.Context, t trial) error {
	b.Lock()
	defer b.Unlock()
	what := t.dir + " " + t.arg
	if _, known := b.proven[what]; !known {
		by, err := b.try(ctx, t, "")
		if err == nil && by != "" {
			err = fmt.Errorf("%s: %s fails though nothing is broken", what, by)
		}
		b.proven[what] = err
	}
	return b.proven[what]
}

// try runs tests with a mutant, and says which fails; none when all pass.
func (b *bench) try(ctx context.Context, t trial, id string) (by string, err error) {
	args := []string{"-test.timeout=" + b.timeout.String()}
	if t.arg != "" {
		args = append(args, t.arg)
	}
	if program, err := os.ReadFile(b.binary(t.dir)); err == nil && bytes.Contains(program, []byte(quiet[1:])) {
		args = append(args, quiet)
	}
	tests := exec.CommandContext(ctx, b.binary(t.dir), args...)
	tests.Dir, tests.Env = filepath.FromSlash(t.dir), append(os.Environ(), asked+"="+id, "UPDATE_GOLDEN=")
	out, err := tests.CombinedOutput()
	var failed *exec.ExitError
	if errors.As(err, &failed) && ctx.Err() == nil {
		return failure(string(out)), nil
	}
	return "", err
}

// quiet has rapid leave no file of what failed in the tree.
const quiet = "-rapid.nofailfile"

var failing = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)|^(panic: .*|fatal error: .*)`)

// failure is which test an output says has failed, as exactly as it does, or how all ended.
func failure(out string) (by string) {
	for _, found := range failing.FindAllStringSubmatch(out, -1) {
		name := cmp.Or(found[1], found[2])
		if by != "" && !strings.HasPrefix(name, by+"/") {
			break
		}
		by = name
	}
	return cmp.Or(by, "a test that says nothing")
}
