package devfleet

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// Identity is the private key that opens the fleet's SSH nodes.
func (f *Fleet) Identity() string { return filepath.Join(f.Dir, "ssh", "identity") }

// KnownHosts names the host keys of the fleet's SSH nodes.
func (f *Fleet) KnownHosts() string { return filepath.Join(f.Dir, "ssh", "known_hosts") }

func (f *Fleet) authorizedKeys() string { return filepath.Join(f.Dir, "ssh", "authorized_keys") }

func (f *Fleet) hostKey(n Node) string { return filepath.Join(f.Dir, "ssh", n.Name) }

// makeKeys makes the keys that are missing, and the files that name them.
func (f *Fleet) makeKeys() error {
	if err := os.MkdirAll(filepath.Dir(f.Identity()), 0o755); err != nil {
		return err
	}
	user, err := keyAt(f.Identity())
	if err != nil {
		return err
	}
	if err := replaceFile(f.authorizedKeys(), ssh.MarshalAuthorizedKey(user), 0o644); err != nil {
		return err
	}
	var hosts bytes.Buffer
	for _, n := range f.Nodes {
		host, err := keyAt(f.hostKey(n))
		if err != nil {
			return err
		}
		fmt.Fprintf(&hosts, "%s %s", n.Address, ssh.MarshalAuthorizedKey(host))
	}
	return replaceFile(f.KnownHosts(), hosts.Bytes(), 0o600)
}

// keyAt reads the private key at path, or makes one, and returns its public half.
func keyAt(path string) (ssh.PublicKey, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = newKey(path)
	}
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return signer.PublicKey(), nil
}

func newKey(path string) ([]byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "podkeep dev")
	if err != nil {
		return nil, err
	}
	data := pem.EncodeToMemory(block)
	return data, replaceFile(path, data, 0o600)
}

func sshdConfig(f *Fleet, n Node) string {
	session := ""
	if n.Rootless { // what systemd sets where there is one; without it Podman leaves a directory in this machine's /tmp
		session = "SetEnv XDG_RUNTIME_DIR=" + n.runtimeDir() + "\n"
	}
	return session + fmt.Sprintf(`ListenAddress %s:22
HostKey %s
AuthorizedKeysFile %s
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile none
MaxStartups 100
Subsystem sftp internal-sftp
`, n.Address, f.hostKey(n), f.authorizedKeys())
}
