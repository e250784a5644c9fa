package sim

import (
	"slices"
	"strings"
)

// line is one line of a story, and the output that is expected of it.
type line struct {
	no     int    // from 1
	text   string // as written; comments and blank lines too
	golden bool   // a ---- follows
	want   string
}

// command is the line without its comment.
func (l line) command() string {
	text, _, _ := strings.Cut(l.text, " #")
	if strings.HasPrefix(text, "#") {
		return ""
	}
	return strings.TrimSpace(text)
}

// felt says whether a controller has a part in the line, or time goes by in it. All else changes Git or the hosts, and
// whether a controller dies before that or after it is the same.
func (l line) felt() bool {
	verb, _, _ := strings.Cut(l.command(), " ")
	return slices.Contains([]string{"pass", "settle", "tick", "kill", "on", "repeat", "stale", "fresh", "pin", "status"}, verb)
}

// parse reads a story. Expected output begins after ---- and ends at a blank line.
func parse(text string) (lines []line) {
	raw := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i := 0; i < len(raw); i++ {
		l := line{no: i + 1, text: raw[i]}
		if i+1 < len(raw) && raw[i+1] == "----" {
			l.golden = true
			for i += 2; i < len(raw) && raw[i] != ""; i++ {
				l.want += raw[i] + "\n"
			}
			i--
		}
		lines = append(lines, l)
	}
	return lines
}

// format writes a story back; got is the output of each line that has a golden.
func format(lines []line, got map[int]string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.text + "\n")
		if !l.golden {
			continue
		}
		b.WriteString("----\n")
		out, ok := got[l.no]
		if !ok {
			out = l.want
		}
		b.WriteString(out)
	}
	return b.String()
}
