package manifest

import (
	"fmt"
	"strings"
	"testing"
)

func TestAFileThatHoldsTooMuchIsReadInPartAndHidesTheRest(t *testing.T) {
	list := &strings.Builder{}
	fmt.Fprint(list, "apiVersion: v1\nkind: List\nitems:\n")
	for i := range maxObjects + 2 {
		fmt.Fprintf(list, "- {apiVersion: v1, kind: ConfigMap, metadata: {name: m-%d}}\n", i)
	}
	documents := &strings.Builder{}
	for i := range maxObjects + 2 {
		fmt.Fprintf(documents, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m-%d}\n", i)
	}
	for name, text := range map[string]string{"a list": list.String(), "documents": documents.String()} {
		p := Parse("x.yaml", []byte(text))
		if len(p.objects) != maxObjects || len(p.Problems) != 1 || !p.Problems[0].breaks() || !strings.Contains(p.Problems[0].Text, "more than 5000 objects") {
			t.Errorf("%s: %d objects, %v", name, len(p.objects), p.Problems)
		}
	}
}

func TestACommitThatHoldsTooMuchLeavesFilesOut(t *testing.T) {
	var all []Parsed
	for i := range maxTogether/maxObjects + 1 {
		p := Parsed{Path: fmt.Sprintf("%02d.yaml", i)}
		for j := range maxObjects {
			p.objects = append(p.objects, object{Meta: Meta{ID: ID{"Nothing", "n", fmt.Sprintf("%d-%d", i, j)}}})
		}
		all = append(all, p)
	}
	a := &assembly{set: Set{failed: map[ID]string{}, held: map[string][]ID{}, foreign: map[string]foreign{}}, unled: map[ID]Meta{}, origins: map[ID]Origin{}, configs: map[ID]config{}}
	if got := a.collect(all); len(got) != maxTogether || len(a.set.Problems) != 1 || a.unreadable != "10.yaml" {
		t.Errorf("%d objects, %v, %q", len(got), a.set.Problems, a.unreadable)
	}
}

func TestTheMistakesOfAnObjectAreSaidUpToABound(t *testing.T) {
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n"
	for i := range 3 * maxMistakes {
		text += fmt.Sprintf("field%d: 1\n", i)
	}
	p := Parse("x.yaml", []byte(text))
	if n := len(p.Problems); n != maxMistakes+1 || p.Problems[n-1].Text != "more than 100 mistakes: mend those first" {
		t.Errorf("%d: %v", n, p.Problems[n-1])
	}
}

func TestTheMistakesOfAFileAreSaidUpToABoundAndHideTheRest(t *testing.T) {
	list := &strings.Builder{}
	fmt.Fprint(list, "apiVersion: v1\nkind: List\nitems:\n")
	for range maxProblems / 2 {
		fmt.Fprint(list, "- {apiVersion: v1, kind: ConfigMap, metadata: {name: m}, x1: 1, x2: 2, x3: 3}\n")
	}
	p := Parse("x.yaml", []byte(list.String()))
	if n := len(p.Problems); n > maxProblems+maxMistakes || !p.Problems[n-1].breaks() || !strings.Contains(p.Problems[n-1].Text, "more than 5000 mistakes") {
		t.Errorf("%d: %v", n, p.Problems[n-1])
	}
}

func TestTheNoticesOfAnObjectHaveABound(t *testing.T) {
	c := &check{lines: map[string]int{}}
	for i := range 3 * maxMistakes {
		c.notice("", fmt.Sprint(i))
	}
	if n := len(c.found); n > maxMistakes+1 {
		t.Error(n)
	}
}

func TestAFileOfSignersHoldsSoManyKeysAndSaysSoManyMistakes(t *testing.T) {
	const key = "a ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDbmMRrkZPAl4jOmC4HXV7rnl0Sbc9zKXoWg0MRl3Y1S\n"
	if p := Parse(SignersFile, []byte(strings.Repeat(key, maxSigners))); len(p.Problems) > 0 || len(p.signers) != maxSigners {
		t.Errorf("%d keys, %v", len(p.signers), p.Problems)
	}
	if p := Parse(SignersFile, []byte(strings.Repeat(key, maxSigners+2))); len(p.signers) > 0 || len(p.Problems) != 2 || !strings.Contains(p.Problems[0].Text, "more than 1000 keys") {
		t.Errorf("%d keys, %v", len(p.signers), p.Problems)
	}
	if p := Parse(SignersFile, []byte(strings.Repeat("a\n", 1<<20))); len(p.Problems) != maxMistakes {
		t.Errorf("%d mistakes", len(p.Problems))
	}
}

func TestWhatAResolverAJobAndAFileTakeAtMost(t *testing.T) {
	job := func(spec string) string {
		return "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec:\n  " + spec + "\n  template: {spec: {restartPolicy: Never, containers: [{name: a, image: b}]}}\n"
	}
	list := func(n int, one string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(one+", ", n), ", ") + "]"
	}
	codes := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprint(i+1))
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	for _, c := range []struct {
		text func(n int) string
		most int
		want string
	}{
		{func(n int) string {
			return pod("dnsPolicy: None\ndnsConfig: {nameservers: "+list(n, "192.0.2.1")+"}", "")
		}, MaxNameservers, "a resolver takes 3 at most"},
		{func(n int) string {
			return pod("dnsPolicy: None\ndnsConfig: {nameservers: [192.0.2.1], searches: "+list(n, "a")+"}", "")
		}, maxSearches, "a resolver takes 32 at most"},
		{func(n int) string { return job(fmt.Sprintf("completions: %d", n)) }, mostCompletions, "is more than 100000"},
		{func(n int) string {
			return job("podFailurePolicy: {rules: " + list(n, "{action: Ignore, onPodConditions: [{type: DisruptionTarget, status: \"True\"}]}") + "}")
		}, mostPolicyRules, "are more than 20"},
		{func(n int) string {
			return job("podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: " + codes(n) + "}}]}")
		}, mostExitCodes, "are more than 255"},
		{func(n int) string {
			head := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
			return head + strings.Repeat("#", n-len(head))
		}, maxFile, "the file has more than 16 MiB"},
	} {
		if said := wrongs(set("c", "x.yaml", c.text(c.most))); strings.Contains(said, c.want) {
			t.Errorf("as much as there may be: %s", said)
		}
		if said := wrongs(set("c", "x.yaml", c.text(c.most+1))); !strings.Contains(said, c.want) {
			t.Errorf("one more: %q, want %s", said, c.want)
		}
	}
}

func TestAmongAGreatManyNamesNoneIsLookedFor(t *testing.T) {
	names := make([]string, maxCandidates)
	names[0] = "wbe"
	if nearest("web", names) != "wbe" || nearest("web", append(names, "x")) != "" {
		t.Error("as many as there may be, and one more")
	}
}
