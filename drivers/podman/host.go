package podman

import (
	"context"
	"sync"
	"time"

	"github.com/containers/podman/v4/pkg/bindings/system"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// host is what a host says of itself.
type host struct {
	room  manifest.Resources
	facts live.Facts
}

// hostCache holds what was asked after so many losses of the connection. After the next one it is asked for again,
// and the old answer does until then: hosts seldom change.
type hostCache struct {
	mu     sync.Mutex
	host   host
	losses int
	known  bool
	asking *asking // nil while nobody asks
	join   sync.WaitGroup
	// sure is the number of losses after which a list of pods showed none without containers; -1 when none did yet.
	sure int
}

// asking is a question that is under way. host and err are set when done is closed.
type asking struct {
	done chan struct{}
	host host
	err  error
}

// hostPatience is how long the question about the host may take, beyond the look that began it. Podman runs programs to
// answer it, takes seconds on a busy host, and goes on when nobody waits any more: asking again only adds to that.
const hostPatience = time.Minute

// host waits for the first answer only, and never asks twice at once. It is called when the lists have been answered,
// so that a host which answers nothing has no pile of such questions to work off.
func (d *Driver) host(ctx context.Context, losses int) (host, error) {
	have, known, q := d.hosts.ask(losses, d.inform)
	if known {
		return have, nil
	}
	select {
	case <-q.done:
		return q.host, q.err
	case <-ctx.Done():
		return host{}, ctx.Err()
	}
}

// ask gives what is known, and begins to inform itself unless that is as good as new or under way.
func (c *hostCache) ask(losses int, inform func() (host, error)) (have host, known bool, q *asking) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking == nil && (!c.known || c.losses != losses) {
		q := &asking{done: make(chan struct{})}
		c.asking = q
		c.join.Go(func() {
			q.host, q.err = inform()
			c.answered(q, losses)
		})
	}
	return c.host, c.known, c.asking
}

func (c *hostCache) answered(q *asking, losses int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking = nil
	if q.err == nil {
		c.host, c.losses, c.known = q.host, losses, true
	}
	close(q.done)
}

// inform asks Podman, for as long as the driver is open.
func (d *Driver) inform() (h host, err error) {
	err = d.do(d.life, hostPatience, func(ctx context.Context) error {
		info, err := system.Info(ctx, nil)
		if err != nil {
			return err
		}
		if i := info.Host; i != nil {
			h.facts = live.Facts{
				Podman: info.Version.Version, OS: i.Distribution.Distribution + " " + i.Distribution.Version,
				Arch: i.Arch, Kernel: i.Kernel, CPUs: i.CPUs, Memory: i.MemTotal,
			}
		}
		h.room = d.room(h.facts)
		return nil
	})
	return h, err
}
