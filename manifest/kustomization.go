package manifest

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// kustomization is what a kustomization.yaml says of other files. It is not built: what it names is deployed as it stands where nothing
// would change it, and is left out where something would.
type kustomization struct {
	Origin
	object    string
	resources []string // files and directories, by their paths in the repository
	parts     []string // patches and their like, which are no objects by themselves
	changes   []string // the fields by which what is named becomes something else
	far       string   // the first resource that is not in the repository
}

// unchanging are the fields of a kustomization by which nothing becomes another.
var unchanging = strings.Fields("apiVersion kind metadata resources bases sortOptions buildMetadata openapi crds generatorOptions validators")

// kustomizationOf reads a file of that name, which needs neither apiVersion nor kind; or nil.
func kustomizationOf(file string, docs []document) *kustomization {
	base := strings.TrimSuffix(strings.TrimSuffix(path.Base(file), ".yaml"), ".yml")
	if base != "kustomization" || len(docs) != 1 || docs[0].node.Kind != yaml.MappingNode {
		return nil
	}
	doc := docs[0]
	version, kind := textOf(doc.get("apiVersion")), or(textOf(doc.get("kind")), "Kustomization")
	if version != "" && !strings.HasPrefix(version, "kustomize.config.k8s.io/") || kind != "Kustomization" && kind != "Component" {
		return nil
	}
	k := &kustomization{Origin: Origin{file, doc.node.Line + doc.offset}, object: kind}
	for i := 0; i+1 < len(doc.node.Content); i += 2 {
		name, value := doc.node.Content[i].Value, follow(doc.node.Content[i+1])
		switch name {
		case "resources", "bases", "components":
			k.resources = append(k.resources, k.paths(value)...)
		case "patchesStrategicMerge", "patches", "patchesJson6902", "replacements", "transformers", "generators", "configurations":
			k.parts = append(k.parts, k.paths(value)...)
		}
		if len(value.Content)+len(value.Value) > 0 && !isNull(value) && !slices.Contains(unchanging, name) {
			k.changes = append(k.changes, name)
		}
	}
	return k
}

// paths are the entries of a list, or their paths, as seen from the root of the repository.
func (k *kustomization) paths(list *yaml.Node) (all []string) {
	for _, n := range list.Content {
		n = follow(n)
		entry := or(textOf(n), textOf(get(n, "path")))
		switch {
		case entry == "" || strings.Contains(entry, "\n"):
		case strings.Contains(entry, "://") || strings.Contains(entry, "?ref=") || strings.HasPrefix(entry, "git@") || strings.HasPrefix(entry, "github.com"):
			k.far = or(k.far, entry)
		default:
			all = append(all, path.Join(path.Dir(k.File), entry))
		}
	}
	return all
}

// kustomized are the files, without what is not to be deployed as it stands.
func kustomized(files []Parsed) []Parsed {
	b := base{files: slices.Clone(files), at: map[string]int{}, of: map[string]*kustomization{}, covered: map[*kustomization]bool{}}
	for i, f := range files {
		b.at[f.Path] = i
		if f.kustomization != nil {
			b.of[path.Dir(f.Path)] = f.kustomization
		}
	}
	if len(b.of) == 0 {
		return files
	}
	for _, dir := range sorted(b.of) {
		b.leaveParts(b.of[dir])
		if k := b.of[dir]; len(k.changes) > 0 {
			b.left = nil
			b.leaveOut(k, k)
			b.say(k)
		}
	}
	for _, k := range b.of {
		if len(k.changes) == 0 && !b.covered[k] {
			b.say(k)
		}
	}
	return b.files
}

// base is all files of a commit, while what kustomizations name is taken out.
type base struct {
	files   []Parsed
	at      map[string]int            // of a file
	of      map[string]*kustomization // of a directory
	covered map[*kustomization]bool   // another one names it, and changes it
	left    []ID                      // what is left out
}

// leaveParts takes out patches and their like.
func (b *base) leaveParts(k *kustomization) {
	for _, file := range k.parts {
		if i, there := b.at[file]; there {
			b.files[i] = Unread(Problem{Origin: Origin{file, 1}, Text: "is a part of a kustomization, and no object by itself; nothing is done for it"})
		}
	}
}

// leaveOut takes out what k names, and what is named by what it names.
func (b *base) leaveOut(top, k *kustomization) {
	for _, name := range k.resources {
		if i, there := b.at[name]; there && b.files[i].kustomization == nil {
			b.left = append(b.left, b.files[i].ids()...)
			b.files[i] = b.files[i].withoutObjects()
		}
		if next := b.of[name]; next != nil && next != top && !b.covered[next] {
			b.covered[next] = true
			b.leaveOut(top, next)
		}
	}
}

// say makes the Problem of a kustomization.
func (b *base) say(k *kustomization) {
	p := Problem{Origin: k.Origin, Object: k.object, Notice: true}
	build := "commit what kustomize build " + path.Dir(k.File) + " writes in its place"
	switch {
	case len(b.left) > 0 && len(k.changes) > 0:
		p.Notice = false
		p.Text = fmt.Sprintf("is not built here, and what it names is left out, since it would be changed (%s); %s", strings.Join(k.changes, ", "), build)
	case len(k.changes) > 0:
		p.Text = fmt.Sprintf("is not built here, and nothing is done for it (%s); %s", strings.Join(k.changes, ", "), build)
	case k.far != "":
		p.Text = fmt.Sprintf("is not built here, and %s is not fetched; %s", k.far, build)
	default:
		p.Object, p.Text = "", "is a kustomization that changes nothing; what it names is deployed as it stands"
	}
	f := &b.files[b.at[k.File]]
	f.Problems = append(slices.Clone(f.Problems), p)
	if !p.Notice {
		f.failed = b.left
	}
}

// withoutObjects is the file with what is wrong with it as a whole, and nothing of what it holds.
func (f Parsed) withoutObjects() Parsed {
	ofObjects := func(p Problem) bool { return p.Object != "" }
	return Parsed{Path: f.Path, foreign: f.foreign, Problems: slices.DeleteFunc(slices.Clone(f.Problems), ofObjects)}
}

// ids are all objects that the file names.
func (f Parsed) ids() []ID {
	all := slices.Clone(f.failed)
	for _, o := range f.objects {
		all = append(all, o.ID)
	}
	return all
}
