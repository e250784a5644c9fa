package git

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/podkeep/podkeep/sources/files"
)

// maxBackoff is the longest pause between fetches that fail, unless the interval is longer.
const maxBackoff = 2 * time.Minute

// jitter spreads fetches by this part of the interval.
const jitter = 0.1

// remote is a repository that is fetched from.
type remote struct {
	where   where
	options Options
	cache   *store
	turn    chan struct{} // holds a token while nobody fetches

	mu        sync.Mutex // over what follows
	client    *http.Client
	bearer    bool // the server takes tokens that way
	filtering bool // it leaves out blobs of some size
	refs      state
	at        time.Time
	fleet     plumbing.Hash               // the newest of FleetRef that was fetched
	gone      map[plumbing.Hash]time.Time // what the server did not have, and when
	healed    map[plumbing.Hash]time.Time // what was still damaged when everything had been fetched anew, and when
}

// goneFor is how long a commit that was not to be had is not asked for again.
const goneFor = 5 * time.Minute

func (s *Source) openRemote(w where, o Options) error {
	s.name = nameOf(w.name(), s.path)
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	dir, err := openStore(o.Cache, w.String())
	if err != nil {
		return s.named(err)
	}
	r := &remote{where: w, options: o, cache: dir, turn: make(chan struct{}, 1), gone: map[plumbing.Hash]time.Time{}, healed: map[plumbing.Hash]time.Time{}}
	r.turn <- struct{}{}
	r.refs, r.at = dir.load(o.Branch)
	s.origin, s.objects = r, dir.objects
	return nil
}

// head fetches once; everything anew if what should be here is damaged.
func (r *remote) head(ctx context.Context, branch string) (state, time.Time, error) {
	return r.look(ctx, branch, false)
}

func (r *remote) look(ctx context.Context, branch string, anew bool) (state, time.Time, error) {
	if err := r.take(ctx); err != nil {
		return r.known(err)
	}
	defer r.give()
	began := time.Now()
	now, err := r.within(ctx, branch, anew)
	if isDamage(err) && !anew {
		now, err = r.within(ctx, branch, true)
	}
	if err != nil {
		return r.known(err)
	}
	r.mu.Lock()
	r.refs, r.at = now, began
	r.mu.Unlock()
	return now, began, r.cache.save(branch, now, began)
}

// causeOf prefers what ended the context over what broke because of it.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (r *remote) known(err error) (state, time.Time, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refs, r.at, err
}

func (r *remote) take(ctx context.Context) error {
	select {
	case <-r.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *remote) give() { r.turn <- struct{}{} }

// within fetches in time: what brings everything may take ten times as long.
func (r *remote) within(ctx context.Context, branch string, anew bool) (state, error) {
	timeout := r.options.Timeout
	if refs, _, _ := r.known(nil); anew || refs.head.IsZero() {
		timeout *= 10
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
	defer cancel()
	now, err := r.fetch(ctx, branch, anew)
	if err != nil {
		err = causeOf(ctx, err)
	}
	return now, err
}

// session is one conversation with the server.
type session interface {
	AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error)
	UploadPack(context.Context, *packp.UploadPackRequest) (*packp.UploadPackResponse, error)
	Close() error
}

// pushing is a session in which refs are changed.
type pushing interface {
	ReceivePack(context.Context, *packp.ReferenceUpdateRequest) (*packp.ReportStatus, error)
	Close() error
}

// conversation is a session of either kind.
type conversation interface {
	AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error)
	Close() error
}

// connect opens a session for fetching and reads the server's refs.
func (r *remote) connect(ctx context.Context) (session, *packp.AdvRefs, error) {
	s, refs, err := r.converse(ctx, transport.UploadPackServiceName)
	if err != nil {
		return nil, nil, err
	}
	r.mu.Lock()
	r.filtering = refs.Capabilities.Supports(capability.Filter)
	r.mu.Unlock()
	return s.(session), refs, nil
}

