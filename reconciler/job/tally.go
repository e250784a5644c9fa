package job

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/podkeep/podkeep/manifest"
)

// tally is what has ended, so that it outlives the pods. It is written into a receipt.
type tally struct {
	Start    time.Time   // when the first pod was made, or the last resume
	Failed   int         // attempts that failed and count
	Failures map[int]int // the same for each completion that had any
	Tries    map[int]int // the attempts below this one are counted
	Row      int         // attempts that failed since one succeeded
	Begun    bool        // a container was started, of a hook that had to have begun by now

	ended, lost map[int]bool // completions; indexes that were given up
}

// short is how a tally is written as long as a person can read it.
type short struct {
	Start     time.Time `json:"start,omitzero"`
	Ended     string    `json:"succeeded,omitempty"` // "0-3,5"
	Lost      string    `json:"failed,omitempty"`
	Failed    int       `json:"failures,omitempty"`
	Row       int       `json:"row,omitempty"`
	Begun     bool      `json:"begun,omitempty"`
	Failures  string    `json:"of,omitempty"`        // of each completion, from 0: "1,0*3,2"
	Uncounted string    `json:"uncounted,omitempty"` // attempts that are over and are no failures that count, likewise
}

// long is how it is written else, packed: that of as many completions as a Job may have fits in a label, whatever became of them.
type long struct {
	Start               time.Time
	Ended, Lost         []byte // a bit for each completion
	Failed, Row         int
	Begun               bool
	Failures, Uncounted []byte // a varint for each
}

// longest is how many bytes a tally may have that is not packed.
const longest = 1 << 10

// never is above every completion that a manifest may ask for.
const never = 1 << 17

func newTally() tally {
	return tally{Failures: map[int]int{}, Tries: map[int]int{}, ended: map[int]bool{}, lost: map[int]bool{}}
}

func (t tally) copy() tally {
	t.Failures, t.Tries = maps.Clone(t.Failures), maps.Clone(t.Tries)
	t.ended, t.lost = maps.Clone(t.ended), maps.Clone(t.lost)
	return t
}

// same says whether another tally says the same of what has ended.
func (t tally) same(other tally) bool {
	return t.Start.Equal(other.Start) && t.Begun == other.Begun && t.Failed == other.Failed && maps.Equal(t.Failures, other.Failures) && maps.Equal(t.Tries, other.Tries) &&
		maps.Equal(t.ended, other.ended) && maps.Equal(t.lost, other.lost)
}

// empty says whether there is nothing to write down.
func (t tally) empty() bool { return len(t.ended) == 0 && len(t.Tries) == 0 && !t.Begun }

// encode is the tally as its receipt carries it; empty when there is nothing to write down.
func (t tally) encode() string {
	if t.empty() {
		return ""
	}
	passed := t.uncounted()
	text := asJSON(short{
		Start: t.Start.UTC(), Ended: manifest.FormatIndexes(t.ended), Lost: manifest.FormatIndexes(t.lost),
		Failed: t.Failed, Row: t.Row, Begun: t.Begun, Failures: formatCounts(t.Failures), Uncounted: formatCounts(passed),
	})
	if len(text) <= longest {
		return string(text)
	}
	return manifest.Pack(asJSON(long{
		Start: t.Start.UTC(), Ended: bits(t.ended), Lost: bits(t.lost), Failed: t.Failed, Row: t.Row, Begun: t.Begun,
		Failures: varints(t.Failures), Uncounted: varints(passed),
	}))
}

func asJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil { // numbers, strings and bytes always encode
		return nil
	}
	return text
}

// uncounted are the attempts at each completion that are over and are no failures that count.
func (t tally) uncounted() map[int]int {
	passed := map[int]int{}
	for i, n := range t.Tries {
		passed[i] = n - t.Failures[i]
	}
	return passed
}

