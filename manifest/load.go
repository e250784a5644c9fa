package manifest

import "time"

// Parsed is one manifest file, decoded and validated by itself. It depends on path and content alone, so it can
// be cached by them. Assemble only reads it.
type Parsed struct {
	Path          string
	objects       []object
	failed        []ID        // objects that did not load, as far as their names could be read
	unled         map[ID]Meta // Deployments over which a Rollout stands that is among them, and that Rollout
	foreign       *foreign
	signers       []string
	template      int // the first line that has {{, or 0
	kustomization *kustomization
	Problems      []Problem
}

// foreign is what stands in a file in which no document is a manifest: values of a chart, or what is left of a manifest that was
// damaged. Which of them it is, only the past can tell.
type foreign struct {
	Problem      // as it is if the file held objects
	hollow  bool // it is not even a mapping or a list, so nobody meant it to be read as YAML
	whole   bool // it may stand for a directory, and for all that was in it
}

// object is one that passed the checks of its kind: decoded as written, nothing defaulted but the namespace.
type object struct {
	Meta
	kind  kind
	typed typed
	lines map[string]int
}

// check collects what is wrong with the object from here on.
func (o *object) check() *check {
	return &check{file: o.File, line: o.Line, object: o.Kind + "/" + o.Name, lines: o.lines}
}

// Info is what a Set is told about its commit.
type Info struct {
	Commit, Parent  string
	Time            time.Time
	Author, Message string
	Admission       Admission
}
