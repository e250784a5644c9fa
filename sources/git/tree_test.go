package git

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/files"
)

// hand makes tree objects that git would not make.
type hand struct {
	t   *testing.T
	dir string
	put func(plumbing.ObjectType, []byte) []byte
}

func handIn(t *testing.T) hand {
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "git", "init", "--quiet", "--bare", dir).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return hand{t, dir, putter(t, dir)}
}

func (h hand) blob(text string) string { return string(h.put(plumbing.BlobObject, []byte(text))) }

// tree makes one of triples: mode, name, object.
func (h hand) tree(entries ...string) string {
	var b strings.Builder
	for i := 0; i < len(entries); i += 3 {
		b.WriteString(entries[i] + " " + entries[i+1] + "\x00" + entries[i+2])
	}
	return string(h.put(plumbing.TreeObject, []byte(b.String())))
}

func (h hand) git(args ...string) string {
	out, err := exec.CommandContext(h.t.Context(), "git", append([]string{"-C", h.dir}, args...)...).CombinedOutput()
	if err != nil {
		h.t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return string(out)
}

// walk gives what is read of a tree below a path: the files as NAME or NAME<FROM, and what is wrong as NAME: WHY.
func (h hand) walk(root, tree string) (files.Found, error) {
	var hash plumbing.Hash
	copy(hash[:], tree)
	o := openObjects(h.dir)
	h.t.Cleanup(o.close)
	t := newTree(o, hash)
	if _, ok, err := t.sub(root); err != nil || !ok {
		return files.Found{}, fmt.Errorf("%s is there: %v: %w", root, ok, err)
	}
	return files.Walk(t, root)
}

// Whatever stands in a tree is read as git lists it, or is named as what is not read. Nothing else is read.
func TestATreeIsWhatItIsInGit(t *testing.T) {
	t.Parallel()
	h := handIn(t)
	a, b := h.blob("one"), h.blob("two")
	sub := h.tree("100644", "in.yaml", a, "120000", "out.yaml", h.blob("../../a.yaml"))
	link := func(target string) string { return h.blob(target) }
	long, gone := strings.Repeat("./", 2047)+"a.yaml", strings.Repeat("\x07", 20)
	for name, c := range map[string]struct {
		tree, want string
	}{
		"files and directories":            {h.tree("100644", "a.yaml", a, "40000", "d", h.tree("100644", "b.json", b), "100755", "x.yml", b, "100644", "z.txt", a), "a.yaml d/b.json x.yml"},
		"names in other cases":             {h.tree("100644", "A.yaml", a, "40000", "D", h.tree("100644", "x.yaml", a), "100644", "a.yaml", b, "40000", "d", h.tree("100644", "x.yaml", b)), "A.yaml D/x.yaml a.yaml d/x.yaml"},
		"not in order":                     {h.tree("100644", "z.yaml", a, "40000", "m", sub, "100644", "a.yaml", b), "a.yaml m/in.yaml z.yaml | m/out.yaml: leads out"},
		"modes that nobody has":            {h.tree("100600", "a.yaml", a, "040755", "d", h.tree("100644", "b.yaml", a), "0100644", "z.yaml", a, "120777", "l.yaml", link("a.yaml")), "a.yaml d/b.yaml z.yaml"},
		"modes of no type":                 {h.tree("10644", "fifo.yaml", a, "20644", "device.yaml", a, "777", "none.yaml", a), "| device.yaml: is a submodule | fifo.yaml: is a submodule | none.yaml: is a submodule"},
		"a submodule":                      {h.tree("100644", "a.yaml", a, "160000", "mod", gone), "a.yaml | mod: is a submodule"},
		"names that git checks out":        {h.tree("100644", "a\\b.yaml", a, "100644", "\xff.yaml", a, "100644", "new\nline.yaml", b, "100644", "es\x1b[31mc.yaml", b), "a\\b.yaml es\x1b[31mc.yaml new\nline.yaml \xff.yaml"},
		"names that git does not":          {h.tree("100644", "..", a, "100644", ".", a, "40000", "..", sub, "100644", "a/b.yaml", a, "100644", "c.yaml", a), `c.yaml | .: holds a name that cannot be: ".." | .: holds a name that cannot be: "." | .: holds a name that cannot be: ".." | .: holds a name that cannot be: "a/b.yaml"`},
		"what hides":                       {h.tree("40000", ".git", sub, "40000", ".GIT", sub, "100644", ".x.yaml", a, "40000", ".g\u200cit", sub, "100644", "c.yaml", a), "c.yaml"},
		"what looks like .git elsewhere":   {h.tree("40000", "git~1", h.tree("100644", "x.yaml", a)), "git~1/x.yaml"},
		"a name twice":                     {h.tree("100644", "a.yaml", a, "100644", "a.yaml", b, "100644", "b.yaml", b), "b.yaml | a.yaml: more than once"},
		"a name twice, apart":              {h.tree("100644", "a.yaml", a, "100644", "b.yaml", b, "100644", "a.yaml", b), "b.yaml | a.yaml: more than once"},
		"a name of a file and a directory": {h.tree("100644", "a.yaml", a, "40000", "a.yaml", sub), "| a.yaml: more than once"},
		"a directory twice":                {h.tree("40000", "d", sub, "40000", "d", h.tree("100644", "other.yaml", b)), "| d: more than once"},
		"links":                            {h.tree("100644", "a.yaml", a, "40000", "d", h.tree("120000", "up.yaml", link("../b.txt")), "100644", "b.txt", b, "120000", "e", link("d"), "120000", "x.yaml", link("./d/../b.txt")), "a.yaml d/up.yaml<b.txt"},
		"a chain of links":                 {h.tree("120000", "1.yaml", link("2"), "120000", "2", link("3"), "120000", "3", link("f"), "100644", "f", a), "1.yaml<f"},
		"links in a circle":                {h.tree("120000", "1.yaml", link("2.yaml"), "120000", "2.yaml", link("1.yaml"), "120000", "d", link("d/d"), "120000", "self", link("self")), "| 1.yaml: circle | 2.yaml: circle | d: circle | self: circle"},
		"a link to where it stands":        {h.tree("100644", "a.yaml", a, "120000", "d", link(".")), "a.yaml"},
		"links out":                        {h.tree("120000", "1.yaml", link("../a.yaml"), "120000", "2.yaml", link("/etc/passwd"), "120000", "3.yaml", link("d/../../x"), "40000", "d", sub, "120000", "4.yaml", link(".git/config")), "d/in.yaml | 1.yaml: leads out | 2.yaml: leads out | 3.yaml: leads out | 4.yaml: leads out | d/out.yaml: leads out"},
		"links to nothing":                 {h.tree("120000", "1.yaml", link("nothing"), "120000", "2.yaml", link(""), "120000", "3.yaml", link("f.txt/."), "120000", "4.yaml", link("f.txt/x"), "120000", "5.yaml", link("f.txt\x00"), "120000", "6.yaml", link("f.txt/"), "100644", "f.txt", a), "| 1.yaml: does not exist | 2.yaml: does not exist | 3.yaml: does not exist | 4.yaml: does not exist | 5.yaml: does not exist | 6.yaml: does not exist"},
		"links to submodules":              {h.tree("120000", "1.yaml", link("mod"), "120000", "2.yaml", link("mod/x.yaml"), "160000", "mod", gone), "| 1.yaml: to a submodule | 2.yaml: into a submodule | mod: is a submodule"},
		"a link as long as Linux has it":   {h.tree("120000", "l.yaml", link(long[:4088]+"a.txt"), "100644", "a.txt", a), "l.yaml<a.txt"},
		"a longer link":                    {h.tree("120000", "l.yaml", link(long), "100644", "a.yaml", a), "a.yaml | l.yaml: more than 4096 bytes"},
	} {
		found, err := h.walk(".", c.tree)
		if got := written(found); err != nil || !matches(got, c.want) {
			t.Errorf("%s: %q, %v, and want %q", name, got, err, c.want)
		}
		h.compare(name, c.tree, found)
	}
	for name, c := range map[string][2]string{
		"a tree that is cut off":         {string(h.put(plumbing.TreeObject, []byte("100644 a.yaml\x00short"))), "truncated"},
		"a name that is empty":           {h.tree("100644", "", a), "empty filename"},
		"a mode that is no number":       {h.tree("10x644", "a.yaml", a), "malformed mode"},
		"a directory that is a file":     {h.tree("40000", "d", a), "d: tree"},
		"a directory that is not there":  {h.tree("40000", "d", gone), "d: tree"},
		"a link that is a directory":     {h.tree("120000", "l.yaml", sub), "l.yaml: "},
		"a link whose target is missing": {h.tree("120000", "l.yaml", gone), "l.yaml: "},
	} {
		if found, err := h.walk(".", c[0]); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v %v", name, found, err)
		}
	}
	if _, err := h.walk("d", h.tree("40000", "d", sub, "40000", "d", sub)); err == nil {
		t.Error("a path that stands twice is read")
	}
}

