package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// sink is what a command prints to. It remembers that something could not be written, since a command whose output is lost has not done
// what it was asked for.
type sink struct {
	io.Writer
	err error
}

// Write gives up at the first error: what would follow has a hole before it.
func (s *sink) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.Writer.Write(p)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		s.err = fmt.Errorf("the output cannot be written: %w", err)
	}
	return n, s.err
}

// written is why something that was printed to w is lost.
func written(w io.Writer) error {
	if s, ok := w.(*sink); ok {
		return s.err
	}
	return nil
}
