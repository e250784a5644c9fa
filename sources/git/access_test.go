package git_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/podkeep/podkeep/sources"
	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/sources/sourcetest"
)

func TestATokenGetsIn(t *testing.T) {
	a, h := newHTTPS(t)
	a.push(t, one("1"))
	h.Basic.Store(&[2]string{"", "s3cret"})
	s := open(t, a.options)
	refused(t, headError(t, s), "401", "PODKEEP_GIT_TOKEN")
	t.Setenv("PODKEEP_GIT_TOKEN", "wrong")
	refused(t, headError(t, s), "401")
	t.Setenv("PODKEEP_GIT_TOKEN", "s3cret")
	equal(t, []string{"a=1"}, values(t, s))
}

func TestATokenFileIsReadAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	a, h := newHTTPS(t)
	a.push(t, one("1"))
	h.Basic.Store(&[2]string{"", "new"})
	o := a.options
	o.TokenFile = filepath.Join(t.TempDir(), "token")
	sourcetest.WriteFile(t, o.TokenFile, []byte("old\n"))
	s := open(t, o)
	refused(t, headError(t, s), "401")
	sourcetest.WriteFile(t, o.TokenFile, []byte("new\n"))
	equal(t, []string{"a=1"}, values(t, s))
}

func TestATokenIsSentAsBearerWhereThatIsWanted(t *testing.T) {
	a, h := newHTTPS(t)
	a.push(t, one("1"))
	token := "s3cret"
	h.Bearer.Store(&token)
	t.Setenv("PODKEEP_GIT_TOKEN", token)
	equal(t, []string{"a=1"}, values(t, open(t, a.options)))
}

func TestUserAndPasswordGetIn(t *testing.T) {
	a, h := newHTTPS(t)
	a.push(t, one("1"))
	h.Basic.Store(&[2]string{"ada", "s3cret"})
	o := a.options
	o.URL = strings.Replace(h.URL, "https://", "https://ada:s3cret@", 1)
	s := open(t, o)
	equal(t, []string{"a=1"}, values(t, s))
	if strings.Contains(s.Name(), "s3cret") {
		t.Fatal(s.Name())
	}
	t.Setenv("PODKEEP_GIT_USERNAME", "ada")
	t.Setenv("PODKEEP_GIT_PASSWORD", "s3cret")
	equal(t, []string{"a=1"}, values(t, open(t, a.options)))
}

func TestCredentialsThatAreRevokedAreAnErrorBesideTheLastHead(t *testing.T) {
	a, h := newHTTPS(t)
	head := a.push(t, one("1"))
	h.Basic.Store(&[2]string{"", "s3cret"})
	t.Setenv("PODKEEP_GIT_TOKEN", "s3cret")
	s := open(t, a.options)
	sourcetest.Head(t, s)
	h.Basic.Store(&[2]string{"", "other"})
	last, _, err := s.Head(t.Context())
	refused(t, err, "401")
	equal(t, head, last)
}

func TestNoErrorShowsAPassword(t *testing.T) {
	t.Parallel()
	a, h := newHTTPS(t)
	a.push(t, one("1"))
	for _, url := range []string{
		strings.Replace(h.URL, "https://", "https://ada:s3cret@", 1) + "/nothing", "https://ada:s3cret@127.0.0.1:1/x", "http://ada:s3cret@127.0.0.1:1/x",
	} {
		o := a.options
		o.URL = url
		err := headError(t, open(t, o))
		refused(t, err)
		if strings.Contains(err.Error(), "s3cret") {
			t.Fatal(err)
		}
	}
}

func TestAServerWhoseCertificateIsNotTrustedIsRefused(t *testing.T) {
	t.Parallel()
	a, _ := newHTTPS(t)
	a.push(t, one("1"))
	o := a.options
	o.CAFile = ""
	refused(t, headError(t, open(t, o)), "certificate")
}

