package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/podkeep/podkeep/manifest"
)

// note is an annotation to be set where a metadata stands, or, with an empty value, to be taken out.
type note struct {
	at         []string // the way from the object to the metadata
	key, value string
}

// errElsewhere says that an object does not stand in the file that it comes from: it is made of it.
var errElsewhere = errors.New("does not stand there as such")

// annotate is a file's text with an annotation set on an object in it. All else stays as it is, byte for byte: comments, order and
// quotes. Taking out may write "false" where a flow style leaves no line to drop. What cannot be changed so is an error with its
// line.
func annotate(text []byte, id manifest.ID, n note) ([]byte, error) {
	e := &editor{text: string(text), note: n, eol: "\n"}
	if strings.Contains(e.text, "\r\n") {
		e.eol = "\r\n"
	}
	at, object, err := locate(text, id)
	if err != nil {
		return nil, err
	}
	changed, err := e.object(object)
	if err != nil {
		return nil, err
	}
	if same, err := differsBy(text, []byte(changed), at, n); err != nil || !same {
		return nil, fmt.Errorf("line %d: is written in a way that cannot be changed safely: write %s: %q below %s.annotations by hand", object.Line, n.key, n.value, strings.Join(n.at, "."))
	}
	return []byte(changed), nil
}

// spot is where an object is: in which document, and at which places of the lists in it.
type spot struct {
	document int
	items    []int
}

// locate finds the one object of that name in a file. What follows a document that is no YAML is not looked at.
func locate(text []byte, id manifest.ID) (at spot, object *yaml.Node, err error) {
	found := 0
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for i := 0; ; i++ {
		var doc yaml.Node
		if dec.Decode(&doc) != nil {
			break
		}
		if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
			search(doc.Content[0], "", nil, func(kind string, node *yaml.Node, items []int) {
				if kind == id.Kind && is(node, id) {
					found++
					at, object = spot{i, items}, node
				}
			})
		}
	}
	switch found {
	case 0:
		return at, nil, errElsewhere
	case 1:
		return at, object, nil
	}
	return at, nil, fmt.Errorf("%s is there %d times", words(id), found)
}

// search visits each object of a document, those in lists too.
func search(node *yaml.Node, kind string, items []int, visit func(string, *yaml.Node, []int)) {
	if node.Kind != yaml.MappingNode {
		return
	}
	if k := value(node, "kind"); k != nil {
		kind = k.Value
	}
	of, isList := strings.CutSuffix(kind, "List")
	list := value(node, "items")
	if !isList || list == nil {
		visit(kind, node, items)
		return
	}
	for i, item := range list.Content {
		search(item, of, append(items[:len(items):len(items)], i), visit)
	}
}

func is(object *yaml.Node, id manifest.ID) bool {
	meta := value(object, "metadata")
	if meta == nil || meta.Kind != yaml.MappingNode {
		return false
	}
	name, namespace := value(meta, "name"), value(meta, "namespace")
	in := "default"
	if namespace != nil && namespace.Value != "" {
		in = namespace.Value
	}
	return name != nil && name.Value == id.Name && (id.Namespace == "" || in == id.Namespace)
}

// value is what a mapping has under a key, nil if nothing.
func value(mapping *yaml.Node, key string) *yaml.Node {
	_, v := entry(mapping, key)
	return v
}

func entry(mapping *yaml.Node, key string) (k, v *yaml.Node) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i], mapping.Content[i+1]
		}
	}
	return nil, nil
}

// editor changes one annotation of one object.
type editor struct {
	note
	text, eol string
}

// object walks to the annotation, and changes or makes it.
func (e *editor) object(object *yaml.Node) (string, error) {
	way := append(append([]string{}, e.at...), "annotations")
	var above *yaml.Node // the key that in stands below
	in := object
	for i, name := range way {
		key, next := entry(in, name)
		switch {
		case key == nil && e.value == "":
			return e.text, nil
		case key == nil:
			return e.insert(above, in, append(way[i:], e.key))
		case next.Tag == "!!null" && next.Value == "":
			return e.below(key, append(way[i+1:], e.key))
		case next.Kind != yaml.MappingNode:
			return "", e.byHand(key)
		}
		above, in = key, next
	}
	key, old := entry(in, e.key)
	switch {
	case key == nil && e.value == "":
		return e.text, nil
	case key == nil:
		return e.insert(above, in, []string{e.key})
	case old.Kind != yaml.ScalarNode:
		return "", e.byHand(key)
	case e.value == "":
		return e.drop(above, in, key, old)
	}
	return e.replace(old, e.value)
}

