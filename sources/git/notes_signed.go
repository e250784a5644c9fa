package git

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/crypto/ssh"

	"github.com/podkeep/podkeep/sources/files"
)

// signed is what named signers have put into the notes, as far as the commits of notes were looked at.
type signed struct {
	file  string // the text of the file of signers that this was found with
	seen  map[plumbing.Hash]bool
	lines map[plumbing.Hash]map[string]bool
}

// maxSigners is how many bytes the file of who may decide may have.
const maxSigners = 1 << 20

func readSigners(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSigners+1))
	if err == nil && len(text) > maxSigners {
		err = fmt.Errorf("%s: is larger than %d KiB: leave out who decides no more", name, maxSigners>>10)
	}
	return text, err
}

// counting says which lines of notes count: all, or, where signers are named, those that came with a commit that one of them signed. A line that
// somebody else had written before is not made theirs by a later commit, and a merge brings none.
func (s *Source) counting(ctx context.Context, tip plumbing.Hash) (func(on plumbing.Hash, line string) bool, error) {
	if s.signers == "" {
		return func(plumbing.Hash, string) bool { return true }, nil
	}
	text, err := readSigners(s.signers)
	if err != nil {
		return nil, fmt.Errorf("signers of decisions: %w", err)
	}
	keys, err := signerKeys(s.signers, string(text))
	if err != nil {
		return nil, err
	}
	known := &s.past.signed
	if known.seen == nil || known.file != string(text) {
		*known = signed{string(text), map[plumbing.Hash]bool{}, map[plumbing.Hash]map[string]bool{}}
	}
	for ahead := []plumbing.Hash{tip}; len(ahead) > 0; {
		h := ahead[len(ahead)-1]
		ahead = ahead[:len(ahead)-1]
		if known.seen[h] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		parents, err := s.signedCommit(h, keys)
		if err != nil {
			return nil, err
		}
		known.seen[h] = true
		ahead = append(ahead, parents...)
	}
	return func(on plumbing.Hash, line string) bool { return known.lines[on][line] }, nil
}

// signedCommit takes in one commit of notes, and gives its parents.
func (s *Source) signedCommit(h plumbing.Hash, keys [][]byte) ([]plumbing.Hash, error) {
	c, err := s.objects.commit(h)
	if err != nil {
		return nil, err
	}
	raw, err := s.objects.read(h, plumbing.CommitObject, maxMeta)
	if err != nil || !signedBy(raw, keys) {
		return c.ParentHashes, err
	}
	now, err := s.notesOf(h)
	if err != nil {
		return nil, err
	}
	var before []map[plumbing.Hash][]plumbing.Hash
	for _, p := range c.ParentHashes {
		notes, err := s.notesOf(p)
		if err != nil {
			return nil, err
		}
		before = append(before, notes)
	}
	for on, blobs := range now {
		if err := s.brought(on, blobs, before); err != nil {
			return nil, err
		}
	}
	return c.ParentHashes, nil
}

// brought takes in the lines of a note that stand in none of the same note before.
func (s *Source) brought(on plumbing.Hash, blobs []plumbing.Hash, before []map[plumbing.Hash][]plumbing.Hash) error {
	old := map[string]bool{}
	for _, notes := range before {
		if slices.Equal(notes[on], blobs) {
			return nil
		}
		for _, blob := range notes[on] {
			lines, err := s.lines(on, blob)
			if err != nil {
				return err
			}
			for _, line := range lines {
				old[line] = true
			}
		}
	}
	for _, blob := range blobs {
		lines, err := s.lines(on, blob)
		if err != nil {
			return err
		}
		for _, line := range lines {
			if old[line] {
				continue
			}
			if s.past.signed.lines[on] == nil {
				s.past.signed.lines[on] = map[string]bool{}
			}
			s.past.signed.lines[on][line] = true
		}
	}
	return nil
}

// signerKeys reads a file of signers: lines of names, options and a public key, as ssh-keygen's ALLOWED SIGNERS has it. Of the options
// only namespaces is understood.
func signerKeys(name, text string) (keys [][]byte, err error) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		at := strings.IndexAny(line, " \t")
		if at < 0 {
			return nil, files.Lasting(fmt.Errorf("%s:%d: write who, and their public key: ann@example.com ssh-ed25519 AAAA…", name, n))
		}
		key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line[at+1:]))
		if err != nil {
			return nil, files.Lasting(fmt.Errorf("%s:%d: write who, and their public key: ann@example.com ssh-ed25519 AAAA…", name, n))
		}
		counts := true
		for _, o := range options {
			list, ok := strings.CutPrefix(o, `namespaces="`)
			if !ok {
				return nil, files.Lasting(fmt.Errorf("%s:%d: option %s is not understood here: take it out, or the line when the key is not to count", name, n, o))
			}
			counts = slices.Contains(strings.Split(strings.TrimSuffix(list, `"`), ","), "git")
		}
		if counts {
			keys = append(keys, key.Marshal())
		}
	}
	return keys, nil
}

// signedBy says whether a commit, as it is stored, has an SSH signature of one of the keys.
func signedBy(raw []byte, keys [][]byte) bool {
	text, armored := unsigned(raw)
	block, _ := pem.Decode(armored)
	if block == nil || block.Type != "SSH SIGNATURE" {
		return false
	}
	key, err := verified(text, block.Bytes)
	return err == nil && slices.ContainsFunc(keys, func(k []byte) bool { return bytes.Equal(k, key) })
}

// unsigned takes the signature out of a commit: what is left is what was signed.
func unsigned(raw []byte) (text, signature []byte) {
	head, body, _ := bytes.Cut(raw, []byte("\n\n"))
	inside := false
	for _, line := range bytes.Split(head, []byte("\n")) {
		first, is := bytes.CutPrefix(line, []byte("gpgsig "))
		switch {
		case is:
			inside, signature = true, append(append(signature, first...), '\n')
		case inside && bytes.HasPrefix(line, []byte(" ")):
			signature = append(append(signature, line[1:]...), '\n')
		default:
			inside = false
			text = append(append(text, line...), '\n')
		}
	}
	return append(append(text, '\n'), body...), signature
}

var errUnverified = errors.New("is no signature of that")

// verified gives the key that made an SSH signature, as OpenSSH's PROTOCOL.sshsig has it, over a text in the namespace git.
func verified(text, blob []byte) (key []byte, err error) {
	blob, ok := bytes.CutPrefix(blob, []byte("SSHSIG"))
	var s struct {
		Version                   uint32
		Key                       []byte
		Namespace, Reserved, Hash string
		Signature                 []byte
	}
	if !ok || ssh.Unmarshal(blob, &s) != nil || s.Version != 1 || s.Namespace != "git" {
		return nil, errUnverified
	}
	var sum []byte
	switch s.Hash {
	case "sha512":
		h := sha512.Sum512(text)
		sum = h[:]
	case "sha256":
		h := sha256.Sum256(text)
		sum = h[:]
	default:
		return nil, errUnverified
	}
	public, err := ssh.ParsePublicKey(s.Key)
	var sig ssh.Signature
	if err != nil || ssh.Unmarshal(s.Signature, &sig) != nil || sig.Format == ssh.KeyAlgoRSA { // with SHA-1
		return nil, errUnverified
	}
	said := ssh.Marshal(struct{ Namespace, Reserved, Hash, Sum string }{s.Namespace, s.Reserved, s.Hash, string(sum)})
	return s.Key, public.Verify(append([]byte("SSHSIG"), said...), &sig)
}
