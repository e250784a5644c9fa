package live

import (
	"errors"
	"io"
	"time"
)

// ErrNoLog says that a container has no such log, or is gone and its log with it.
var ErrNoLog = errors.New("no log")

// Log says which container's log is asked for, and what of it. Times are the host's own.
type Log struct {
	Container string // its ID
	Previous  bool   // the log of the attempt before it
	Follow    bool   // go on until the container ends
	Since     time.Time
	Last      int // so many lines at the end and no more; below 0 all
}

// ErrRunsOn says that a command whose caller has left could not be ended, or that nobody knows.
var ErrRunsOn = errors.New("the command may run on")

// Line is one line that a container printed, without its end.
type Line struct {
	Time time.Time // the host's; Podman gives whole seconds
	Err  bool      // printed on stderr
	Text []byte
}

// Exec is a command to run in a container, and its streams. Any of them may be nil. With a TTY all output comes by Out.
type Exec struct {
	Container string // its ID
	Command   []string
	In        io.Reader
	Out, Err  io.Writer
	TTY       bool
	Size      <-chan Size // of the terminal, at first and whenever it changes; nil without
}

// Size is a terminal's, in characters.
type Size struct{ Width, Height int }
