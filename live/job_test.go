package live

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/manifest"
)

func TestAJobsPodIsMadeFromItsFormAndItsLabels(t *testing.T) {
	for mode, indexed := range map[string]bool{"NonIndexed": false, "Indexed": true} {
		text := "apiVersion: batch/v1\nkind: Job\nmetadata: {name: work}\nspec: {completions: 3, completionMode: " + mode + `, template: {spec: {
			restartPolicy: Never, initContainers: [{name: once, image: a}], containers: [{name: main, image: a, args: [$(PODKEEP_ATTEMPT)]}]}}}`
		set := manifest.Assemble(manifest.Info{Commit: "a1"}, []manifest.Parsed{manifest.Parse("x.yaml", []byte(text))})
		if len(set.Workloads) != 1 {
			t.Fatal(set.Problems)
		}
		r := set.Workloads[0].Revision
		p := Pod{Name: "work-0a1b2c-2-1", App: r.App, Slot: 2, Try: 1, Rev: r.Rev, Gen: 1, Expect: []string{"main", "once"}, Init: InitOf(r.Spec)}
		form := JobForm(r, p, indexed)
		p.Birth = BirthOf(form)
		want := form.Pod(p.Name, PodLabels(p), nil)
		seen, err := ParsePod(p.Name, PodLabels(p))
		if err != nil {
			t.Fatal(err)
		}
		stored, ok := ParseForm(FormLabels(r, "default", "here"))
		if !ok {
			t.Fatal("no form")
		}
		got := PodOf(stored, seen, nil)
		if diff := cmp.Diff(want.Labels, got.Labels); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(want.Spec, got.Spec); diff != "" || got.Hostname() != want.Hostname() {
			t.Errorf("%s: %s %s", mode, got.Hostname(), diff)
		}
		env := got.Spec.Containers[0].Env
		if got.Spec.Containers[0].Args[0] != "1" || indexed != (len(env) == 2) || indexed != (got.Hostname() == "work-2") {
			t.Errorf("%s: %s %+v", mode, got.Hostname(), env)
		}
	}
}
