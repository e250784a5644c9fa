package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The list does not rot: what each mutant breaks is in the code still, once, and the code can be read with it.
func TestEveryMutantIsInTheCodeOnce(t *testing.T) {
	all, err := parse(list)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		code, err := os.ReadFile(filepath.Join("../..", m.file))
		if err != nil {
			t.Fatal(err)
		}
		text, err := graft(string(code), []mutant{m}, listFile)
		if err != nil {
			t.Errorf("%v\nmove the mutant to where that is now, or take it off the list", err)
			continue
		}
		if _, err := parser.ParseFile(token.NewFileSet(), m.file, text, parser.SkipObjectResolution); err != nil {
			t.Errorf("line %d: %v", m.line, err)
		}
	}
}

const code = `package a

type t struct{}

func (x t) sum(a int, more ...int) (n int) { return a + len(more) }

func one() { n++ }

func none(_ int) { m++ }
`

func TestAMutantIsACopyOfItsFunction(t *testing.T) {
	all, err := parse("# a comment\na.go: sums less\n- a + len\n+ a - len\n\na.go: counts down\n- n++\n+ n--\n= nobody counts\n")
	if err != nil {
		t.Fatal(err)
	}
	if all[1].survives != "nobody counts" {
		t.Errorf("read %+v", all)
	}
	got, err := graft(code, all, "list.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{ if mutant == "2" { return x.sumMutant2(a, more...) }; return a + len(more) }`,
		"//line list.txt:2\nfunc (x t) sumMutant2(a int, more ...int) (n int) { return a - len(more) }",
		`func one() { if mutant == "6" { oneMutant6(); return }; n++ }`,
		"func oneMutant6() { n-- }",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %s:\n%s", want, got)
		}
	}
}

func TestAMutantThatCannotBeIsSaid(t *testing.T) {
	for _, c := range []struct{ claim, list, want string }{
		{"of a text that is not there", "a.go: x\n- gone\n+ y", "line 1: a.go has this text 0 times, not once: gone"},
		{"of a text that is there twice", "a.go: x\n- int\n+ y", "line 1: a.go has this text 4 times, not once: int"},
		{"of no text", "a.go: x\n+ y", "line 1: says not what stands in a.go"},
		{"outside of functions", "a.go: x\n- type t\n+ type u", "line 1: no function of a.go has this text in its body: type t"},
		{"of a function that cannot be called again", "a.go: x\n- m++\n+ y", "line 1: none has a parameter without a name"},
		{"without a file", "x", "line 1: want FILE: WHAT IT BREAKS"},
		{"with a line of nothing", "a.go: x\ny", "line 2: a line of a mutant begins with -, + or ="},
	} {
		t.Run(c.claim, func(t *testing.T) {
			all, err := parse(c.list)
			if err == nil {
				_, err = graft(code, all, "list.txt")
			}
			if err == nil || err.Error() != c.want {
				t.Errorf("said %v, want %s", err, c.want)
			}
		})
	}
}

func TestWhatFailedIsNamed(t *testing.T) {
	for _, c := range []struct{ out, want string }{
		{"--- FAIL: TestA (0.0s)\n    a_test.go:7: no\n--- FAIL: TestB (0.0s)\nFAIL\n", "TestA"},
		{"--- FAIL: TestNext (0.1s)\n    --- FAIL: TestNext/a_canary_waits (0.0s)\n        a_test.go:7: no\n", "TestNext/a_canary_waits"},
		{"panic: test timed out after 1s\n\tgoroutine 1\n", "panic: test timed out after 1s"},
		{"exit status 3\n", "a test that says nothing"},
	} {
		if got := failure(c.out); got != c.want {
			t.Errorf("of %q: %q, want %q", c.out, got, c.want)
		}
	}
}
