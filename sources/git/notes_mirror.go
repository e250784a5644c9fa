package git

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/files"
)

// FleetRef is where receipts are mirrored to, for people. Nothing is decided by what stands there.
const FleetRef plumbing.ReferenceName = "refs/notes/podkeep-fleet"

// FormatReceipt gives a receipt's line in a note: seven fields with a tab between them,
//
//	TIME verb kind/namespace/name rev gen/step cluster why
//
// TIME is RFC 3339 in UTC with whole seconds. The step of a receipt that says how many steps are done is that number. There is no line end.
func FormatReceipt(cluster string, r live.Receipt) string {
	step := strconv.Itoa(r.Step)
	if done, _, of := strings.Cut(r.Steps, "@"); r.Verb == live.Stepped && of {
		step = done
	}
	return strings.Join([]string{
		r.Time.UTC().Format(time.RFC3339), r.Verb, r.App.String(), r.Rev, fmt.Sprintf("%d/%s", r.Gen, step), cluster, oneField(r.Why),
	}, "\t")
}

// ParseReceipt reads such a line. ok is false for any other.
func ParseReceipt(line string) (cluster string, r live.Receipt, ok bool) {
	fields := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
	if len(fields) != 7 {
		return "", r, false
	}
	at, err := time.Parse(time.RFC3339, fields[0])
	app, second := manifest.ParseID(fields[2])
	r = live.Receipt{Time: at.UTC(), Verb: fields[1], App: app, Rev: fields[3], Why: fields[6]}
	_, third := fmt.Sscanf(fields[4], "%d/%d", &r.Gen, &r.Step)
	return fields[5], r, errors.Join(err, second, third) == nil
}

// Mirrored are the receipts of a cluster that were mirrored on head and its first-parent ancestors, the oldest first.
func (s *Source) Mirrored(ctx context.Context, cluster, head string) ([]live.Receipt, error) {
	var all []live.Receipt
	err := s.whole(ctx, func() (err error) {
		all, err = s.mirrored(ctx, cluster, plumbing.NewHash(head))
		return err
	})
	if err != nil {
		return nil, s.named(fmt.Errorf("%s: %w", FleetRef, err))
	}
	return all, nil
}

func (s *Source) mirrored(ctx context.Context, cluster string, head plumbing.Hash) (all []live.Receipt, err error) {
	tip, err := s.origin.ref(ctx, FleetRef)
	if err != nil {
		return nil, err
	}
	notes, err := s.notesOf(tip)
	if err != nil {
		return nil, err
	}
	s.past.mu.Lock()
	defer s.past.mu.Unlock()
	l, err := s.lineOf(ctx, head)
	if err != nil {
		return nil, err
	}
	for commit, blobs := range notes {
		if i, ok := l.at[commit]; !ok || i > l.at[head] {
			continue
		}
		for _, blob := range blobs {
			lines, err := s.lines(commit, blob)
			if err != nil {
				return nil, err
			}
			for _, line := range lines {
				if of, r, ok := ParseReceipt(line); ok && of == cluster {
					r.Commit = commit.String()
					all = append(all, r)
				}
			}
		}
	}
	slices.SortFunc(all, compareReceipts)
	return slices.CompactFunc(all, func(a, b live.Receipt) bool { return compareReceipts(a, b) == 0 }), nil
}

// compareReceipts orders them by time; in one second as a rollout goes.
func compareReceipts(a, b live.Receipt) int {
	course := []string{live.Began, live.Stepped, live.Halted, live.Resumed, live.Switched, live.Failed, live.Promoted, live.Done}
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Gen, b.Gen), cmp.Compare(slices.Index(course, a.Verb), slices.Index(course, b.Verb)),
		cmp.Compare(a.Step, b.Step), strings.Compare(FormatReceipt("", a), FormatReceipt("", b)), strings.Compare(a.Commit, b.Commit))
}

// mirrorTries is how often receipts are put on what another controller has pushed meanwhile.
const mirrorTries = 5

