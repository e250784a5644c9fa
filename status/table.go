package status

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/podkeep/podkeep/live"
)

// Look is how text is written: Width is the terminal's, 0 when lines may be as long as they like.
type Look struct {
	Width  int
	Colour bool
}

// Paint is an ANSI colour; the zero value is none.
type Paint string

// Paints.
const (
	Red    Paint = "31"
	Green  Paint = "32"
	Yellow Paint = "33"
	Blue   Paint = "34"
	Dim    Paint = "2"
	Bold   Paint = "1"
)

// Paint colours s where colours are wanted. Whoever wrote s, it does nothing else to a terminal.
func (l Look) Paint(p Paint, s string) string {
	s = live.Plain(s)
	if !l.Colour || p == "" || s == "" {
		return s
	}
	return "\x1b[" + string(p) + "m" + s + "\x1b[0m"
}

type cell struct {
	text  string
	paint Paint
}

func plain(texts ...string) []cell {
	cells := make([]cell, len(texts))
	for i, t := range texts {
		cells[i].text = live.Plain(t)
	}
	return cells
}

const (
	gap     = 2  // between columns
	narrow  = 40 // a last column narrower than this goes on lines of its own
	outdent = 4  // where such lines begin
)

// table writes rows under a head. All columns but the last are as wide as their widest cell. The last is
// wrapped, never cut, and may hold several lines.
func (l Look) table(w io.Writer, head []string, rows [][]cell) {
	header := plain(head...)
	for i := range header {
		header[i].paint = Dim
	}
	rows = append([][]cell{header}, rows...)
	widths, indent := columns(rows)
	for _, row := range rows {
		l.row(w, row, widths, indent)
	}
}

func columns(rows [][]cell) (widths []int, indent int) {
	widths = make([]int, len(rows[0])-1)
	for _, row := range rows {
		for i := range widths {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].text))
		}
	}
	for _, n := range widths {
		indent += n + gap
	}
	return widths, indent
}

func (l Look) row(w io.Writer, row []cell, widths []int, indent int) {
	var b strings.Builder
	for i, n := range widths {
		c := row[i]
		b.WriteString(l.Paint(c.paint, c.text) + strings.Repeat(" ", n-utf8.RuneCountInString(c.text)+gap))
	}
	last := row[len(widths)]
	size := utf8.RuneCountInString(last.text)
	own := l.Width > 0 && l.Width-indent < narrow && size > 0 && size > l.Width-indent
	if own {
		_, _ = fmt.Fprintln(w, trimRight(b.String()))
		b.Reset()
		b.WriteString(strings.Repeat(" ", outdent))
		indent = outdent
	}
	for i, line := range wrap(last.text, l.Width-indent, l.Width > 0) {
		if i > 0 {
			b.WriteString(strings.Repeat(" ", indent))
		}
		b.WriteString(l.Paint(last.paint, line))
		_, _ = fmt.Fprintln(w, trimRight(b.String()))
		b.Reset()
	}
}

func trimRight(s string) string { return strings.TrimRight(s, " ") }

// wrap breaks text at spaces into lines of at most width runes; a longer word has a line to itself. It gives at
// least one line.
func wrap(text string, width int, fold bool) []string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if fold {
			lines = append(lines, foldLine(line, width)...)
		} else {
			lines = append(lines, line)
		}
	}
	return lines
}

func foldLine(line string, width int) []string {
	var lines []string
	current := ""
	for _, word := range strings.Fields(line) {
		if current != "" && utf8.RuneCountInString(current)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, current)
			current = ""
		}
		if current != "" {
			current += " "
		}
		current += word
	}
	return append(lines, current)
}
