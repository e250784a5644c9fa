package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/wire"
)

// paper is a file on the volume that only its owner may read, for what doors are to have. Without it all goes on in memory.
type paper struct {
	file    string
	is      func() any // what is to stand there; only the loop calls it
	due     time.Time  // when it is to be written
	writing bool
	why     string // it could not be read, or written
}

func (s *side) papers() []*paper { return []*paper{&s.keysPaper, &s.keptPaper} }

// loadDoorway reads what was kept for doors.
func (s *side) loadDoorway() {
	s.keysPaper = paper{file: filepath.Join(s.Dir, "keys.json"), is: func() any { return s.doorKeys }}
	s.keptPaper = paper{file: filepath.Join(s.Dir, "kept.json"), is: func() any { return s.doorKept }}
	if s.Doors == "" || s.copied {
		return
	}
	s.doorKeys, s.keysPaper.why = readPaper[wire.Keys](s.keysPaper.file)
	s.doorKept, s.keptPaper.why = readPaper[wire.Kept](s.keptPaper.file)
	s.doorKept = s.doorKept.Useful(time.Now())
	for _, p := range s.papers() {
		if p.why != "" {
			s.Log.WithField("why", p.why).Warn("what doors had is not known")
		}
	}
}

// readPaper is what stands in a file, or why that is not known: without a word of what stands there.
func readPaper[T any](file string) (what T, why string) {
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return what, ""
	case err != nil:
		return what, live.Words(err.Error())
	}
	if json.Unmarshal(text, &what) != nil {
		var none T
		return none, fmt.Sprintf("%s is damaged", file)
	}
	return what, ""
}

// savePapers begins to write what is due.
func (s *side) savePapers() {
	for _, p := range s.papers() {
		if p.writing || !s.until(p.due) {
			continue
		}
		p.due, p.writing = time.Time{}, true
		text, err := json.Marshal(p.is())
		s.spawn(func(context.Context) func() {
			if err == nil {
				err = write(p.file, text)
			}
			return func() {
				p.writing = false
				s.filed(p, err)
			}
		})
	}
}

// saveLastPapers writes what has not been yet.
func (s *side) saveLastPapers() {
	for _, p := range s.papers() {
		if p.due.IsZero() {
			continue
		}
		text, err := json.Marshal(p.is())
		if err == nil {
			err = write(p.file, text)
		}
		s.filed(p, err)
	}
}

func (s *side) filed(p *paper, err error) {
	was := p.why
	if p.why = ""; err != nil {
		p.why = live.Words(err.Error())
		p.due = s.soon(p.due, saveAgain)
	}
	if p.why == was {
		return
	}
	if p.why != "" {
		s.Log.WithField("why", p.why).Warn("what doors have would be lost with this process")
	}
	s.tellSoon()
}

// hearForDoors takes in what a controller says to doors.
func (s *side) hearForDoors(ctx context.Context, down wire.Down) {
	if down.Keys != nil {
		s.ask(ctx, func() { s.takeKeys(*down.Keys) })
	}
	if down.Kept != nil {
		s.ask(ctx, func() { s.takeKept(*down.Kept, nil) })
	}
}

// takeKeys has doors go by certificates and passwords from now on.
func (s *side) takeKeys(sent wire.Keys) {
	now, err := sent.After(s.doorKeys)
	if s.keysRefused = untaken(err, "those before stay"); err != nil {
		s.Log.WithField("why", s.keysRefused).Warn("keys are not taken")
		s.tellSoon()
		return
	}
	s.tellSoon()
	s.doorKeys, s.keysPaper.due = now, s.soon(s.keysPaper.due, 0)
	for d := range s.doors {
		d.tell(wire.DoorDown{Keys: &now})
	}
}

// takeKept adds what doors' ACME clients keep, from a door or from a controller, and says whether there was news. Whoever did not bring it is given all of it.
func (s *side) takeKept(from wire.Kept, whose *door) bool {
	all, news, err := s.doorKept.With(from, time.Now())
	if why := untaken(err, "what was kept stays"); why != s.keptRefused {
		s.keptRefused = why
		s.tellSoon()
	}
	if !news {
		return false
	}
	s.doorKept, s.keptPaper.due = all, s.soon(s.keptPaper.due, 0)
	for d := range s.doors {
		if d != whose {
			d.tell(wire.DoorDown{Kept: &all})
		}
	}
	return true
}

func untaken(err error, then string) string {
	if err == nil {
		return ""
	}
	return fmt.Sprintf("doors: %v: %s", err, then)
}

// tellKept tells everybody what is kept, once there is a report.
func (s *side) tellKept() {
	for c := range s.conns {
		s.giveKept(c)
	}
}

// giveKept tells one, if there is anything to tell and he has heard a report before.
func (s *side) giveKept(c *conn) {
	if s.line == nil || len(s.doorKept.Entries) == 0 {
		return
	}
	all := s.doorKept
	give(c.kept, &all)
}
