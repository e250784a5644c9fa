package manifest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// allowing is the commit with the trailer that allows pruning.
func allowing(s Set) Set {
	s.AllowPrune = true
	return s
}

func TestAQuestionIsAnsweredByTheNearestCommitOfWhichItIsTrue(t *testing.T) {
	one, two := deployment("web", "nginx:1"), deployment("web", "nginx:2")
	web := ID{Kind: "Deployment", Namespace: "default", Name: "web"}
	const damage = "version https://git-lfs.github.com/spec/v1\n"
	head := set("h", "web.yaml", one)
	asked := ChangedSince(*head.workload(web), "since")
	since := set("since", "web.yaml", two)
	for _, c := range []struct {
		name string
		q    Question
		line []Set
		want string // the commit that answers, and how many were asked
	}{
		{"a file that loads", WholeFile("web.yaml"), []Set{set("b", "web.yaml", torn), set("a", "web.yaml", one), set("0", "web.yaml", two)}, "a 2"},
		{"one that was not there", WholeFile("web.yaml"), []Set{set("b", "web.yaml", damage), set("a", "x.yaml", one)}, "a 2"},
		{"none", WholeFile("web.yaml"), []Set{set("b", "web.yaml", damage), set("a", "web.yaml", torn)}, " 2"},
		{"another one does not matter", WholeFile("web.yaml"), []Set{set("b", "web.yaml", one, "x.yaml", torn)}, "b 1"},
		{"signers that load", Question{about: signers}, []Set{signed("b", "nobody"), set("a")}, "a 2"},
		{"where it stood", LastStood(web), []Set{set("b"), set("a", "web.yaml", one), set("0", "web.yaml", two)}, "a 2"},
		{"it did not", LastStood(web), []Set{set("b")}, " 1"},
		{"leave by the commit that took it out", AllowedSince(web), []Set{set("c"), allowing(set("b")), set("a", "web.yaml", one)}, "b 2"},
		{"leave from before", AllowedSince(web), []Set{set("c"), allowing(set("b", "web.yaml", one)), allowing(set("a"))}, " 2"},
		{"another revision", asked, []Set{set("b", "web.yaml", two), since}, "b 1"},
		{"it was not there", asked, []Set{head, set("b", "x.yaml", cfg), since}, "b 2"},
		{"another one since, not in it", asked, []Set{head, since, set("a", "web.yaml", two)}, " 2"},
		{"damage says nothing", asked, []Set{set("b", "web.yaml", damage), since}, " 2"},
		{"an error says nothing", asked, []Set{set("b", "x.yaml", torn), since}, " 2"},
	} {
		var answer Set
		n, done := 0, false
		for ; n < len(c.line) && !done; n++ {
			answer, done = c.q.Of(c.line[n], head)
		}
		if got := fmt.Sprint(answer.Commit, " ", n); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAnAnswerHoldsWhatWasAskedForAndNothingElse(t *testing.T) {
	uses := func(image string) string {
		return strings.Replace(deployment("uses", image), "image:", "envFrom: [{configMapRef: {name: cfg, optional: true}}]\n        image:", 1)
	}
	past := set("p", "x.yaml", cfg+"---\n"+deployment("web", "nginx:1"), "y.yaml", deployment("db", "pg:1")+"---\n"+uses("a:1"), "old.yaml", deployment("old", "b:1"), "n.yaml", n1)
	head := set("h", "x.yaml", torn, "y.yaml", deployment("db", "pg:2")+"---\n"+uses("a:2"), "n.yaml", n1)
	for q, want := range map[Question]string{
		WholeFile("x.yaml"): "ConfigMap/default/cfg Deployment/default/old Deployment/default/uses Deployment/default/web",
		WholeFile("n.yaml"): "Node/n1",
		LastStood(ID{Kind: "Deployment", Namespace: "default", Name: "db"}): "Deployment/default/db",
		{about: signers}: "",
	} {
		part, done := q.Of(past, head)
		var all []string
		for _, line := range strings.Split(shown(part), "\n") {
			all = append(all, strings.SplitN(line, " ", 2)[0])
		}
		if slices.Sort(all); !done || strings.Join(all, " ") != want {
			t.Errorf("%v: %q, want %q", q, all, want)
		}
	}
}

func TestWhatLeftIsAskedForWhereItsFileMayHaveBeenDamaged(t *testing.T) {
	web := ID{Kind: "Deployment", Namespace: "default", Name: "web"}
	const pointer, values = "version https://git-lfs.github.com/spec/v1\n", "replicas: 3\n"
	stood := set("p", "x.yaml", deployment("web", "nginx:1"))
	for _, c := range []struct {
		name string
		head Set
		past map[Question]Set
		more []Question
	}{
		{"where it stood is not known yet", set("h", "x.yaml", pointer), nil, nil},
		{"its file is damaged", set("h", "x.yaml", values, "y.yaml", pointer), map[Question]Set{LastStood(web): stood}, []Question{WholeFile("x.yaml")}},
		{"its file is gone", set("h", "y.yaml", pointer), map[Question]Set{LastStood(web): stood}, nil},
		{"it stood nowhere", set("h", "x.yaml", values, "y.yaml", pointer), map[Question]Set{LastStood(web): {}}, []Question{WholeFile("y.yaml")}},
	} {
		h := History{Head: c.head, Past: c.past}
		want := append([]Question{LastStood(web), AllowedSince(web)}, c.more...)
		if got := h.AsksOf(web); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
}
