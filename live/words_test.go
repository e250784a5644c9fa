package live

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/manifest"
)

func TestWordsDoNothingToATerminalAndFitIntoALabel(t *testing.T) {
	for said, want := range map[string]string{
		"manifest unknown":             "manifest unknown",
		"":                             "",
		"two\nlines\r\n and a\ttab":    "two lines and a tab",
		"a title\x1b]0;owned\x07 here": "a title here",
		"a link \x1b]8;;http://x\x1b\\here\x1b]8;;\x1b\\": "a link here",
		"\x1b[31mred\x1b[0m and \x1b[2Jgone":              "red and gone",
		"eight bits \u009b31mred \u009d0;title\u009c.":    "eight bits red .",
		"cut off \x1b[":                             "cut off",
		"cut off \x1b]0;never ends":                 "cut off",
		"bell\a back\bspace nul\x00 del\x7f":        "bell backspace nul del",
		"not \xff\xfe UTF-8":                        "not \ufffd UTF-8",
		"right \u202eto left\u202c, \u2066isolated": "right to left, isolated",
		"no\u00a0break, next\u2028line, \ufeffmark": "no break, next line, mark",
		"größe 日本 👩\u200d🚀":                         "größe 日本 👩\u200d🚀",
	} {
		if got := Words(said); got != want {
			t.Errorf("%q became %q, want %q", said, got, want)
		}
	}
	long := Words(strings.Repeat("日", 1000))
	if len(long) > longestWords || !utf8.ValidString(long) || !strings.HasSuffix(long, "日…") {
		t.Errorf("%d bytes, %.20q", len(long), long)
	}
}

func TestPlainKeepsLineEnds(t *testing.T) {
	if got := Plain("one\x1b[1m\ntwo\x00\n"); got != "one\ntwo\n" {
		t.Errorf("%q", got)
	}
}

func TestWhatIsAssignedToAVariableIsNotRepeated(t *testing.T) {
	g := GateOf(podWith(map[string]string{"TOKEN": "", "lower": ""}))
	for said, want := range map[string]string{
		`invalid environment variable: "TOKEN=correct-horse\x00tail"`: `invalid environment variable: "TOKEN=…"`,
		`"TOKEN=with \"quotes\" and = in it": no`:                     `"TOKEN=…": no`,
		`"TOKEN=raw "quotes" too": no`:                                `"TOKEN=…": no`,
		`TOKEN="a b": no`:                                             `TOKEN=…": no`,
		`bad TOKEN=no quotes, spaces: no`:                             `bad TOKEN=…`,
		`lower=x`:                                                     `lower=…`,
		`TOKEN=`:                                                      `TOKEN=`,
		`env FOREIGN_ONE=abc def: no`:                                 `env FOREIGN_ONE=… def: no`,
		`"FOREIGN_ONE=a \"b\"", "C_D='e f'": no`:                      `"FOREIGN_ONE=…", "C_D=…": no`,
		`mount src=/a, dst=/b, flags=0x5001: no`:                      `mount src=/a, dst=/b, flags=0x5001: no`,
		`OTHERTOKEN=x y`:                                              `OTHERTOKEN=… y`,
	} {
		if got := g.Words(said); got != want {
			t.Errorf("%q became %q, want %q", said, got, want)
		}
	}
}

// odd are values of odd shapes.
var odd = []string{
	"S3CR3T-plain-value", "six-66", "with spaces in it", `with "double" and 'single' quotes`, "two\nlines-of-text\n", "nul\x00inside-it", "equals=sign=here",
	"dollar$(VAR)$value", "größe-日本-👩\u200d🚀", "--looks-like-a-flag", "tab\tand\\backslash", "<angle>&amp", "invalid\xff\xfeutf8", " padded-value ",
	"crlf\r\nsecond-line", strings.Repeat("long-", 200) + "end", "\x1b[31mred-secret\x1b[0m", "{\"json\":\"va lue\"}", "%41%42percent", "percent%sverbs",
}