// Mirror adds receipts to the notes on their commits, and pushes that where the repository is remote. Those that stand there stay. It
// may run beside anything else. Of a repository of this machine that belongs to somebody else it writes nothing.
func (s *Source) Mirror(ctx context.Context, cluster string, receipts []live.Receipt) error {
	var err error
	for range mirrorTries {
		var tip, now plumbing.Hash
		var made bundle
		if tip, err = s.origin.ref(ctx, FleetRef); err != nil {
			break
		}
		err = s.whole(ctx, func() (err error) {
			made, err = s.mirror(tip, cluster, receipts)
			return err
		})
		if err != nil || made.commit.IsZero() {
			break
		}
		if err = s.origin.push(ctx, FleetRef, tip, made); err == nil {
			return nil
		}
		if now, _ = s.origin.ref(ctx, FleetRef); now == tip || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return s.named(fmt.Errorf("%s: %w", FleetRef, err))
	}
	return nil
}

// bundle is a commit with what is new in it.
type bundle struct {
	commit plumbing.Hash
	store  *memory.Storage
}

// put adds an object.
func (b bundle) put(o interface {
	Encode(plumbing.EncodedObject) error
}) (plumbing.Hash, error) {
	made := b.store.NewEncodedObject()
	if err := o.Encode(made); err != nil {
		return plumbing.ZeroHash, err
	}
	return b.store.SetEncodedObject(made)
}

// pack is everything in it, as it is sent.
func (b bundle) pack() (io.ReadCloser, error) {
	var all []plumbing.Hash
	for h := range b.store.Objects {
		all = append(all, h)
	}
	var to bytes.Buffer
	_, err := packfile.NewEncoder(&to, b.store, false).Encode(all, 0)
	return io.NopCloser(&to), err
}

// mirror makes the notes commit that has receipts beside what the tip has; its commit is zero when the tip has all of them.
func (s *Source) mirror(tip plumbing.Hash, cluster string, receipts []live.Receipt) (bundle, error) {
	b := bundle{store: memory.NewStorage()}
	notes, err := s.notesOf(tip)
	if err != nil {
		return b, err
	}
	fresh := map[plumbing.Hash][]string{}
	for _, r := range receipts {
		if !plumbing.IsHash(r.Commit) || r.Source != "" && r.Source != s.name {
			continue // of another source, which was taken over
		}
		on := plumbing.NewHash(r.Commit)
		fresh[on] = append(fresh[on], FormatReceipt(cluster, r))
	}
	grown := false
	for on, lines := range fresh {
		had := []string{}
		for _, blob := range notes[on] {
			some, err := s.lines(on, blob)
			if err != nil {
				return b, err
			}
			had = append(had, some...)
		}
		slices.Sort(had)
		had = slices.Compact(had)
		all := slices.Concat(had, lines)
		slices.Sort(all)
		if all = slices.Compact(all); len(all) == len(had) {
			continue
		}
		grown = true
		blob := b.store.NewEncodedObject()
		blob.SetType(plumbing.BlobObject)
		w, _ := blob.Writer()
		_, _ = io.WriteString(w, strings.Join(all, "\n")+"\n")
		h, err := b.store.SetEncodedObject(blob)
		if err != nil {
			return b, err
		}
		notes[on] = []plumbing.Hash{h}
	}
	if !grown {
		return b, nil
	}
	tree, err := b.notes(notes)
	if err != nil {
		return b, err
	}
	me := object.Signature{Name: "podkeep", Email: "podkeep@" + cluster, When: time.Now().UTC()}
	c := &object.Commit{Author: me, Committer: me, Message: "receipts of " + cluster + "\n", TreeHash: tree}
	if !tip.IsZero() {
		c.ParentHashes = []plumbing.Hash{tip}
	}
	b.commit, err = b.put(c)
	return b, err
}

