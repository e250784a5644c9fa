package podkeep_test

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// bound is a row of docs/bounds.md: what its constant is said to be, and which test holds it.
type bound struct{ said, test string }

var (
	boundName = regexp.MustCompile(`^(max|most|longest|largest|Max|Most|Longest|Largest)([A-Z]|$)`)
	boundRow  = regexp.MustCompile("(?m)^\\| [^|]+ \\| ([^|]+) \\|(?: [^|]+ \\|)? `([\\w/]+\\.\\w+)` \\|(?: `(\\w+)` \\|)?$")
	amount    = regexp.MustCompile(`^([\d,]+)(?: (bytes|KiB|MiB|s|seconds|minutes))?\b`)
)

// notBound are packages that nobody outside speaks with: they are run by tests, or by who builds podkeep.
var notBound = []string{"bench", "devfleet", "examples", "reconciler/sim", "reconciler/mutants", "drivers/fake", "drivers/drivertest", "sources/sourcetest"}

func TestEveryBoundIsListedWithItsTest(t *testing.T) {
	text, tests, is := read(t, "docs/bounds.md"), testNames(t), boundsOf(t)
	page, others, _ := strings.Cut(text, "\n## Other numbers\n")
	listed := map[string]bound{}
	for i, part := range []string{page, others} {
		for _, m := range boundRow.FindAllStringSubmatch(part, -1) {
			if _, twice := listed[m[2]]; twice {
				t.Errorf("docs/bounds.md: %s is there twice", m[2])
			}
			listed[m[2]] = bound{m[1], m[3]}
			if m[3] == "" && i == 0 || m[3] != "" && !tests[m[3]] {
				t.Errorf("docs/bounds.md: %s: there is no test %q", m[2], m[3])
			}
		}
	}
	if rows := strings.Count(text, "\n| ") - strings.Count(text, "\n|---"); rows != len(listed) {
		t.Errorf("docs/bounds.md: %d of %d rows are understood: write | what | at most | then | `package.constant` | `Test` |", len(listed), rows)
	}
	for name, value := range is {
		b, there := listed[name]
		if !there {
			t.Errorf("docs/bounds.md: %s is missing: say what it bounds, what happens there, and which test holds it", name)
			continue
		}
		if said, err := valueOf(b.said); err != nil || said != value {
			t.Errorf("docs/bounds.md: %s is said to be %q, and is %d (%v)", name, b.said, value, err)
		}
	}
	for name := range listed {
		if _, there := is[name]; !there {
			t.Errorf("docs/bounds.md: there is no constant %s", name)
		}
	}
}

func TestAnAmountIsReadAsAPersonReadsIt(t *testing.T) {
	for said, want := range map[string]int64{
		"64 MiB of text": 64 << 20, "1,048,576": 1 << 20, "16 deep": 16, "10 s": int64(10 * time.Second), "2 minutes": int64(2 * time.Minute), "511,999 bytes": 511_999, "1 KiB": 1024,
	} {
		if got, err := valueOf(said); err != nil || got != want {
			t.Errorf("%s: %d, %v", said, got, err)
		}
	}
	if _, err := valueOf("many"); err == nil {
		t.Error("many is a number")
	}
}

// valueOf is the number that begins a text, in bytes, or in nanoseconds of a time.
func valueOf(said string) (int64, error) {
	m := amount.FindStringSubmatch(said)
	if m == nil {
		return 0, fmt.Errorf("%q begins with no number", said)
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(m[1], ",", ""), 10, 64)
	units := map[string]int64{"": 1, "bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "s": int64(time.Second), "seconds": int64(time.Second), "minutes": int64(time.Minute)}
	return n * units[m[2]], err
}

// testNames are those of all tests.
func testNames(t *testing.T) map[string]bool {
	names := map[string]bool{}
	for _, name := range files(t, ".go") {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`).FindAllStringSubmatch(read(t, name), -1) {
			names[m[1]] = true
		}
	}
	return names
}

// constants are those of all packages, by package and name.
type constants map[string]ast.Expr

// boundsOf are the values of all constants that are named as bounds are.
func boundsOf(t *testing.T) map[string]int64 {
	all, err := sourcesOf(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	known := constants{"time.Second": literal(int64(time.Second)), "time.Minute": literal(int64(time.Minute)), "time.Millisecond": literal(int64(time.Millisecond))}
	for _, s := range all {
		for _, d := range s.file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
				known.add(s.dir, g)
			}
		}
	}
	values := map[string]int64{}
	for name, e := range known {
		dir, bare := path.Split(strings.ReplaceAll(name, ".", "/"))
		if dir = path.Clean(dir); !boundName.MatchString(bare) || anyUnder(dir, notBound) {
			continue
		}
		v, exact := constant.Int64Val(constant.ToInt(known.value(dir, e)))
		if !exact {
			t.Errorf("%s: what it is cannot be seen: write it with numbers and other constants", name)
		}
		values[name] = v
	}
	return values
}

func literal(n int64) ast.Expr { return &ast.BasicLit{Kind: token.INT, Value: fmt.Sprint(n)} }

func (c constants) add(dir string, g *ast.GenDecl) {
	for _, spec := range g.Specs {
		v := spec.(*ast.ValueSpec)
		for i, name := range v.Names {
			if i < len(v.Values) {
				c[dir+"."+name.Name] = v.Values[i]
			}
		}
	}
}

// value is what an expression of a package comes to; unknown where it has more than numbers, texts' lengths and constants in it.
func (c constants) value(dir string, e ast.Expr) constant.Value {
	switch e := e.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(e.Value, e.Kind, 0)
	case *ast.ParenExpr:
		return c.value(dir, e.X)
	case *ast.Ident:
		return c.named(dir, e.Name)
	case *ast.SelectorExpr:
		x, _ := e.X.(*ast.Ident)
		for _, at := range []string{x.Name, path.Join(path.Dir(dir), x.Name), "sources/" + x.Name} {
			if v := c.named(at, e.Sel.Name); v.Kind() != constant.Unknown {
				return v
			}
		}
	case *ast.CallExpr:
		if f, ok := e.Fun.(*ast.Ident); ok && f.Name == "len" {
			return constant.MakeInt64(int64(len(constant.StringVal(c.value(dir, e.Args[0])))))
		}
	case *ast.BinaryExpr:
		x, y := c.value(dir, e.X), c.value(dir, e.Y)
		switch {
		case x.Kind() == constant.Unknown || y.Kind() == constant.Unknown:
		case slices.Contains([]token.Token{token.SHL, token.SHR}, e.Op):
			by, _ := constant.Uint64Val(y)
			return constant.Shift(x, e.Op, uint(by))
		case e.Op == token.QUO:
			return constant.BinaryOp(x, token.QUO_ASSIGN, y)
		default:
			return constant.BinaryOp(x, e.Op, y)
		}
	}
	return constant.MakeUnknown()
}

func (c constants) named(dir, name string) constant.Value {
	e, ok := c[dir+"."+name]
	if !ok {
		return constant.MakeUnknown()
	}
	return c.value(dir, e)
}
