package main

import (
	"bufio"
	"errors"
	"hash/fnv"
	"io"
	"time"

	"github.com/podkeep/podkeep/live"
)

// press prints lines of many containers, each whole. What it has not printed yet is bounded: who brings more waits.
type press struct {
	lines      chan []byte
	spent      chan []byte
	done       chan error
	broken     chan struct{} // closed once nothing can be printed any more
	timestamps bool
	prefixed   bool
	colour     bool
}

func newPress(w io.Writer, timestamps, prefixed bool) *press {
	p := &press{
		lines: make(chan []byte, 512), spent: make(chan []byte, 512), done: make(chan error, 1), broken: make(chan struct{}),
		timestamps: timestamps, prefixed: prefixed, colour: look(w).Colour,
	}
	go func() { p.done <- p.print(bufio.NewWriterSize(w, 64<<10)) }()
	return p
}

// print writes what comes, and leaves nothing lying when nothing comes.
func (p *press) print(w *bufio.Writer) error {
	for line := range p.lines {
		_, err := w.Write(line)
		if err == nil && len(p.lines) == 0 {
			err = w.Flush()
		}
		if err != nil {
			close(p.broken)
			return err
		}
		if cap(line) > 64<<10 {
			continue
		}
		select {
		case p.spent <- line[:0]:
		default:
		}
	}
	return nil
}

// close waits until all is printed. No source may be used any more.
func (p *press) close() error {
	close(p.lines)
	return <-p.done
}

var errPress = errors.New("nothing can be printed any more")

// source takes the lines of one container.
func (p *press) source(pod, container string) func(live.Line) error {
	prefix := ""
	if p.prefixed {
		prefix = pod + "/" + container + " "
		if p.colour {
			prefix = hue(pod) + pod + "/" + container + "\x1b[0m "
		}
	}
	return func(l live.Line) error {
		select {
		case p.lines <- p.form(prefix, l):
			return nil
		case <-p.broken:
			return errPress
		}
	}
}

func (p *press) form(prefix string, l live.Line) []byte {
	var line []byte
	select {
	case line = <-p.spent:
	default:
	}
	line = append(line, prefix...)
	if p.timestamps {
		line = l.Time.UTC().AppendFormat(line, time.RFC3339)
		line = append(line, ' ')
	}
	return append(append(line, l.Text...), '\n')
}

// hue is a pod's colour, always the same.
func hue(pod string) string {
	hues := []string{"\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[35m", "\x1b[34m", "\x1b[96m", "\x1b[93m", "\x1b[92m", "\x1b[95m", "\x1b[94m"}
	h := fnv.New32a()
	_, _ = io.WriteString(h, pod)
	return hues[h.Sum32()%uint32(len(hues))]
}