func (e *editor) byHand(at *yaml.Node) error {
	return fmt.Errorf("line %d: %s is written in a way that is not changed for you: write %s: %q there by hand", at.Line, at.Value, e.key, e.value)
}

// insert adds an entry to a mapping that has others.
func (e *editor) insert(above, in *yaml.Node, way []string) (string, error) {
	if above == nil {
		return "", e.byHand(in.Content[0])
	}
	if in.Style&yaml.FlowStyle != 0 {
		return e.insertFlow(in, way)
	}
	first := in.Content[0]
	after := above
	for _, name := range []string{"name", "namespace"} { // below the name reads better than above it
		if k, v := entry(in, name); k != nil && way[0] == "annotations" && v.Kind == yaml.ScalarNode && v.Line == k.Line && k.Line > after.Line {
			after = k
		}
	}
	if first.Line <= above.Line {
		return "", e.byHand(above)
	}
	step := first.Column - above.Column
	if step < 1 {
		step = 2
	}
	return e.lines(after.Line, first.Column-1, step, way), nil
}

// below adds the first entry of a mapping that is there by its key alone.
func (e *editor) below(key *yaml.Node, way []string) (string, error) {
	rest := strings.TrimSpace(strings.TrimPrefix(e.line(key.Line)[e.column(key):], key.Value))
	if colon, after, ok := strings.Cut(rest, ":"); !ok || colon != "" || strings.TrimSpace(after) != "" && !strings.HasPrefix(strings.TrimSpace(after), "#") {
		return "", e.byHand(key)
	}
	return e.lines(key.Line, key.Column+1, 2, way), nil
}

// lines adds lines after one: a mapping of mappings that ends with the annotation.
func (e *editor) lines(after, indent, step int, way []string) string {
	var b strings.Builder
	for i, name := range way {
		b.WriteString(strings.Repeat(" ", indent+i*step) + name + ":")
		if i == len(way)-1 {
			fmt.Fprintf(&b, " %q", e.value)
		}
		b.WriteString(e.eol)
	}
	at := e.offset(after + 1)
	if at == len(e.text) && !strings.HasSuffix(e.text, "\n") {
		return e.text + e.eol + strings.TrimSuffix(b.String(), e.eol)
	}
	return e.text[:at] + b.String() + e.text[at:]
}

// insertFlow adds an entry to {…}: after the last one if its end is plain to see, else before the first.
func (e *editor) insertFlow(in *yaml.Node, way []string) (string, error) {
	key := func(s string) string { return s }
	if len(in.Content) > 0 && in.Content[0].Style&yaml.DoubleQuotedStyle != 0 {
		key = func(s string) string { return fmt.Sprintf("%q", s) }
	}
	text := fmt.Sprintf("%s: %q", key(way[len(way)-1]), e.value)
	for i := len(way) - 2; i >= 0; i-- {
		text = fmt.Sprintf("%s: {%s}", key(way[i]), text)
	}
	open := e.offset(in.Line) + e.column(in)
	if !strings.HasPrefix(e.text[open:], "{") {
		return "", e.byHand(in)
	}
	if len(in.Content) == 0 {
		return e.text[:open+1] + text + e.text[open+1:], nil
	}
	if last := in.Content[len(in.Content)-1]; last.Kind == yaml.ScalarNode {
		if from, to, ok := e.token(last); ok && from > open {
			return e.text[:to] + ", " + text + e.text[to:], nil
		}
	}
	return e.text[:open+1] + text + ", " + e.text[open+1:], nil
}

