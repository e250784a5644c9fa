package main

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/ssh"

	"github.com/podkeep/podkeep/manifest"
)

// keyVariable holds a key's text, for machines that keep no file.
const keyVariable = "PODKEEP_KEY"

// keygen is how a person makes a key.
const keygen = "ssh-keygen -t ed25519 -N '' -f "

// acting is the key with which a command signs that acts. Where none was given and none is in the state directory, one is made there,
// once, and log says so.
func (s *settings) acting(log *logrus.Logger) (ed25519.PrivateKey, error) {
	key, err := s.reading()
	if key != nil || err != nil {
		return key, err
	}
	dir := stateDirectory()
	if dir == "" {
		return nil, fmt.Errorf("there is no home to keep the key in that signs what is written on hosts: name one with --key, after `%sFILE`, or set XDG_STATE_HOME", keygen)
	}
	path := filepath.Join(dir, "key")
	made, err := makeKey(path)
	if err != nil {
		return nil, fmt.Errorf("make the key that signs what is written on hosts: %w: name one with --key, after `%sFILE`", err, keygen)
	}
	if key, err = readKey(path); err != nil || !made {
		return key, err
	}
	log.WithFields(logrus.Fields{"file": path, "key": publicKey(key)}).
		Info("made the key that signs what is written on hosts; another machine that is to look after them needs it too, or its own one in " + manifest.SignersFile)
	return key, nil
}

// reading is the key that a command goes by that only looks; nil when none was given or made.
func (s *settings) reading() (ed25519.PrivateKey, error) {
	if s.key != "" {
		key, err := readKey(s.key)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("--key %s is not there: make it with `%[2]s%[1]s`", s.key, keygen)
		}
		return key, err
	}
	if text := os.Getenv(keyVariable); text != "" {
		return parseKey(keyVariable, []byte(text))
	}
	dir := stateDirectory()
	if dir == "" {
		return nil, nil
	}
	key, err := readKey(filepath.Join(dir, "key"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return key, err
}

func publicKey(key ed25519.PrivateKey) string {
	return manifest.KeyText(key.Public().(ed25519.PublicKey))
}

// stateDirectory is systemd's, else the user's; empty when nobody knows where the user's is.
func stateDirectory() string {
	if dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "podkeep")
	}
	home, err := os.UserHomeDir()
	if err != nil || home == "" {
		return ""
	}
	return filepath.Join(home, ".local", "state", "podkeep")
}

// readKey reads a file that nobody else may read, as ssh does.
func readKey(path string) (ed25519.PrivateKey, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	is, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if owner, ok := is.Sys().(*syscall.Stat_t); ok && is.Mode().IsRegular() && int(owner.Uid) == os.Getuid() && is.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: others may read this key (mode %#o): run `chmod 600 %[1]s`, and if others did, make another with `%[3]sFILE`", path, is.Mode().Perm(), keygen)
	}
	text, err := settingsIn(path, file)
	if err != nil {
		return nil, err
	}
	return parseKey(path, text)
}

// parseKey never repeats what it was given.
func parseKey(from string, text []byte) (ed25519.PrivateKey, error) {
	raw, err := ssh.ParseRawPrivateKey(text)
	var locked *ssh.PassphraseMissingError
	switch key := raw.(type) {
	case *ed25519.PrivateKey:
		return *key, nil
	case ed25519.PrivateKey:
		return key, nil
	}
	switch {
	case errors.As(err, &locked):
		return nil, fmt.Errorf("%s: the key has a passphrase, and nobody is there to type it: make one without, with `%sFILE`", from, keygen)
	case err != nil:
		return nil, fmt.Errorf("%s: holds no private key that OpenSSH would read: make one with `%sFILE`", from, keygen)
	}
	return nil, fmt.Errorf("%s: holds a key of another kind, and only ed25519 signs: make one with `%sFILE`", from, keygen)
}

// makeKey makes a key's file, whole or not at all. Of two at once one has made it, and the other finds it there.
func makeKey(path string) (made bool, err error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return false, err
	}
	block, err := ssh.MarshalPrivateKey(key, "podkeep")
	if err != nil {
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, err
	}
	draft, err := os.CreateTemp(filepath.Dir(path), ".key-*") // 0600
	if err != nil {
		return false, err
	}
	defer func() { _ = os.Remove(draft.Name()) }()
	_, err = draft.Write(pem.EncodeToMemory(block))
	if err = errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return false, err
	}
	err = os.Link(draft.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}
