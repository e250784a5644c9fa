package sim

import (
	"regexp"
	"slices"
	"strings"
)

// mostTellings bounds how often a story that fails is told to find a shorter one.
const mostTellings = 600

// reduction looks for the shortest story that fails as the first one did.
type reduction struct {
	tell  func([]string) error
	class string
	left  int // tellings
}

// reduce leaves out lines of a story that fails, parts of its commits and words of those, as long as it fails in the same way: by
// the same law. The end that mends everything is left out too where the story fails before it.
func reduce(story, end []string, tell func([]string) error) []string {
	r := reduction{tell: tell, class: classOf(tell(slices.Concat(story, end))), left: mostTellings}
	if r.fails(story) {
		end = nil
	}
	for size := 0; size != length(story); {
		size = length(story)
		fleet := story[:1:1]
		story = append(fleet, r.fewer(story[1:], func(fewer []string) []string { return slices.Concat(fleet, fewer, end) })...)
		for i, line := range story {
			story[i] = r.shorter(line, func(text string) []string {
				lines := slices.Concat(story, end)
				lines[i] = text
				return lines
			})
		}
	}
	return slices.Concat(story, r.ending(story, end))
}

// ending is as much of the end as is needed; a story that does not end has failed in another way.
func (r *reduction) ending(story, end []string) []string {
	if strings.HasPrefix(r.class, "law 9") || r.class == "" {
		return end
	}
	return r.fewer(end, func(fewer []string) []string { return slices.Concat(story, fewer) })
}

func length(story []string) int { return len(strings.Join(story, "\n")) }

func (r *reduction) fails(lines []string) bool {
	if r.left == 0 {
		return false
	}
	r.left--
	err := r.tell(lines)
	return err != nil && classOf(err) == r.class
}

// fewer leaves out of a list what it can: first the larger parts, then single ones. Later ones go first, since what makes
// things stands before what happens to them.
func (r *reduction) fewer(list []string, all func([]string) []string) []string {
	list = slices.Clone(list)
	for part := max(1, len(list)/2); part > 0; part /= 2 {
		for to := len(list); to > 0; to -= part {
			fewer := slices.Delete(slices.Clone(list), max(0, to-part), to)
			if r.fails(all(fewer)) {
				list = fewer
			}
		}
	}
	return list
}

// shorter leaves out items of a commit, and words of each.
func (r *reduction) shorter(line string, all func(string) []string) string {
	head, rest, ok := commitOf(line)
	if !ok {
		return line
	}
	items := strings.Split(rest, "; ")
	if len(items) > 1 {
		items = r.fewer(items, func(fewer []string) []string { return all(head + strings.Join(fewer, "; ")) })
	}
	for i := range items {
		words := strings.Fields(items[i])
		if len(words) < 3 {
			continue
		}
		words = append(words[:1:1], r.fewer(words[1:], func(fewer []string) []string {
			less := slices.Clone(items)
			less[i] = strings.Join(append(words[:1:1], fewer...), " ")
			return all(head + strings.Join(less, "; "))
		})...)
		items[i] = strings.Join(words, " ")
	}
	return head + strings.Join(items, "; ")
}

// commitOf is "commit ID " and what the commit says.
func commitOf(line string) (head, rest string, ok bool) {
	m := commits.FindStringSubmatch(line)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

var (
	commits = regexp.MustCompile(`^((?:in \w+ )?commit \w+ )(.*)$`)
	laws    = regexp.MustCompile(`(?m)^(?:.*: )?(law \d+, [a-z ]+|once|room|traffic): (.*)$`)
	plain   = regexp.MustCompile(`\s[A-Za-z][a-z]*`)
)

// classOf is the law that a story breaks, or another word for how it fails. What does not end has as many classes as there are
// words for why.
func classOf(err error) string {
	if err == nil {
		return ""
	}
	m := laws.FindStringSubmatch(err.Error())
	switch {
	case m == nil:
		return "error"
	case strings.HasPrefix(m[1], "law 9"):
		said := plain.FindAllString(m[2], -1)
		return m[1] + ":" + strings.Join(said[:min(len(said), 9)], "")
	}
	return m[1]
}
