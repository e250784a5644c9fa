package git

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/podkeep/podkeep/sources/files"
)

// sshSession is one git-upload-pack or git-receive-pack over a connection of its own. The whole of it obeys one context: at its end the
// connection is cut.
type sshSession struct {
	client  *ssh.Client
	session *ssh.Session
	in      io.WriteCloser
	out     io.Reader
	said    *firstLines
	stop    func() bool
	asked   bool
}

// dialSSH connects, checks the host key, and starts a service.
func (c Credentials) dialSSH(ctx context.Context, w where, service string) (*sshSession, error) {
	config, done, err := c.sshConfig(w)
	if err != nil {
		return nil, files.Lasting(err)
	}
	defer done()
	conn, err := (&net.Dialer{Timeout: 15 * time.Second}).DialContext(ctx, "tcp", w.address())
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	cc, chans, reqs, err := ssh.NewClientConn(conn, w.address(), config)
	if err != nil {
		stop()
		_ = conn.Close()
		return nil, cmp.Or(ctx.Err(), explained(err))
	}
	_ = conn.SetDeadline(time.Time{})
	s := &sshSession{client: ssh.NewClient(cc, chans, reqs), stop: stop, said: &firstLines{}}
	if err := s.start(service, w.path); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (s *sshSession) start(service, path string) (err error) {
	if s.session, err = s.client.NewSession(); err != nil {
		return err
	}
	s.session.Stderr = s.said
	if s.in, err = s.session.StdinPipe(); err != nil {
		return err
	}
	if s.out, err = s.session.StdoutPipe(); err != nil {
		return err
	}
	return s.session.Start(service + " " + quoted(path))
}

// quoted is a path as one word for a POSIX shell and for git-shell.
func quoted(s string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(s) + "'"
}

// AdvertisedReferencesContext reads the refs. What the server said on its standard error explains a failure.
func (s *sshSession) AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error) {
	refs := packp.NewAdvRefs()
	err := refs.Decode(s.out)
	switch {
	case errors.Is(err, packp.ErrEmptyAdvRefs):
		return nil, transport.ErrEmptyRemoteRepository
	case err != nil:
		_ = s.session.Wait()
		return nil, s.explained(err)
	case refs.IsEmpty():
		return nil, transport.ErrEmptyRemoteRepository
	}
	transport.FilterUnsupportedCapabilities(refs.Capabilities)
	return refs, nil
}

// UploadPack asks for a pack.
func (s *sshSession) UploadPack(_ context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	s.asked = true
	var b bytes.Buffer
	if err := req.UploadRequest.Encode(&b); err != nil {
		return nil, err
	}
	if err := req.UploadHaves.Encode(&b, true); err != nil {
		return nil, err
	}
	if err := pktline.NewEncoder(&b).EncodeString("done\n"); err != nil {
		return nil, err
	}
	if _, err := s.in.Write(b.Bytes()); err != nil {
		return nil, s.explained(err)
	}
	if err := s.in.Close(); err != nil {
		return nil, s.explained(err)
	}
	res := packp.NewUploadPackResponse(req)
	if err := res.Decode(io.NopCloser(s.out)); err != nil {
		return nil, s.explained(err)
	}
	return res, nil
}

// ReceivePack changes refs.
func (s *sshSession) ReceivePack(_ context.Context, req *packp.ReferenceUpdateRequest) (*packp.ReportStatus, error) {
	s.asked = true
	if err := req.Encode(s.in); err != nil {
		return nil, s.explained(err)
	}
	if err := s.in.Close(); err != nil {
		return nil, s.explained(err)
	}
	report := packp.NewReportStatus()
	if err := report.Decode(s.out); err != nil {
		return nil, s.explained(err)
	}
	return report, report.Error()
}

// Close ends the connection, after a flush where nothing was asked so that the server ends well.
func (s *sshSession) Close() error {
	s.stop()
	if !s.asked && s.in != nil {
		_, _ = s.in.Write(pktline.FlushPkt)
	}
	return s.client.Close()
}

func (s *sshSession) explained(err error) error {
	if said := s.said.String(); said != "" {
		return errors.New(said)
	}
	return err
}

// firstLines keeps the beginning of what is written.
type firstLines struct {
	mu   sync.Mutex
	kept []byte
}

func (f *firstLines) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = append(f.kept, p[:min(len(p), 1024-len(f.kept))]...)
	return len(p), nil
}

func (f *firstLines) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(strings.Fields(string(f.kept)), " ")
}

func (c Credentials) sshConfig(w where) (*ssh.ClientConfig, func(), error) {
	hosts, err := c.knownHosts()
	if err != nil {
		return nil, nil, err
	}
	keys, done, err := c.keys()
	if err != nil {
		return nil, nil, err
	}
	name := w.user
	if name == "" {
		if me, err := user.Current(); err == nil {
			name = me.Username
		}
	}
	return &ssh.ClientConfig{
		User: name, Auth: keys, HostKeyCallback: hosts.check, HostKeyAlgorithms: hosts.algorithms(w.address()),
	}, done, nil
}

