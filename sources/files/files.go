// Package files finds the manifests under a path and parses each distinct one once. What holds them, a Git tree
// or a directory, is behind Tree; which files count, and how far a symbolic link may lead, is decided here and
// is therefore the same for every source.
//
// Manifests are files named *.yaml, *.yml or *.json; beside them podkeep.signers is read, where it stands at the path itself. What begins with a dot is skipped, file or directory. A symbolic link
// is followed inside the path, and what it leads to is loaded once; one that leads out of the path, or nowhere, is a
// notice, since it is never read, and so is a submodule, a directory that is too deep, and a name that stands twice in its directory. A file of
// more than MaxFile bytes is a Problem.
package files

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/manifest"
)

// Bounds on what one commit may hold under its path. Beyond MaxFile, and MaxBytes or MaxProblems together, a file is a Problem; beyond MaxDepth a
// directory is not read; beyond MaxEntries the commit does not load at all.
const (
	MaxFile     = 4 << 20
	MaxBytes    = 64 << 20
	MaxProblems = 50_000
	MaxEntries  = 100_000
	MaxDepth    = 64
)

// maxHops is how many links may lead to one file, as in Linux. MaxLink is the longest target of one that is read, in bytes, as there too.
const (
	maxHops = 40
	MaxLink = 4096
)

// maxSteps is how many names the links of a commit may lead through, together.
const maxSteps = 1_000_000

// Error is a kind of failure to be recognised with errors.Is.
type Error string

func (e Error) Error() string { return string(e) }

// ErrGone is a commit that the source does not have, and could not get.
const ErrGone Error = "the commit is gone"

// ErrLasting is a failure that no time mends: somebody has to do something about it.
const ErrLasting Error = "is not mended by time"

// Lasting makes an error ErrLasting as well. Its words stay.
func Lasting(err error) error { return lasting{err} }

type lasting struct{ error }

func (l lasting) Unwrap() error { return l.error }

func (lasting) Is(target error) bool { return target == ErrLasting }

// ErrTooMany is a commit of more than MaxEntries entries under its path. It does not load, so it was never in force.
const ErrTooMany Error = "more than 100000 files"

// ErrTooLarge is a file of more than MaxFile bytes.
const ErrTooLarge Error = "is larger than 4 MiB"

// Kind of an entry.
type Kind int

// Kinds. Other is what is neither: a device, a socket, a mode that Git does not know.
const (
	Regular Kind = iota
	Dir
	Link
	Module
	Other
)

// Entry is one name in a directory. Key identifies a Regular's content.
type Entry struct {
	Name string
	Kind Kind
	Key  string
}

// Tree is what Walk walks. Paths are slash-separated, relative to the tree's root, which is ".". A target of more than MaxLink bytes is
// ErrTooLarge.
type Tree interface {
	Entries(dir string) ([]Entry, error)
	ReadLink(path string) (string, error)
}

// File is a manifest. Path is the name it goes by, From where the content is: another one for a link.
type File struct{ Path, From, Key string }

// Found is what a walk found, sorted by path.
type Found struct {
	Files    []File
	Problems []manifest.Problem
}

