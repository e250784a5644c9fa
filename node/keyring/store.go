package keyring

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/podkeep/podkeep/node/wire"
)

// Bounds on what the ACME client keeps. A host takes some 4,500 bytes.
const (
	mostKept     = 4 << 20 // bytes of all entries with their names: as many as node sides take
	largestEntry = 64 << 10
	longestEntry = 512      // bytes of a name
	leastRoom    = 64 << 10 // bytes that have to be left before one more is issued: what is there is renewed still
)

// writes is how long the client may take to write the files of one certificate, which are told together: a key that is not its certificate's is of no use.
const writes = 200 * time.Millisecond

// store is the ACME client's, in memory. Accounts and certificates are kept; locks and answers to challenges are for its process alone.
type store struct {
	wrote chan struct{} // has one when the client has written something that is kept
	ended chan struct{}
	join  sync.WaitGroup

	mu      sync.Mutex
	entries map[string]wire.KeptEntry
	passing map[string]wire.KeptEntry
	size    int
	locks   map[string]chan struct{} // closed when it is given back
}

func newStore(changed func(wire.Kept)) *store {
	s := &store{
		entries: map[string]wire.KeptEntry{}, passing: map[string]wire.KeptEntry{}, locks: map[string]chan struct{}{}, wrote: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	s.join.Go(func() {
		for {
			select {
			case <-s.wrote:
				select {
				case <-time.After(writes):
				case <-s.ended:
				}
				changed(s.all())
			case <-s.ended:
				return
			}
		}
	})
	return s
}

func (s *store) close() {
	close(s.ended)
	s.join.Wait()
}

func (s *store) all() wire.Kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	return wire.Kept{Entries: maps.Clone(s.entries)}
}

// merge takes in what is newer than what is there.
func (s *store) merge(kept wire.Kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, e := range kept.Useful(time.Now()).Entries {
		if had, is := s.entries[name]; keeps(name) && (!is || e.Time.After(had.Time)) {
			_ = s.put(name, e)
		}
	}
}

// keeps says whether an entry is one that outlives this process.
func keeps(name string) bool {
	return strings.HasPrefix(name, "certificates/") || strings.HasPrefix(name, "acme/") && strings.Contains(name, "/users/")
}

func (s *store) put(name string, e wire.KeptEntry) error {
	size := s.size + len(e.Value)
	if had, is := s.entries[name]; is {
		size -= len(had.Value)
	} else {
		size += len(name)
	}
	if len(e.Value) > largestEntry || len(name) > longestEntry || size > mostKept {
		return fmt.Errorf("%s: accounts and certificates are more than may be kept", name)
	}
	s.entries[name], s.size = e, size
	return nil
}

// certificate is a host's chain and private key, in PEM; nil where they are not there.
func (s *store) certificate(directory, host string) (chain, private []byte) {
	issuer := (&certmagic.ACMEIssuer{CA: directory}).IssuerKey()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[certmagic.StorageKeys.SiteCert(issuer, host)].Value, s.entries[certmagic.StorageKeys.SitePrivateKey(issuer, host)].Value
}

// room says whether one more host's certificate can be kept. One that is ordered and cannot be is ordered again and again.
func (s *store) room() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return mostKept-s.size >= leastRoom
}

// mend forgets what there is of a host's certificate where that is none, as when a node was lost while it was written: the client would not have another one issued.
func (s *store) mend(directory, host string) {
	chain, private := s.certificate(directory, host)
	if _, err := tls.X509KeyPair(chain, private); err == nil || chain == nil && private == nil {
		return
	}
	folder := certmagic.StorageKeys.CertsSitePrefix((&certmagic.ACMEIssuer{CA: directory}).IssuerKey(), host)
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, e := range s.entries {
		if within(name, folder) {
			delete(s.entries, name)
			s.size -= len(name) + len(e.Value)
		}
	}
}

// Store is certmagic's, as all that follow.
func (s *store) Store(_ context.Context, name string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := wire.KeptEntry{Value: bytes.Clone(value), Time: time.Now()}
	if had := s.entries[name].Time; !e.Time.After(had) && had.Sub(e.Time) <= wire.MostAhead {
		e.Time = had.Add(1) // of another clock, and yet what was before this
	}
	if !keeps(name) {
		s.passing[name] = e
		return nil
	}
	if err := s.put(name, e); err != nil {
		return err
	}
	select {
	case s.wrote <- struct{}{}:
	default:
	}
	return nil
}

func (s *store) load(name string) (wire.KeptEntry, bool) {
	e, ok := s.entries[name]
	if !ok {
		e, ok = s.passing[name]
	}
	return e, ok
}

func (s *store) Load(_ context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.load(name)
	if !ok {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(e.Value), nil
}

// Delete forgets what is below a name, but for certificates: another door may need one, and a newer one takes its place. An account is deleted when its issuer
// does not know it, and only where there is none is another made.
func (s *store) Delete(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.passing, func(n string, _ wire.KeptEntry) bool { return within(n, name) })
	for n, e := range s.entries {
		if within(n, name) && strings.HasPrefix(n, "acme/") {
			delete(s.entries, n)
			s.size -= len(n) + len(e.Value)
		}
	}
	return nil
}

func within(name, folder string) bool {
	return name == folder || folder == "" || strings.HasPrefix(name, strings.TrimSuffix(folder, "/")+"/")
}

func (s *store) names() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for _, m := range []map[string]wire.KeptEntry{s.entries, s.passing} {
			for n := range m {
				if !yield(n) {
					return
				}
			}
		}
	})
}

func (s *store) Exists(_ context.Context, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.names(), func(n string) bool { return within(n, name) })
}

func (s *store) List(_ context.Context, folder string, recursive bool) (all []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.names() {
		if n == folder || !within(n, folder) {
			continue
		}
		if rest := strings.TrimPrefix(strings.TrimPrefix(n, strings.TrimSuffix(folder, "/")), "/"); !recursive && strings.Contains(rest, "/") {
			n = strings.TrimSuffix(n, rest[strings.Index(rest, "/"):])
		}
		all = append(all, n)
	}
	if all = slices.Compact(all); len(all) == 0 {
		return nil, fs.ErrNotExist
	}
	return all, nil
}

func (s *store) Stat(ctx context.Context, name string) (certmagic.KeyInfo, error) {
	s.mu.Lock()
	e, ok := s.load(name)
	s.mu.Unlock()
	if !ok {
		if !s.Exists(ctx, name) {
			return certmagic.KeyInfo{}, fs.ErrNotExist
		}
		return certmagic.KeyInfo{Key: name}, nil
	}
	return certmagic.KeyInfo{Key: name, Modified: e.Time, Size: int64(len(e.Value)), IsTerminal: true}, nil
}

func (s *store) Lock(ctx context.Context, name string) error {
	for {
		s.mu.Lock()
		held, is := s.locks[name]
		if !is {
			s.locks[name] = make(chan struct{})
		}
		s.mu.Unlock()
		if !is {
			return nil
		}
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *store) Unlock(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, is := s.locks[name]
	if !is {
		return fmt.Errorf("%s is not locked", name)
	}
	delete(s.locks, name)
	close(held)
	return nil
}
