package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// configured is what settings become when a file holds text and flags are given.
func configured(t *testing.T, text string, flags ...string) (*settings, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "podkeep.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, set := new(settings), pflag.NewFlagSet("", pflag.ContinueOnError)
	s.register(set)
	if err := set.Parse(flags); err != nil {
		t.Fatal(err)
	}
	return s, path, configure(set, path)
}

func TestFlagsBeatTheFile(t *testing.T) {
	s, _, err := configured(t, "cluster: blue\ninterval: 1m\nlisten: ''\n", "--cluster", "green")
	if err != nil {
		t.Fatal(err)
	}
	if s.cluster != "green" || s.interval != time.Minute {
		t.Errorf("cluster %s, interval %s", s.cluster, s.interval)
	}
}

func TestPathsInTheFileAreRelativeToIt(t *testing.T) {
	s, path, err := configured(t, "source: fleet\ntoken-file: /etc/token\nssh-key: ~/.ssh/id\n")
	if err != nil {
		t.Fatal(err)
	}
	if s.source != filepath.Join(filepath.Dir(path), "fleet") || s.tokenFile != "/etc/token" || s.sshKey != "~/.ssh/id" {
		t.Errorf("source %s, token-file %s, ssh-key %s", s.source, s.tokenFile, s.sshKey)
	}
	if s, _, _ = configured(t, "source: git@example.com:fleet.git\n"); s.source != "git@example.com:fleet.git" {
		t.Errorf("a URL became %s", s.source)
	}
}

func TestAFaultInTheFileIsNamedWithItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"source: .\nbranhc: main\n":        `:2: unknown key "branhc": did you mean "branch"?`,
		"colour: blue\n":                   `:1: unknown key "colour": write one of adopt, branch,`,
		"interval: often\n":                `:1: interval: "often": time: invalid duration "often"`,
		"source: [a, b]\n":                 `:1: source: write one value`,
		"- source\n":                       `:1: write ` + "`key: value`" + ` lines`,
		"source: a\nsource: b\n":           `:2: source is there twice, first on line 1`,
		"source: 'a\n":                     `podkeep.yaml: line`,
		"cluster: a\n---\ncluster: b\n":    `:2: one document is enough`,
		"config: other.yaml\n":             `:1: unknown key "config"`,
		"sources: https://x.example/f.git": `did you mean "source"?`,
	} {
		_, _, err := configured(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestAnEmptyFileIsNoFault(t *testing.T) {
	for _, text := range []string{"", "# nothing yet\n", "---\n"} {
		if _, _, err := configured(t, text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
