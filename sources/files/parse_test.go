package files_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/files"
)

func TestManifestsHaveABoundTogether(t *testing.T) {
	content := append(bytes.Repeat([]byte("#"), files.MaxFile-1), '\n')
	var found files.Found
	for i := range files.MaxBytes/files.MaxFile + 2 {
		found.Files = append(found.Files, files.File{Path: fmt.Sprintf("%02d.yaml", i), Key: "same"})
	}
	set, err := files.NewLoader(manifest.Admission{}).Set(manifest.Info{Commit: "c"}, found, func(files.File) ([]byte, error) { return content, nil })
	if err != nil {
		t.Fatal(err)
	}
	var wrong []string
	for _, p := range set.Problems {
		if strings.Contains(p.Text, "have 64 MiB together") {
			wrong = append(wrong, p.File)
		}
	}
	if len(wrong) != 2 || wrong[0] != "16.yaml" {
		t.Error(wrong)
	}
}

func TestMistakesHaveABoundTogether(t *testing.T) {
	content := []byte(strings.Repeat("---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, x1: 1, x2: 2}\n", 2_500))
	var found files.Found
	for i := range files.MaxProblems/5_000 + 3 {
		found.Files = append(found.Files, files.File{Path: fmt.Sprintf("%02d.yaml", i), Key: "same"})
	}
	set, err := files.NewLoader(manifest.Admission{}).Set(manifest.Info{Commit: "c"}, found, func(files.File) ([]byte, error) { return content, nil })
	if err != nil {
		t.Fatal(err)
	}
	var unread []string
	for _, p := range set.Problems {
		if strings.Contains(p.Text, "have 50000 mistakes together") {
			unread = append(unread, p.File)
		}
	}
	if len(unread) != 3 || unread[0] != "10.yaml" || len(set.Problems) > files.MaxProblems+len(found.Files) {
		t.Errorf("%d mistakes, not read: %q", len(set.Problems), unread)
	}
}

// forest is a tree in which each directory has these entries.
type forest []files.Entry

func (f forest) Entries(string) ([]files.Entry, error) { return f, nil }
func (f forest) ReadLink(string) (string, error)       { return "l.yaml", nil }

func TestATreeIsWalkedSoFar(t *testing.T) {
	for want, f := range map[string]forest{
		"more than 64 directories deep":    {{Name: "d", Kind: files.Dir}},
		"more than 100000 files":           {{Name: "d", Kind: files.Dir}, {Name: "e", Kind: files.Dir}},
		"is a link that leads in a circle": {{Name: "l.yaml", Kind: files.Link}},
	} {
		if want == "more than 100000 files" {
			f = nil
			for i := range files.MaxEntries + 1 {
				f = append(f, files.Entry{Name: fmt.Sprint(i), Kind: files.Other})
			}
		}
		found, err := files.Walk(f, ".")
		said := fmt.Sprint(err, found.Problems)
		if !strings.Contains(said, want) {
			t.Errorf("%s: %.200s", want, said)
		}
	}
}
