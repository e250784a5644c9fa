package live

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/manifest"
)

// Gate is what somebody else's text passes before it is shown, logged or written into a label: a runtime's, a registry's, a
// host's, a Git server's, a commit's. The zero Gate knows no secrets; GateOf knows a pod's.
type Gate struct {
	names  []string // of variables whose values nobody may see
	values []string // that nobody may see
}

// longestWords is how many bytes somebody else's text may have. A label travels in a URL, where a byte may take three.
const longestWords = 1 << 10

// longestRead is how much of a text is looked at.
const longestRead = 16 << 10

// shortestSecret is how many bytes a value must have to be looked for: shorter ones are in every sentence. What stands behind
// NAME= is hidden at any length.
const shortestSecret = 6

// hidden stands where something was.
const hidden = "…"

// GateOf hides the values of the pod's variables, whatever they come from, and what is in Pod.Secrets and Pod.Texts.
func GateOf(pod manifest.Pod) Gate {
	var g Gate
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		g.names = append(g.names, namesOf(c.Env)...)
		for _, e := range c.Env {
			g.values = append(g.values, e.Value)
		}
	}
	for _, t := range pod.Texts {
		g.values = append(g.values, string(t.Data))
	}
	for _, s := range slices.Concat(pod.Secrets, pod.Auth) {
		g.values = append(g.values, string(s))
	}
	return g
}

// GateOver hides values.
func GateOver(values ...string) Gate { return Gate{values: values} }

func namesOf(env []corev1.EnvVar) (names []string) {
	for _, e := range env {
		names = append(names, e.Name)
	}
	return names
}

// Words is somebody else's text as it may be shown: one line of valid UTF-8 without control characters and terminal escapes,
// at most longestWords long, in which "…" stands for each of the gate's values that are no shorter than shortestSecret, however
// they are written, and for what is behind the = of a variable.
func (g Gate) Words(text string) string {
	forms := g.forms()
	if len(forms) == 0 && !strings.ContainsAny(text, "=\n") && harmless(text) && len(text) <= longestWords && singleSpaced(text) {
		return text // as most texts are, and each receipt's is in every look
	}
	text = cover(text[:min(len(text), longestRead)], forms)
	text = assigned.hide(text, g.names)
	text = cover(strings.Join(strings.Fields(Plain(text)), " "), forms)
	return short(text, longestWords)
}

// OneLine is somebody else's text in one line that does nothing to a terminal, at most longestWords long. It is for what people write: nothing
// is hidden in it.
func OneLine(text string) string {
	return short(strings.Join(strings.Fields(Plain(text[:min(len(text), longestRead)])), " "), longestWords)
}

// Error is err with its text passed through the gate; what it wraps is still found.
func (g Gate) Error(err error) error {
	if err == nil {
		return nil
	}
	if text := g.Words(err.Error()); text != err.Error() {
		return gated{text, err}
	}
	return err
}

type gated struct {
	text string
	err  error
}

func (g gated) Error() string { return g.text }
func (g gated) Unwrap() error { return g.err }

// Words is somebody else's text through a gate that knows no secrets.
func Words(text string) string { return Gate{}.Words(text) }

// escapes are what terminals obey: sequences that begin with ESC [ or its one-byte form, strings that begin with ESC ] and their kin and
// end with BEL or ESC \, and other sequences of two bytes.
var escapes = regexp.MustCompile("(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]?|(?:\x1b[\\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\x07\x1b\u009c]*(?:\x07|\x1b\\\\|\u009c)?|\x1b[ -/]*[0-~]?")

// Plain is a text that does nothing to a terminal: valid UTF-8 without escapes and control characters, and without what turns the
// direction of writing round. Line ends stay.
func Plain(text string) string {
	if harmless(text) {
		return text
	}
	text = escapes.ReplaceAllString(strings.ToValidUTF8(text, string(utf8.RuneError)), "")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || Shows(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return -1
	}, text)
}

// Shows says whether a terminal shows a rune, and does nothing else.
func Shows(r rune) bool { return unicode.IsPrint(r) || r == joiner }

// joiner makes one of two emoji.
const joiner = '\u200d'

