package manifest

import (
	"path"
	"slices"
	"strings"
)

// Unread is an entry of the repository that is never read, such as a submodule or a link that leads out. It holds nothing and holds nobody
// up. What stood there before, or below it, was not taken out on purpose, and stays: see History.Want.
func Unread(p Problem) Parsed {
	p.Notice = true
	return Parsed{Path: p.File, foreign: &foreign{Problem: Problem{Origin: p.Origin, Text: p.Text}, whole: true}, Problems: []Problem{p}}
}

// within says whether a file is at that path, or below it.
func within(file, dir string) bool { return file == dir || strings.HasPrefix(file, dir+"/") }

// below are the objects of all files at that path or below it.
func (s Set) below(dir string) (all []ID) {
	for _, file := range sorted(s.held) {
		if within(file, dir) {
			all = append(all, s.held[file]...)
		}
	}
	return all
}

// untemplated are the files, those that are templates of a Helm chart among them as entries that are not read.
func untemplated(files []Parsed) []Parsed {
	charts := map[string]bool{}
	for _, f := range files {
		if path.Base(f.Path) == "Chart.yaml" {
			charts[path.Join(path.Dir(f.Path), "templates")] = true
		}
	}
	if len(charts) == 0 {
		return files
	}
	out := slices.Clone(files)
	for i, f := range out {
		if f.template > 0 && ofChart(charts, f.Path) {
			out[i] = Unread(Problem{Origin: Origin{f.Path, f.template}, Text: "is a template of a Helm chart, which is not rendered here: to deploy the chart, commit what helm template makes of it"})
		}
	}
	return out
}

func ofChart(charts map[string]bool, file string) bool {
	for dir := path.Dir(file); dir != "." && dir != "/"; dir = path.Dir(dir) {
		if charts[dir] {
			return true
		}
	}
	return false
}
