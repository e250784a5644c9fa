package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// asked is the variable by which a mutant is asked for, in the environment and in the packages.
const asked = "PODKEEP_MUTANT"

// variable is the file that each package with mutants gets beside its own.
func variable(name string) string {
	return fmt.Sprintf("package %s\n\nimport \"os\"\n\nvar mutant = os.Getenv(%q)\n", name, asked)
}

// graft gives a file's text with all its mutants: each is in a copy of its function, to which that one turns when the mutant is asked for. So
// one build has them all. list is where the compiler says that a mutant is wrong.
func graft(code string, mutants []mutant, list string) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", code, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	turns, copies := map[int]string{}, ""
	for _, m := range mutants {
		f, err := m.site(file, code)
		if err != nil {
			return "", err
		}
		name := f.Name.Name + "Mutant" + m.id()
		turn, err := turnTo(f, name, code)
		if err != nil {
			return "", fmt.Errorf("line %d: %w", m.line, err)
		}
		turns[at(f.Body.Lbrace)+1] += fmt.Sprintf(" if mutant == %q { %s };", m.id(), turn)
		copies += fmt.Sprintf("\n//line %s:%d\n%s%s%s\n", list, m.line, code[at(f.Pos()):at(f.Name.Pos())], name,
			strings.Replace(code[at(f.Name.End()):at(f.End())], m.old, m.new, 1))
	}
	var out strings.Builder
	for i := range len(code) {
		out.WriteString(turns[i])
		out.WriteByte(code[i])
	}
	return out.String() + copies, nil
}

// at is a place in the text: with one file in a set, positions count from 1.
func at(p token.Pos) int { return int(p) - 1 }

// site is the function in whose body the mutant's text stands, once in its file.
func (m mutant) site(file *ast.File, code string) (*ast.FuncDecl, error) {
	if m.old == "" {
		return nil, fmt.Errorf("line %d: says not what stands in %s", m.line, m.file)
	}
	if n := strings.Count(code, m.old); n != 1 {
		return nil, fmt.Errorf("line %d: %s has this text %d times, not once: %s", m.line, m.file, n, m.old)
	}
	from := strings.Index(code, m.old)
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && at(f.Body.Lbrace) < from && from+len(m.old) <= at(f.End()) {
			return f, nil
		}
	}
	return nil, fmt.Errorf("line %d: no function of %s has this text in its body: %s", m.line, m.file, m.old)
}

// turnTo is the call of a function's copy with the same arguments.
func turnTo(f *ast.FuncDecl, name, code string) (string, error) {
	call, args := name, []string(nil)
	if f.Recv != nil {
		if len(f.Recv.List[0].Names) == 0 {
			return "", fmt.Errorf("%s has a receiver without a name", f.Name.Name)
		}
		call = f.Recv.List[0].Names[0].Name + "." + name
	}
	for _, p := range f.Type.Params.List {
		for _, n := range p.Names {
			if n.Name == "_" {
				return "", fmt.Errorf("%s has a parameter without a name", f.Name.Name)
			}
			args = append(args, n.Name)
		}
		if strings.HasPrefix(code[at(p.Type.Pos()):], "...") {
			args[len(args)-1] += "..."
		}
	}
	call += "(" + strings.Join(args, ", ") + ")"
	if f.Type.Results == nil {
		return call + "; return", nil
	}
	return "return " + call, nil
}
