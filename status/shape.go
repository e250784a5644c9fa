package status

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"

	"github.com/podkeep/podkeep/manifest"
)

// shape is a workload as its pods are made: what a person compares. replicas is -1 where their number says nothing.
type shape struct {
	manifest.Revision
	replicas int
}

// What stands in a shape where a secret's value would be.
const (
	masked  = "(secret)"
	changed = "(secret, changed)"
	unsure  = "(secret, may have changed)"
)

// printer writes forms as YAML. The name of a secret's File gets into none, since it is another one in each revision.
type printer struct {
	config map[string][]byte // the content of Files, as far as Git has it, by name
	before map[string]string // the File at each place of the shape that was written first
	places map[string]string // the File at each place of this one
}

// yaml is the shape, with the content of ConfigMaps and without that of Secrets. A secret that is another one than in the shape
// written before is said to be changed, and no more.
func (p *printer) yaml(f shape) string {
	p.before, p.places = p.places, map[string]string{}
	spec := tree(f.Spec)
	for _, list := range []string{"initContainers", "containers"} {
		for _, c := range items(spec[list]) {
			p.container(c)
		}
	}
	for _, v := range items(spec["volumes"]) {
		p.volume(v)
	}
	for i, s := range items(spec["imagePullSecrets"]) {
		s["name"] = p.mask("imagePullSecrets/"+strconv.Itoa(i), text(s["name"]))
	}
	out, err := yaml.Marshal(document(f, spec))
	if err != nil { // a tree of strings, numbers and lists always encodes
		return err.Error()
	}
	return string(out)
}

// document puts the spec where a manifest has it.
func document(f shape, spec map[string]any) map[string]any {
	name := map[string]any{"name": f.App.Name, "namespace": f.App.Namespace}
	meta := map[string]any{}
	if len(f.Labels) > 0 {
		meta["labels"] = f.Labels
	}
	if len(f.Annotations) > 0 {
		meta["annotations"] = f.Annotations
	}
	if f.App.Kind == "Pod" {
		for k, v := range name {
			meta[k] = v
		}
		return map[string]any{"kind": f.App.Kind, "metadata": meta, "spec": spec}
	}
	outer := map[string]any{"template": map[string]any{"metadata": meta, "spec": spec}}
	if f.replicas >= 0 {
		outer["replicas"] = f.replicas
	}
	return map[string]any{"kind": f.App.Kind, "metadata": name, "spec": outer}
}

func (p *printer) container(c map[string]any) {
	for _, env := range items(c["env"]) {
		from, _ := env["valueFrom"].(map[string]any)
		if ref, ok := from["secretKeyRef"].(map[string]any); ok {
			delete(env, "valueFrom")
			env["value"] = p.content("env/"+text(c["name"])+"/"+text(env["name"]), text(ref["name"]))
		}
	}
	if r, ok := c["resources"].(map[string]any); ok && len(r) == 0 {
		delete(c, "resources")
	}
}

// volume writes a volume of Files as the content at each path.
func (p *printer) volume(v map[string]any) {
	secret, ok := v["secret"].(map[string]any)
	if !ok {
		return
	}
	files := map[string]any{}
	for _, it := range items(secret["items"]) {
		path := text(it["path"])
		files[path] = p.content("volume/"+text(v["name"])+"/"+path, text(it["key"]))
		if mode, ok := it["mode"].(float64); ok && mode != 0o644 {
			files[path+" mode"] = fmt.Sprintf("%04o", int(mode))
		}
	}
	delete(v, "secret")
	v["files"] = files
}

// content is what a File holds if that may be seen.
func (p *printer) content(place, name string) string {
	if !strings.HasPrefix(name, "cfg-") {
		return p.mask(place, name)
	}
	data, ok := p.config[name]
	switch {
	case !ok:
		return "(content " + name + ", which Git does not have any more)"
	case !utf8.Valid(data):
		return fmt.Sprintf("(%d bytes that are no text, %s)", len(data), name)
	default:
		return string(data)
	}
}

func (p *printer) mask(place, name string) string {
	p.places[place] = name
	was, ok := p.before[place]
	if !ok || was == name {
		return masked
	}
	old, known := p.config[was]
	now, alsoKnown := p.config[name]
	switch {
	case !known || !alsoKnown:
		return unsure
	case !bytes.Equal(old, now):
		return changed
	}
	return masked
}

// tree is a value as JSON has it.
func tree(v any) map[string]any {
	out := map[string]any{}
	data, err := json.Marshal(v)
	if err != nil || json.Unmarshal(data, &out) != nil { // API types always encode
		return map[string]any{}
	}
	return out
}

func items(list any) (all []map[string]any) {
	values, _ := list.([]any)
	for _, v := range values {
		if m, ok := v.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
