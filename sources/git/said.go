package git

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing/object"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// infoOf is what a commit says of itself, as git log shows it; its author and subject, which is one line, in words that do nothing to a terminal. The
// rest of the message, where the trailers are, is as it was written.
func infoOf(c *object.Commit) manifest.Info {
	read := reading(string(c.Encoding))
	message, _, _ := strings.Cut(read(c.Message), "\x00") // git sees no more of it
	subject, body := parted(message)
	return manifest.Info{
		Commit: c.Hash.String(), Time: when(c.Committer), Message: live.OneLine(subject) + "\n\n" + body,
		Author: live.OneLine(read(c.Author.Name)) + " <" + live.OneLine(read(c.Author.Email)) + ">",
	}
}

// parted gives the first paragraph, which is the subject, and the rest.
func parted(message string) (subject, body string) {
	rest := strings.TrimLeft(message, " \t\r\n")
	for rest != "" {
		line, after, _ := strings.Cut(rest, "\n")
		if strings.TrimSpace(line) == "" {
			break
		}
		subject, rest = subject+" "+line, after
	}
	return subject, rest
}

// ascii is in every encoding that a commit can have: its headers are.
const ascii = "Ada <ada@example.com> 1 +0000\n"

// reading is how text in an encoding becomes UTF-8. As in git, text stays as it is where the encoding is not known, and where it is not of it.
func reading(name string) func(string) string {
	e, _ := ianaindex.IANA.Encoding(name)
	if e == nil {
		e, _ = htmlindex.Get(name)
	}
	if e == nil || decode(e, ascii) != ascii {
		return func(text string) string { return text }
	}
	return func(text string) string {
		if read := decode(e, text); !strings.ContainsRune(read, utf8.RuneError) {
			return read
		}
		return text
	}
}

func decode(e encoding.Encoding, text string) string {
	read, err := e.NewDecoder().String(text)
	if err != nil {
		return string(utf8.RuneError)
	}
	return read
}

// lastYear is the last year that every form of a date has room for.
const lastYear = 9999

// when is a person's date. What is none, or too far away for one, is the beginning of time, as git has it of dates that are too large.
func when(s object.Signature) time.Time {
	if at := s.When.UTC(); at.Unix() > 0 && at.Year() <= lastYear {
		return at
	}
	return time.Unix(0, 0).UTC()
}
