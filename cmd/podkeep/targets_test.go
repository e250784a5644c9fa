package main

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryArgumentAndEveryFlagHasCompletion(t *testing.T) {
	for _, cmd := range runnable(rootCommand()) {
		for _, flag := range valued(cmd) {
			if _, ok := cmd.GetFlagCompletionFunc(flag.Name); !ok {
				t.Errorf("%s: --%s has no completion", cmd.CommandPath(), flag.Name)
			}
		}
		if cmd.ValidArgsFunction == nil && cmd.ValidArgs == nil {
			t.Errorf("%s: its arguments have no completion", cmd.CommandPath())
		}
	}
}

// words that stand for what a repository holds, and a part of what has to be offered for them.
var offered = map[string]string{
	"KIND/NAME": "deployment/web", "NAME": "deployment/web", "COMMIT": "\tthe first", "NODE": "",
	"--namespace": "shop", "--container": "app", "--node": "n1", "--rev": "v1", "--branch": "main", "--selector": "app=web",
}

func TestWhatARepositoryHoldsIsOfferedWhereverItCanBeNamed(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	repository := repositoryOf(t, map[string]string{
		"node.yaml": aNode, "web.yaml": aDeployment, "shop.yaml": strings.Replace(aDeployment, "name: web", "name: cart, namespace: shop", 1),
	})
	for _, cmd := range runnable(rootCommand()) {
		if cmd.Flags().Lookup("source") == nil {
			continue
		}
		name := strings.Fields(strings.TrimPrefix(cmd.CommandPath(), "podkeep "))
		ask := func(word string, args ...string) {
			args = append(append(append([]string{"__complete"}, name...), "--source", repository), args...)
			out := &strings.Builder{}
			if code := execute(args, out, out); code != 0 || !strings.Contains(out.String(), offered[word]) {
				t.Errorf("%q: exit code %d, without %q:\n%s", args, code, offered[word], out)
			}
		}
		for _, flag := range valued(cmd) {
			if offered["--"+flag.Name] != "" {
				ask("--"+flag.Name, "--"+flag.Name, "")
			}
		}
		word := strings.Trim(strings.Fields(cmd.Use + " -")[1], "[]")
		if offered[word] != "" && cmd.Name() != "load" {
			ask(word, "")
		}
	}
}

func TestASubjectDoesNothingToAShellThatIsOfferedIt(t *testing.T) {
	got := described("abc1234\tfix\x1b]0;title\x07es\ndef5678\tmore\n")
	if want := []string{"abc1234\tfixes", "def5678\tmore"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
