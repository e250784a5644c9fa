package manifest

import "strings"

// maxExpanded is how many bytes a variable, an argument or a subPathExpr may have once it is expanded, and how many they may have
// together in one container. It is about what Linux takes as one argument of a program.
const maxExpanded = 128 << 10

// parts takes a text of command, args or env apart as Kubernetes does: what stands for itself, $$ being $, goes to text, the NAME
// of each $(NAME) to reference. What is no such reference stands for itself.
func parts(s string, text, reference func(string)) {
	for {
		before, rest, found := strings.Cut(s, "$")
		text(before)
		if !found {
			return
		}
		s = rest
		name, after, closed := strings.Cut(strings.TrimPrefix(rest, "("), ")")
		switch {
		case strings.HasPrefix(rest, "$"):
			text("$")
			s = rest[1:]
		case strings.HasPrefix(rest, "(") && closed:
			reference(name)
			s = after
		default:
			text("$")
		}
	}
}

// expand replaces $(VAR) by what of gives, and $$ by $. What of does not know stays as it is written.
func expand(s string, of func(name string) (string, bool)) string {
	var out strings.Builder
	parts(s, func(text string) { out.WriteString(text) }, func(name string) { out.WriteString(valueOr(name, of)) })
	return out.String()
}

func valueOr(name string, of func(string) (string, bool)) string {
	if value, ok := of(name); ok {
		return value
	}
	return "$(" + name + ")"
}

// expandedSize is how many bytes expand would give, at the cost of reading the text: size is that of a variable's value.
func expandedSize(s string, size func(name string) (int, bool)) int {
	total := 0
	parts(s, func(text string) { total += len(text) }, func(name string) {
		n, ok := size(name)
		if !ok {
			n = len(name) + len("$()")
		}
		total += n
	})
	return total
}

// references are the names in the $(VAR) of a text, in order.
func references(s string) []string {
	var names []string
	parts(s, func(string) {}, func(name string) { names = append(names, name) })
	return names
}

// literal is the text that expands to s.
func literal(s string) string { return strings.ReplaceAll(s, "$", "$$") }
