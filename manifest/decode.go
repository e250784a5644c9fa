package manifest

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Bounds on what a file may ask of us: how deep its values may nest, and how many more values than bytes it may have once
// aliases are followed. A long value counts as several, one for each scalarCost bytes.
const (
	maxDepth   = 64
	maxExtra   = 100_000
	scalarCost = 16
	tooMany    = "the file's aliases stand for too many values; write out what is needed"
)

// decoder reads yaml nodes into Go values as strictly as the Kubernetes API server: no unknown field, no duplicate
// key, no value of another type. It notes the line of each field on its way.
type decoder struct {
	*check
	offset int  // lines of the file above the document
	left   *int // values that may still be read
	spent  bool // there are none left, and it was said
}

// into reads one value. What cannot be read is noted and left out.
func (d *decoder) into(n *yaml.Node, v reflect.Value, path string, depth int) {
	n, ok := d.enter(n, path, depth)
	if !ok || isNull(n) {
		return
	}
	switch kind := v.Kind(); {
	case v.Type() == typeOf[json.RawMessage]():
		d.plugin(n, v, path, depth)
	case v.CanAddr() && isLeaf(v):
		d.leaf(n, v, path)
	case kind == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.into(n, v.Elem(), path, depth)
	case kind == reflect.Struct:
		d.object(n, v, path, depth)
	case kind == reflect.Map:
		d.entries(n, v, path, depth)
	case kind == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		d.base64(n, v, path)
	case kind == reflect.Slice:
		d.items(n, v, path, depth)
	default:
		d.scalar(n, v, path)
	}
}

// enter follows an alias and keeps the bounds.
func (d *decoder) enter(n *yaml.Node, path string, depth int) (*yaml.Node, bool) {
	for hops := 0; n.Kind == yaml.AliasNode && hops < maxDepth; hops++ {
		n = n.Alias
	}
	*d.left -= 1 + len(n.Value)/scalarCost
	if depth > maxDepth {
		d.refuse(path, "nests deeper than %d levels", maxDepth)
		return n, false
	}
	if *d.left <= 0 && !d.spent {
		d.spent = true
		d.refuse(path, tooMany)
	}
	return n, *d.left > 0
}

// mark notes where a field stands; the first mention wins.
func (d *decoder) mark(path string, n *yaml.Node) {
	if _, ok := d.lines[path]; !ok {
		d.lines[path] = n.Line + d.offset
	}
}

// object reads a mapping into a struct.
func (d *decoder) object(n *yaml.Node, v reflect.Value, path string, depth int) {
	known := fieldsOf(v.Type())
	for _, p := range d.pairs(n, path, under) {
		at := under(path, p.key)
		d.mark(at, p.at)
		f, ok := known.find(p.key)
		switch {
		case ignored(v.Type(), p.key):
		case !ok:
			d.refuse(at, "unknown field %q%s", p.key, didYouMean(p.key, known.names()))
			d.meant = append(d.meant, under(path, nearest(p.key, known.names())))
		default:
			field := v.FieldByIndex(f.index)
			d.into(p.value, field, at, depth+1)
			d.judge(v.Type(), p.key, field, at)
		}
	}
}

// entries reads a mapping into a map whose keys are strings.
func (d *decoder) entries(n *yaml.Node, v reflect.Value, path string, depth int) {
	v.Set(reflect.MakeMap(v.Type()))
	for _, p := range d.pairs(n, path, keyed) {
		at := keyed(path, p.key)
		d.mark(at, p.at)
		value := reflect.New(v.Type().Elem()).Elem()
		d.into(p.value, value, at, depth+1)
		v.SetMapIndex(reflect.ValueOf(p.key).Convert(v.Type().Key()), value)
	}
}

