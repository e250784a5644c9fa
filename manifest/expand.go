package manifest

import "strings"

// expand replaces $(VAR) by what of gives, and $$ by $, as Kubernetes does for command, args and env. What of does not
// know stays as it is written, and so does everything that is no such reference.
func expand(s string, of func(name string) (string, bool)) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, "$")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		s = rest
		name, after, closed := strings.Cut(strings.TrimPrefix(rest, "("), ")")
		switch {
		case strings.HasPrefix(rest, "$"):
			out.WriteString("$")
			s = rest[1:]
		case strings.HasPrefix(rest, "(") && closed:
			out.WriteString(valueOr(name, of))
			s = after
		default:
			out.WriteString("$")
		}
	}
}

func valueOr(name string, of func(string) (string, bool)) string {
	if value, ok := of(name); ok {
		return value
	}
	return "$(" + name + ")"
}

// references are the names in the $(VAR) of a text, in order.
func references(s string) []string {
	var names []string
	expand(s, func(name string) (string, bool) {
		names = append(names, name)
		return "", true
	})
	return names
}

// literal is the text that expands to s.
func literal(s string) string { return strings.ReplaceAll(s, "$", "$$") }
