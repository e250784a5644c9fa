package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"gopkg.in/yaml.v3"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// maxFile is how many bytes a manifest file may have.
const maxFile = 16 << 20

// Parse reads one file of YAML or JSON, with any number of documents and lists. What is wrong with one object is a
// Problem with the line of the field, and stops only that object.
//
// Not every file is a manifest. A document that has both apiVersion and kind is one, and a document that has one of the two and a
// metadata is meant to be one. A file in which no document is one is passed over: values files, workflows, podkeep.yaml. In a file
// that holds one, everything else is a Problem, for it may be a manifest that lost its head. A file that is not YAML at all is a
// Problem unless neither the word apiVersion nor the word kind is anywhere in it. Empty documents count for nothing.
func Parse(path string, data []byte) Parsed {
	f := &file{Parsed: Parsed{Path: path}, left: maxExtra + len(data)}
	if len(data) > maxFile {
		f.complain(1, "the file has more than %d MiB", maxFile>>20)
		return f.Parsed
	}
	docs := f.documents(unescape(path, data))
	if !slices.ContainsFunc(docs, document.isManifest) {
		f.forgiveForeign(data)
		return f.Parsed
	}
	for _, doc := range docs {
		f.document(doc)
	}
	return f.Parsed
}

// file is a Parsed in the making.
type file struct {
	Parsed
	left int
}

// document is one YAML document; offset counts the lines of the file above it.
type document struct {
	node   *yaml.Node
	offset int
}

func (f *file) complain(line int, format string, args ...any) {
	f.Problems = append(f.Problems, Problem{Origin: Origin{f.Path, line}, Text: fmt.Sprintf(format, args...)})
}

// forgiveForeign drops the complaints about a file that was never meant as a manifest.
func (f *file) forgiveForeign(data []byte) {
	if !bytes.Contains(data, []byte("apiVersion")) && !bytes.Contains(data, []byte("kind")) {
		f.Problems = nil
	}
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
			line, text := whereOf(err)
			f.complain(offset+max(1, min(line, 1+bytes.Count(data, []byte("\n")))), "is not YAML: %s", text)
			return docs
		}
		if node.Kind == yaml.DocumentNode && len(node.Content) == 1 && !isNull(node.Content[0]) {
			docs = append(docs, document{node.Content[0], offset})
		}
	}
}

var yamlLine = regexp.MustCompile(`^line (\d+): (.*)`)

// whereOf takes the line out of an error of the YAML parser, and what of the content it would repeat.
func whereOf(err error) (line int, text string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = m[2]
	}
	if strings.HasPrefix(text, "did not find expected") { // the parser of the library counts from 0, its scanner from 1
		line++
	}
	if strings.HasPrefix(text, "unknown anchor") {
		text = "an alias names an anchor that is not there; put a value that begins with * in quotes"
	}
	return max(1, line), text
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

func (f *file) document(doc document) {
	if !doc.isManifest() {
		f.complain(doc.node.Line+doc.offset, "has neither apiVersion nor kind, and stands among manifests; add them, or move it to a file of its own")
		return
	}
	f.manifest(doc, textOf(doc.get("apiVersion")), textOf(doc.get("kind")), 0)
}

// manifest reads one object, or each item of a list. A list gives its items its version and kind where they have none.
func (f *file) manifest(doc document, version, kind string, depth int) {
	version, kind = or(textOf(doc.get("apiVersion")), version), or(textOf(doc.get("kind")), kind)
	items := doc.get("items")
	of, isList := strings.CutSuffix(kind, "List")
	switch {
	case depth > maxDepth:
		f.complain(doc.node.Line+doc.offset, "lists nest deeper than %d levels", maxDepth)
	case !isList:
		f.object(doc, version, kind)
	case items != nil && items.Kind == yaml.SequenceNode:
		f.items(doc, items, version, of, depth)
	case items != nil && !isNull(items):
		f.complain(items.Line+doc.offset, "%s: items: want a list, this is %s", kind, nameOf(items))
	}
}

func (f *file) items(doc document, items *yaml.Node, version, of string, depth int) {
	if of == "" {
		version = ""
	}
	for _, n := range items.Content {
		if f.left -= 10; f.left <= 0 {
			f.complain(n.Line+doc.offset, tooMany)
			return
		}
		f.manifest(document{follow(n), doc.offset}, version, of, depth+1)
	}
}

func or(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

// object reads one object of a kind that is built.
func (f *file) object(doc document, version, name string) {
	meta := doc.get("metadata")
	id := ID{Kind: name}
	if meta != nil {
		id.Namespace, id.Name = textOf(get(meta, "namespace")), textOf(get(meta, "name"))
	}
	c := &check{file: f.Path, line: doc.node.Line + doc.offset, object: strings.TrimSuffix(or(name, "?")+"/"+id.Name, "/"), lines: map[string]int{}}
	k, ok := f.kindOf(c, version, name)
	if ok {
		f.typed(doc, c, k)
	}
	if slices.ContainsFunc(c.found, Problem.breaks) {
		f.failed = append(f.failed, k.id(id, name))
	}
	f.Problems = append(f.Problems, c.found...)
}

// breaks says that the object is lost by the problem.
func (p Problem) breaks() bool { return !p.Notice }

// kindOf finds the kind, or says why there is none.
func (f *file) kindOf(c *check, version, name string) (kind, bool) {
	var names, versions []string
	for _, k := range kinds() {
		if k.name == name && k.version == version {
			return k, true
		}
		if k.name == name && !strings.Contains(version, ".") { // a group with a dot is somebody's own
			c.refuse("apiVersion", "%s", wantVersion(k, version))
			return kind{}, false
		}
		if k.version == version {
			names = append(names, k.name)
		}
		versions = append(versions, k.version)
	}
	near := didYouMean(name, names)
	switch {
	case name == "":
		c.refuse("kind", "is missing; write what this is, for example Deployment")
	case version == "":
		c.refuse("apiVersion", "is missing; write the API of kind %s, for example %s", name, versions[0])
	case near != "":
		c.refuse("kind", "kind %s is not known%s", name, near)
	default:
		c.refuse("", "kind %s is not supported yet; nothing is done for it", name)
		c.found[0].Notice = true
	}
	return kind{}, false
}

func wantVersion(k kind, version string) string {
	if version == "" {
		return "is missing; write apiVersion: " + k.version
	}
	return fmt.Sprintf("%s has no kind %s; write %s", version, k.name, k.version)
}

// typed decodes and checks the object, and keeps it when nothing is wrong with it.
func (f *file) typed(doc document, c *check, k kind) {
	t := k.empty()
	d := &decoder{check: c, offset: doc.offset, left: &f.left}
	if doc.node.Kind == yaml.MappingNode && f.left > 0 {
		d.into(doc.node, reflect.ValueOf(t).Elem(), "", 0)
	}
	c.tear()
	t.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(k.version, k.name))
	o := object{Meta: c.meta(k, t), kind: k, typed: t, lines: c.lines}
	k.check(c, t)
	if len(c.found) == 0 && f.left > 0 {
		f.objects = append(f.objects, o)
	}
}
