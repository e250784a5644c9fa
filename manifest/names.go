package manifest

import (
	"bytes"
	"slices"
)

// Names are the objects that a file names, of kinds that are built, each once. It is a quick look, for reading long histories: whether
// they load is not asked, and of what is not YAML nothing is said.
func Names(path string, data []byte) []ID {
	if len(data) > maxFile || !bytes.Contains(data, []byte("kind")) {
		return nil
	}
	f := &file{Parsed: Parsed{Path: path}, left: maxExtra + len(data), skim: true}
	for _, doc := range f.documents(unescape(path, data)) {
		if doc.isManifest() {
			f.document(doc)
		}
	}
	slices.SortFunc(f.failed, compareID)
	return slices.Clip(slices.Compact(f.failed))
}

// note remembers an object's name, and looks no further.
func (f *file) note(id ID) {
	for _, k := range kinds() {
		if k.name == id.Kind && id.Name != "" {
			f.failed = append(f.failed, k.id(id, k.name))
			return
		}
	}
}

func compareID(a, b ID) int {
	switch {
	case a.Less(b):
		return -1
	case b.Less(a):
		return 1
	}
	return 0
}

// Removed says whether at, a later commit than before, takes out for certain a workload that before named: it names it nowhere, and what
// does not load there, or was damaged, does not keep it.
func Removed(id ID, before, at Set) bool {
	h := at.After(before)
	if at.Has(id) || len(h.Broken()) > 0 {
		return false
	}
	return !slices.ContainsFunc(h.Want().Workloads, func(w Workload) bool { return w.ID == id })
}
