// Package podkeep_test holds the house in order: which way imports go, what pure packages may not touch, which
// folders there are, and that the papers say what is so. The rules are docs/architecture.md's.
package podkeep_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/podkeep/podkeep"

// pure packages think: the same input gives the same answer, and nothing else happens.
var pure = []string{
	"manifest", "live", "reconciler/plan", "reconciler/ledger", "reconciler/job", "reconciler/rollout", "reconciler/schedule", "reconciler/health", "node/wire", "node/route",
}

// impure is what a pure package never imports, nor anything below it. Values stay allowed.
var (
	impure = []string{
		"context", "crypto/rand", "io/ioutil", "log", "math/rand", "net", "os", "path/filepath", "plugin", "sync", "syscall",
	}
	values  = []string{"net/netip", "net/url"}
	allowed = []string{"k8s.io/api", "k8s.io/apimachinery", "k8s.io/pod-security-admission", "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1", "sigs.k8s.io/gateway-api/apis", "sigs.k8s.io/yaml", "gopkg.in/yaml.v3"}
)

// clocks are the names of package time that read or wait for the clock.
var clocks = []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer", "Sleep"}

// folders are all that may stand at the top.
var folders = []string{
	"bench", "cmd", "devfleet", "docs", "drivers", "examples", "live", "manifest", "node", "openssh", "reconciler", "sources", "status",
}

// runners are the packages that may start programs: the node side for probes, commands where a person's own git or podman is asked, and what only
// develops podkeep. What comes from Git, from hosts and from registries is read by none.
var runners = []string{"bench", "cmd/podkeep", "devfleet", "drivers/drivertest", "node", "reconciler/mutants", "sources/sourcetest"}

// vague names say nothing about what is inside.
var vague = []string{
	"base", "common", "core", "helper", "helpers", "lib", "manager", "misc", "pkg", "shared", "types", "util", "utils",
}

// source is one Go file that is not a test.
type source struct {
	name string
	dir  string // slash-separated, relative to the module's root
	file *ast.File
}

