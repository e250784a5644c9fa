// Package wire is what a controller and the node side on a host say to each other, as lines of JSON on one stream. Fields that one of them does
// not know are passed over, so that neighbouring versions understand each other.
package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/podkeep/podkeep/live"
)

// Beat is how often each says something, if it has nothing to say. One that is not heard for Deaf is away.
const (
	Beat = 2 * time.Second
	Deaf = 10 * time.Second
)

// Bounds on one line: its bytes, and its values, for a line of nothings would take a hundred times its size. The report of 10,000 containers has some
// 120,000 of them.
const (
	longest    = 16 << 20
	mostValues = 1 << 18
)

// valuesOf is how many values a JSON text has at most. An object counts as four, for what it is read into is larger.
func valuesOf(text []byte) int {
	return bytes.Count(text, []byte(",")) + 4*bytes.Count(text, []byte("{"))
}

// Down is what a controller says.
type Down struct {
	Hello *Hello `json:",omitempty"` // first
	Tend  *Tend  `json:",omitempty"` // when the one in force is another
	Table *Table `json:",omitempty"` // when the one in force is another
	Show  bool   `json:",omitempty"` // the table in force is to be said, whole
	Keys  *Keys  `json:",omitempty"` // when those that are kept are others; before the table that names them
	Kept  *Kept  `json:",omitempty"` // when others have something that it lacks, or newer
}

// Up is what the node side says. Report comes first after Hello, and whenever it has changed. An empty one is a sign of life.
type Up struct {
	Hello  *Hello  `json:",omitempty"`
	Report *Report `json:",omitempty"`
	Table  *Table  `json:",omitempty"` // the one in force, when a controller wants to see it
	Kept   *Kept   `json:",omitempty"` // after the first report, and whenever its own doors have something new: all of it
}

// Hello says who speaks.
type Hello struct{ Version string }

// Tend is which pods of one source are to be looked after, until another one comes. The node side keeps it.
type Tend struct {
	Source string
	live.Tend
}

// Report is all that the node side has to say. Times are its host's.
type Report struct {
	InForce []Tend                   // the newest of each source
	Tends   []string                 // the pods of them that are there and whose form is, sorted: these it looks after, and can start again
	Probed  map[string][]live.Probed // by pod: those that have probes
	// Failed is, by pod, why the last attempt failed to end what its probe gave up, or to start again what had ended, or why its liveness
	// probe is not run. Trouble is why what the node side knows would be lost with its process.
	Failed  map[string]string `json:",omitempty"`
	Trouble string            `json:",omitempty"`
	// Number and Digest are of the table in force: the kernel has it. Taken is the number of the newest that was taken, in force or to be: of lower
	// ones none is taken. Net is the host's network.
	Number uint64 `json:",omitempty"`
	Digest string `json:",omitempty"`
	Taken  uint64 `json:",omitempty"`
	Net    live.Net
	// Keys is the Mark of the newest that are kept. Doors are those that speak with it, sorted by pod.
	Keys  string      `json:",omitempty"`
	Doors []live.Door `json:",omitempty"`
}

// Write sends one line.
func Write(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// Reader reads lines.
type Reader struct{ lines *bufio.Scanner }

// NewReader reads from r.
func NewReader(r io.Reader) *Reader {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longest)
	return &Reader{lines}
}

// Read reads the next line into v. It ends with io.EOF.
func (r *Reader) Read(v any) error {
	if !r.lines.Scan() {
		if err := r.lines.Err(); errors.Is(err, bufio.ErrTooLong) {
			return fmt.Errorf("a line of more than %d bytes", longest)
		} else if err != nil {
			return err
		}
		return io.EOF
	}
	if valuesOf(r.lines.Bytes()) > mostValues {
		return fmt.Errorf("a line of more than %d values", mostValues)
	}
	return json.Unmarshal(r.lines.Bytes(), v)
}
