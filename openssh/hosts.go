package openssh

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"unicode"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// hosts is which host keys are trusted: those in known_hosts files, and no others.
type hosts struct {
	files []string // that are there
	into  string   // what a person is told to add to
	real  map[string]string
	db    *knownhosts.HostKeyDB
}

// Bounds on a file of known hosts: its bytes, some hundred thousand keys, all of which are read for each connection; and how many lines that
// cannot be read are said.
const (
	mostKnown = 32 << 20
	mostBad   = 20
)

// readHosts reads the files that are there. A line that cannot be read is said, and skipped, as ssh does.
func readHosts(files []string, warn func(string)) (*hosts, error) {
	h := &hosts{into: "~/.ssh/known_hosts", real: map[string]string{}}
	if len(files) > 0 {
		h.into = files[0]
	}
	var read []string
	for _, file := range files {
		text, err := readAtMost(file, mostKnown)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if errors.Is(err, errTooLarge) {
			return nil, fmt.Errorf("known hosts: %w: name one that has the hosts of the fleet with --known-hosts, or UserKnownHostsFile", err)
		}
		if err != nil {
			return nil, fmt.Errorf("known hosts: %w", err)
		}
		h.files = append(h.files, file)
		sound, bad := soundLines(text)
		for _, why := range bad[:min(len(bad), mostBad)] {
			warn(fmt.Sprintf("known hosts: %s:%s; skipped", file, why))
		}
		if n := len(bad) - mostBad; n > 0 {
			warn(fmt.Sprintf("known hosts: %s: %d more lines cannot be read; skipped", file, n))
		}
		if len(bad) > 0 {
			copied, err := written(sound)
			if err != nil {
				return nil, fmt.Errorf("known hosts: %w", err)
			}
			defer os.Remove(copied)
			h.real[copied] = file
			file = copied
		}
		read = append(read, file)
	}
	var err error
	if h.db, err = knownhosts.NewDB(read...); err != nil {
		return nil, fmt.Errorf("known hosts: %w", err)
	}
	return h, nil
}

// soundLines is a text whose lines that cannot be read are empty, and what is wrong with these.
func soundLines(text []byte) (sound []byte, bad []string) {
	lines := bytes.Split(text, []byte("\n"))
	for i, line := range lines {
		if _, _, _, _, _, err := ssh.ParseKnownHosts(line); err != nil && !errors.Is(err, io.EOF) {
			bad = append(bad, fmt.Sprintf("%d: %v", i+1, err))
			lines[i] = nil
		}
	}
	return bytes.Join(lines, []byte("\n")), bad
}

// written is a file that is read at once and removed.
func written(text []byte) (string, error) {
	f, err := os.CreateTemp("", "podkeep-known-hosts-")
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	return f.Name(), errors.Join(err, f.Close())
}

// algorithms are those of the host's known keys, and of its authorities' certificates, so that a host with several keys shows one that we know. Nil when
// none is known.
func (h *hosts) algorithms(address string) []string { return h.db.HostKeyAlgorithms(address) }

// check refuses a host whose key is not known or not the known one, and says what to run.
func (h *hosts) check(address string, remote net.Addr, key ssh.PublicKey) error {
	err := h.db.HostKeyCallback()(address, remote, key)
	if err == nil {
		return nil
	}
	name, _, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		return err
	}
	var wrong *xknownhosts.KeyError
	var revoked *xknownhosts.RevokedError
	cert, certified := key.(*ssh.Certificate)
	known := h.db.HostKeys(address)
	authority := false
	for _, k := range known {
		authority = authority || k.Cert
	}
	switch {
	case errors.As(err, &revoked):
		return hostError(fmt.Sprintf("the host key %s is revoked in %s:%d", ssh.FingerprintSHA256(key), h.name(revoked.Revoked.Filename), revoked.Revoked.Line))
	case certified && authority:
		return hostError(fmt.Sprintf("the host's certificate %q, signed by %s, is not taken: %s", cert.KeyId, ssh.FingerprintSHA256(cert.SignatureKey), strings.TrimPrefix(err.Error(), "ssh: ")))
	case certified:
		return hostError(fmt.Sprintf("the host has a certificate of an authority that is not known, %s: check that, then add a line to %s: @cert-authority %s %s",
			ssh.FingerprintSHA256(cert.SignatureKey), h.into, name, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(cert.SignatureKey)))))
	case !errors.As(err, &wrong):
		return err
	case len(wrong.Want) == 0:
		// Not ssh-keyscan: that would ask again, and does not find a host by an alias or behind another.
		return hostError(fmt.Sprintf("the host key is not known; it is %s %s: compare that with the host's, then run: echo %s >> %s",
			key.Type(), ssh.FingerprintSHA256(key), quoted(xknownhosts.Line([]string{address}, key)), quoted(h.into)))
	case authority:
		return hostError(fmt.Sprintf("%s:%d wants a certificate of this host, and it shows the key %s %s", h.name(wrong.Want[0].Filename), wrong.Want[0].Line, key.Type(), ssh.FingerprintSHA256(key)))
	}
	at := h.name(wrong.Want[0].Filename)
	return hostError(fmt.Sprintf("the host key has changed, or someone stands in between: it is %s %s, and %s:%d has another; if the host was made anew, run: ssh-keygen -f %s -R %s",
		key.Type(), ssh.FingerprintSHA256(key), at, wrong.Want[0].Line, quoted(at), quoted(xknownhosts.Normalize(address))))
}

// quoted is a text as a shell reads it: what a Node calls a host may be anything.
func quoted(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool {
		return !strings.ContainsRune("/.,_-+@:~", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	return text
}

// name is the file that a person knows.
func (h *hosts) name(file string) string {
	if real, copied := h.real[file]; copied {
		return real
	}
	return file
}

// hostError is why a host is not trusted.
type hostError string

func (e hostError) Error() string { return string(e) }
