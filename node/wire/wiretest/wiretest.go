// Package wiretest holds what older versions of the two said to each other, word for word as their own binaries did, so that today's are held to
// understand them. Each folder of testdata is a version, and says how that was written down.
package wiretest

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

//go:embed testdata
var testdata embed.FS

// Talk is what a version said.
type Talk struct {
	Up, Down []string // lines of its node side and of its controller
	State    string   // what its node side had kept before
}

// Versions gives the talk of each version that was kept, as a subtest.
func Versions(t *testing.T, f func(*testing.T, Talk)) {
	t.Helper()
	all, err := testdata.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range all {
		t.Run(version.Name(), func(t *testing.T) {
			dir := "testdata/" + version.Name() + "/"
			f(t, talk(read(t, dir+"wire.txt"), read(t, dir+"state.json")))
		})
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := testdata.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func talk(lines, state string) Talk {
	said := Talk{State: state}
	for line := range strings.Lines(lines) {
		switch who, what, _ := strings.Cut(strings.TrimSpace(line), " "); who {
		case "up":
			said.Up = append(said.Up, what)
		case "down":
			said.Down = append(said.Down, what)
		}
	}
	return said
}

// With is the talk with other words in place of some: old, new, old, new.
func (t Talk) With(oldnew ...string) Talk {
	r := strings.NewReplacer(oldnew...)
	each := func(lines []string) []string {
		lines = slices.Clone(lines)
		for i := range lines {
			lines[i] = r.Replace(lines[i])
		}
		return lines
	}
	return Talk{Up: each(t.Up), Down: each(t.Down), State: r.Replace(t.State)}
}

// Lacks are the fields of an older line that a newer one has not, or has as another kind of value: what the older one would look for in vain.
func Lacks(t *testing.T, older, newer string) []string {
	t.Helper()
	var was, is any
	if err := json.Unmarshal([]byte(older), &was); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(newer), &is); err != nil {
		t.Fatal(err)
	}
	return lacks("", was, is)
}

func lacks(at string, was, is any) (all []string) {
	if fmt.Sprintf("%T", was) != fmt.Sprintf("%T", is) {
		return []string{at}
	}
	switch was := was.(type) {
	case map[string]any:
		for name, value := range was {
			all = append(all, lacks(at+"."+name, value, is.(map[string]any)[name])...)
		}
	case []any:
		if more := is.([]any); len(was) > 0 && len(more) > 0 {
			return lacks(at+"[0]", was[0], more[0])
		} else if len(was) > len(more) {
			return []string{at + "[0]"}
		}
	}
	slices.Sort(all)
	return all
}
