package git_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"

	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/sources/sourcetest"
)

// A commit is shown as git log shows it, but for what would do something to a terminal.
func TestACommitReadsAsInGit(t *testing.T) {
	t.Parallel()
	r := sourcetest.NewRepository(t)
	r.Commit(t, one("1"))
	tree := r.Git(t, "rev-parse", "HEAD^{tree}")
	s := open(t, git.Options{URL: r.Dir})
	latin, err := charmap.ISO8859_1.NewEncoder().String("größe für Ärger")
	must(t, err)
	sjis, err := japanese.ShiftJIS.NewEncoder().String("日本語の表示")
	must(t, err)
	const who, at = "Ada <ada@example.com>", " 1700000000 +0000"
	plain := func(message string) string {
		return "author " + who + at + "\ncommitter " + who + at + "\n\n" + message
	}
	coded := func(encoding, name, message string) string {
		return "author " + name + " <ada@example.com>" + at + "\ncommitter " + who + at + "\nencoding " + encoding + "\n\n" + message
	}
	for name, c := range map[string]struct {
		text          string // behind the tree
		subject, same string // what is shown; "git": what git log shows
	}{
		"UTF-8":                        {plain("größe\n\nbody\n"), "größe", "git"},
		"two lines":                    {plain("\n\n  a subject\nof two lines  \n \nbody\n"), "a subject of two lines", "git"},
		"no message":                   {plain(""), "", "git"},
		"no message and no blank line": {strings.TrimSuffix(plain(""), "\n"), "", "git"},
		"ISO-8859-1":                   {coded("ISO-8859-1", latin, latin), "größe für Ärger", "git"},
		"latin-1":                      {coded("latin1", latin, latin), "größe für Ärger", "git"},
		"cp1252":                       {coded("cp1252", "Ada", "\x93quoted\x94"), "“quoted”", "git"},
		"Shift_JIS":                    {coded("Shift_JIS", sjis, sjis), "日本語の表示", "git"},
		"sjis":                         {coded("sjis", sjis, sjis), "日本語の表示", "git"},
		"an encoding that lies":        {coded("UTF-8", latin, latin), "gr\ufffde f\ufffdr \ufffdrger", ""},
		"one that is not of it":        {coded("EUC-JP", "Ada", "gr\xf6\xdfe"), "gr\ufffde", ""},
		"one that nobody knows":        {coded("Klingon-1", "Ada", "größe"), "größe", "git"},
		"one that is not of headers":   {coded("UTF-16", "Ada", "größe"), "größe", ""},
		"one of escapes":               {coded("ISO-2022-JP", "Ada", "a \x1b$B\x46\x7c\x1b(B b"), "a 日 b", "git"},
		"no encoding and not UTF-8":    {plain(latin), "gr\ufffde f\ufffdr \ufffdrger", ""},
		"a NUL":                        {plain("seen\x00unseen\n"), "seen", "git"},
		"escapes":                      {plain("a\x1b]0;owned\x07b\x1b[2Jc\x9bd\x7f\r"), "abc\ufffdd", ""},
		"directions and nothings":      {plain("a\u202eb\u2066c\u200bd\ufeffe\u00adf\u061cg"), "abcdefg", ""},
		"variables":                    {plain("set LOG_LEVEL=debug and A=b"), "set LOG_LEVEL=debug and A=b", "git"},
		"names of nobody":              {"author  <>" + at + "\ncommitter  <>" + at + "\n\nx", "x", "git"},
		"names that do things":         {"author A\x1b[31md\u202ea <a\x07@b>" + at + "\ncommitter " + who + at + "\n\nx", "x", ""},
		"a signature":                  {"author " + who + at + "\ncommitter " + who + at + "\ngpgsig -----BEGIN SSH SIGNATURE-----\n \n tree 0000\n -----END SSH SIGNATURE-----\n\nsigned", "signed", "git"},
		"headers twice":                {"author " + who + at + "\ncommitter " + who + at + "\ntree 1111111111111111111111111111111111111111\nparent 1111111111111111111111111111111111111111\nauthor Eve <e@x>" + at + "\n\nx", "x", ""},
		"an early date":                {"author " + who + at + "\ncommitter " + who + " -17 +0000\n\nx", "x", ""},
		"a huge date":                  {"author " + who + at + "\ncommitter " + who + " 99999999999999999999999999 +0000\n\nx", "x", "git"},
		"a far date":                   {"author " + who + at + "\ncommitter " + who + " 999999999999 +0000\n\nx", "x", ""},
		"no date":                      {"author " + who + at + "\ncommitter " + who + "\n\nx", "x", ""},
		"a zone of nowhere":            {"author " + who + at + "\ncommitter " + who + " 1700000000 +99999\n\nx", "x", "git"},
	} {
		sourcetest.WriteFile(t, r.Dir+"/commit", []byte("tree "+tree+"\n"+c.text))
		commit := r.Git(t, "hash-object", "-t", "commit", "-w", "--literally", "commit")
		set := sourcetest.Load(t, s, commit)
		if set.Subject != c.subject || set.Time.Unix() < 0 || set.Time.Year() > 9999 || set.Parent != "" || len(set.ConfigMaps) != 1 {
			t.Errorf("%s: %q at %s on %q", name, set.Subject, set.Time, set.Parent)
		}
		if _, err := json.Marshal(set.Time); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if text := set.Subject + set.Author; !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\a\x1b\r\u202e") {
			t.Errorf("%s: %q", name, text)
		}
		if c.same == "" {
			continue
		}
		shown := fmt.Sprintf("%s|%s|%d", set.Subject, set.Author, set.Time.Unix())
		if log := r.Git(t, "log", "-1", "--format=%s|%an <%ae>|%cd", "--date=unix", commit); shown != strings.TrimSpace(log) {
			t.Errorf("%s: %q, and git shows %q", name, shown, log)
		}
	}
	for message, allows := range map[string]bool{"a\nb\n\nAllow-Prune: yes\n": true, "a\nAllow-Prune: yes\n": false, "a\n\nAllow-\u200bPrune: yes\n": false, "a\n\nb\x00\n\nAllow-Prune: yes\n": false} {
		sourcetest.WriteFile(t, r.Dir+"/commit", []byte("tree "+tree+"\n"+plain(message)))
		if set := sourcetest.Load(t, s, r.Git(t, "hash-object", "-t", "commit", "-w", "--literally", "commit")); set.AllowPrune != allows {
			t.Errorf("%q allows pruning: %v", message, set.AllowPrune)
		}
	}
	sourcetest.WriteFile(t, r.Dir+"/commit", []byte("tree "+tree+"\n"+plain(strings.Repeat("long ", 200_000))))
	if set := sourcetest.Load(t, s, r.Git(t, "hash-object", "-t", "commit", "-w", "commit")); len(set.Subject) > 1024 || !strings.HasSuffix(set.Subject, "…") {
		t.Errorf("a long subject has %d bytes", len(set.Subject))
	}
}
