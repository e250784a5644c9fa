package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/ssh"

	"github.com/podkeep/podkeep/manifest"
)

// homeless clears whatever may name a key, and gives an empty home.
func homeless(t *testing.T) (home string) {
	t.Helper()
	for _, name := range []string{keyVariable, "STATE_DIRECTORY", "XDG_STATE_HOME"} {
		t.Setenv(name, "")
	}
	home = t.TempDir()
	t.Setenv("HOME", home)
	return home
}

// told is a logger and what it was told.
func told() (*logrus.Logger, *bytes.Buffer) {
	var said bytes.Buffer
	return new(settings).logger(&said, logrus.InfoLevel), &said
}

// text is a key as OpenSSH writes it.
func text(t *testing.T, key any, passphrase string) []byte {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block)
}

func TestAKeyIsMadeOnceWhereOneActs(t *testing.T) {
	home := homeless(t)
	s := new(settings)
	if key, err := s.reading(); key != nil || err != nil {
		t.Fatalf("who reads has made one: %v", err)
	}
	log, said := told()
	key, err := s.acting(log)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(home, ".local/state/podkeep/key")
	file, err := os.Stat(path)
	if err != nil || file.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", file, err)
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", dir, err)
	}
	for _, want := range []string{"level=info", "made the key", path, publicKey(key), "another machine", manifest.SignersFile} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q does not say %s", said, want)
		}
	}
	said.Reset()
	for name, read := range map[string]func() (ed25519.PrivateKey, error){
		"who acts": func() (ed25519.PrivateKey, error) { return s.acting(log) }, "who reads": s.reading,
	} {
		if again, err := read(); err != nil || !again.Equal(key) {
			t.Errorf("%s has another: %v", name, err)
		}
	}
	if said.Len() > 0 {
		t.Errorf("the second time: %s", said)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("%v is left", left)
	}
}

func TestTwoAtOnceEndWithOneKey(t *testing.T) {
	homeless(t)
	log, said := told()
	keys := make([]ed25519.PrivateKey, 8)
	var group sync.WaitGroup
	for i := range keys {
		group.Go(func() { keys[i], _ = new(settings).acting(log) })
	}
	group.Wait()
	for _, key := range keys {
		if key == nil || !key.Equal(keys[0]) {
			t.Fatal("there are two")
		}
	}
	if n := strings.Count(said.String(), "made the key"); n != 1 {
		t.Errorf("said %d times:\n%s", n, said)
	}
}

func TestTheStateDirectoryIsSystemdsElseTheUsers(t *testing.T) {
	home := homeless(t)
	for _, c := range []struct{ name, value, want string }{
		{"HOME", home, home + "/.local/state/podkeep"},
		{"XDG_STATE_HOME", "state", home + "/.local/state/podkeep"},
		{"XDG_STATE_HOME", "/x/state", "/x/state/podkeep"},
		{"STATE_DIRECTORY", "/var/lib/podkeep:/var/lib/other", "/var/lib/podkeep"},
	} {
		t.Setenv(c.name, c.value)
		if got := stateDirectory(); got != c.want {
			t.Errorf("%s=%s: %s, want %s", c.name, c.value, got, c.want)
		}
	}
}

func TestWithoutAHomeOneIsToldWhatToName(t *testing.T) {
	homeless(t)
	t.Setenv("HOME", "")
	log, _ := told()
	_, err := new(settings).acting(log)
	if err == nil || !strings.Contains(err.Error(), "name one with --key, after `ssh-keygen -t ed25519 -N '' -f FILE`") {
		t.Error(err)
	}
	if key, err := new(settings).reading(); key != nil || err != nil {
		t.Errorf("who reads needs one: %v", err)
	}
}

func TestAKeyIsTheFlagsElseTheVariablesElseTheStateDirectorys(t *testing.T) {
	homeless(t)
	log, _ := told()
	own, err := new(settings).acting(log)
	if err != nil {
		t.Fatal(err)
	}
	_, inVariable, _ := ed25519.GenerateKey(nil)
	_, inFile, _ := ed25519.GenerateKey(nil)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, text(t, inFile, ""), 0o600); err != nil {
		t.Fatal(err)
	}
	is := func(what string, s *settings, want ed25519.PrivateKey) {
		t.Helper()
		for _, read := range []func() (ed25519.PrivateKey, error){s.reading, func() (ed25519.PrivateKey, error) { return s.acting(log) }} {
			if got, err := read(); err != nil || !got.Equal(want) {
				t.Errorf("%s: another, %v", what, err)
			}
		}
	}
	is("nothing given", new(settings), own)
	for _, given := range []string{string(text(t, inVariable, "")), strings.ReplaceAll(strings.TrimSpace(string(text(t, inVariable, ""))), "\n", "\r\n")} {
		t.Setenv(keyVariable, given)
		is("in the variable", new(settings), inVariable)
	}
	is("flag", &settings{key: file}, inFile)
}

func TestWhatIsNoKeyIsRefusedWithWhatToRunAndNotShown(t *testing.T) {
	homeless(t)
	_, key, _ := ed25519.GenerateKey(nil)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, _ := ssh.NewPublicKey(key.Public())
	for what, c := range map[string]struct {
		text []byte
		mode os.FileMode
		want string
	}{
		"another kind":      {text(t, other, ""), 0o600, "only ed25519 signs: make one with `ssh-keygen -t ed25519 -N '' -f FILE`"},
		"with a passphrase": {text(t, key, "correct horse"), 0o600, "has a passphrase, and nobody is there to type it: make one without, with `ssh-keygen -t ed25519"},
		"a public key":      {ssh.MarshalAuthorizedKey(public), 0o600, "holds no private key that OpenSSH would read: make one with `ssh-keygen -t ed25519"},
		"cut":               {text(t, key, "")[:200], 0o600, "holds no private key"},
		"empty":             {nil, 0o600, "holds no private key"},
		"read by the group": {text(t, key, ""), 0o640, "others may read this key (mode 0640): run `chmod 600 "},
		"read by all":       {text(t, key, ""), 0o604, "others may read this key (mode 0604): run `chmod 600 "},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := errors.Join(os.WriteFile(path, c.text, 0o600), os.Chmod(path, c.mode)); err != nil {
			t.Fatal(err)
		}
		s := &settings{key: path}
		_, err := s.reading()
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		for _, line := range strings.Fields(string(c.text)) {
			if len(line) > 20 && strings.Contains(err.Error(), line) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "none")
	if _, err := (&settings{key: path}).reading(); err == nil || err.Error() != "--key "+path+" is not there: make it with `ssh-keygen -t ed25519 -N '' -f "+path+"`" {
		t.Error(err)
	}
	t.Setenv(keyVariable, "s3cret-text-of-no-key")
	if _, err := new(settings).reading(); err == nil || !strings.HasPrefix(err.Error(), "PODKEEP_KEY: holds no private key") || strings.Contains(err.Error(), "s3cret") {
		t.Error(err)
	}
}