func written(found files.Found) string {
	var names []string
	for _, f := range found.Files {
		if f.From != f.Path {
			f.Path += "<" + f.From
		}
		names = append(names, f.Path)
	}
	text := strings.Join(names, " ")
	for _, p := range found.Problems {
		text += fmt.Sprintf(" | %s: %s", p.File, p.Text)
	}
	return strings.TrimSpace(text)
}

// matches says whether the parts of a text begin with the name, and hold the words, that the parts of want have.
func matches(got, want string) bool {
	parts, wants := strings.Split(got, "| "), strings.Split(want, "| ")
	if len(parts) != len(wants) || strings.TrimSpace(parts[0]) != strings.TrimSpace(wants[0]) {
		return false
	}
	for i, w := range wants[1:] {
		name, words, _ := strings.Cut(strings.TrimSpace(w), ": ")
		if p := parts[i+1]; !strings.HasPrefix(p, name+": ") || !strings.Contains(p, words) {
			return false
		}
	}
	return true
}

// compare holds what was found to what git lists: each file is there with that content, and no manifest is missing without a word.
func (h hand) compare(name, tree string, found files.Found) {
	listed := map[string]string{}
	for line := range strings.SplitSeq(h.git("ls-tree", "-r", "-z", fmt.Sprintf("%x", tree)), "\x00") {
		if meta, file, ok := strings.Cut(line, "\t"); ok && strings.HasPrefix(meta, "100") {
			listed[file] = strings.Fields(meta)[2]
		}
	}
	read := map[string]bool{}
	for _, f := range found.Files {
		if read[f.From] = true; listed[f.From] != f.Key {
			h.t.Errorf("%s: %s is %s, and git has %q", name, f.From, f.Key, listed[f.From])
		}
	}
	for file := range listed {
		if !files.IsManifest(file) || strings.Contains("/"+file, "/.") || read[file] || named(found.Problems, file) {
			continue
		}
		h.t.Errorf("%s: git has %q, and it is neither read nor named", name, file)
	}
}