func harmless(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') })
}

func singleSpaced(text string) bool {
	return !strings.Contains(text, "  ") && strings.TrimSpace(text) == text
}

// forms are the ways in which the values may be written in a text, the longest first.
func (g Gate) forms() (forms []string) {
	for _, v := range g.values {
		parts := append(strings.FieldsFunc(v, func(r rune) bool { return r == '\n' || r == '\r' || r == 0 }), v, Plain(v))
		for _, p := range parts {
			forms = append(append(forms, written(p)...), written(strings.TrimSpace(p))...)
		}
	}
	forms = slices.DeleteFunc(forms, func(f string) bool { return len(f) < shortestSecret })
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) })
	return slices.Compact(forms)
}

// written are the forms of a value in the quotes, the encodings and the escapes of those who quote it. A value that is too short to be
// looked for is so in every form.
func written(value string) []string {
	if len(value) < shortestSecret {
		return nil
	}
	bytes := []byte(value)
	asJSON, _ := json.Marshal(value)
	quoted, ascii := strconv.Quote(value), strconv.QuoteToASCII(value)
	return []string{
		value, quoted[1 : len(quoted)-1], ascii[1 : len(ascii)-1], string(asJSON[1 : len(asJSON)-1]), strings.Join(strings.Fields(value), " "),
		base64.RawStdEncoding.EncodeToString(bytes), base64.RawURLEncoding.EncodeToString(bytes),
		url.QueryEscape(value), url.PathEscape(value),
	}
}

// cover puts "…" in place of the forms, and of one that the text's end cuts off.
func cover(text string, forms []string) string {
	for _, f := range forms {
		text = strings.ReplaceAll(text, f, hidden)
	}
	for _, f := range forms {
		for n := min(len(f)-1, len(text)); n >= shortestSecret; n-- {
			if strings.HasSuffix(text, f[:n]) {
				return text[:len(text)-n] + hidden
			}
		}
	}
	return text
}

// assignments find NAME=value.
type assignments struct{ *regexp.Regexp }

var (
	assigned = assignments{regexp.MustCompile("[A-Za-z_][A-Za-z0-9_.-]*=")}
	variable = regexp.MustCompile("^[A-Z_][A-Z0-9_]+$")
)

// hide leaves NAME=… of assignments to variables that are among the names, or that are named as variables are. Where a value ends
// is sure only in what we quote ourselves; so what is assigned to one of the names is taken to go on as far as it can.
func (a assignments) hide(text string, names []string) string {
	var b strings.Builder
	for {
		at := a.FindStringIndex(text)
		if at == nil {
			return b.String() + text
		}
		name, rest := text[at[0]:at[1]-1], text[at[1]:]
		ours := slices.Contains(names, name)
		b.WriteString(text[:at[1]])
		if ours || variable.MatchString(name) {
			end := valueEnds(text[:at[0]], rest, ours)
			if end > 0 {
				b.WriteString(hidden)
			}
			rest = rest[end:]
		}
		text = rest
	}
}

// valueEnds says how much of rest is the value, for what stands before NAME= and whether it may hold quotes and spaces.
func valueEnds(before, rest string, greedy bool) int {
	quote, from := "", 0
	switch {
	case before != "" && strings.Contains("\"'`", before[len(before)-1:]):
		quote = before[len(before)-1:]
	case rest != "" && strings.Contains("\"'`", rest[:1]):
		quote, from = rest[:1], 1
	}
	switch {
	case quote == "" && greedy:
		return len(rest)
	case quote == "":
		return orAll(strings.IndexFunc(rest, unicode.IsSpace), rest)
	case greedy:
		return orAll(lastFrom(rest, quote, from), rest)
	}
	for i := from; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case quote[0]:
			return i
		}
	}
	return len(rest)
}

func lastFrom(s, what string, from int) int {
	if i := strings.LastIndex(s, what); i >= from {
		return i
	}
	return -1
}

func orAll(i int, rest string) int {
	if i < 0 {
		return len(rest)
	}
	return i
}

// short cuts a text to at most so many bytes, at the end of a rune.
func short(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most - len(hidden)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + hidden
}
