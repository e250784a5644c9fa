package git

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"golang.org/x/crypto/ssh"

	"github.com/podkeep/podkeep/openssh"
	"github.com/podkeep/podkeep/sources/files"
)

// sshSession is one git-upload-pack or git-receive-pack over a connection of its own. The whole of it obeys one context: at its end the
// connection is cut.
type sshSession struct {
	client  *openssh.Client
	session *ssh.Session
	in      io.WriteCloser
	out     io.Reader
	said    *firstLines
	stop    func() bool
	asked   bool
}

// dialSSH connects, checks the host key, and starts a service.
func (c Credentials) dialSSH(ctx context.Context, w where, service string) (*sshSession, error) {
	client, err := openssh.Dial(ctx, openssh.Target{User: w.user, Host: w.host, Port: w.port}, c.sshOptions())
	var refused openssh.Refused
	if errors.As(err, &refused) {
		return nil, files.Lasting(err)
	}
	if err != nil {
		return nil, err
	}
	s := &sshSession{client: client, stop: context.AfterFunc(ctx, func() { _ = client.Close() }), said: &firstLines{}}
	if err := s.start(service, w.path); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// sshOptions are those that were given, else of the environment.
func (c Credentials) sshOptions() openssh.Options {
	o := openssh.Options{Passphrases: []string{"PODKEEP_GIT_SSH_PASSPHRASE", "PODKEEP_SSH_PASSPHRASE"}, Warn: c.Warn}
	if file := cmp.Or(c.SSHKey, os.Getenv("PODKEEP_GIT_SSH_KEY")); file != "" {
		o.Keys = []string{file}
	}
	if file := cmp.Or(c.KnownHosts, os.Getenv("PODKEEP_GIT_KNOWN_HOSTS")); file != "" {
		o.KnownHosts = []string{file}
	}
	return o
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
	err := refs.Decode(&upTo{s.out, maxRefs, errRefs})
	switch {
	case errors.Is(err, packp.ErrEmptyAdvRefs):
		return nil, transport.ErrEmptyRemoteRepository
	case errors.Is(err, errRefs):
		return nil, err
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
func (s *sshSession) UploadPack(ctx context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
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
	if err := res.Decode(io.NopCloser(prelude(ctx, s.out))); err != nil {
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
	if err := report.Decode(io.LimitReader(s.out, maxSaid)); err != nil {
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
