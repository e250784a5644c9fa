package plan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/live"
)

func TestOnlyAFormThatIsNotAtHandIsLacking(t *testing.T) {
	was := commit(t, "c1", nodes("n1"), strings.Replace(deployment("web", 1, ""), "web:1", "web:0", 1), deployment("gone", 1, ""))
	head := commit(t, "c2", nodes("n1"), deployment("web", 1, ""))
	old, left := find(was, webID).Revision, running(was, "gone", 0)
	onNode := live.File{Name: live.RevFile(webID, old.Rev, key), Labels: live.FormLabels(old, "default", source), Signer: key}
	born := running(was, "web", 0)
	rewritten := born
	rewritten.Name, rewritten.Commit = born.Name+"-b", "a0"

	for name, c := range map[string]struct {
		pods  []live.Pod
		files []live.File
		want  []Need
	}{
		"HEAD has it":                          {[]live.Pod{running(head, "web", 0)}, nil, nil},
		"the commit that the pod names has it": {[]live.Pod{born}, nil, []Need{{webID, old.Rev, []string{"c1"}}}},
		"that of HEAD's past has it first":     {[]live.Pod{born, rewritten}, nil, []Need{{webID, old.Rev, []string{"c1", "a0"}}}},
		"a trusted File has it":                {[]live.Pod{born}, []live.File{onNode}, nil},
		"it left HEAD, and its file is asked":  {[]live.Pod{left}, nil, []Need{{left.App, left.Rev, []string{"c1"}}}},
	} {
		h := history(head)
		h.Ancestor["c1"] = true
		have := fleet(map[string][]live.Pod{"n1": c.pods}, nil, "n1")
		have.Nodes[0].Files = c.files
		if diff := cmp.Diff(c.want, Think(h, have, noon).Lacks()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
