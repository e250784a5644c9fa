package node

import (
	"cmp"
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/wire"
)

// mostDoors is how many may be connected at a time: one, and two while one takes over.
const mostDoors = 8

// How long a door has to serve by a table that it was given, for how long one that was there before a node side began may take to find it, and another after that.
const (
	doorServes  = 10 * time.Second
	doorFinds   = 3 * time.Second
	doorFollows = time.Second
)

// doorway is what there is between the node side and its host's doors. Doors are given a table once the kernel has it, for pods' addresses are reached by then;
// a pod that is to stop is let go only once both go by the table.
type doorway struct {
	doors   map[*door]bool // that are connected
	gives   *table         // by which they are to serve; nil while there is none
	handing *handing       // the table that waits for doors before it is in force; nil: none does

	doorKeys                 wire.Keys
	doorKept                 wire.Kept
	keysRefused, keptRefused string // why the newest that came are not taken
	keysPaper, keptPaper     paper
}

// handing is a table that the host goes by, but for doors.
type handing struct {
	*table
	net   live.Net
	err   error
	waits map[*door]bool // for these
	finds time.Time      // and until then for those that are not here yet
	ends  time.Time      // who comes later is not waited for
}

// door is one that is connected.
type door struct {
	net.Conn
	next  chan wire.DoorDown // what it is to be given: the newest of each
	said  live.Door
	took  string    // Digest of the newest table that it has taken
	due   time.Time // when it has to have taken the one that it was given
	known bool      // it has said who it is
}

// tell has a door given something, and never waits. Only the loop calls it.
func (d *door) tell(what wire.DoorDown) {
	select {
	case waits := <-d.next:
		what.Keys, what.Kept, what.Table = cmp.Or(what.Keys, waits.Keys), cmp.Or(what.Kept, waits.Kept), cmp.Or(what.Table, waits.Table)
	default:
	}
	d.next <- what
}

// giveDoors has all doors serve by a table.
func (s *side) giveDoors(t *table) {
	if s.gives != nil && s.gives.Digest == t.Digest {
		return
	}
	s.gives = t
	for d := range s.doors {
		s.giveTable(d)
	}
}

func (s *side) giveTable(d *door) {
	d.due = time.Now().Add(doorServes)
	d.tell(wire.DoorDown{Table: &s.gives.Table})
}

// hand has a table that the kernel has wait for the doors that are there. The first one of a node side's life waits also for one that it does not know yet, and
// that may serve by an older table.
func (s *side) hand(t *table, net live.Net, err error) *handing {
	h := &handing{table: t, net: net, err: err, waits: map[*door]bool{}, ends: time.Now().Add(doorServes)}
	if err != nil {
		return h
	}
	for d := range s.doors {
		h.waits[d] = true
	}
	if s.served == nil && len(s.doors) == 0 && s.Doors != "" {
		if _, err := os.Lstat(filepath.Join(s.Doors, live.DoorHandover)); err == nil {
			h.finds = time.Now().Add(doorFinds)
		}
	}
	return h
}

// attend drops doors that take too long over a table, and has that one in force which no door has yet to take.
func (s *side) attend() {
	for d := range s.doors {
		if s.gives == nil || d.took == s.gives.Digest || !s.until(d.due) {
			continue
		}
		s.Log.WithFields(map[string]any{"pod": d.said.Pod, "table": s.gives.Number}).Warn("a door does not serve by the table that it was given: it is not waited for")
		_ = d.Close()
		s.doorLeaves(d)
	}
	h := s.handing
	if h == nil {
		return
	}
	for d := range h.waits {
		if d.took == h.Digest {
			delete(h.waits, d)
		}
	}
	if len(h.waits) > 0 || !h.finds.IsZero() && !s.until(h.finds) {
		return
	}
	s.handing = nil
	s.routed(h.table, h.net, h.err)
}

// talkToDoor says and hears until one of the two is gone.
func (s *side) talkToDoor(ctx context.Context, stream net.Conn) {
	d := &door{Conn: stream, next: make(chan wire.DoorDown, 1)}
	s.ask(ctx, func() { s.doorJoins(d) })
	defer s.ask(ctx, func() { s.doorLeaves(d) })
	s.converse(ctx, stream, "a door", func(ctx context.Context) error { return s.hearDoor(ctx, d) }, func(ctx context.Context) error { return speakToDoor(ctx, d) })
}

func (s *side) doorJoins(d *door) {
	if s.doors == nil {
		s.doors = map[*door]bool{}
	}
	s.doors[d] = true
	kept, keys := s.doorKept, s.doorKeys
	d.tell(wire.DoorDown{Kept: &kept})
	if keys.Mark != "" { // a door that has some keeps them where this volume was lost
		d.tell(wire.DoorDown{Keys: &keys})
	}
	if s.gives == nil {
		return
	}
	s.giveTable(d)
	h, now := s.handing, time.Now()
	if h == nil || !now.Before(h.ends) {
		return
	}
	h.waits[d] = true // it may serve by an older one
	if soon := now.Add(doorFollows); h.finds.After(soon) {
		h.finds = soon
	}
}

func (s *side) doorLeaves(d *door) {
	delete(s.doors, d)
	if s.handing != nil {
		delete(s.handing.waits, d)
	}
	s.tellSoon()
}

func (s *side) hearDoor(ctx context.Context, d *door) error {
	lines := wire.NewReader(d)
	for {
		if err := d.SetReadDeadline(time.Now().Add(wire.Deaf)); err != nil {
			return err
		}
		var up wire.DoorUp
		if err := lines.Read(&up); err != nil {
			return err
		}
		if up.Door != nil {
			is := plainDoor(*up.Door)
			s.ask(ctx, func() {
				d.said, d.took, d.known = is, up.Took, true
				s.tellSoon()
			})
		}
		if up.Kept != nil {
			s.ask(ctx, func() {
				if s.takeKept(*up.Kept, d) {
					s.tellKept()
				}
			})
		}
	}
}

// speakToDoor says what there is to say: keys before the table that names them.
func speakToDoor(ctx context.Context, d *door) error {
	say := saying(d)
	beat := time.NewTicker(wire.Beat)
	defer beat.Stop()
	for {
		lines := []wire.DoorDown{{}}
		select {
		case next := <-d.next: // each fits into a line, and all together may not
			lines = []wire.DoorDown{{Keys: next.Keys}, {Kept: next.Kept}, {Table: next.Table}}
		case <-beat.C:
		case <-ctx.Done():
			return nil
		}
		for _, line := range lines {
			if err := say(line); err != nil {
				return err
			}
		}
	}
}

// Bounds on what a door says of itself that is passed on.
const (
	mostDoorPorts    = 512
	mostDoorTroubles = 100
)

// plainDoor is what a door says, as far as it is passed on.
func plainDoor(said live.Door) live.Door {
	said.Pod, said.Version = live.Words(said.Pod), live.Words(said.Version)
	said.Ports = said.Ports[:min(len(said.Ports), mostDoorPorts)]
	said.Troubles = slices.Clone(said.Troubles[:min(len(said.Troubles), mostDoorTroubles)])
	for i, why := range said.Troubles {
		said.Troubles[i] = live.Words(why)
	}
	return said
}

// doorsSaid is what is said of the doors, sorted by pod.
func (s *side) doorsSaid() (all []live.Door) {
	for d := range s.doors {
		if d.known {
			all = append(all, d.said)
		}
	}
	slices.SortFunc(all, func(a, b live.Door) int { return cmp.Or(cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Version, b.Version)) })
	return all
}
