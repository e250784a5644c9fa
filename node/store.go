package node

import (
	"bytes"
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
	"github.com/podkeep/podkeep/reconciler/health"
)

// coalesce is how long what probes come to may wait to be written down, and saveAgain the pause after a write that failed.
const (
	coalesce  = time.Second
	saveAgain = 10 * time.Second
)

// kept is what outlives the process.
type kept struct {
	Machine string `json:",omitempty"`
	Tends   []wire.Tend
	Probing map[string]map[string]health.Probing // by pod and container
}

// store is the file. Without it all goes on in memory.
type store struct {
	before  map[string]map[string]health.Probing // what was read, until the first look
	saved   []byte
	saving  bool
	saveAt  time.Time
	trouble string
	copied  bool // what was read is another machine's
}

func (s *side) file() string { return filepath.Join(s.Dir, "state.json") }

func (s *side) load() {
	k, err := readKept(s.file())
	if err != nil {
		s.troubled(err)
	}
	if s.copied = k.Machine != "" && s.Machine != "" && k.Machine != s.Machine; s.copied {
		s.Log.Warn("this disk is a copy of another machine's: what that one was told waits for a controller to say it here")
		return
	}
	for _, t := range k.Tends {
		s.tends[t.Source] = t
	}
	if s.before = k.Probing; s.before != nil {
		s.born = time.Now()
	}
}

func readKept(name string) (k kept, err error) {
	text, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return k, nil
	case err != nil:
		return k, err
	}
	if err := json.Unmarshal(text, &k); err != nil {
		return kept{}, fmt.Errorf("%s: %w", name, err)
	}
	return k, nil
}

// saveIn has what is to be kept written down within that time.
func (s *side) saveIn(wait time.Duration) { s.saveAt = s.soon(s.saveAt, wait) }

// save begins to write when that is due. One write is under way at a time; a disk that hangs holds up nothing else.
func (s *side) save() {
	if s.saving || !s.until(s.saveAt) {
		return
	}
	s.saveAt = time.Time{}
	text := s.kept()
	if text == nil {
		return
	}
	s.saving = true
	s.spawn(func(context.Context) func() {
		err := write(s.file(), text)
		return func() {
			s.saving = false
			s.wrote(text, err)
		}
	})
}

// saveLast writes down what has not been yet.
func (s *side) saveLast() {
	if text := s.kept(); text != nil {
		s.wrote(text, write(s.file(), text))
	}
}

// kept is what is to be written down; nil when that stands there, or is not known before the first look.
func (s *side) kept() []byte {
	k := kept{Machine: s.Machine, Tends: s.inForce(), Probing: s.before}
	if s.before == nil {
		k.Probing = map[string]map[string]health.Probing{}
	}
	for name, p := range s.pods {
		all := map[string]health.Probing{}
		for _, c := range p.containers {
			all[c.spec.Name] = c.Probing
		}
		if len(all) > 0 {
			k.Probing[name] = all
		}
	}
	text, err := json.Marshal(k)
	if err != nil || bytes.Equal(text, s.saved) {
		return nil
	}
	return text
}

func (s *side) wrote(text []byte, err error) {
	if err != nil {
		s.troubled(err)
		s.saveIn(saveAgain)
		return
	}
	s.saved = text
	if s.trouble != "" {
		s.trouble = ""
		s.Log.WithField("file", s.file()).Info("can be written again")
		s.tellSoon()
	}
}

func (s *side) troubled(err error) {
	why := live.Words(err.Error())
	if s.trouble == "" {
		s.Log.WithField("why", why).Warn("what it knows would be lost with this process")
	}
	if s.trouble != why {
		s.trouble = why
		s.tellSoon()
	}
}

// write replaces a file whole, or leaves it as it was.
func write(name string, text []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(name+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// syncDir has what a directory holds outlive a power cut.
func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