func TestAnUnknownHostIsRefusedWithWhatToRun(t *testing.T) {
	t.Parallel()
	a, s := newSSH(t)
	a.push(t, one("1"))
	sourcetest.WriteFile(t, s.KnownHosts, nil)
	refused(t, headError(t, open(t, a.options)), "is not known; it is ssh-ed25519 SHA256:", "run: echo '", "' >> "+s.KnownHosts)
	must(t, os.Remove(s.KnownHosts))
	refused(t, headError(t, open(t, a.options)), "is not known")
}

func TestAChangedHostKeyIsRefused(t *testing.T) {
	t.Parallel()
	a, s := newSSH(t)
	head := a.push(t, one("1"))
	src := open(t, a.options)
	sourcetest.Head(t, src)
	s.NewHostKey(t)
	last, _, err := src.Head(t.Context())
	refused(t, err, "has changed, or someone stands in between: it is ssh-ed25519 SHA256:", "ssh-keygen -f "+s.KnownHosts+" -R ")
	equal(t, head, last)
	s.Know(t)
	equal(t, head, sourcetest.Head(t, src))
}

func TestAKeyThatIsNotAuthorizedIsRefused(t *testing.T) {
	t.Parallel()
	a, s := newSSH(t)
	head := a.push(t, one("1"))
	src := open(t, a.options)
	sourcetest.Head(t, src)
	file := filepath.Join(t.TempDir(), "other")
	s.Authorize(t, sourcetest.NewKey(t, file, ""))
	last, _, err := src.Head(t.Context())
	refused(t, err, "accepts none of our keys")
	equal(t, head, last)
}

func TestALockedKeyWantsItsPassphrase(t *testing.T) {
	a, s := newSSH(t)
	a.push(t, one("1"))
	o := a.options
	o.SSHKey = filepath.Join(t.TempDir(), "locked")
	s.Authorize(t, sourcetest.NewKey(t, o.SSHKey, "open sesame"))
	src := open(t, o)
	refused(t, headError(t, src), "is locked: give its passphrase in PODKEEP_GIT_SSH_PASSPHRASE")
	t.Setenv("PODKEEP_GIT_SSH_PASSPHRASE", "open sesame")
	equal(t, []string{"a=1"}, values(t, src))
}

func TestAnAgentsKeyGetsIn(t *testing.T) {
	a, s := newSSH(t)
	a.push(t, one("1"))
	text, err := os.ReadFile(s.KeyFile)
	must(t, err)
	key, err := ssh.ParseRawPrivateKey(text)
	must(t, err)
	ring := agent.NewKeyring()
	must(t, ring.Add(agent.AddedKey{PrivateKey: key}))
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() { _ = agent.ServeAgent(ring, c) }()
		}
	}()
	o := a.options
	o.SSHKey = ""
	t.Setenv("HOME", t.TempDir())
	t.Setenv("SSH_AUTH_SOCK", "")
	src := open(t, o)
	refused(t, headError(t, src), "no usable ssh key")
	t.Setenv("SSH_AUTH_SOCK", socket)
	equal(t, []string{"a=1"}, values(t, src))
}

func TestAMissingRepositoryIsSaid(t *testing.T) {
	t.Parallel()
	a, h := newHTTPS(t)
	o := a.options
	o.URL = h.URL + "x"
	refused(t, headError(t, open(t, o)), "no such repository")
	b, s := newSSH(t)
	o = b.options
	o.URL = s.URL + "x"
	refused(t, headError(t, open(t, o)), "does not appear to be a git repository")
}

func TestAServerThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	key := filepath.Join(t.TempDir(), "id")
	sourcetest.NewKey(t, key, "")
	for _, scheme := range []string{"ssh://", "https://"} {
		src := open(t, git.Options{URL: scheme + l.Addr().String() + "/x", Timeout: 10 * time.Millisecond, Cache: t.TempDir(),
			Credentials: git.Credentials{SSHKey: key}})
		refused(t, headError(t, src), "no answer within 100ms")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := src.Head(ctx)
		refused(t, err, "canceled")
	}
}