// converse opens a session with one of the server's services and reads its refs.
func (r *remote) converse(ctx context.Context, service string) (conversation, *packp.AdvRefs, error) {
	if r.where.scheme == "ssh" {
		s, err := r.options.dialSSH(ctx, r.where, service)
		if err != nil {
			return nil, nil, err
		}
		return advertised(ctx, s)
	}
	r.mu.Lock()
	bearer := r.bearer
	r.mu.Unlock()
	s, refs, err := r.connectHTTP(ctx, service, bearer)
	if errors.Is(err, transport.ErrAuthenticationRequired) {
		if l, _ := r.options.login(r.where); l.token {
			bearer = !bearer
			if s, refs, second := r.connectHTTP(ctx, service, bearer); second == nil || errors.Is(second, transport.ErrEmptyRemoteRepository) {
				r.mu.Lock()
				r.bearer = bearer
				r.mu.Unlock()
				return s, refs, second
			}
		}
	}
	return s, refs, err
}

func (r *remote) connectHTTP(ctx context.Context, service string, bearer bool) (conversation, *packp.AdvRefs, error) {
	client, err := r.httpClient()
	if err != nil {
		return nil, nil, files.Lasting(err)
	}
	auth, err := r.options.auth(r.where, bearer)
	if err != nil {
		return nil, nil, files.Lasting(err)
	}
	end := r.where.endpoint()
	var method transport.AuthMethod
	if auth != nil {
		method = auth
	}
	var s conversation
	if service == transport.UploadPackServiceName {
		s, err = githttp.NewClient(client).NewUploadPackSession(end, method)
	} else {
		s, err = githttp.NewClient(client).NewReceivePackSession(end, method)
	}
	if err != nil {
		return nil, nil, err
	}
	return advertised(ctx, s)
}

// httpClient is kept, for its connections, until the server refuses.
func (r *remote) httpClient() (*http.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil {
		return r.client, nil
	}
	client, err := r.options.httpClient()
	r.client = client
	return client, err
}

func (r *remote) forgetClient() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil {
		r.client.CloseIdleConnections()
	}
	r.client = nil
}

func advertised(ctx context.Context, s conversation) (conversation, *packp.AdvRefs, error) {
	refs, err := s.AdvertisedReferencesContext(ctx)
	if err != nil {
		_ = s.Close()
		return nil, nil, err
	}
	return s, refs, nil
}

// fetch brings what the branch and the notes name, and gives both.
func (r *remote) fetch(ctx context.Context, branch string, anew bool) (state, error) {
	s, refs, err := r.connect(ctx)
	if err != nil {
		r.forgetClient()
		return state{}, explainedHTTP(err)
	}
	defer s.Close()
	base, way, err := ascend(branch)
	if err != nil {
		return state{}, err
	}
	want, err := choose(refs, base)
	if err != nil {
		return state{}, files.Lasting(err)
	}
	now := state{want.head, refs.References[string(NotesRef)]}
	if err := r.bring(ctx, s, refs, want, now.notes, anew); err != nil {
		return state{}, err
	}
	if want.pinned && want.prefix == "" && !r.cache.objects.has(want.head) {
		return state{}, files.Lasting(fmt.Errorf("no branch, tag or commit %q", branch))
	}
	if now, err = now.settle(r.cache.objects, want); err != nil {
		return state{}, err
	}
	now.head, err = r.cache.objects.climb(now.head, way)
	return now, err
}

// settle turns what was asked for into a commit, and makes sure that it and the notes are here.
func (now state) settle(o *objects, want choice) (state, error) {
	var err error
	if want.prefix != "" {
		if now.head, err = o.complete(want.prefix); err != nil {
			return state{}, err
		}
	}
	if now.head, err = o.peel(now.head); err != nil {
		return state{}, err
	}
	if _, err := o.commit(now.head); err != nil {
		return state{}, err
	}
	if !now.notes.IsZero() {
		_, err = o.commit(now.notes)
	}
	return now, err
}

