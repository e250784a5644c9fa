package manifest

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

const aJob = `apiVersion: batch/v1
kind: Job
metadata: {name: work}
spec:
  EXTRA
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: app}]
`

// jobWith is a Job with one more line in its spec.
func jobWith(line string) string { return strings.Replace(aJob, "EXTRA", line, 1) }

func TestOnlyWhatIsToBeDoneMakesANewRevOfAJob(t *testing.T) {
	revs := func(line string) string {
		return load(t, "job.yaml", jobWith(line)).Workloads[0].Revision.Rev
	}
	plain := revs("backoffLimit: 6")
	for _, same := range []string{
		"parallelism: 1", "suspend: true", "ttlSecondsAfterFinished: 5", "activeDeadlineSeconds: 5", "backoffLimit: 2", "completions: 1",
		"completionMode: NonIndexed", "manualSelector: true", "selector: {matchLabels: {controller-uid: x}}",
	} {
		if revs(same) != plain {
			t.Errorf("%s makes a new rev", same)
		}
	}
	for _, other := range []string{"completions: 2", "{completions: 1, completionMode: Indexed}"} {
		line := strings.NewReplacer("{", "", "}", "", ", ", "\n  ").Replace(other)
		if revs(line) == plain {
			t.Errorf("%s makes no new rev", other)
		}
	}
}

func TestLabelsOfAnExportedJobAreNoPartOfIt(t *testing.T) {
	exported := strings.Replace(jobWith("backoffLimit: 6"), "    spec:",
		"    metadata: {labels: {job-name: work, controller-uid: u, batch.kubernetes.io/job-name: work, batch.kubernetes.io/controller-uid: u}}\n    spec:", 1)
	plain, other := load(t, "job.yaml", jobWith("backoffLimit: 6")), load(t, "job.yaml", exported)
	if plain.Workloads[0].Revision.Rev != other.Workloads[0].Revision.Rev {
		t.Error("they make a new rev")
	}
}

func TestIndexesAreReadAsKubernetesWritesThem(t *testing.T) {
	for _, text := range []string{"", "0", "0,2", "0-2", "0,2-4,7", "1,2,4-6"} {
		set, err := ParseIndexes(text, 10)
		if again := FormatIndexes(set); err != nil || strings.ReplaceAll(again, "1,2", "1-2") != strings.ReplaceAll(text, "1,2", "1-2") {
			t.Errorf("%q became %q, %v", text, again, err)
		}
	}
	for _, text := range []string{"x", "-1", "3-2", "2,1", "0-10", "1-1", "1-2-3"} {
		if _, err := ParseIndexes(text, 10); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestAMistakeInAJobIsSaid(t *testing.T) {
	const path = "testdata/job.txtar"
	golden, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range golden.Files {
		text, want, _ := strings.Cut(string(c.Data), "====\n")
		got := wrongs(set("a1b2c3d4", "x.yaml", text)) + "\n"
		golden.Files[i].Data = []byte(text + "====\n" + got)
		if got != want && !*update {
			t.Errorf("%s: got\n%swant\n%s", c.Name, got, want)
		}
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(golden), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
