package status

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"sigs.k8s.io/yaml"

	"github.com/podkeep/podkeep/live"
)

// Encode is v as indented JSON, or as YAML, that does nothing to a terminal. In JSON what would is escaped; YAML escapes control characters by
// itself, and in it U+FFFD stands for the others.
func Encode(form string, v any) ([]byte, error) {
	if form == "yaml" {
		data, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		return yaml.JSONToYAML(without(data, func(rune) string { return string(utf8.RuneError) }))
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(v)
	return without(b.Bytes(), escapeOf), err
}

// compact is JSON as Encode gives it, without space.
func compact(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	return without(data, escapeOf), err
}

// without puts something in place of each rune of a JSON text that a terminal does not show: all are in strings.
func without(text []byte, instead func(rune) string) []byte {
	var b bytes.Buffer
	for {
		i := bytes.IndexFunc(text, func(r rune) bool { return r > '~' && !live.Shows(r) })
		if i < 0 {
			b.Write(text)
			return b.Bytes()
		}
		r, n := utf8.DecodeRune(text[i:])
		b.Write(text[:i])
		b.WriteString(instead(r))
		text = text[i+n:]
	}
}

func escapeOf(r rune) (s string) {
	for _, unit := range utf16.Encode([]rune{r}) {
		s += fmt.Sprintf(`\u%04x`, unit)
	}
	return s
}