// explainedHTTP says in our words what a server's refusal means.
func explainedHTTP(err error) error {
	switch {
	case strings.Contains(err.Error(), "object-format=sha256"): // go-git has no word for it
		return files.Lasting(errSHA256)
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return errors.New("has no commit yet")
	case errors.Is(err, transport.ErrAuthenticationRequired):
		return files.Lasting(errors.New("the server does not accept the credentials (401): give a valid PODKEEP_GIT_TOKEN, or PODKEEP_GIT_USERNAME and PODKEEP_GIT_PASSWORD"))
	case errors.Is(err, transport.ErrAuthorizationFailed):
		return files.Lasting(errors.New("the credentials may not read this repository (403)"))
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return files.Lasting(errors.New("no such repository, or one that these credentials may not see (404)"))
	}
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return files.Lasting(err)
	}
	return err
}

// choice is what a branch option means to a server.
type choice struct {
	head   plumbing.Hash // may be an annotated tag; zero with a prefix
	pinned bool          // head is a commit that no ref needs to name
	prefix string        // of a commit
}

// is says whether a commit is the pinned one.
func (c choice) is(h plumbing.Hash) bool {
	if !c.pinned || h.IsZero() {
		return false
	}
	return h == c.head || c.prefix != "" && strings.HasPrefix(h.String(), c.prefix)
}

// choose finds a branch, a tag, a ref or a commit among a server's refs.
func choose(refs *packp.AdvRefs, branch string) (choice, error) {
	if branch == "" || branch == "HEAD" || branch == "@" {
		if refs.Head == nil {
			return choice{}, fmt.Errorf("HEAD names a branch that does not exist; give one of %s as --branch", names(refs))
		}
		return choice{head: *refs.Head}, nil
	}
	for _, name := range candidates(branch) {
		if h, ok := refs.References[string(name)]; ok {
			return choice{head: h}, nil
		}
	}
	switch lower := strings.ToLower(branch); {
	case plumbing.IsHash(lower):
		return choice{head: plumbing.NewHash(lower), pinned: true}, nil
	case len(lower) >= minAbbreviated && isHex(lower):
		return choice{pinned: true, prefix: lower}, nil
	}
	return choice{}, fmt.Errorf("no branch, tag or commit %q; there are %s", branch, names(refs))
}

// names lists some branches and tags.
func names(refs *packp.AdvRefs) string {
	var all []string
	for name := range refs.References {
		if r := plumbing.ReferenceName(name); r.IsBranch() || r.IsTag() {
			all = append(all, r.Short())
		}
	}
	slices.Sort(all)
	if len(all) > 10 {
		all = append(all[:10], fmt.Sprintf("%d more", len(all)-10))
	}
	if len(all) == 0 {
		return "no branches"
	}
	return strings.Join(all, ", ")
}

// bring fetches what is not here yet.
func (r *remote) bring(ctx context.Context, s session, refs *packp.AdvRefs, want choice, notes plumbing.Hash, anew bool) error {
	if anew {
		return r.anew(ctx, s, refs, want, notes)
	}
	have, _, _ := r.known(nil)
	if !r.cache.holds(have) {
		have = state{}
	}
	if want.is(have.head) {
		want = choice{head: have.head}
	}
	var wants []plumbing.Hash
	switch {
	case want.pinned && (want.prefix != "" || !anyCommit(refs) && !tip(refs, want.head)):
		wants = tips(refs)
	case want.head != have.head:
		wants = append(wants, want.head)
	}
	if !notes.IsZero() && notes != have.notes {
		wants = append(wants, notes)
	}
	if len(wants) == 0 {
		return nil
	}
	var err error
	if have.head.IsZero() {
		err = r.first(ctx, s, refs, wants)
	} else {
		err = r.cache.fetch(ctx, s, refs.Capabilities, wants, r.haves(have))
	}
	if err == nil && r.cache.crowded() {
		_ = r.cache.tidy(ctx) // what was fetched is there all the same
	}
	return err
}

// anew fetches as if nothing were here, and puts that in the place of what is, because some of it is damaged.
func (r *remote) anew(ctx context.Context, s session, refs *packp.AdvRefs, want choice, notes plumbing.Hash) error {
	wants := []plumbing.Hash{want.head}
	if want.head.IsZero() {
		wants = tips(refs)
	}
	if !notes.IsZero() {
		wants = append(wants, notes)
	}
	fresh, err := r.cache.beside()
	if err != nil {
		return err
	}
	defer fresh.close()
	if err := fresh.fetch(ctx, s, refs.Capabilities, wants, nil); err != nil {
		return err
	}
	return r.cache.replace(fresh)
}

