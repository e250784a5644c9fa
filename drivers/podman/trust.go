package podman

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"
)

// hosts is which host keys are trusted: those in known_hosts files, and no others.
type hosts struct {
	files []string
	known ssh.HostKeyCallback
}

func newHosts(files []string) (*hosts, error) {
	if len(files) == 0 {
		files = defaultKnownHosts()
	}
	files = slices.DeleteFunc(slices.Clone(files), func(f string) bool {
		_, err := os.Stat(f)
		return errors.Is(err, os.ErrNotExist)
	})
	known, err := knownhosts.New(files...)
	return &hosts{files, known}, err
}

func defaultKnownHosts() []string {
	if f := os.Getenv("PODKEEP_KNOWN_HOSTS"); f != "" {
		return filepath.SplitList(f)
	}
	return []string{inHome(".ssh/known_hosts"), "/etc/ssh/ssh_known_hosts"}
}

func inHome(path string) string {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/root"
	}
	return filepath.Join(home, path)
}

// check refuses a host whose key is not known or not the known one, and says what to run.
func (h *hosts) check(address string, remote net.Addr, key ssh.PublicKey) error {
	err := h.known(address, remote, key)
	var wrong *knownhosts.KeyError
	if !errors.As(err, &wrong) {
		return err
	}
	host, port, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		return err
	}
	file := "~/.ssh/known_hosts"
	if len(h.files) > 0 {
		file = h.files[0]
	}
	if len(wrong.Want) == 0 {
		return fmt.Errorf("the host key is not known; it is %s %s: compare that with the host's, then run: ssh-keyscan -p %s %s >> %s",
			key.Type(), ssh.FingerprintSHA256(key), port, host, file)
	}
	return fmt.Errorf("the host key has changed, or someone stands in between: it is %s %s, and %s:%d has another; if the host was made anew, run: ssh-keygen -f %s -R '%s'",
		key.Type(), ssh.FingerprintSHA256(key), wrong.Want[0].Filename, wrong.Want[0].Line, wrong.Want[0].Filename, knownhosts.Normalize(address))
}

// algorithms are those of the host's known keys, so that a host with several keys shows one that we know. Nil when
// none is known.
func (h *hosts) algorithms(address string) []string {
	var wrong *knownhosts.KeyError
	if !errors.As(h.known(address, &net.TCPAddr{IP: net.IPv4zero}, nobody{}), &wrong) {
		return nil
	}
	var all []string
	for _, k := range wrong.Want {
		if k.Key.Type() == ssh.KeyAlgoRSA {
			all = append(all, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512)
		}
		all = append(all, k.Key.Type())
	}
	return all
}

// nobody is a key that no host has.
type nobody struct{}

func (nobody) Type() string                        { return "nobody" }
func (nobody) Marshal() []byte                     { return []byte("nobody") }
func (nobody) Verify([]byte, *ssh.Signature) error { return errors.New("nobody signs") }

// authentication is our keys: the files named, else PODKEEP_SSH_KEY, else the agent's and ~/.ssh/id_*. release lets
// go of the agent.
func authentication(ctx context.Context, files []string) (auth []ssh.AuthMethod, release func(), err error) {
	if f := os.Getenv("PODKEEP_SSH_KEY"); len(files) == 0 && f != "" {
		files = []string{f}
	}
	if len(files) > 0 {
		signers, err := load(files)
		return []ssh.AuthMethod{ssh.PublicKeys(signers...)}, func() {}, err
	}
	signers, release := agentKeys(ctx)
	own, _ := filepath.Glob(inHome(".ssh/id_*"))
	for _, f := range own {
		if strings.HasSuffix(f, ".pub") {
			continue
		}
		if more, err := load([]string{f}); err == nil {
			signers = append(signers, more...)
		}
	}
	if len(signers) == 0 {
		release()
		return nil, nil, errors.New("no usable key: start an agent, put a key without a passphrase into ~/.ssh, or name one with PODKEEP_SSH_KEY")
	}
	return []ssh.AuthMethod{ssh.PublicKeys(signers...)}, release, nil
}

func load(files []string) ([]ssh.Signer, error) {
	var signers []ssh.Signer
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		signer, err := ssh.ParsePrivateKey(data)
		var locked *ssh.PassphraseMissingError
		if errors.As(err, &locked) {
			return nil, fmt.Errorf("%s needs a passphrase: add it to an agent (ssh-add) and leave the file unnamed", f)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		signers = append(signers, signer)
	}
	return signers, nil
}

// agentKeys are none when there is no agent.
func agentKeys(ctx context.Context) (signers []ssh.Signer, release func()) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", os.Getenv("SSH_AUTH_SOCK"))
	if err != nil {
		return nil, func() {}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	signers, _ = agent.NewClient(conn).Signers()
	return signers, func() { stop(); _ = conn.Close() }
}

// explain says what to do about a login that was refused.
func explain(err error) error {
	if strings.Contains(err.Error(), "unable to authenticate") {
		return errors.New("the host accepts none of our keys: append the public key to ~/.ssh/authorized_keys there")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "ssh: handshake failed: "))
}
