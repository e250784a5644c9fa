package main

import (
	"os"
	"path/filepath"
	"slices"
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
	s.config = path
	return s, path, s.configure(set)
}

// found is what run's settings become when such a file lies where one stands.
func found(t *testing.T, text string, flags ...string) (*runOptions, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("podkeep.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o, set := new(runOptions), pflag.NewFlagSet("", pflag.ContinueOnError)
	o.settings.register(set)
	o.register(set)
	if err := set.Parse(flags); err != nil {
		t.Fatal(err)
	}
	return o, o.settings.configure(set)
}

func TestAFileThatNobodyNamedGivesNothingAwayAndTrustsNobody(t *testing.T) {
	for key, value := range map[string]string{
		"token-file": "/root/.ssh/id_ed25519", "ssh-key": "id", "known-hosts": "hosts", "ca-file": "ca.pem", "cluster": "blue", "key": "/root/.ssh/id_ed25519",
		"listen": "0.0.0.0:7077", "external-cidr": "192.0.2.0/24", "allow-nodes": "unix", "pod-security": "privileged", "pod-security-exempt": "tools",
		"listen-name": "fleet.example", "trusted-proxies": "192.0.2.0/24", "acme-directory": "https://ca.example/dir", "ingress-http-port": "8080", "access-log": "true",
	} {
		text := "source: https://git.example.com/fleet.git\n" + key + ": " + value + "\n"
		want := "podkeep.yaml:2: " + key + " is not taken from a file that only lies here, since that may be somebody else's: " +
			"if it is yours, name it with --config podkeep.yaml, else give --" + key
		if _, err := found(t, text); err == nil || err.Error() != want {
			t.Errorf("%s: %v", key, err)
		}
		if _, err := found(t, text, "--config", "podkeep.yaml"); err != nil {
			t.Errorf("%s is refused in a file that was named: %v", key, err)
		}
		if _, err := found(t, text, "--"+key+"="+value); err != nil {
			t.Errorf("%s is refused though the flag is given, and beats it: %v", key, err)
		}
	}
}

func TestEveryOtherKeyMayStandInAFileThatNobodyNamed(t *testing.T) {
	text := "source: fleet\nbranch: main\npath: a\ninterval: 1m\nlog-format: json\nverbose: true\nnode-side: auto\nlisten: 127.0.0.1:7077\nmirror: false\n"
	o, err := found(t, text)
	if err != nil {
		t.Fatal(err)
	}
	if o.settings.source != "fleet" || o.settings.branch != "main" || o.listen != "127.0.0.1:7077" {
		t.Errorf("%+v", o)
	}
	for _, key := range configKeys() {
		if !slices.Contains(personsKeys, key) && !strings.Contains(text, key+": ") {
			t.Errorf("%s is new: does it say more than where the manifests are?", key)
		}
	}
}

func TestWhatListensOnThisMachineAloneIsKnown(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:7077": true, "[::1]:1": true, "localhost:0": true, ":7077": false, "0.0.0.0:1": false, "192.0.2.1:1": false, "evil.example:1": false, "7077": false,
	} {
		if listensHere(address) != want {
			t.Errorf("%s: %v", address, !want)
		}
	}
}

func TestWhatTheEnvironmentHoldsGoesOnlyToASourceThatAPersonNamed(t *testing.T) {
	const text = "source: https://evil.example/fleet.git\n"
	t.Setenv("PODKEEP_GIT_TOKEN", "s3cret")
	t.Setenv("PODKEEP_GIT_PASSWORD", "s3cret")
	for _, c := range []struct {
		name, text string
		flags      []string
		want       string
	}{
		{"found", text, nil, "podkeep: PODKEEP_GIT_TOKEN, PODKEEP_GIT_PASSWORD: not sent to https://evil.example/fleet.git, since the podkeep.yaml that names it only lies here and may be " +
			"somebody else's: if it is yours, name it with --config podkeep.yaml, else give --source\n"},
		{"named", text, []string{"--config", "podkeep.yaml"}, ""},
		{"the flag names another", text, []string{"--source", "https://git.example.com/fleet.git"}, ""},
		{"the token is given for it", text, []string{"--token-file", "token"}, ""},
		{"not over https", "source: git@git.example.com:fleet.git\n", nil, ""},
		{"a directory", "source: fleet\n", nil, ""},
		{"no source", "branch: main\n", nil, ""},
	} {
		o, err := found(t, c.text, c.flags...)
		if err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		o.settings.warn(&said)
		if said.String() != c.want {
			t.Errorf("%s: %q", c.name, said.String())
		}
	}
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
	s, path, err := configured(t, "source: fleet\ntoken-file: /etc/token\nssh-key: ~/.ssh/id\nkey: keys/fleet\n")
	if err != nil {
		t.Fatal(err)
	}
	if s.source != filepath.Join(filepath.Dir(path), "fleet") || s.tokenFile != "/etc/token" || s.sshKey != "~/.ssh/id" ||
		s.key != filepath.Join(filepath.Dir(path), "keys/fleet") {
		t.Errorf("source %s, token-file %s, ssh-key %s, key %s", s.source, s.tokenFile, s.sshKey, s.key)
	}
	if s, _, _ = configured(t, "source: git@example.com:fleet.git\n"); s.source != "git@example.com:fleet.git" {
		t.Errorf("a URL became %s", s.source)
	}
}

func TestAFaultInTheFileIsNamedWithItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"source: .\nbranhc: main\n":        `:2: unknown key "branhc": did you mean "branch"?`,
		"colour: blue\n":                   `:1: unknown key "colour": write one of access-log, acme-directory,`,
		"interval: often\n":                `:1: interval: "often": write a duration, such as 30s, 10m or 2h`,
		"verbose: often\n":                 `:1: verbose: "often": write true or false`,
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

func TestAPathIsBesideTheFileThatNamesIt(t *testing.T) {
	for value, want := range map[string]string{
		"fleet": "/etc/pk/fleet", "./a:b": "/etc/pk/a:b", "../x": "/etc/x", "/abs:x": "/abs:x", "https://h/x": "https://h/x", "git@h:x": "git@h:x", "h:a/b": "h:a/b", "dir:x": "dir:x", "": "", "~/x": "~/x",
	} {
		if got := beside("/etc/pk/podkeep.yaml", value); got != want {
			t.Errorf("%q is %q, want %q", value, got, want)
		}
	}
}