func TestTheTreeKeepsItsRules(t *testing.T) {
	found, err := breaches(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range found {
		t.Error(b)
	}
}

func TestEveryBreachIsFound(t *testing.T) {
	for _, c := range []struct{ name, file, code, want string }{
		{"a pure package opens files", "live/a.go", `import "os"`,
			"live/a.go: a pure package imports os"},
		{"a pure package runs programs", "reconciler/plan/a.go", `import "os/exec"`,
			"reconciler/plan/a.go: a pure package imports os/exec"},
		{"a pure package dials", "manifest/a.go", `import "net/http"`,
			"manifest/a.go: a pure package imports net/http"},
		{"a pure package takes a library that is no value", "manifest/a.go", `import "github.com/sirupsen/logrus"`,
			"manifest/a.go: a pure package imports github.com/sirupsen/logrus"},
		{"a pure package reaches outwards", "live/a.go", `import "github.com/podkeep/podkeep/drivers"`,
			"live/a.go: a pure package imports github.com/podkeep/podkeep/drivers"},
		{"a pure package reads the clock", "reconciler/rollout/a.go", `import "time"; var _ = time.Now`,
			"reconciler/rollout/a.go: a pure package uses time.Now"},
		{"a pure package reads the clock by another name", "live/a.go", `import clock "time"; var _ = clock.Since`,
			"live/a.go: a pure package uses time.Since"},
		{"a pure package hides where names come from", "live/a.go", `import . "time"`,
			"live/a.go: a pure package imports time without its name"},
		{"a driver knows the loop", "drivers/podman/a.go", `import "github.com/podkeep/podkeep/reconciler/plan"`,
			"drivers/podman/a.go: drivers never import reconciler"},
		{"a source knows the loop", "sources/git/a.go", `import "github.com/podkeep/podkeep/reconciler"`,
			"sources/git/a.go: sources never import reconciler"},
		{"the node side knows a driver", "node/a.go", `import "github.com/podkeep/podkeep/drivers"`,
			"node/a.go: node imports pure packages only, not drivers"},
		{"a source runs programs", "sources/git/a.go", `import "os/exec"`,
			"sources/git/a.go: runs programs, which sources/git may not"},
		{"the bindings leave their driver", "status/a.go", `import "github.com/containers/podman/v4/pkg/bindings"`,
			"status/a.go: github.com/containers belongs to drivers/podman alone"},
		{"a folder nobody knows", "engine/a.go", ``,
			"engine: not a folder of the house"},
		{"a name that says nothing", "sources/util/a.go", ``,
			"sources/util: a package is named for its noun, not util"},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, err := breaches(fstest.MapFS{c.file: {Data: []byte("package a\n" + c.code)}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{c.want}, found); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestValuesAreNoBreach(t *testing.T) {
	found, err := breaches(fstest.MapFS{"manifest/a.go": {Data: []byte(`package a
import ("net/url"; "time"; corev1 "k8s.io/api/core/v1"; "github.com/podkeep/podkeep/live")
func After(t time.Time, u url.URL, p corev1.Pod, n live.Node) bool { return t.After(time.Time{}) }
`)}, "manifest/a_test.go": {Data: []byte(`package a; import "os"`)}})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) > 0 {
		t.Error(found)
	}
}

// breaches lists, sorted, where a tree of Go files breaks the rules.
func breaches(tree fs.FS) ([]string, error) {
	sources, err := sourcesOf(tree)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, s := range sources {
		found = append(found, misplaced(s.dir)...)
		found = append(found, misdirected(s)...)
		if slices.Contains(pure, s.dir) {
			found = append(found, impurities(s)...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

func sourcesOf(tree fs.FS) ([]source, error) {
	var all []source
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (name == "bin" || entry.Name() == "testdata" || strings.HasPrefix(name, ".") && name != ".") {
			return fs.SkipDir
		}
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		code, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, code, parser.SkipObjectResolution)
		all = append(all, source{name, path.Dir(name), file})
		return err
	})
	return all, err
}

func misplaced(dir string) (found []string) {
	parts := strings.Split(dir, "/")
	if dir != "." && !slices.Contains(folders, parts[0]) {
		found = append(found, parts[0]+": not a folder of the house")
	}
	if name := parts[len(parts)-1]; slices.Contains(vague, name) {
		found = append(found, fmt.Sprintf("%s: a package is named for its noun, not %s", dir, name))
	}
	return found
}

func misdirected(s source) (found []string) {
	top, _, _ := strings.Cut(s.dir, "/")
	for _, imported := range imports(s.file) {
		own, isOwn := strings.CutPrefix(imported, module+"/")
		switch {
		case (top == "drivers" || top == "sources") && isOwn && under(own, "reconciler"):
			found = append(found, fmt.Sprintf("%s: %s never import reconciler", s.name, top))
		case top == "node" && !slices.Contains(pure, s.dir) && isOwn && !under(own, "node") && !slices.Contains(pure, own):
			found = append(found, fmt.Sprintf("%s: node imports pure packages only, not %s", s.name, own))
		case under(imported, "github.com/containers") && !under(s.dir, "drivers/podman"):
			found = append(found, s.name+": github.com/containers belongs to drivers/podman alone")
		case imported == "os/exec" && !slices.Contains(pure, s.dir) && !anyUnder(s.dir, runners):
			found = append(found, s.name+": runs programs, which "+s.dir+" may not")
		}
	}
	return found
}

func impurities(s source) (found []string) {
	for _, imported := range imports(s.file) {
		if !isPure(imported) {
			found = append(found, fmt.Sprintf("%s: a pure package imports %s", s.name, imported))
		}
	}
	clock := "time"
	for _, spec := range s.file.Imports {
		switch {
		case spec.Name == nil:
		case spec.Name.Name == ".":
			found = append(found, fmt.Sprintf("%s: a pure package imports %s without its name", s.name, importPath(spec)))
		case importPath(spec) == "time":
			clock = spec.Name.Name
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && slices.Contains(clocks, sel.Sel.Name) {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == clock {
				found = append(found, fmt.Sprintf("%s: a pure package uses time.%s", s.name, sel.Sel.Name))
			}
		}
		return true
	})
	return found
}

// isPure says whether a pure package may import it.
func isPure(imported string) bool {
	if own, ok := strings.CutPrefix(imported, module+"/"); ok {
		return slices.Contains(pure, own)
	}
	if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") {
		return anyUnder(imported, allowed)
	}
	return slices.Contains(values, imported) || !anyUnder(imported, impure)
}

func imports(file *ast.File) (all []string) {
	for _, spec := range file.Imports {
		all = append(all, importPath(spec))
	}
	return all
}

func importPath(spec *ast.ImportSpec) string {
	name, _ := strconv.Unquote(spec.Path.Value)
	return name
}

func under(name, parent string) bool { return name == parent || strings.HasPrefix(name, parent+"/") }

func anyUnder(name string, parents []string) bool {
	return slices.ContainsFunc(parents, func(p string) bool { return under(name, p) })
}