func TestWhatTheEnvironmentHoldsIsKeptFromAURLThatIsNotTheUsersOwn(t *testing.T) {
	a, h := newHTTPS(t)
	a.push(t, one("1"))
	h.Basic.Store(&[2]string{"", "s3cret"})
	t.Setenv("PODKEEP_GIT_TOKEN", "s3cret")
	t.Setenv("PODKEEP_GIT_USERNAME", "ada")
	t.Setenv("PODKEEP_GIT_PASSWORD", "s3cret")
	o := a.options
	o.Keep = true
	refused(t, headError(t, open(t, o)), "401")
	equal(t, []string{"PODKEEP_GIT_TOKEN", "PODKEEP_GIT_PASSWORD"}, git.Kept(o))
	o.TokenFile = filepath.Join(t.TempDir(), "token")
	sourcetest.WriteFile(t, o.TokenFile, []byte("s3cret\n"))
	equal(t, []string{"a=1"}, values(t, open(t, o)))
	equal(t, []string(nil), git.Kept(o))
}

func TestAServersWordsDoNothingToATerminal(t *testing.T) {
	line := "ERR \x1b]0;owned\a\x1b[2Jgo away\r\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		_, _ = fmt.Fprintf(w, "001e# service=git-upload-pack\n0000%04x%s", len(line)+4, line)
	}))
	defer server.Close()
	err := headError(t, open(t, git.Options{URL: server.URL + "/fleet.git", Cache: t.TempDir()}))
	refused(t, err, "go away")
	if strings.ContainsAny(err.Error(), "\x1b\a\r\n") {
		t.Errorf("%q", err)
	}
}

func TestWhatNoTimeMendsIsSaidToBeSo(t *testing.T) {
	t.Parallel()
	a, h := newHTTPS(t)
	a.push(t, one("1"))
	b, _ := newSSH(t)
	b.push(t, one("1"))
	other := filepath.Join(t.TempDir(), "other")
	sourcetest.NewKey(t, other, "")
	empty := filepath.Join(t.TempDir(), "known_hosts")
	sourcetest.WriteFile(t, empty, nil)
	for _, c := range []struct {
		claim   string
		options git.Options
		change  func(*git.Options)
		lasting bool
	}{
		{"a branch that is not there", a.options, func(o *git.Options) { o.Branch = "nowhere" }, true},
		{"nor is its ancestor", a.options, func(o *git.Options) { o.Branch = "HEAD~7" }, true},
		{"a branch of a repository on this machine", git.Options{URL: a.bare.Dir}, func(o *git.Options) { o.Branch = "nowhere" }, true},
		{"another repository", a.options, func(o *git.Options) { o.URL = h.URL + "x" }, true},
		{"a certificate that is not trusted", a.options, func(o *git.Options) { o.CAFile = "" }, true},
		{"a file that is not there", a.options, func(o *git.Options) { o.CAFile = other + ".nowhere" }, true},
		{"nobody listens", a.options, func(o *git.Options) { o.URL = "https://127.0.0.1:1/fleet.git" }, false},
		{"a key that is not let in", b.options, func(o *git.Options) { o.SSHKey = other }, true},
		{"a host that is not known", b.options, func(o *git.Options) { o.KnownHosts = empty }, true},
		{"a host that is away", b.options, func(o *git.Options) { o.URL = "ssh://root@127.0.0.1:1/fleet.git" }, false},
	} {
		c.options.Cache = t.TempDir()
		c.change(&c.options)
		if err := headError(t, open(t, c.options)); err == nil || errors.Is(err, sources.ErrLasting) != c.lasting {
			t.Errorf("%s: lasting is %v of: %v", c.claim, !c.lasting, err)
		}
	}
	h.Basic.Store(&[2]string{"ada", "s3cret"})
	if err := headError(t, open(t, a.options)); !errors.Is(err, sources.ErrLasting) {
		t.Errorf("a password that is lacking: %v", err)
	}
	h.Down.Store(true)
	if err := headError(t, open(t, a.options)); err == nil || errors.Is(err, sources.ErrLasting) {
		t.Errorf("a server that is down for a while: %v", err)
	}
}
