package node

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/wire"
)

// How long changes are gathered before they are told: verdicts, and mere words about them.
const (
	tellPause = 100 * time.Millisecond
	tellWords = 2 * time.Second
)

// ears are who listens, and what they were told.
type ears struct {
	conns  map[*conn]bool
	line   json.RawMessage // the newest report; nil before the first look, when nothing can be said of any pod
	tellAt time.Time
}

func (s *side) tellSoon() { s.tellIn(tellPause) }

func (s *side) tellIn(wait time.Duration) { s.tellAt = s.soon(s.tellAt, wait) }

// tell tells everybody, when something has changed.
func (s *side) tell() {
	if s.done == 0 || !s.until(s.tellAt) {
		return
	}
	s.tellAt = time.Time{}
	line, err := json.Marshal(wire.Up{Report: s.report()})
	if err != nil || bytes.Equal(line, s.line) {
		return
	}
	first := s.line == nil
	s.line = line
	for c := range s.conns {
		give(c.newest, s.line)
	}
	if first {
		s.tellKept()
	}
}

// joins has a connection told from now on.
func (s *side) joins(c *conn) {
	s.conns[c] = true
	if s.line != nil {
		give(c.newest, s.line)
		s.giveKept(c)
	}
}

func (s *side) leaves(c *conn) { delete(s.conns, c) }

func (s *side) report() *wire.Report {
	r := &wire.Report{InForce: s.inForce(), Probed: map[string][]live.Probed{}, Trouble: cmp.Or(s.trouble, s.keysPaper.why, s.keptPaper.why), Net: s.netSaid(), Keys: s.doorKeys.Mark, Doors: s.doorsSaid()}
	if s.served != nil {
		r.Number, r.Digest = s.served.Number, s.served.Digest
	}
	if s.newest != nil {
		r.Taken = s.newest.Number
	}
	for _, name := range slices.Sorted(maps.Keys(s.pods)) {
		p, e := s.pods[name], s.under[name]
		if !p.idle && (e == nil || !e.stuck()) {
			r.Tends = append(r.Tends, name)
		}
		if all := p.words(); len(all) > 0 {
			r.Probed[name] = all
		}
		why := s.unwatched(p)
		if e != nil && e.why != "" {
			why = e.why
		}
		if why != "" {
			if r.Failed == nil {
				r.Failed = map[string]string{}
			}
			r.Failed[name] = why
		}
	}
	return r
}

// inForce is what is to be tended, sorted by source.
func (s *side) inForce() []wire.Tend {
	all := slices.Collect(maps.Values(s.tends))
	slices.SortFunc(all, func(a, b wire.Tend) int { return cmp.Compare(a.Source, b.Source) })
	return all
}
