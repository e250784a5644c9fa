package route

import (
	"slices"

	"github.com/podkeep/podkeep/manifest"
)

// shareOf is how an Ingress shares out what it leads to a Service.
func (b *doorBuild) shareOf(id manifest.ID, rest string) (Share, bool) {
	i := slices.IndexFunc(b.Shares, func(s Share) bool { return s.Of == id && s.Namespace == id.Namespace && s.Rest == rest })
	if i < 0 {
		return Share{}, false
	}
	return b.Shares[i], true
}

// share sets the weights of two Services that share what they have together of a rule's requests; others keep their part.
func (b *doorBuild) share(id manifest.ID, to []DoorBackend) {
	for _, s := range b.Shares {
		is := func(service string) func(DoorBackend) bool {
			return func(b DoorBackend) bool { return b.Namespace == s.Namespace && b.Service == service }
		}
		fresh, rest := slices.IndexFunc(to, is(s.Service)), slices.IndexFunc(to, is(s.Rest))
		if s.Of != id || fresh < 0 || rest < 0 {
			continue
		}
		both := max(1, to[fresh].Weight+to[rest].Weight)
		if len(to) == 2 {
			both = 1
		} else {
			for i := range to {
				to[i].Weight *= 100
			}
		}
		to[fresh].Weight, to[rest].Weight = both*s.Part, both*(100-s.Part)
	}
}
