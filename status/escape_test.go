package status

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// What commits, files and hosts say does nothing to the terminal that it is shown on.
func TestNobodysTextObeysATerminalButOurs(t *testing.T) {
	const evil = "a\x1b]0;owned\x07b\x1b[2J\x9b31mc\u202ed\r\x00"
	w := fleet()
	w.History.Source, w.History.Head.Subject, w.History.Head.Author = evil, evil, evil+" <x>"
	w.History.Head.Problems = []manifest.Problem{{Origin: manifest.Origin{File: evil + "\nx.yaml", Line: 1}, Object: evil, Field: evil, Text: evil}}
	w.Err = errors.New(evil)
	for i := range w.Snapshot.Nodes {
		n := &w.Snapshot.Nodes[i]
		n.Why, n.Facts.OS, n.Facts.Podman = evil, evil, evil
		n.Troubles = append(n.Troubles, live.Trouble{Name: "web-1", Why: evil})
	}
	for i := range w.Plan.Apps {
		w.Plan.Apps[i].Why, w.Plan.Apps[i].Waits = evil, []string{evil}
	}
	w.Plan.Actions = append(w.Plan.Actions, plan.Action{Node: "edge-1", Verb: plan.Stop, Name: evil, Why: evil})
	for _, look := range []Look{{}, {Width: 60}, {Width: 60, Colour: true}} {
		var b bytes.Buffer
		Of(w).Text(&b, look, true)
		PreviewOf(w).Text(&b, look)
		text := b.String()
		for _, p := range []Paint{Red, Green, Yellow, Blue, Dim, Bold} {
			text = strings.ReplaceAll(strings.ReplaceAll(text, "\x1b["+string(p)+"m", ""), "\x1b[0m", "")
		}
		if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf) }); i >= 0 {
			t.Errorf("%+v: %q", look, text[max(0, i-60):min(len(text), i+40)])
		}
		if !strings.Contains(text, "x.yaml:1:") || strings.Contains(text, "\nx.yaml:1:") {
			t.Errorf("%+v: the problem is not one line", look)
		}
	}
	for _, encoded := range []func() ([]byte, error){
		func() ([]byte, error) { return Encode("json", List(w)) }, func() ([]byte, error) { return Encode("yaml", List(w)) }, func() ([]byte, error) { return compact(List(w)) },
	} {
		text, err := encoded()
		if i := bytes.IndexFunc(text, func(r rune) bool { return r != '\n' && !live.Shows(r) }); err != nil || i >= 0 {
			t.Errorf("%v: %q", err, text[max(0, i-60):min(len(text), max(0, i)+40)])
		}
	}
}

// What JSON escapes is read as what it was.
func TestJSONKeepsWhatItEscapes(t *testing.T) {
	const text = "a\x1b\u009b\u202e\u200b\U000e0041\x7f 日本 👩\u200d🚀 \\u202e <&>"
	for _, encode := range []func(any) ([]byte, error){compact, func(v any) ([]byte, error) { return Encode("json", v) }} {
		data, err := encode(map[string]string{text: text})
		back := map[string]string{}
		if err := errors.Join(err, json.Unmarshal(data, &back)); err != nil || back[text] != text || bytes.ContainsAny(data, "\x7f\u009b\u202e\u200b\U000e0041") {
			t.Errorf("%s: %q %v", data, back, err)
		}
	}
	data, err := Encode("yaml", map[string]string{"a": "tab\tline\n\x1b日\u202e"})
	if err != nil || string(data) != "a: \"tab\\tline\\n\\e日\ufffd\"\n" {
		t.Errorf("%q %v", data, err)
	}
}
