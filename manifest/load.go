package manifest

import "time"

// Parsed is one manifest file, decoded and validated by itself. It depends on path and content alone, so it can
// be cached by them.
type Parsed struct {
	Path     string
	objects  []object
	Problems []Problem
}

// Info is what a Set is told about its commit.
type Info struct {
	Commit, Parent  string
	Time            time.Time
	Author, Message string
}
