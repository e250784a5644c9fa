package route

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// In which order rules are asked, and which of two that are the same is left out. The Gateway API's order holds for Ingresses too: exact paths, then the
// longest prefix, a method, more headers, more parameters. Regular expressions come between exact paths and prefixes, as those of ingress-nginx do.

// byDoorName has ports in order, exact names before wildcards, those of one label before deep ones, longer before shorter, and the host of all names last.
func byDoorName(a, b doorName) int {
	rank := func(n doorName) int {
		switch {
		case n.name == "":
			return 3
		case n.deep:
			return 2
		case strings.HasPrefix(n.name, "*."):
			return 1
		}
		return 0
	}
	longest := 0
	if rank(a) > 0 {
		longest = cmp.Compare(len(b.name), len(a.name))
	}
	return cmp.Or(cmp.Compare(a.port, b.port), cmp.Compare(rank(a), rank(b)), longest, cmp.Compare(a.name, b.name))
}

// class is how particular a match is; of two the lower is asked first.
type class [5]int

func (m DoorMatch) class() class {
	kind := map[string]int{Exact: 0, Regexp: 1, Prefix: 2}[m.Kind]
	method := 1
	if m.Method != "" {
		method = 0
	}
	return class{kind, -len(m.Path), method, -len(m.Headers), -len(m.Query)}
}

// spelled is the match as text: two of one text are the same.
func (m DoorMatch) spelled() string {
	if len(m.Headers)+len(m.Query) == 0 {
		return m.Kind + " " + m.Method + " " + m.Path
	}
	sorted := func(all []DoorValue, header bool) []DoorValue {
		all = slices.Clone(all)
		for i := range all {
			if header {
				all[i].Name = strings.ToLower(all[i].Name)
			}
			all[i].Kind = cmp.Or(all[i].Kind, Exact)
		}
		slices.SortFunc(all, func(a, b DoorValue) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Kind, b.Kind))
		})
		return all
	}
	return fmt.Sprintf("%s %q %q %q %q", m.Kind, m.Method, m.Path, sorted(m.Headers, true), sorted(m.Query, false))
}

// all says whether every request matches.
func (m DoorMatch) all() bool {
	return m.Kind == Prefix && m.Path == "/" && m.Method == "" && len(m.Headers)+len(m.Query) == 0
}

// words are which requests match, for people.
func (m DoorMatch) words() string {
	text := m.Path
	if m.Method != "" {
		text = m.Method + " " + text
	}
	if n := len(m.Headers) + len(m.Query); n > 0 {
		text += fmt.Sprintf(" with %d headers or parameters", n)
	}
	return text
}

// prefix is a match of whole elements of a path. A "/" at its end says nothing.
func prefix(path string) DoorMatch {
	if path == "" || path == "/" {
		return DoorMatch{Kind: Prefix, Path: "/"}
	}
	return DoorMatch{Kind: Prefix, Path: strings.TrimSuffix(path, "/")}
}

// expression is why a text is no regular expression; empty where it is one.
func expression(text string) string {
	if _, err := regexp.Compile(text); err != nil {
		return err.Error()
	}
	return ""
}

// ranked is a claim with what its place follows from.
type ranked struct {
	claim
	class class
	text  string
	age   int // of its object among rules of that class at the host
}

// inOrder are the claims that a host's rules are made of, in the order in which they are asked, and how many values are in them.
func (b *doorBuild) inOrder(at doorName, claims []claim) (all []ranked, size int) {
	had := b.before.hosts[at]
	for _, c := range claims {
		r := ranked{claim: c, class: c.rule.Match.class(), text: c.rule.Match.spelled()}
		r.age = had.age(c.rule.From, r.class)
		all = append(all, r)
	}
	all = b.unrivalled(at, all)
	slices.SortFunc(all, func(a, o ranked) int {
		return cmp.Or(cmp.Compare(a.tier, o.tier), slices.Compare(a.class[:], o.class[:]), cmp.Compare(a.age, o.age), byObject(a.by, o.by), cmp.Compare(a.nth, o.nth))
	})
	for i, r := range all {
		size += sizeOf(r.rule)
		if r.rule.Match.all() { // nothing comes to those that follow
			return all[:i+1], size
		}
	}
	return all, size
}

// unrivalled are claims without those that another one has; of two objects the one that has it in the table before, else the first by name.
func (b *doorBuild) unrivalled(at doorName, all []ranked) []ranked {
	type key struct {
		tier int
		text string
	}
	best := map[key]ranked{}
	place := func(r ranked) int {
		return b.before.hosts[at].place(objectMatch{r.rule.From, r.text, r.tier > atHost})
	}
	for _, r := range all {
		k := key{r.tier, r.text}
		if had, there := best[k]; !there || cmp.Or(place(r)-place(had), byObject(r.by, had.by), cmp.Compare(r.nth, had.nth)) < 0 {
			best[k] = r
		}
	}
	taken := map[key]bool{}
	return slices.DeleteFunc(all, func(r ranked) bool {
		k := key{r.tier, r.text}
		first := best[k]
		if first.by == r.by && first.nth == r.nth { // by two listeners it may come twice
			twice := taken[k]
			taken[k] = true
			return twice
		}
		switch {
		case first.by == r.by:
			r.by.say("%s of %s is in it more than once: the first is served", r.rule.Match.words(), anyHost(at.name))
		case r.tier == atHost || r.tier == someDefault && at.name == "":
			r.by.say("%s of %s is %s's, which had it first: ask for another path or host, or remove it there", r.rule.Match.words(), anyHost(at.name), first.by.id())
		}
		return true
	})
}

func byObject(a, b *Doored) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
}

// sizeOf is how many values a rule takes in a table, about.
func sizeOf(r *DoorRule) int {
	headers := func(h DoorHeaders) int { return 4 * (len(h.Set) + len(h.Add) + len(h.Remove)) }
	n := 12 + len(r.Allow) + len(r.Deny) + 4*(len(r.Match.Headers)+len(r.Match.Query)) + headers(r.Request) + headers(r.Answer)
	for _, to := range r.To {
		n += 8 + headers(to.Request) + headers(to.Answer)
	}
	if c := r.CORS; c != nil {
		n += len(c.Origins) + len(c.Methods) + len(c.Headers) + len(c.Exposed)
	}
	return n
}
