package manifest

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Bounds: how many bytes a manifest file may have, how many objects one may hold, and all of a commit; and how many mistakes are said of one object, and
// of one file before nothing more of it is read: a mistake takes four bytes to make, and some hundreds to say.
const (
	maxFile     = 16 << 20
	maxObjects  = 5_000
	maxTogether = 50_000
	maxMistakes = 100
	maxProblems = 5_000
)

// Parse reads one file of YAML or JSON, with any number of documents and lists. What is wrong with one object is a
// Problem with the line of the field, and stops only that object.
//
// Not every file is a manifest. A document that has both apiVersion and kind is one, and a document that has one of the two and a
// metadata is meant to be one. A file in which no document is one is passed over: values files, workflows, podkeep.yaml. In a file
// that holds one, everything else is a Problem, for it may be a manifest that lost its head. A file that is not YAML at all is a
// Problem unless neither the word apiVersion nor the word kind is anywhere in it. Empty documents count for nothing.
//
// A file called podkeep.signers holds keys, and no manifest.
//
// A file without a manifest that held objects in an ancestor was damaged sooner than emptied on purpose, unless all that is in it are
// comments and --- lines: see History.Want.
func Parse(path string, data []byte) Parsed {
	if isSigners(path) {
		return parseSigners(path, data)
	}
	f := &file{Parsed: Parsed{Path: path}, left: maxExtra + len(data)}
	if len(data) > maxFile {
		f.complain(1, "the file has more than %d MiB", maxFile>>20)
		return f.Parsed
	}
	if at := bytes.Index(data, []byte("{{")); at >= 0 {
		f.template = 1 + bytes.Count(data[:at], []byte("\n"))
	}
	docs := f.documents(unescape(path, data))
	if f.kustomization = kustomizationOf(path, docs); f.kustomization != nil {
		return f.Parsed
	}
	if !slices.ContainsFunc(docs, document.isManifest) {
		f.forgiveForeign(docs, data)
		return f.Parsed
	}
	for _, doc := range docs {
		f.document(doc)
	}
	if !f.named && len(f.Problems) > 0 && !slices.ContainsFunc(f.Problems, Problem.breaks) {
		f.foreign = &foreign{Problem: Problem{Origin: f.Problems[0].Origin, Text: "holds no object that has a name"}}
	}
	return f.Parsed
}

// file is a Parsed in the making.
type file struct {
	Parsed
	left int
	null int // the line of a null that is written out, which a tool leaves that found nothing
	// named says that an object has a name. One of a kind to come that has none, such as a Kustomization, may be the first lines of a
	// manifest that was cut short.
	named  bool
	skim   bool // only names are asked for: see Names
	full   bool // nothing more is read
	reread int  // bytes that were read again to find where a mistake is
}

func (f *file) complain(line int, format string, args ...any) {
	f.Problems = append(f.Problems, Problem{Origin: Origin{f.Path, line}, Text: fmt.Sprintf(format, args...)})
}

// tooFull refuses what follows.
func (f *file) tooFull(line int) {
	f.complainOnce(line, fmt.Sprintf("the file holds more than %d objects, and what follows is not read: split it", maxObjects))
}

// over says whether the file has had more than it may have, so that nothing more is read.
func (f *file) over(line int) bool {
	switch {
	case f.full:
	case len(f.objects) >= maxObjects:
		f.tooFull(line)
	case len(f.Problems) >= maxProblems:
		f.complain(line, "the file has more than %d mistakes, and what follows is not read: mend those first", maxProblems)
	default:
		return false
	}
	f.full = true
	return true
}

// complainOnce says nothing that was said of the file before.
func (f *file) complainOnce(line int, text string) {
	if !slices.ContainsFunc(f.Problems, func(p Problem) bool { return p.Text == text }) {
		f.complain(line, "%s", text)
	}
}

// forgiveForeign drops the complaints about a file that may never have been meant as a manifest, and remembers what it is.
func (f *file) forgiveForeign(docs []document, data []byte) {
	if len(f.Problems) > 0 && (bytes.Contains(data, []byte("apiVersion")) || bytes.Contains(data, []byte("kind"))) {
		return
	}
	line, text := 1, ""
	switch hint := hintOf(data); {
	case hint != "":
		text = hint
	case len(bytes.TrimSpace(data)) == 0:
		text = "is empty"
	case len(f.Problems) > 0:
		line, text = f.Problems[0].Line, f.Problems[0].Text
	case len(docs) > 0:
		line, text = docs[0].node.Line+docs[0].offset, docs[0].foreign()
	case f.null > 0:
		line, text = f.null, "holds null, and no object"
	case !bytes.ContainsAny(data, "#-"):
		text = "is empty"
	default: // comments and --- lines: on purpose
		return
	}
	hollow := len(docs) == 0 || docs[0].node.Kind == yaml.ScalarNode
	f.foreign, f.Problems = &foreign{Problem: Problem{Origin: Origin{f.Path, line}, Text: text}, hollow: hollow}, nil
}