func TestNoFormOfAValuePasses(t *testing.T) {
	for _, value := range odd {
		for name, g := range map[string]Gate{
			"variable": GateOf(podWith(map[string]string{"V": value})),
			"file":     GateOf(manifest.Pod{Secrets: []manifest.Bytes{manifest.Bytes(value)}}),
			"given":    GateOver(value),
		} {
			for _, form := range forms(value) {
				for _, said := range []string{form, "before " + form + " after", "x" + form + "y", form + form, "cut " + form[:len(form)-1]} {
					got := g.Words(said)
					if leaks(got, value) {
						t.Errorf("%s: %q: of %q is left %q", name, value, said, got)
					}
					wellFormed(t, got)
				}
			}
		}
	}
}

// forms are how programs quote a value.
func forms(value string) []string {
	b := []byte(value)
	asJSON, _ := json.Marshal(value)
	return []string{
		value, fmt.Sprintf("%q", value), fmt.Sprintf("%+q", value), string(asJSON), base64.StdEncoding.EncodeToString(b), base64.URLEncoding.EncodeToString(b),
		base64.RawStdEncoding.EncodeToString(b), url.QueryEscape(value), url.PathEscape(value), Plain(value), strings.ReplaceAll(value, "\n", "; "),
	}
}

// leaks says whether a text has six letters of a value together that make a word of it.
func leaks(text, value string) bool {
	for _, form := range forms(value) {
		for _, part := range strings.FieldsFunc(form, func(r rune) bool { return strings.ContainsRune("\n\r\x00;", r) }) {
			if part = strings.TrimSpace(part); len(part) >= shortestSecret && strings.Contains(text, part) {
				return true
			}
		}
	}
	return false
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	if !utf8.ValidString(text) || len(text) > longestWords || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("%q", text)
	}
}

func TestTheGateIsStillOnceItWasPassed(t *testing.T) {
	for _, value := range odd {
		g := GateOver(value)
		once := g.Words("a " + value + " b\x1b[0m A_B=c d")
		if twice := g.Words(once); twice != once {
			t.Errorf("%q became %q", once, twice)
		}
	}
}

func TestAnErrorKeepsWhatItWraps(t *testing.T) {
	cause := errors.New("denied")
	g := GateOver("hunter-2000")
	err := g.Error(fmt.Errorf("login with hunter-2000: %w", cause))
	if err.Error() != "login with …: denied" || !errors.Is(err, cause) {
		t.Error(err)
	}
	if g.Error(nil) != nil || g.Error(cause) != cause {
		t.Error("an error that needs no cleaning was changed")
	}
}

func podWith(env map[string]string) (p manifest.Pod) {
	var c corev1.Container
	for name, value := range env {
		c.Env = append(c.Env, corev1.EnvVar{Name: name, Value: value})
	}
	p.Spec.Containers = []corev1.Container{c}
	return p
}

func TestAReceiptsReasonPassesTheGateBothWays(t *testing.T) {
	r := Receipt{App: manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}, Verb: Failed, Gen: 1, Why: "a\x1b[2J\nb " + strings.Repeat("x", 5000)}
	labels := r.Labels("c")
	wellFormed(t, labels[LabelWhy])
	labels[LabelWhy] = r.Why // a host may say anything
	back, ok := ParseReceipt(labels)
	if !ok || !strings.HasPrefix(back.Why, "a b xxx") {
		t.Errorf("%v %.20q", ok, back.Why)
	}
	wellFormed(t, back.Why)
}

func TestOfALongTextOnlyTheBeginningIsLookedAt(t *testing.T) {
	text := strings.Repeat(" ", longestRead-10) + strings.Repeat("tail ", 1<<20)
	if got := Words(text); len(got) > longestWords || strings.Count(got, "tail") > 2 {
		t.Errorf("%d bytes: %.100s", len(got), got)
	}
}