// anyCommit says whether the server gives commits that no ref names.
func anyCommit(refs *packp.AdvRefs) bool {
	return refs.Capabilities.Supports(capability.AllowReachableSHA1InWant) || refs.Capabilities.Supports("allow-any-sha1-in-want")
}

func tip(refs *packp.AdvRefs, h plumbing.Hash) bool {
	for _, other := range refs.References {
		if other == h {
			return true
		}
	}
	return false
}

func tips(refs *packp.AdvRefs) []plumbing.Hash {
	var all []plumbing.Hash
	for name, h := range refs.References {
		if r := plumbing.ReferenceName(name); r.IsBranch() || r.IsTag() {
			all = append(all, h)
		}
	}
	return all
}

// haves tells the server what is here: the last head and notes, and ever sparser ancestors of the head for when it was
// pushed away.
func (r *remote) haves(have state) []plumbing.Hash {
	var all []plumbing.Hash
	if !have.notes.IsZero() {
		all = append(all, have.notes)
	}
	at, next := have.head, 0
	for i := 0; i < 1024 && !at.IsZero(); i++ {
		if i == next {
			all = append(all, at)
			next += max(1, i/4)
		}
		c, err := r.cache.objects.commit(at)
		if err != nil || len(c.ParentHashes) == 0 {
			break
		}
		at = c.ParentHashes[0]
	}
	return all
}

// obtain asks the server for one commit that is on no branch that was fetched. It asks once in a while only.
func (r *remote) obtain(ctx context.Context, h plumbing.Hash) error {
	r.mu.Lock()
	asked := r.gone[h]
	r.mu.Unlock()
	if time.Since(asked) < goneFor {
		return files.ErrGone
	}
	err := r.ask(ctx, h)
	if isDamage(err) || errors.Is(err, files.ErrGone) && !r.complete(ctx) {
		if _, _, err = r.look(ctx, r.options.Branch, true); err != nil {
			return err
		}
		if err = files.ErrGone; r.cache.objects.has(h) {
			return nil
		}
	}
	if errors.Is(err, files.ErrGone) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.gone) > 1000 {
			clear(r.gone)
		}
		r.gone[h] = time.Now()
	}
	return err
}

// ask fetches one commit. ErrGone when the server does not give it.
func (r *remote) ask(ctx context.Context, h plumbing.Hash) error {
	if err := r.take(ctx); err != nil {
		return err
	}
	defer r.give()
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	s, refs, err := r.connect(ctx)
	if err != nil {
		return explainedHTTP(causeOf(ctx, err))
	}
	defer s.Close()
	have, _, _ := r.known(nil)
	err = r.cache.fetch(ctx, s, refs.Capabilities, []plumbing.Hash{h}, r.haves(have))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case isDamage(err):
		return err
	case err == nil && r.cache.objects.has(h):
		return nil
	}
	return files.ErrGone
}

func (r *remote) notes() (plumbing.Hash, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refs.notes, nil
}

func (r *remote) explained(err error) error { return err }

func (r *remote) shallow() (map[plumbing.Hash]bool, error) { return nil, nil }

func (r *remote) close() error {
	r.forgetClient()
	return r.cache.close()
}

// watch pokes every interval, and more rarely while Head fails.
func (r *remote) watch(ctx context.Context, s *Source, poke chan<- struct{}) error {
	pause := func() wait.Backoff {
		return wait.Backoff{Duration: s.interval, Factor: 2, Jitter: jitter, Steps: 8, Cap: max(maxBackoff, s.interval)}
	}
	failing := pause()
	for {
		next := s.interval + time.Duration((rand.Float64()*2-1)*jitter*float64(s.interval))
		if _, err := s.last(); err != nil {
			next = failing.Step()
		} else {
			failing = pause()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(next):
		}
		select {
		case <-ctx.Done():
			return nil
		case poke <- struct{}{}:
		}
	}
}