// Walk finds the manifests under root, a directory of the tree. It never asks the tree for anything outside root.
func Walk(t Tree, root string) (Found, error) {
	w := &walk{tree: t, root: path.Clean(root), dirs: map[string]listing{}, taken: map[string]bool{}}
	if err := w.dir(w.root, w.root, 0); err != nil {
		return Found{}, err
	}
	for len(w.links) > 0 {
		next := w.links[0]
		w.links = w.links[1:]
		if err := w.follow(next); err != nil {
			return Found{}, err
		}
	}
	slices.SortFunc(w.found.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	slices.SortStableFunc(w.found.Problems, func(a, b manifest.Problem) int { return strings.Compare(a.File, b.File) })
	return w.found, nil
}

// link is a symbolic link to follow: as is the name it goes by, real where it stands.
type link struct {
	as, real string
	depth    int
}

// listing is a directory's entries, in their order and by name.
type listing struct {
	all []Entry
	by  map[string]Entry
}

type walk struct {
	tree  Tree
	root  string
	dirs  map[string]listing
	seen  int
	steps int
	taken map[string]bool // real paths of files and directories that are in already
	links []link
	found Found
}

// dir takes in the directory at real under the name as. Links wait until all that stands by itself is in.
func (w *walk) dir(as, real string, depth int) error {
	if w.taken[real] {
		return nil
	}
	w.taken[real] = true
	if depth > MaxDepth {
		w.unread(as, fmt.Sprintf("is more than %d directories deep, and is not read: put it higher", MaxDepth))
		return nil
	}
	entries, err := w.entries(real)
	if err != nil {
		return err
	}
	for _, e := range entries.all {
		if err := w.entry(path.Join(as, e.Name), path.Join(real, e.Name), e, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) entry(as, real string, e Entry, depth int) error {
	if w.seen++; w.seen > MaxEntries {
		return fmt.Errorf("%s: %w", w.root, ErrTooMany)
	}
	switch {
	case strings.HasPrefix(e.Name, "."):
	case e.Kind == Dir:
		return w.dir(as, real, depth+1)
	case e.Kind == Link:
		w.links = append(w.links, link{as, real, depth})
	case e.Kind == Module:
		w.unread(as, "is a submodule, which is not read: keep manifests in this repository, or give the path that holds them")
	case e.Kind == Other && w.reads(as):
		w.unread(as, "is not a file")
	case e.Kind == Regular && w.reads(as):
		w.file(as, real, e)
	}
	return nil
}

// reads says whether a file of that name is read.
func (w *walk) reads(as string) bool { return IsManifest(as) || w.isSigners(as) }

func (w *walk) isSigners(as string) bool { return as == path.Join(w.root, manifest.SignersFile) }

// file takes in a file once; the signers' is none of the others, whatever it is a link to.
func (w *walk) file(as, real string, e Entry) {
	if w.taken[real] && !w.isSigners(as) {
		return
	}
	w.taken[real] = true
	w.found.Files = append(w.found.Files, File{Path: as, From: real, Key: e.Key})
}

// follow takes in what a link leads to, unless it is in already or is nothing that matters here.
func (w *walk) follow(l link) error {
	real, e, err := w.resolve(l.real)
	var why refusal
	if errors.As(err, &why) {
		w.unread(l.as, string(why))
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case e.Kind == Dir:
		return w.dir(l.as, real, l.depth+1)
	case e.Kind == Regular && w.reads(l.as):
		w.file(l.as, real, e)
	case e.Kind == Module:
		w.unread(l.as, "is a link to a submodule, which is not read: put the file itself here")
	case e.Kind == Other && w.reads(l.as):
		w.unread(l.as, "is a link to what is not a file")
	}
	return nil
}

// refusal is why a link is not followed.
type refusal string

func (r refusal) Error() string { return string(r) }

// resolve gives the real path and the entry that p, a path under root, leads to. It steps from root name by name,
// and refuses the step that would leave it.
func (w *walk) resolve(p string) (string, Entry, error) {
	at, hops := w.root, 0
	here := Entry{Kind: Dir}
	rest := strings.Split(strings.TrimPrefix(strings.TrimPrefix(p, w.root), "/"), "/")
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		w.steps++
		switch {
		case w.steps > maxSteps:
			return "", Entry{}, refusal(fmt.Sprintf("is not followed: the links before it lead through %d names together, which is the most", maxSteps))
		case here.Kind == Module:
			return "", Entry{}, refusal("is a link into a submodule, which is not read: put the file itself here")
		case here.Kind != Dir:
			return "", Entry{}, refusal("is a link to what does not exist")
		case name == "" || name == ".":
			continue
		case strings.EqualFold(name, ".git"): // is no part of what Git keeps
			return "", Entry{}, w.leadsOut()
		case name == ".." && at == w.root:
			return "", Entry{}, w.leadsOut()
		case name == "..":
			at, here = path.Dir(at), Entry{Kind: Dir}
			continue
		}
		e, ok, err := w.lookup(at, name)
		if err != nil {
			return "", Entry{}, err
		}
		if !ok {
			return "", Entry{}, refusal("is a link to what does not exist")
		}
		if e.Kind != Link {
			at, here = path.Join(at, name), e
			continue
		}
		if hops++; hops > maxHops {
			return "", Entry{}, refusal("is a link that leads in a circle")
		}
		target, err := w.tree.ReadLink(path.Join(at, name))
		switch {
		case errors.Is(err, ErrTooLarge):
			return "", Entry{}, refusal(fmt.Sprintf("is a link whose target has more than %d bytes", MaxLink))
		case err != nil:
			return "", Entry{}, err
		case target == "":
			return "", Entry{}, refusal("is a link to what does not exist")
		case path.IsAbs(target):
			return "", Entry{}, w.leadsOut()
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return at, here, nil
}

func (w *walk) leadsOut() refusal {
	if w.root == "." {
		return "is a link that leads out of the source: put the file itself here"
	}
	return refusal(fmt.Sprintf("is a link that leads out of %s: put the file itself here", w.root))
}

func (w *walk) lookup(dir, name string) (Entry, bool, error) {
	entries, err := w.entries(dir)
	e, ok := entries.by[name]
	return e, ok, err
}

// entries are a directory's, without names that no file system allows, and without those that stand there twice.
func (w *walk) entries(dir string) (listing, error) {
	if known, ok := w.dirs[dir]; ok {
		return known, nil
	}
	all, err := w.tree.Entries(dir)
	if err != nil {
		return listing{}, err
	}
	fine, twice := listing{make([]Entry, 0, len(all)), make(map[string]Entry, len(all))}, map[string]bool{}
	for _, e := range all {
		if e.Name == "" || e.Name == "." || e.Name == ".." || strings.ContainsAny(e.Name, "/\x00") {
			w.problem(dir, fmt.Sprintf("holds a name that cannot be: %q", e.Name))
			continue
		}
		if _, met := fine.by[e.Name]; met {
			twice[e.Name] = true
		}
		fine.all, fine.by[e.Name] = append(fine.all, e), e
	}
	for name := range twice {
		w.unread(path.Join(dir, name), "stands in its directory more than once, so what is meant is not known, and it is not read")
		delete(fine.by, name)
	}
	fine.all = slices.DeleteFunc(fine.all, func(e Entry) bool { return twice[e.Name] })
	w.dirs[dir] = fine
	return fine, nil
}

func (w *walk) problem(file, text string) {
	w.found.Problems = append(w.found.Problems, Problem(file, text))
}

// unread notes an entry that is never read, and so holds nothing; but of the signers nobody may do without the last word.
func (w *walk) unread(as, text string) {
	p := Problem(as, text)
	p.Notice = !w.isSigners(as)
	w.found.Problems = append(w.found.Problems, p)
}

// Problem is one that concerns a whole file.
func Problem(file, text string) manifest.Problem {
	return manifest.Problem{Origin: manifest.Origin{File: file, Line: 1}, Text: text}
}

// IsManifest says whether a file of this name is read wherever it stands.
func IsManifest(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}
