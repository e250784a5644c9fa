package openssh

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

func place(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFilesThatIncludeEachOtherManyTimesAreReadSoOften(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		text := fmt.Sprintf("Include %s/*\nHost *\n User u%d\n", dir, i)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var said []string
	r := reading{found: settings{}, warn: func(s string) { said = append(said, s) }}
	r.file(filepath.Join(dir, "0"), true)
	if all := strings.Join(said, "\n"); strings.Count(all, "includes more than 1000 files") != 1 || r.found.one("user") == "" || len(said) > mostFiles {
		t.Errorf("%d words, %q", len(said), r.found)
	}
}

func TestAConfigurationIsReadSoFar(t *testing.T) {
	for name, text := range map[string]string{"lines": "User a\n" + strings.Repeat("# comment\n", mostConfig/10+1), "a line": "User a\n#" + strings.Repeat("x", 2*mostConfig)} {
		var said []string
		found := configured([]string{place(t, text+"\nPort 7\n")}, "h", "", func(s string) { said = append(said, s) })
		if found.one("user") != "a" || found.one("port") != "" || len(said) != 1 {
			t.Errorf("%s: %v, %q", name, found, said)
		}
	}
	if found := configured([]string{"/dev/zero"}, "h", "", func(string) {}); len(found) > 0 {
		t.Error(found)
	}
}

func TestKnownHostsAreReadSoFar(t *testing.T) {
	var said []string
	warn := func(s string) { said = append(said, s) }
	if _, err := readHosts([]string{place(t, strings.Repeat("a ssh-ed25519 nonsense\n", 1_000))}, warn); err != nil || len(said) != mostBad+1 || !strings.Contains(said[mostBad], "980 more lines cannot be read") {
		t.Errorf("%v, %d words", err, len(said))
	}
	_, err := readHosts([]string{"/dev/zero"}, warn)
	if err == nil || err.Error() != "known hosts: /dev/zero: is too large: over 32768 KiB: name one that has the hosts of the fleet with --known-hosts, or UserKnownHostsFile" {
		t.Error(err)
	}
}

func TestAKeyOfAFileWithoutEndIsNone(t *testing.T) {
	if err := new(keys).file("/dev/zero", nil); !errors.Is(err, errTooLarge) {
		t.Error(err)
	}
	if _, err := certificate("/dev/zero"); !errors.Is(err, errTooLarge) {
		t.Error(err)
	}
}

// holding is an agent with that many keys.
func holding(t *testing.T, n int) {
	t.Helper()
	ring := agent.NewKeyring()
	for i := range n {
		key := ed25519.NewKeyFromSeed(append(bytes.Repeat([]byte{7}, ed25519.SeedSize-1), byte(i)))
		if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
			t.Fatal(err)
		}
	}
	serving(t, func(c net.Conn) { _ = agent.ServeAgent(ring, c) })
}

// serving is an agent that answers so.
func serving(t *testing.T, answer func(net.Conn)) {
	t.Helper()
	dir, err := os.MkdirTemp("", "pk")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "agent"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = listener.Close(), os.RemoveAll(dir) })
	go func() {
		for c, err := listener.Accept(); err == nil; c, err = listener.Accept() {
			go func() { answer(c); _ = c.Close() }()
		}
	}()
	t.Setenv("SSH_AUTH_SOCK", filepath.Join(dir, "agent"))
}

func TestOfACrowdedAgentSoManyKeysAreShown(t *testing.T) {
	holding(t, 2*mostKeys)
	last := ed25519.NewKeyFromSeed(append(bytes.Repeat([]byte{7}, ed25519.SeedSize-1), 2*mostKeys-1)).Public()
	named, err := ssh.NewPublicKey(last)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", t.TempDir())
	for _, files := range [][]string{{"none"}, {place(t, string(ssh.MarshalAuthorizedKey(named)))}} {
		k, err := keysFor(t.Context(), Options{}, settings{"identityfile": files})
		if err != nil || len(k.signers) != mostKeys || !strings.Contains(k.reasons(), "holds more than 100 keys") {
			t.Errorf("%d keys, %v, %q", len(k.signers), err, k.said)
		}
		if first := k.signers[0].PublicKey(); files[0] != "none" && string(first.Marshal()) != string(named.Marshal()) {
			t.Error("the key that is named is not the first")
		}
		k.close()
	}
}

func TestAnAgentThatTalksWithoutEndIsHungUpOn(t *testing.T) {
	said := make(chan int, 1)
	serving(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 64))
		n, block := 0, bytes.Repeat([]byte{0xff}, 64<<10)
		for {
			wrote, err := c.Write(block)
			if n += wrote; err != nil {
				said <- n
				return
			}
		}
	})
	k := &keys{}
	if all := k.agent(t.Context(), settings{}); len(all) > 0 || len(k.said) != 1 {
		t.Errorf("%d keys, %q", len(all), k.said)
	}
	k.close()
	if n := <-said; n > 1<<20 {
		t.Errorf("it could say %d bytes", n)
	}
}

func TestAHostThatGreetsWithoutEndIsHungUpOn(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	said := make(chan int, 1)
	go func() {
		c, err := listener.Accept()
		n, block := 0, bytes.Repeat([]byte("a"), 64<<10)
		for err == nil {
			wrote := 0
			wrote, err = c.Write(block)
			n += wrote
		}
		said <- n
	}()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	_, err = Dial(t.Context(), Target{User: "u", Host: host, Port: port}, Options{
		Config: []string{place(t, "")}, KnownHosts: []string{place(t, "")}, Keys: []string{place(t, string(pem.EncodeToMemory(block)))},
	})
	if err == nil || !strings.Contains(err.Error(), "overflow reading version string") {
		t.Error(err)
	}
	if n := <-said; n > 16<<20 {
		t.Errorf("it could say %d bytes", n)
	}
}

func TestFilesIncludeOthersSoDeep(t *testing.T) {
	dir := t.TempDir()
	for i := range mostDeep + 4 {
		text := fmt.Sprintf("Include %s/%d\nUser u%d\n", dir, i+1, i)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var said []string
	found := configured([]string{filepath.Join(dir, "0")}, "h", "", func(s string) { said = append(said, s) })
	if len(said) != 1 || !strings.Contains(said[0], "more than 16 deep") || found.one("user") != "u16" {
		t.Errorf("%q, %q", found.one("user"), said)
	}
}
