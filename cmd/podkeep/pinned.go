package main

import "github.com/podkeep/podkeep/sources"

// called is source under another's name, so that what another made counts as its own. It knows the past when source
// does.
func called(source sources.Source, name string) sources.Source {
	s := named{source, name}
	if past, ok := source.(sources.Historian); ok {
		return namedHistorian{s, past}
	}
	return s
}

type named struct {
	sources.Source
	name string
}

func (n named) Name() string { return n.name }

type namedHistorian struct {
	named
	sources.Historian
}
