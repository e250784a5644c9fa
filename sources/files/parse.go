package files

import (
	"errors"
	"fmt"

	"github.com/podkeep/podkeep/manifest"
)

// Budgets in bytes of manifest text. What is made of it takes several times as much memory.
const (
	parsedBudget = 1 << 20
	setsBudget   = 1 << 20
)

// Loader makes Sets and keeps the newest. A file is parsed once for each path and content.
type Loader struct {
	admission manifest.Admission

	parsed *Cache[[2]string, parsed]
	sets   *Cache[string, manifest.Set]
}

type parsed struct {
	manifest.Parsed
	size int
}

// perSet is what a Set costs beside its files.
const perSet = 4 << 10

// NewLoader gives a loader that holds nothing yet.
func NewLoader(admission manifest.Admission) *Loader {
	return &Loader{admission, NewCache[[2]string, parsed](parsedBudget), NewCache[string, manifest.Set](setsBudget)}
}

// Held gives a Set that was made before.
func (l *Loader) Held(commit string) (manifest.Set, bool) { return l.sets.Get(commit) }

// Set makes the Set of what a walk found. read gives the content of a File; one that is ErrTooLarge becomes a
// Problem, any other failure is the Set's.
func (l *Loader) Set(info manifest.Info, found Found, read func(File) ([]byte, error)) (manifest.Set, error) {
	all := make([]manifest.Parsed, 0, len(found.Files)+len(found.Problems))
	size, problems := perSet, 0
	for _, f := range found.Files {
		if size >= MaxBytes {
			all = append(all, manifest.Parsed{Path: f.Path, Problems: []manifest.Problem{TooMuch(f.Path)}})
			continue
		}
		if problems >= MaxProblems {
			all = append(all, unread(f.Path, fmt.Sprintf("the manifests before it have %d mistakes together, and this file is not read: mend those first", MaxProblems)))
			continue
		}
		p, err := l.parse(f, read)
		if err != nil {
			return manifest.Set{}, err
		}
		size += p.size
		problems += len(p.Problems)
		all = append(all, p.Parsed)
	}
	for _, p := range found.Problems {
		if p.Notice {
			all = append(all, manifest.Unread(p))
			continue
		}
		all = append(all, manifest.Parsed{Path: p.File, Problems: []manifest.Problem{p}})
	}
	info.Admission = l.admission
	set := manifest.Assemble(info, all)
	l.sets.Put(info.Commit, set, size+256*len(set.Problems))
	return set, nil
}

// TooMuch is what is said of a file when those before it have MaxBytes.
func TooMuch(path string) manifest.Problem {
	return Problem(path, fmt.Sprintf("the manifests before it have %d MiB together, which is the most: split them over several --path", MaxBytes>>20))
}

// unread is a file that may hold anything.
func unread(path, why string) manifest.Parsed {
	return manifest.Parsed{Path: path, Problems: []manifest.Problem{Problem(path, why)}}
}

// Nodes are the Nodes of one file alone.
func (l *Loader) Nodes(path string, data []byte) []manifest.Node {
	return manifest.Assemble(manifest.Info{Admission: l.admission}, []manifest.Parsed{manifest.Parse(path, data)}).Nodes
}

func (l *Loader) parse(f File, read func(File) ([]byte, error)) (parsed, error) {
	key := [2]string{f.Path, f.Key}
	if p, ok := l.parsed.Get(key); ok {
		return p, nil
	}
	data, err := read(f)
	if errors.Is(err, ErrTooLarge) {
		return parsed{unread(f.Path, ErrTooLarge.Error()), 0}, nil
	}
	if err != nil {
		return parsed{}, err
	}
	p := parsed{manifest.Parse(f.Path, data), len(data)}
	l.parsed.Put(key, p, len(data)+256*(1+len(p.Problems)))
	return p, nil
}