// notes makes the tree of notes: in directories of two hex digits, as Git has it for many.
func (b bundle) notes(on map[plumbing.Hash][]plumbing.Hash) (plumbing.Hash, error) {
	below := map[string][]object.TreeEntry{}
	for commit, blobs := range on {
		name := commit.String()
		for _, blob := range blobs[:1] {
			below[name[:2]] = append(below[name[:2]], object.TreeEntry{Name: name[2:], Mode: filemode.Regular, Hash: blob})
		}
	}
	byName := func(a, b object.TreeEntry) int { return strings.Compare(a.Name, b.Name) }
	root := &object.Tree{}
	for name, entries := range below {
		slices.SortFunc(entries, byName)
		h, err := b.put(&object.Tree{Entries: entries})
		if err != nil {
			return h, err
		}
		root.Entries = append(root.Entries, object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: h})
	}
	slices.SortFunc(root.Entries, byName)
	return b.put(root)
}

func (l *local) ref(_ context.Context, name plumbing.ReferenceName) (plumbing.Hash, error) {
	return l.lookup(name)
}

// push holds the ref's lock as Git does, so that no other who writes it is overrun.
func (l *local) push(ctx context.Context, name plumbing.ReferenceName, old plumbing.Hash, new bundle) error {
	info, err := os.Stat(l.at.Common)
	if err != nil {
		return err
	}
	if is, ok := info.Sys().(*syscall.Stat_t); ok && int(is.Uid) != os.Geteuid() {
		return files.Lasting(errors.New("the repository belongs to another user, who could not write to it any more"))
	}
	for _, o := range new.store.Objects {
		if _, err := l.refs.SetEncodedObject(o); err != nil {
			return err
		}
	}
	file := filepath.Join(l.at.Common, filepath.FromSlash(string(name)))
	lock, err := locked(ctx, file+".lock")
	if err != nil {
		return err
	}
	now, err := l.lookup(name)
	if err == nil && now != old {
		err = fmt.Errorf("is at %s by now", short(now))
	}
	if err == nil {
		_, err = fmt.Fprintln(lock, new.commit)
	}
	if err = cmp.Or(err, lock.Close()); err == nil {
		err = os.Rename(lock.Name(), file)
	}
	if err != nil {
		_ = os.Remove(lock.Name())
	}
	return err
}

// locked makes a file that nobody else has made, and waits a second for that.
func locked(ctx context.Context, name string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if !errors.Is(err, fs.ErrExist) || try == 50 {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (r *remote) ref(ctx context.Context, name plumbing.ReferenceName) (plumbing.Hash, error) {
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	s, refs, err := r.connect(ctx)
	if err != nil {
		return plumbing.ZeroHash, explainedHTTP(causeOf(ctx, err))
	}
	defer s.Close()
	h := refs.References[string(name)]
	if !h.IsZero() && !r.cache.objects.has(h) {
		have, _, _ := r.known(nil)
		haves := r.haves(have)
		if last := r.lastFleet(); r.cache.objects.has(last) {
			haves = append(haves, last)
		}
		if err := r.cache.fetch(ctx, s, refs.Capabilities, []plumbing.Hash{h}, haves); err != nil {
			return h, causeOf(ctx, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fleet = h
	return h, nil
}

func (r *remote) lastFleet() plumbing.Hash {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fleet
}

func (r *remote) push(ctx context.Context, name plumbing.ReferenceName, old plumbing.Hash, new bundle) error {
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	s, refs, err := r.converse(ctx, transport.ReceivePackServiceName)
	if err != nil {
		return unpushed(causeOf(ctx, err))
	}
	defer s.Close()
	req := packp.NewReferenceUpdateRequestFromCapabilities(refs.Capabilities)
	req.Commands = []*packp.Command{{Name: name, Old: old, New: new.commit}}
	if req.Packfile, err = new.pack(); err != nil {
		return err
	}
	_, err = s.(pushing).ReceivePack(ctx, req)
	return unpushed(causeOf(ctx, err))
}

// unpushed says in our words why a server does not take a push.
func unpushed(err error) error {
	if errors.Is(err, transport.ErrAuthorizationFailed) || errors.Is(err, transport.ErrAuthenticationRequired) {
		return files.Lasting(errors.New("the credentials may not push to this repository"))
	}
	return err
}