// items reads a sequence into a slice.
func (d *decoder) items(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind != yaml.SequenceNode {
		d.refuse(path, "want a list, this is %s", nameOf(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, child := range n.Content {
		at := item(path, i)
		d.mark(at, child)
		d.into(child, v.Index(i), at, depth+1)
	}
}

// leaf reads a scalar into a type that knows how to decode itself.
func (d *decoder) leaf(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		d.refuse(path, "want %s, this is %s", wants(v), nameOf(n))
		return
	}
	raw, _ := json.Marshal(n.Value)
	if (n.Tag == "!!int" || n.Tag == "!!float") && json.Valid([]byte(n.Value)) {
		raw = []byte(n.Value)
	}
	huge := v.Type() == typeOf[resource.Quantity]() && isHuge(n.Value)
	if huge || json.Unmarshal(raw, v.Addr().Interface()) != nil {
		d.refuse(path, "%q is not %s", n.Value, wants(v))
	}
}

// isHuge says that a quantity has an exponent of more than two digits, which takes longer to work out than it is worth.
func isHuge(s string) bool {
	_, exponent, ok := strings.Cut(strings.ToLower(s), "e")
	return ok && len(strings.TrimLeft(exponent, "+-0")) > 2
}

func isLeaf(v reflect.Value) bool {
	_, ok := v.Addr().Interface().(json.Unmarshaler)
	return ok
}

func wants(v reflect.Value) string {
	switch v.Interface().(type) {
	case resource.Quantity:
		return "a quantity such as 500m, 2 or 128Mi"
	case intstr.IntOrString:
		return "a whole number or a string"
	case metav1.Time, metav1.MicroTime:
		return "a time such as 2006-01-02T15:04:05Z"
	}
	return "a value of its type"
}

// base64 reads bytes. What they are is never repeated: they may be secret.
func (d *decoder) base64(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		d.refuse(path, "want base64 as a string, this is %s", nameOf(n))
		return
	}
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), ""))
	if err != nil {
		d.refuse(path, "is not base64; encode it, or write it as it is under stringData of a Secret or data of a ConfigMap")
		return
	}
	v.SetBytes(data)
}

// scalar reads strings, booleans and numbers.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.String:
		d.text(n, v, path)
	case reflect.Bool:
		d.truth(n, v, path)
	case reflect.Int, reflect.Int32, reflect.Int64:
		d.number(n, v, path)
	default:
		d.refuse(path, "has a type that cannot be read")
	}
}

func (d *decoder) text(n *yaml.Node, v reflect.Value, path string) {
	switch {
	case n.Kind == yaml.ScalarNode && (n.Tag == "!!str" || n.Tag == "!!timestamp" || n.Tag == "!!merge"):
		v.SetString(n.Value)
	case n.Kind == yaml.ScalarNode && n.Tag != "!!binary":
		d.refuse(path, "want a string, this is %s; put it in quotes", nameOf(n))
	default:
		d.refuse(path, "want a string, this is %s", nameOf(n))
	}
}

// truth takes YAML 1.1's words too, as kubectl does.
func (d *decoder) truth(n *yaml.Node, v reflect.Value, path string) {
	plain := n.Kind == yaml.ScalarNode && n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0
	switch word := strings.ToLower(n.Value); {
	case plain && (word == "true" || word == "yes" || word == "on" || word == "y"):
		v.SetBool(true)
	case plain && (word == "false" || word == "no" || word == "off" || word == "n"):
		v.SetBool(false)
	default:
		d.refuse(path, "want true or false, this is %s", nameOf(n))
	}
}

func (d *decoder) number(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" {
		d.refuse(path, "want a whole number, this is %s%s", nameOf(n), unquote(n))
		return
	}
	var i int64
	if err := n.Decode(&i); err != nil || v.OverflowInt(i) {
		d.refuse(path, "is too large a number")
		return
	}
	v.SetInt(i)
}

func unquote(n *yaml.Node) string {
	if _, err := strconv.Atoi(n.Value); err == nil && n.Tag == "!!str" {
		return "; leave out the quotes"
	}
	return ""
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" || n.Kind == 0 }

// nameOf says what a node is, without its value.
func nameOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	if n.Tag == "!!str" && isPlaceholder(n.Value) {
		return "a placeholder, and nothing fills it in here"
	}
	switch n.Tag {
	case "!!int":
		return "a number"
	case "!!float":
		return "a decimal number"
	case "!!bool":
		return "a boolean"
	case "!!null":
		return "nothing"
	case "!!str", "!!timestamp", "!!merge":
		return "a string"
	}
	return "a value with a tag of its own"
}
