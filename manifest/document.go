package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"

	"gopkg.in/yaml.v3"
)

// document is one YAML document; offset counts the lines of the file above it.
type document struct {
	node   *yaml.Node
	offset int
}

// documents splits the file at its --- lines, so that one that is not YAML does not hide the others.
func (f *file) documents(data []byte) []document {
	var docs []document
	start, offset, begun := 0, 0, false
	for at, line := 0, 0; at < len(data); line++ {
		end := at + 1 + bytes.IndexByte(data[at:], '\n')
		if end == at {
			end = len(data)
		}
		if begun && isSeparator(data[at:end]) {
			docs = append(docs, f.chunk(data[start:at], offset)...)
			start, offset = at, line
			if len(docs) > maxObjects {
				f.tooFull(1 + line)
				return docs[:maxObjects]
			}
		}
		begun = begun || !isPreface(data[at:end])
		at = end
	}
	return append(docs, f.chunk(data[start:], offset)...)
}

func isSeparator(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || bytes.ContainsRune([]byte(" \t\r\n"), rune(rest[0])))
}

// isPreface says that a document has not begun with this line: it is empty, a comment or a directive.
func isPreface(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) == 0 || line[0] == '#' || line[0] == '%'
}

// chunk decodes what stands between two separators.
func (f *file) chunk(data []byte, offset int) []document {
	var docs []document
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var node yaml.Node
		err := dec.Decode(&node)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			line, text := f.whereOf(err, data)
			if bytes.Contains(bytes.Split(data, []byte("\n"))[line-1], []byte("{{")) {
				f.complainOnce(offset+line, isTemplate)
				return docs
			}
			f.complain(offset+line, "is not YAML: %s", text)
			return docs
		}
		switch {
		case node.Kind != yaml.DocumentNode || len(node.Content) != 1:
		case !isNull(node.Content[0]):
			docs = append(docs, document{node.Content[0], offset})
		case node.Content[0].Value != "":
			f.null = node.Content[0].Line + offset
		}
	}
}

var yamlLine = regexp.MustCompile(`^line (\d+): (.*)`)

// whereOf says at which line of data the YAML parser ended, and why, without what it would repeat of the content.
func (f *file) whereOf(err error, data []byte) (line int, text string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = m[2]
	}
	if strings.HasPrefix(text, "unknown anchor") {
		text = "an alias names an anchor that is not there; put a value that begins with * in quotes"
	}
	if f.skim {
		return 1, text
	}
	line = f.firstWrong(err, data, line)
	if tabbed(data, line) {
		text = "a tab stands where only spaces may; indent with spaces"
	}
	return line, text
}

// tabbed says whether a line of data, counted from 1, is indented with a tab.
func tabbed(data []byte, line int) bool {
	at := bytes.Split(data, []byte("\n"))[line-1]
	return bytes.HasPrefix(bytes.TrimLeft(at, " -"), []byte("\t"))
}

// maxReread is how many bytes of a file may be read again to find the lines of its mistakes.
const maxReread = 2 << 20

// firstWrong is the line with which data begins to have that mistake, from 1. The parser itself names where the block began that the
// mistake is in, which may be far above; that line is given when there was too much to read again.
func (f *file) firstWrong(mistake error, data []byte, above int) int {
	lines := bytes.SplitAfter(bytes.TrimRight(data, "\n"), []byte("\n"))
	line := 1 + sort.Search(len(lines)-1, func(n int) bool {
		beginning := bytes.Join(lines[:n+1], nil)
		if f.reread += len(beginning); f.reread > maxReread {
			return false
		}
		err := wrongIn(beginning)
		return err != nil && err.Error() == mistake.Error()
	})
	if f.reread > maxReread {
		line = above
	}
	return max(1, min(line, len(lines)))
}

// wrongIn is the first mistake of the YAML, or nil.
func wrongIn(data []byte) error {
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var node yaml.Node
		switch err := dec.Decode(&node); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

var escapes = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\.`)

// unescape replaces the two escapes of JSON that the YAML parser does not know: \/ and surrogate pairs.
func unescape(name string, data []byte) []byte {
	if path.Ext(name) != ".json" {
		return data
	}
	return escapes.ReplaceAllFunc(data, func(escape []byte) []byte {
		switch {
		case len(escape) > 2:
			return []byte(string(decodePair(string(escape))))
		case escape[1] == '/':
			return escape[1:]
		}
		return escape
	})
}

func decodePair(pair string) rune {
	high, _ := strconv.ParseInt(pair[2:6], 16, 32)
	low, _ := strconv.ParseInt(pair[8:12], 16, 32)
	return utf16.DecodeRune(rune(high), rune(low))
}

// isManifest says whether the document is meant for podkeep.
func (d document) isManifest() bool {
	version, kind := d.get("apiVersion"), d.get("kind")
	return version != nil && kind != nil || (version != nil || kind != nil) && d.get("metadata") != nil
}

// foreign says what a document is that is no manifest.
func (d document) foreign() string {
	switch {
	case d.get("sops") != nil:
		return "is encrypted with sops, which is not read"
	case d.node.Kind == yaml.MappingNode:
		return "holds a mapping that lacks apiVersion or kind, and no object"
	}
	return fmt.Sprintf("holds %s, and no object", nameOf(d.node))
}

// get is the value of a key at the document's top, or nil.
func (d document) get(key string) *yaml.Node { return get(d.node, key) }

func get(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return follow(n.Content[i+1])
		}
	}
	return nil
}

func follow(n *yaml.Node) *yaml.Node {
	for hops := 0; n.Kind == yaml.AliasNode && hops < maxDepth; hops++ {
		n = n.Alias
	}
	return n
}

func textOf(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return ""
	}
	return n.Value
}