// keys are the key file's, or the agent's and those in ~/.ssh. done closes the agent.
func (c Credentials) keys() (keys []ssh.AuthMethod, done func(), err error) {
	if file := cmp.Or(c.SSHKey, os.Getenv("PODKEEP_GIT_SSH_KEY")); file != "" {
		key, err := readKey(file)
		if err != nil {
			return nil, nil, err
		}
		return []ssh.AuthMethod{ssh.PublicKeys(key)}, func() {}, nil
	}
	var all []ssh.Signer
	done = func() {}
	if conn, err := net.Dial("unix", os.Getenv("SSH_AUTH_SOCK")); err == nil {
		done = func() { _ = conn.Close() }
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		held, _ := agent.NewClient(conn).Signers()
		all = append(all, held...)
	}
	home, _ := os.UserHomeDir()
	for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
		if key, err := readKey(filepath.Join(home, ".ssh", name)); err == nil {
			all = append(all, key)
		}
	}
	if len(all) == 0 {
		done()
		return nil, nil, errors.New("no ssh key: give a key file in PODKEEP_GIT_SSH_KEY, or start an agent")
	}
	return []ssh.AuthMethod{ssh.PublicKeys(all...)}, done, nil
}

func readKey(file string) (ssh.Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ssh key: %w", err)
	}
	key, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	if !errors.As(err, &locked) {
		return key, inFile(file, err)
	}
	passphrase := os.Getenv("PODKEEP_GIT_SSH_PASSPHRASE")
	if passphrase == "" {
		return nil, inFile(file, errors.New("is locked: give PODKEEP_GIT_SSH_PASSPHRASE, or add it to an agent"))
	}
	key, err = ssh.ParsePrivateKeyWithPassphrase(text, []byte(passphrase))
	return key, inFile(file, err)
}

func inFile(file string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("ssh key: %s: %w", file, err)
}

// hosts checks host keys against known_hosts files.
type hosts struct {
	files []string
	known ssh.HostKeyCallback
}

func (c Credentials) knownHosts() (hosts, error) {
	home, _ := os.UserHomeDir()
	h := hosts{files: []string{filepath.Join(home, ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts"}}
	if file := cmp.Or(c.KnownHosts, os.Getenv("PODKEEP_GIT_KNOWN_HOSTS")); file != "" {
		h.files = []string{file}
	}
	var there []string
	for _, f := range h.files {
		if _, err := os.Stat(f); err == nil {
			there = append(there, f)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return h, fmt.Errorf("known hosts: %w", err)
		}
	}
	var err error
	if h.known, err = knownhosts.New(there...); err != nil {
		return h, fmt.Errorf("known hosts: %w", err)
	}
	return h, nil
}

// check refuses an unknown and a changed key, and says what to do.
func (h hosts) check(address string, remote net.Addr, key ssh.PublicKey) error {
	err := h.known(address, remote, key)
	var no *knownhosts.KeyError
	if !errors.As(err, &no) {
		return err
	}
	host := knownhosts.Normalize(address)
	if len(no.Want) == 0 {
		name, port, _ := net.SplitHostPort(address)
		return hostError(fmt.Sprintf("host %s is not known; its %s key is %s: check that, then run ssh-keyscan -p %s %s >>%s",
			host, key.Type(), ssh.FingerprintSHA256(key), port, name, h.files[0]))
	}
	return hostError(fmt.Sprintf("the key of host %s changed to %s %s, and %s:%d has another: if that is meant, run ssh-keygen -f %s -R %q",
		host, key.Type(), ssh.FingerprintSHA256(key), no.Want[0].Filename, no.Want[0].Line, no.Want[0].Filename, host))
}

// hostError is why a host is not trusted.
type hostError string

func (e hostError) Error() string { return string(e) }

// explained leaves of a handshake's error what a person needs.
func explained(err error) error {
	var host hostError
	switch {
	case errors.As(err, &host):
		return files.Lasting(host)
	case strings.Contains(err.Error(), "unable to authenticate"): // it has no type
		return files.Lasting(err)
	}
	return err
}

// algorithms are those of the keys that are known for the host, so that the server shows one of these. None are
// known of an unknown host: any will do to refuse it.
func (h hosts) algorithms(address string) []string {
	var no *knownhosts.KeyError
	if !errors.As(h.known(address, &net.TCPAddr{}, noKey{}), &no) {
		return nil
	}
	var all []string
	for _, k := range no.Want {
		if t := k.Key.Type(); t == ssh.KeyAlgoRSA {
			all = append(all, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			all = append(all, t)
		}
	}
	return all
}

// noKey is no host's.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
