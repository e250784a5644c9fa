package main

import (
	"cmp"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/podkeep/podkeep/status"
)

// look is how to write to w: a terminal's width and colours, or neither. NO_COLOR and TERM=dumb take the colours.
func look(w io.Writer) status.Look {
	width, _, ok := terminal(w)
	if !ok {
		return status.Look{}
	}
	return status.Look{Width: width, Colour: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// lowest is how high a terminal is taken to be that says how wide it is, and not how high.
const lowest = 24 // lines

// terminal gives the size of the terminal that w is; ok is false when it is none.
func terminal(w io.Writer) (width, height int, ok bool) {
	f, ok := screen(w)
	if !ok {
		return 0, 0, false
	}
	width, height, err := term.GetSize(int(f.Fd()))
	return width, cmp.Or(height, lowest), err == nil && width > 0
}

// screen is the terminal that w is, whether it says its size or not.
func screen(w io.Writer) (f *os.File, ok bool) {
	if s, ok := w.(*sink); ok {
		w = s.Writer
	}
	f, ok = w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}
