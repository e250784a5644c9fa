package openssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// mostKeyBytes is how long a file of a key or a certificate may be, and mostKeys how many of an agent's are shown that nothing names.
const (
	mostKeyBytes = 64 << 10
	mostKeys     = 100
)

// defaultKeys are the files that ssh looks for, in its order.
var defaultKeys = []string{"id_ed25519", "id_ecdsa", "id_rsa"}

// keys are what we may show a host, and why not more.
type keys struct {
	signers []ssh.Signer
	said    []string // of keys that cannot be used
	names   []string // of those that can
	close   func()
}

// keysFor are the files that are named, else the configuration's and the agent's, else the usual ones. A certificate beside a key goes before it.
func keysFor(ctx context.Context, o Options, s settings) (*keys, error) {
	k := &keys{close: func() {}}
	if len(o.Keys) > 0 {
		for _, file := range o.Keys {
			if err := k.file(file, o.Passphrases); err != nil {
				return nil, err
			}
		}
		return k, nil
	}
	files := s["identityfile"]
	only := s.says("identitiesonly", "yes")
	if len(files) == 0 {
		for _, name := range defaultKeys {
			files = append(files, "~/.ssh/"+name)
		}
	}
	files = slices.DeleteFunc(slices.Clone(files), func(f string) bool { return strings.EqualFold(f, "none") })
	held := k.agent(ctx, s)
	wanted := publicHalves(files)
	for _, signer := range held { // those that are named first, then the others
		if contains(wanted, signer) {
			k.add(signer, "agent: "+ssh.FingerprintSHA256(signer.PublicKey()))
		}
	}
	for _, signer := range held {
		if len(k.signers) >= mostKeys {
			k.said = append(k.said, fmt.Sprintf("agent: holds more than %d keys, and the others are not shown: name one with IdentityFile", mostKeys))
			break
		}
		if !only && !contains(wanted, signer) {
			k.add(signer, "agent: "+ssh.FingerprintSHA256(signer.PublicKey()))
		}
	}
	for _, file := range files {
		if err := k.file(file, o.Passphrases); err != nil && !errors.Is(err, os.ErrNotExist) {
			k.said = append(k.said, err.Error())
		}
	}
	for _, file := range s["certificatefile"] {
		k.certify(file)
	}
	return k, nil
}

func (k *keys) add(s ssh.Signer, name string) {
	if contains([]ssh.PublicKey{s.PublicKey()}, k.signers...) {
		return
	}
	k.signers, k.names = append(k.signers, s), append(k.names, name)
}

// contains says whether one of the signers has one of the keys.
func contains(wanted []ssh.PublicKey, signers ...ssh.Signer) bool {
	return slices.ContainsFunc(signers, func(s ssh.Signer) bool {
		return slices.ContainsFunc(wanted, func(p ssh.PublicKey) bool { return string(p.Marshal()) == string(s.PublicKey().Marshal()) })
	})
}

// file reads a key, and the certificate beside it.
func (k *keys) file(name string, passphrases []string) error {
	path := expandHome(name)
	text, err := readAtMost(path, mostKeyBytes)
	if err != nil {
		return fmt.Errorf("ssh key: %w", err)
	}
	signer, err := unlocked(text, passphrases)
	if err != nil {
		return fmt.Errorf("ssh key: %s: %w", name, err)
	}
	if cert, err := certificate(path + "-cert.pub"); err == nil {
		if certified, err := ssh.NewCertSigner(cert, signer); err == nil {
			k.add(certified, name+"-cert.pub")
		} else {
			k.said = append(k.said, fmt.Sprintf("%s-cert.pub: %v", name, err))
		}
	}
	k.add(signer, name)
	return nil
}

// unlocked tries the passphrases that the environment has.
func unlocked(text []byte, passphrases []string) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	if !errors.As(err, &locked) {
		return signer, err
	}
	given := ""
	for _, name := range passphrases {
		if p := os.Getenv(name); p != "" {
			if signer, err = ssh.ParsePrivateKeyWithPassphrase(text, []byte(p)); err == nil {
				return signer, nil
			}
			given = name
		}
	}
	if given != "" {
		return nil, fmt.Errorf("is locked, and not with the passphrase in %s", given)
	}
	return nil, fmt.Errorf("is locked: give its passphrase in %s, or add it to an agent (ssh-add)", strings.Join(passphrases, " or "))
}

func certificate(path string) (*ssh.Certificate, error) {
	text, err := readAtMost(path, mostKeyBytes)
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, err
	}
	cert, is := key.(*ssh.Certificate)
	if !is {
		return nil, errors.New("is no certificate")
	}
	return cert, nil
}

// certify puts a certificate that the configuration names before the key that it is of.
func (k *keys) certify(name string) {
	cert, err := certificate(expandHome(name))
	if err != nil {
		k.said = append(k.said, fmt.Sprintf("%s: %v", name, err))
		return
	}
	for i, s := range k.signers {
		if certified, err := ssh.NewCertSigner(cert, s); err == nil {
			k.signers, k.names = slices.Insert(k.signers, i, certified), slices.Insert(k.names, i, name)
			return
		}
	}
	k.said = append(k.said, name+": there is no key that it is of")
}

// publicHalves are the keys of files as the files beside them say, so that an agent's are known by them.
func publicHalves(files []string) (all []ssh.PublicKey) {
	for _, f := range files {
		for _, path := range []string{expandHome(f), expandHome(f) + ".pub", expandHome(f) + "-cert.pub"} {
			if text, err := readAtMost(path, mostKeyBytes); err == nil {
				if key, _, _, _, err := ssh.ParseAuthorizedKey(text); err == nil {
					all = append(all, key)
				}
			}
		}
	}
	return all
}

// agent is what the agent holds. That there is none is no fault.
func (k *keys) agent(ctx context.Context, s settings) []ssh.Signer {
	socket := os.Getenv("SSH_AUTH_SOCK")
	if named := s.one("identityagent"); named != "" && named != "SSH_AUTH_SOCK" {
		socket = expandHome(os.ExpandEnv(named))
	}
	if socket == "" || socket == "none" {
		return nil
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Clean(socket))
	if err != nil {
		k.said = append(k.said, fmt.Sprintf("agent: %v", err))
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	k.close = func() { stop(); _ = conn.Close() }
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		k.said = append(k.said, fmt.Sprintf("agent: %v", err))
	}
	return signers
}

var errTooLarge = errors.New("is too large")

// readAtMost is what a file holds that has no more than so many bytes; errTooLarge if it has more.
func readAtMost(path string, most int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("%s: %w: over %d KiB", path, errTooLarge, most>>10)
	}
	return text, err
}