// hintOf says what has come in the place of a manifest, as far as its first bytes tell.
func hintOf(data []byte) string {
	for _, h := range []struct{ begin, text string }{
		{"version https://git-lfs.github.com/spec/", "holds a Git LFS pointer, which is not followed"},
		{"$ANSIBLE_VAULT;", "is encrypted with ansible-vault, which is not read"},
		{"\x00GITCRYPT\x00", "is encrypted with git-crypt, which is not read"},
		{"\x1f\x8b", "is compressed, which is not read"},
		{"<<<<<<<", "holds the marks of a merge conflict"},
		{"<!", "holds HTML or XML"},
		{"<html", "holds HTML or XML"},
		{"<?xml", "holds HTML or XML"},
	} {
		if bytes.HasPrefix(bytes.TrimSpace(data), []byte(h.begin)) {
			return h.text
		}
	}
	return ""
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
		if f.full {
			return
		}
		if f.left -= 10; f.left <= 0 {
			f.complainOnce(n.Line+doc.offset, tooMany)
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
	if f.over(doc.node.Line + doc.offset) {
		return
	}
	meta := doc.get("metadata")
	id := ID{Kind: name}
	if meta != nil {
		id.Namespace, id.Name = textOf(get(meta, "namespace")), or(textOf(get(meta, "name")), hookName(name, meta))
	}
	if f.skim {
		f.note(id)
		return
	}
	f.named = f.named || id.Name != ""
	c := &check{file: f.Path, line: doc.node.Line + doc.offset, object: strings.TrimSuffix(or(name, "?")+"/"+id.Name, "/"), lines: map[string]int{}}
	if isRights(version, name) {
		c.rights(doc)
		f.Problems = append(f.Problems, c.found...)
		return
	}
	k, ok := f.kindOf(c, version, name)
	switch {
	case doc.get("sops") != nil:
		c.found = nil
		c.refuse("sops", "the object is encrypted with sops, which is not read; write it as it is, or decrypt it before podkeep reads it")
	case ok && f.template > 0 && placeholder(doc.node, 0) != nil:
		c.line = placeholder(doc.node, 0).Line + doc.offset
		c.refuse("", isTemplate)
	case ok && isPatch(name, doc.node):
		c.refuse("", "is a part of an object, such as a patch of Kustomize: write the whole object, or commit what kustomize build makes of it")
	case ok:
		f.typed(doc, c, k, id.Name)
	default:
		f.foresee(doc, c, version, name)
	}
	if c.broken() {
		f.failed = append(f.failed, k.id(id, name))
		f.noteUnled(doc, Meta{ID: k.id(id, name), Origin: Origin{c.file, c.line}})
		c.found = k.losing(c)
	}
	f.Problems = append(f.Problems, c.found...)
}

// kindOf finds the kind, or says why there is none.
func (f *file) kindOf(c *check, version, name string) (kind, bool) {
	var names, versions []string
	for _, k := range kinds() {
		if k.name == name && (k.version == version || slices.Contains(k.also, version)) {
			return k, true
		}
		if k.name == name && (!strings.Contains(version, ".") || groupOf(version) == groupOf(k.version)) { // another group with a dot is somebody's own
			c.refuse("apiVersion", "%s", wantVersion(k, version))
			return k, false
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
	case name == "Status" && version == "v1":
		c.refuse("kind", "Status is the answer of an API server, and no object; put the object itself here")
	case name == "CronJob":
		c.refuse("", "%s", noCronJob)
		c.found[0].Notice = true
	case unbuilt[name] != "":
		c.refuse("", "kind %s is not supported, and nothing is done for it: %s", name, unbuilt[name])
		c.found[0].Notice = true
	default:
		c.refuse("", "kind %s is not supported yet; nothing is done for it%s", name, meanwhile[name])
		c.found[0].Notice = true
	}
	return kind{}, false
}

// groupOf is what stands before the version of an API: apps, of apps/v1.
func groupOf(version string) string {
	group, _, _ := strings.Cut(version, "/")
	return group
}

func wantVersion(k kind, version string) string {
	if version == "" {
		return "is missing; write apiVersion: " + k.version
	}
	text := fmt.Sprintf("%s has no kind %s; write %s", version, k.name, k.version)
	if k.name == anIngress {
		text += ", with each path's pathType, and backend.service.name and port in place of serviceName and servicePort"
	}
	return text
}

// typed decodes and checks the object of that name, and keeps it when nothing is wrong with it.
func (f *file) typed(doc document, c *check, k kind, name string) {
	t := k.empty()
	d := &decoder{check: c, offset: doc.offset, left: &f.left}
	if doc.node.Kind == yaml.MappingNode && f.left > 0 {
		d.into(doc.node, reflect.ValueOf(t).Elem(), "", 0)
	}
	c.tear()
	t.SetName(or(t.GetName(), name))
	t.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(k.version, k.name))
	o := object{Meta: c.meta(k, t), kind: k, typed: t, lines: c.lines}
	k.check(c, t)
	if !c.broken() && f.left > 0 && !skipped(o.Annotations) {
		f.objects = append(f.objects, o)
	}
}