func named(problems []manifest.Problem, file string) bool {
	for _, p := range problems {
		if p.File == file || strings.HasPrefix(file, p.File+"/") || p.File == path.Dir(file) && strings.Contains(p.Text, "cannot be") || strings.Contains(p.Text, fmt.Sprintf("%q", file)) {
			return true
		}
	}
	return false
}

// Trees that are made to be large have an end.
func TestATreeIsReadAsFarAsItsBounds(t *testing.T) {
	t.Parallel()
	h := handIn(t)
	a := h.blob("one")
	deep := h.tree("100644", "a.yaml", a)
	for range 10_000 {
		deep = h.tree("40000", "d", deep)
	}
	found, err := h.walk(".", h.tree("100644", "a.yaml", a, "40000", "d", deep))
	if got := written(found); err != nil || !matches(got, "a.yaml | d"+strings.Repeat("/d", files.MaxDepth)+": more than 64 directories deep") {
		t.Errorf("deep: %q %v", got, err)
	}
	wide := make([]string, 0, 3*(files.MaxEntries+1))
	for i := range files.MaxEntries + 1 {
		wide = append(wide, "100644", fmt.Sprintf("f%06d.yaml", i), a)
	}
	if found, err = h.walk(".", h.tree(wide[3:]...)); err != nil || len(found.Files) != files.MaxEntries {
		t.Errorf("wide: %d %v", len(found.Files), err)
	}
	if _, err = h.walk(".", h.tree(wide...)); err == nil || !strings.Contains(err.Error(), "more than 100000 files") {
		t.Errorf("wider: %v", err)
	}
	bomb := h.tree("100644", "a.yaml", a)
	for range 12 {
		bomb = h.tree("40000", "0", bomb, "40000", "1", bomb, "40000", "2", bomb, "40000", "3", bomb, "40000", "4", bomb, "40000", "5", bomb, "40000", "6", bomb, "40000", "7", bomb)
	}
	if _, err = h.walk(".", bomb); err == nil || !strings.Contains(err.Error(), "more than 100000 files") {
		t.Errorf("a bomb: %v", err)
	}
	links := []string{"100644", "a.txt", a}
	target := h.blob(strings.Repeat("./", 2040) + "a.txt")
	for i := range 1000 {
		links = append(links, "120000", fmt.Sprintf("l%04d.yaml", i), target)
	}
	found, err = h.walk(".", h.tree(links...))
	if n := len(found.Problems); err != nil || n < 500 || n > 520 || !strings.Contains(found.Problems[n-1].Text, "1000000 names together") {
		t.Errorf("links: %d %v", n, err)
	}
}

// What a tree holds is not what the machine holds: a link is no way to a file of it.
func TestALinkOutOfTheRepositoryIsNotFollowed(t *testing.T) {
	t.Parallel()
	h := handIn(t)
	secret := t.TempDir() + "/secret.yaml"
	if err := os.WriteFile(secret, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := h.walk("deploy", h.tree("100644", "beside.yaml", h.blob("beside"), "40000", "deploy", h.tree("120000", "a.yaml", h.blob(secret), "120000", "b.yaml", h.blob(strings.Repeat("../", 40)+secret[1:]), "120000", "c.yaml", h.blob("../beside.yaml"))))
	if got := written(found); err != nil || !matches(got, "| deploy/a.yaml: leads out of deploy | deploy/b.yaml: leads out of deploy | deploy/c.yaml: leads out of deploy") {
		t.Errorf("%q %v", got, err)
	}
}
