package main

import (
	"fmt"
	"path"
	"strings"
)

// mutant is one thing broken on purpose.
type mutant struct {
	line     int    // of the list, at which it begins
	file     string // slash-separated, from the module's root
	breaks   string // what it does to the fleet
	old, new string // the text that stands there once, and what comes in its place
	survives string // why no test need notice
}

// id is how a mutant is asked for.
func (m mutant) id() string { return fmt.Sprint(m.line) }

func (m mutant) dir() string { return path.Dir(m.file) }

// parse reads a list. A block, until an empty line, is one mutant: FILE: WHAT IT BREAKS, then the lines that stand in the file, each after
// "- ", those that come in their place after "+ ", and after "= " why it may survive. A # begins a comment.
func parse(text string) (all []mutant, err error) {
	var m *mutant
	for i, line := range strings.Split(text, "\n") {
		mark, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "":
			m = nil
		case mark == "#":
		case m == nil:
			file, breaks, ok := strings.Cut(line, ": ")
			if !ok {
				return nil, fmt.Errorf("line %d: want FILE: WHAT IT BREAKS", i+1)
			}
			all = append(all, mutant{line: i + 1, file: file, breaks: breaks})
			m = &all[len(all)-1]
		case mark == "-":
			m.old = joined(m.old, rest)
		case mark == "+":
			m.new = joined(m.new, rest)
		case mark == "=":
			m.survives = rest
		default:
			return nil, fmt.Errorf("line %d: a line of a mutant begins with -, + or =", i+1)
		}
	}
	return all, nil
}

func joined(text, line string) string {
	if text == "" {
		return line
	}
	return text + "\n" + line
}
