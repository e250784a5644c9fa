package manifest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// check collects what is wrong with one object, and knows the line of each of its fields.
type check struct {
	file, object string
	line         int            // where the object begins
	lines        map[string]int // of each written field, by its path
	found        []Problem
	meant        []string        // fields whose names were misspelt
	torn         map[string]bool // what could not be read, and of which nothing more is to be said
}

// refuse notes a problem of the field at path, or of the whole object when path is empty.
func (c *check) refuse(path, format string, args ...any) {
	if c.torn[path] || len(c.found) > maxMistakes {
		return
	}
	if len(c.found) == maxMistakes {
		path, format, args = "", "more than %d mistakes: mend those first", []any{maxMistakes}
	}
	c.found = append(c.found, Problem{
		Origin: Origin{File: c.file, Line: c.at(path)}, Object: c.object, Field: path, Text: fmt.Sprintf(format, args...),
	})
}

// notice notes what is worth saying and breaks nothing, once an object.
func (c *check) notice(path, text string) {
	if len(c.found) > maxMistakes || slices.ContainsFunc(c.found, func(p Problem) bool { return p.Notice && p.Text == text }) {
		return
	}
	c.found = append(c.found, Problem{
		Origin: Origin{File: c.file, Line: c.at(path)}, Object: c.object, Field: path, Text: text, Notice: true,
	})
}

// unused notes that nothing is done for the object, because of what stands at path. It breaks nothing.
func (c *check) unused(path, format string, args ...any) {
	c.undone(path, "nothing is done for it: "+format, args...)
}

// undone notes that something of what the object asks for is not done, because of what stands at path. It breaks nothing.
func (c *check) undone(path, format string, args ...any) {
	if len(c.found) > maxMistakes {
		return
	}
	c.found = append(c.found, Problem{
		Origin: Origin{File: c.file, Line: c.at(path)}, Object: c.object, Text: fmt.Sprintf(format, args...), Notice: true,
	})
}

// broken says whether anything that was found loses the object.
func (c *check) broken() bool { return slices.ContainsFunc(c.found, Problem.breaks) }

// breaking are the problems that lose the object: of what is lost nothing else is worth saying.
func (c *check) breaking() []Problem {
	return slices.DeleteFunc(slices.Clone(c.found), func(p Problem) bool { return !p.breaks() })
}

// refuseAll notes the messages of a validation function of apimachinery, without their examples and regular expressions.
func (c *check) refuseAll(path string, texts []string) {
	for _, text := range texts {
		text, _, _ = strings.Cut(text, " (e.g. ")
		c.refuse(path, "%s", text)
	}
}

// refuseName does so with the name that is meant.
func (c *check) refuseName(path, name string, texts []string) {
	for i := range texts {
		texts[i] = strconv.Quote(name) + ": " + texts[i]
	}
	c.refuseAll(path, texts)
}

// tear remembers what decoding could not read, so that what follows from it is not said too.
func (c *check) tear() {
	c.torn = map[string]bool{}
	for _, p := range c.found {
		c.torn[p.Field] = c.torn[p.Field] || p.breaks()
	}
	for _, path := range c.meant {
		c.torn[path] = true
	}
}

// at is the line of the field, or of the nearest field above it that is written.
func (c *check) at(path string) int {
	for ; path != ""; path = above(path) {
		if line, ok := c.lines[path]; ok {
			return line
		}
	}
	return c.line
}

// above is the path without its last step, which is ".field", "[index]" or "[key]". Keys may hold dots.
func above(path string) string {
	cut := "."
	if strings.HasSuffix(path, "]") {
		cut = "["
	}
	return path[:max(0, strings.LastIndex(path, cut))]
}

// under is the path of a struct's field, keyed that of a map's entry, item that of a list's.
func under(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}

func keyed(path, key string) string { return path + "[" + key + "]" }

func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