// replace puts another value in the place of a scalar, between the quotes that it had.
func (e *editor) replace(old *yaml.Node, with string) (string, error) {
	from, to, ok := e.token(old)
	if !ok {
		return "", e.byHand(old)
	}
	quoted := fmt.Sprintf("%q", with)
	if old.Style&yaml.SingleQuotedStyle != 0 {
		quoted = "'" + with + "'"
	}
	return e.text[:from] + quoted + e.text[to:], nil
}

// drop takes the line of an entry out, and that of the mapping if nothing else is in it.
func (e *editor) drop(above, in, key, old *yaml.Node) (string, error) {
	alone := strings.TrimLeft(e.line(key.Line)[:e.column(key)], " ") == ""
	if in.Style&yaml.FlowStyle != 0 || old.Line != key.Line || !alone {
		return e.replace(old, "false")
	}
	from := key.Line
	if len(in.Content) == 2 {
		if above.Line != key.Line-1 || strings.TrimLeft(e.line(above.Line)[:e.column(above)], " ") != "" {
			return e.replace(old, "false")
		}
		from = above.Line
	}
	return e.text[:e.offset(from)] + e.text[e.offset(key.Line+1):], nil
}

// token is where a scalar of one line stands in the text, with its quotes.
func (e *editor) token(n *yaml.Node) (from, to int, ok bool) {
	from = e.offset(n.Line) + e.column(n)
	rest := e.text[from:]
	if n.Anchor != "" || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0 {
		return 0, 0, false
	}
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		for i := 1; i < len(rest) && rest[i] != '\n'; i++ {
			switch rest[i] {
			case '\\':
				i++
			case '"':
				return from, from + i + 1, rest[0] == '"'
			}
		}
	case n.Style&yaml.SingleQuotedStyle != 0:
		end := strings.IndexByte(rest[1:], '\'')
		return from, from + end + 2, rest[0] == '\'' && end >= 0 && rest[1:1+end] == n.Value
	case strings.HasPrefix(rest, n.Value) && n.Value != "":
		return from, from + len(n.Value), true
	}
	return 0, 0, false
}

// offset is where a line, counted from 1, begins.
func (e *editor) offset(line int) int {
	at := 0
	for range line - 1 {
		end := strings.IndexByte(e.text[at:], '\n')
		if end < 0 {
			return len(e.text)
		}
		at += end + 1
	}
	return at
}

func (e *editor) line(n int) string {
	line, _, _ := strings.Cut(e.text[e.offset(n):], "\n")
	return line
}

// column is how many bytes of its line stand before a node.
func (e *editor) column(n *yaml.Node) int {
	bytes := 0
	for range n.Column - 1 {
		_, size := utf8.DecodeRuneInString(e.line(n.Line)[bytes:])
		bytes += size
	}
	return bytes
}

// differsBy says whether the annotation is the only difference between two texts.
func differsBy(before, after []byte, at spot, n note) (bool, error) {
	was, err := decoded(before)
	if err != nil {
		return false, err
	}
	is, err := decoded(after)
	if err != nil || len(was) != len(is) {
		return false, err
	}
	for _, docs := range [][]any{was, is} {
		settle(docs, at, n)
	}
	return reflect.DeepEqual(was, is), nil
}

func decoded(text []byte) (docs []any, err error) {
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc any
		switch err := dec.Decode(&doc); {
		case errors.Is(err, io.EOF):
			return docs, nil
		case err != nil:
			return nil, err
		}
		docs = append(docs, doc)
	}
}

// settle makes what was, and what should be, alike: the annotation has its value, and none is as good as false.
func settle(docs []any, at spot, n note) {
	in, _ := docs[at.document].(map[string]any)
	for _, i := range at.items {
		list, _ := in["items"].([]any)
		in, _ = list[i].(map[string]any)
	}
	for _, name := range append(append([]string{}, n.at...), "annotations") {
		next, _ := in[name].(map[string]any)
		if next == nil {
			next = map[string]any{}
			in[name] = next
		}
		in = next
	}
	if in[n.key] = n.value; n.value == "" {
		delete(in, n.key)
	}
}