// decode is encode's inverse. What cannot be read counts for nothing: at worst something is run again.
func decode(text string) tally {
	read := readLong
	switch {
	case text == "":
		return newTally()
	case strings.HasPrefix(text, "{"):
		read = readShort
	}
	t, passed, err := read(text)
	if err != nil {
		return newTally()
	}
	t.Tries = passed
	for i, n := range t.Failures {
		t.Tries[i] += n
	}
	return t
}

func readShort(text string) (t tally, passed map[int]int, err error) {
	var s short
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return t, nil, err
	}
	t.Start, t.Failed, t.Row, t.Begun = s.Start, s.Failed, s.Row, s.Begun
	var errs [4]error
	t.ended, errs[0] = manifest.ParseIndexes(s.Ended, never)
	t.lost, errs[1] = manifest.ParseIndexes(s.Lost, never)
	t.Failures, errs[2] = parseCounts(s.Failures)
	passed, errs[3] = parseCounts(s.Uncounted)
	return t, passed, errors.Join(errs[:]...)
}

func readLong(text string) (t tally, passed map[int]int, err error) {
	unpacked, err := manifest.Unpack(text)
	if err != nil {
		return t, nil, err
	}
	var l long
	if err := json.Unmarshal(unpacked, &l); err != nil {
		return t, nil, err
	}
	t.Start, t.Failed, t.Row, t.Begun, t.ended, t.lost = l.Start, l.Failed, l.Row, l.Begun, fromBits(l.Ended), fromBits(l.Lost)
	var err2 error
	t.Failures, err = fromVarints(l.Failures)
	passed, err2 = fromVarints(l.Uncounted)
	return t, passed, errors.Join(err, err2)
}

func bits(set map[int]bool) []byte {
	var b []byte
	for i, in := range set {
		if !in {
			continue
		}
		if short := i/8 + 1 - len(b); short > 0 {
			b = append(b, make([]byte, short)...)
		}
		b[i/8] |= 1 << (i % 8)
	}
	return b
}

func fromBits(b []byte) map[int]bool {
	set := map[int]bool{}
	for i := range min(len(b)*8, never) {
		if b[i/8]&(1<<(i%8)) != 0 {
			set[i] = true
		}
	}
	return set
}

func varints(counts map[int]int) (b []byte) {
	for i := range top(counts) {
		b = binary.AppendUvarint(b, uint64(counts[i]))
	}
	return b
}

func fromVarints(b []byte) (map[int]int, error) {
	counts := map[int]int{}
	for i := 0; len(b) > 0; i++ {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > 1<<31 || i >= never {
			return nil, fmt.Errorf("no count of completion %d", i)
		}
		if n > 0 {
			counts[i] = int(n)
		}
		b = b[size:]
	}
	return counts, nil
}

// top is above every number that has a count.
func top(counts map[int]int) (n int) {
	for i, count := range counts {
		if count != 0 {
			n = max(n, i+1)
		}
	}
	return n
}

// formatCounts is a count for each number below top; one that stands n times in a row is written once, with *n.
func formatCounts(counts map[int]int) string {
	var parts []string
	for i, end := 0, top(counts); i < end; {
		run := 1
		for i+run < end && counts[i+run] == counts[i] {
			run++
		}
		part := strconv.Itoa(counts[i])
		if run > 1 {
			part += "*" + strconv.Itoa(run)
		}
		parts = append(parts, part)
		i += run
	}
	return strings.Join(parts, ",")
}

// parseCounts is formatCounts' inverse.
func parseCounts(text string) (map[int]int, error) {
	counts := map[int]int{}
	if text == "" {
		return counts, nil
	}
	next := 0
	for part := range strings.SplitSeq(text, ",") {
		count, times, repeated := strings.Cut(part, "*")
		if !repeated {
			times = "1"
		}
		n, err := strconv.ParseUint(count, 10, 31)
		run, err2 := strconv.ParseUint(times, 10, 31)
		if errors.Join(err, err2) != nil || next+int(run) > never {
			return nil, fmt.Errorf("%q is no count", part)
		}
		for i := next; n > 0 && i < next+int(run); i++ {
			counts[i] = int(n)
		}
		next += int(run)
	}
	return counts, nil
}
