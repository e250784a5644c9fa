package podman

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/live"
)

// Podman runs programs to say how its host is, half a second of CPU or more, and goes on when nobody waits any more: asking again
// only adds to that, and enough who ask and die bring a small host down.
const (
	// goodFor is how long an answer about the host is good.
	goodFor = 15 * time.Minute
	// askPause is how long one who asked and has not been answered is believed to be waiting still, whether it lives or not.
	askPause = 10 * time.Second
	// askLimit is how long the answer may take.
	askLimit = time.Minute
	// lockPause is how often one looks whether another process still asks.
	lockPause = 100 * time.Millisecond
)

// card is what a host said of itself, and when it was asked. It outlives the process where there is a place to keep it.
type card struct {
	ProviderID string
	Served     string // the version in the heads of its answers then
	Asked      time.Time
	Answered   time.Time // zero: not yet
	Facts      live.Facts
}

func (c card) known() bool { return !c.Answered.IsZero() }

// good says whether nobody needs to ask. A host that serves another version has been worked on.
func (c card) good(served string, now time.Time) bool {
	age := now.Sub(c.Answered)
	return c.known() && age >= 0 && age < goodFor && served == c.Served
}

// host is what is known of the host itself. At most one process of this machine's asks it at a time.
type host struct {
	path string // without its ending, where the card is kept; "" is nowhere
	ask  func(context.Context) (live.Facts, error)
	join sync.WaitGroup

	mu     sync.Mutex
	card   card
	read   bool
	asking chan struct{} // closed when the question under way has ended; nil while there is none
	missed bool          // somebody looked while nothing was known
	news   chan struct{} // something is known that was missed
}

func newHost(providerID, dir string, ask func(context.Context) (live.Facts, error)) *host {
	h := &host{ask: ask, card: card{ProviderID: providerID}, news: make(chan struct{}, 1)}
	if dir != "" {
		sum := sha256.Sum256([]byte(providerID))
		h.path = filepath.Join(dir, hex.EncodeToString(sum[:8]))
	}
	return h
}

// facts gives what is known, and begins to ask, for as long as life lasts, when that is old or there is nothing. asking is closed
// when the question has ended, and nil when what is known is good. It is called when the lists have been answered, so
// that a host which answers nothing has no pile of questions to work off.
func (h *host) facts(life context.Context, served string) (c card, asking <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.read {
		h.read = true
		h.load()
	}
	if h.card.good(served, time.Now()) {
		return h.card, nil
	}
	h.missed = h.missed || !h.card.known()
	if h.asking == nil {
		done := make(chan struct{})
		h.asking = done
		h.join.Go(func() {
			h.learn(life, served)
			h.mu.Lock()
			defer h.mu.Unlock()
			h.asking = nil
			close(done)
		})
	}
	return h.card, h.asking
}

// learn asks, unless another process has done so meanwhile.
func (h *host) learn(life context.Context, served string) {
	unlock, err := h.lock(life)
	if err != nil {
		return
	}
	defer unlock()
	h.mu.Lock()
	h.load()
	c := h.card
	h.mu.Unlock()
	if c.good(served, time.Now()) || wait(life, time.Until(c.Asked.Add(askPause))) != nil {
		return
	}
	c.Asked = time.Now()
	h.keep(c)
	ctx, cancel := context.WithTimeout(life, askLimit)
	defer cancel()
	if facts, err := h.ask(ctx); err == nil {
		c.Served, c.Answered, c.Facts = served, time.Now(), facts
		h.keep(c)
	}
}

// lock holds the card against other processes. It ends with this one.
func (h *host) lock(ctx context.Context) (unlock func(), err error) {
	if h.path == "" || os.MkdirAll(filepath.Dir(h.path), 0o700) != nil {
		return func() {}, nil
	}
	file, err := os.OpenFile(h.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return func() {}, nil // without a place to keep it everybody asks for himself
	}
	for unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		if err := wait(ctx, lockPause); err != nil {
			_ = file.Close()
			return nil, err
		}
	}
	return func() { _ = file.Close() }, nil
}

// load takes over what is kept, if it is newer. What cannot be read is as good as nothing.
func (h *host) load() {
	data, err := os.ReadFile(h.path + ".json")
	var kept card
	if h.path == "" || err != nil || json.Unmarshal(data, &kept) != nil || kept.ProviderID != h.card.ProviderID || kept.Asked.Before(h.card.Asked) || kept.Asked.After(time.Now()) {
		return
	}
	h.set(kept)
}

// keep takes a card over and writes it down, if there is a place.
func (h *host) keep(c card) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.set(c)
	if h.path == "" {
		return
	}
	data, err := json.Marshal(c)
	if err != nil {
		return
	}
	half := h.path + ".new"
	if os.WriteFile(half, data, 0o600) == nil {
		_ = os.Rename(half, h.path+".json")
	}
}

func (h *host) set(c card) {
	h.card = c
	if h.missed && c.known() {
		h.missed = false
		h.news <- struct{}{}
	}
}

// tell pokes when something is known that a look has missed, until ctx ends.
func (h *host) tell(ctx context.Context, poke chan<- struct{}) {
	select {
	case <-ctx.Done():
	case <-h.news:
		select {
		case poke <- struct{}{}:
		case <-ctx.Done():
		}
	}
}
