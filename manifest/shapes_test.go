package manifest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

const shapesHead = `# The Kubernetes documentation's examples

What becomes of the example manifests for Pods, Deployments, Services, Ingresses, NetworkPolicies, ConfigMaps, Secrets, Jobs and volumes that the
Kubernetes documentation teaches with. Paths are those below content/en/examples of its repository. A test loads a manifest of each example's shape and writes this
page: *runs* means that every field is honoured; otherwise the page shows what podkeep says.

| example | what becomes of it |
|---|---|
`

const argosHead = `# Argo Rollouts' examples

What becomes of the example manifests of Argo Rollouts. Paths are those below examples of its repository, at v1.9.2. A test loads a manifest of each
example's shape, its Services, Ingresses and templates of analyses beside it, and writes this page: *runs* means that every field is honoured; otherwise the page
shows what podkeep says. [Rollout](kinds/rollout.md) says what to write instead.

| example | what becomes of it |
|---|---|
`

func TestTheDocumentationsShapesRunOrAreRefusedWithAReason(t *testing.T) {
	fates(t, "testdata/shapes.txtar", "../docs/kubernetes-examples.md", shapesHead)
}

func TestArgosExamplesRunOrAreRefusedWithAReason(t *testing.T) {
	fates(t, "testdata/argo.txtar", "../docs/argo-examples.md", argosHead)
}

// fates writes, or compares, the page of what becomes of manifests.
func fates(t *testing.T, manifests, page, head string) {
	t.Helper()
	shapes, err := txtar.ParseFile(manifests)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	got.WriteString(head)
	for _, f := range shapes.Files {
		fmt.Fprintf(&got, "| %s | %s |\n", f.Name, fate(set("a1b2c3d4", "x.yaml", string(f.Data))))
	}
	if *update {
		if err := os.WriteFile(page, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil || got.String() != string(want) {
		t.Errorf("%s is not what the code does (%v); make golden, and read the difference\n%s", page, err, got.String())
	}
}

// fate is "runs", with what is said beside it, or the refusals.
func fate(s Set) string {
	var refused, notices []string
	for _, p := range s.Problems {
		text := strings.ReplaceAll(p.brief(), "|", `\|`)
		if p.Notice && !p.Lost {
			notices = append(notices, text)
		} else {
			refused = append(refused, text)
		}
	}
	switch objects := len(s.Workloads) + len(s.ConfigMaps) + len(s.Secrets) + len(s.Claims) + len(s.Services) + len(s.NetworkPolicies) +
		len(s.Ingresses); {
	case len(refused) > 0:
		return "refused: " + strings.Join(refused, "<br>")
	case objects == 0 && !slices.ContainsFunc(s.Problems, Problem.Refuses):
		return "taken; " + strings.Join(notices, "<br>")
	case objects == 0:
		return "not built: " + strings.Join(notices, "<br>")
	case len(notices) > 0:
		return "runs; " + strings.Join(notices, "<br>")
	}
	return "runs"
}
