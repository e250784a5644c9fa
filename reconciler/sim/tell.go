package sim

import (
	"fmt"
	"slices"
	"strings"
)

// Story is a text that can be told, again and again and with deaths in it.
type Story struct {
	lines []line
}

// Parse reads a story.
func Parse(text string) Story { return Story{parse(text)} }

// Telling is how to tell it.
type Telling struct {
	KillAfterLine  int // the controllers die after this line, counted from 1; 0 is no line
	KillAfterWrite int // the controller that makes this write dies of it; 0 is no write
	Care           care
}

// Told is what came of it.
type Told struct {
	Out    map[int]string // by line, for lines with a golden
	End    string         // what there is when all has settled
	Writes int
	Passes int
	Story  string // with the goldens as they came out
}

// Tell tells the story to its end, then lets everything settle. The error names the line.
func (st Story) Tell(t Telling) (told Told, err error) {
	s := New()
	s.care = t.Care
	if t.KillAfterWrite > 0 {
		s.fuse.Left = t.KillAfterWrite
	}
	told.Out = map[int]string{}
	for _, l := range st.lines {
		if l.command() == "" {
			continue
		}
		out, err := s.Do(l.command())
		if err != nil {
			return told, fmt.Errorf("line %d: %s: %w", l.no, l.command(), err)
		}
		if l.golden {
			told.Out[l.no] = out
		}
		if l.no == t.KillAfterLine {
			s.killAll()
		}
	}
	_, err = s.Do("settle")
	told.End, told.Writes, told.Passes, told.Story = s.end(), s.world.Writes(), s.passes, format(st.lines, told.Out)
	return told, err
}

// Mismatch is the first golden that is not what came out, or "".
func (st Story) Mismatch(told Told) string {
	for _, l := range st.lines {
		if got, ok := told.Out[l.no]; ok && got != l.want {
			return fmt.Sprintf("line %d: %s\ngot:\n%swant:\n%s", l.no, l.command(), got, l.want)
		}
	}
	return ""
}

func (s *Sim) killAll() {
	for _, c := range s.controllers {
		s.start(c)
	}
}

// end is what must be the same however often the controller died: which slots there are of which revision, which of
// them are ready, and which transitions are written down.
func (s *Sim) end() string {
	var lines []string
	for _, host := range s.world.Hosts() {
		n := s.world.Truth(host, cluster)
		for _, p := range n.Pods {
			lines = append(lines, fmt.Sprintf("pod %s %s %d ready=%v", p.App, p.Rev, p.Slot, ready(p, s.now)))
		}
		for _, claim := range n.Volumes {
			lines = append(lines, "volume "+claim)
		}
		for _, r := range n.Receipts {
			lines = append(lines, fmt.Sprintf("receipt %s %s %s", r.App, r.Verb, r.Rev))
		}
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n") + "\n"
}
