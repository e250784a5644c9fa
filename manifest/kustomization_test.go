package manifest

import (
	"fmt"
	"strings"
	"testing"
)

func TestWhatAKustomizationWouldChangeIsNotDeployedAsItStands(t *testing.T) {
	web, db := deployment("web", "nginx:1"), deployment("db", "pg:1")
	for name, c := range map[string]struct {
		files    []string
		loaded   string
		problems []string
	}{
		"one that changes nothing": {
			[]string{"kustomization.yaml", "resources: [web.yaml]\n", "web.yaml", web}, "web",
			[]string{"kustomization.yaml:1: is a kustomization that changes nothing; what it names is deployed as it stands"},
		},
		"with apiVersion and kind": {
			[]string{"kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [web.yaml]\nimages: []\n", "web.yaml", web}, "web",
			[]string{"kustomization.yaml:1: is a kustomization that changes nothing; what it names is deployed as it stands"},
		},
		"one that gives other names": {
			[]string{"kustomization.yml", "# ours\nnamePrefix: x-\nresources: [web.yaml]\n", "web.yaml", web, "db.yaml", db}, "db",
			[]string{"kustomization.yml:2: Kustomization: is not built here, and what it names is left out, since it would be changed (namePrefix); commit what kustomize build . writes in its place"},
		},
		"a base and what is laid over it": {
			[]string{"base/kustomization.yaml", "resources: [web.yaml, ../more]\n", "base/web.yaml", web, "more/kustomization.yaml", "resources: [db.yaml]\n", "more/db.yaml", db,
				"prod/kustomization.yaml", "bases: [../base]\npatchesStrategicMerge: [bigger.yaml]\n", "prod/bigger.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 9}\n"}, "",
			[]string{"prod/bigger.yaml:1: is a part of a kustomization, and no object by itself; nothing is done for it",
				"prod/kustomization.yaml:1: Kustomization: is not built here, and what it names is left out, since it would be changed (patchesStrategicMerge); commit what kustomize build prod writes in its place"},
		},
		"what is elsewhere": {
			[]string{"kustomization.yaml", "resources: ['https://example.com/app?ref=v1', web.yaml]\n", "web.yaml", web}, "web",
			[]string{"kustomization.yaml:1: Kustomization: is not built here, and https://example.com/app?ref=v1 is not fetched; commit what kustomize build . writes in its place"},
		},
		"two in a ring": {
			[]string{"a/kustomization.yaml", "namespace: a\nresources: [../b, web.yaml]\n", "a/web.yaml", web, "b/kustomization.yaml", "resources: [../a]\n"}, "",
			[]string{"a/kustomization.yaml:1: Kustomization: is not built here, and what it names is left out, since it would be changed (namespace); commit what kustomize build a writes in its place"},
		},
		"what is broken": {
			[]string{"kustomization.yaml", "namePrefix: x-\nresources: [web.yaml, db.yaml]\n", "web.yaml", web, "db.yaml", "kind: ["}, "",
			[]string{"db.yaml:1: is not YAML: did not find expected node content",
				"kustomization.yaml:1: Kustomization: is not built here, and what it names is left out, since it would be changed (namePrefix); commit what kustomize build . writes in its place"},
		},
		"a manifest of that name": {[]string{"kustomization.yaml", web}, "web", nil},
	} {
		s := set("c", c.files...)
		var loaded []string
		for _, w := range s.Workloads {
			loaded = append(loaded, w.Name)
		}
		if got := strings.Join(loaded, " "); got != c.loaded || wrongs(s) != strings.Join(c.problems, "\n") {
			t.Errorf("%s: %q\n%s", name, got, wrongs(s))
		}
	}
}

func TestWhatRanBeforeAKustomizationWouldChangeItStays(t *testing.T) {
	h := set("h", "web.yaml", deployment("web", "nginx:2"), "kustomization.yaml", "namePrefix: x-\nresources: [web.yaml]\n").After(set("p", "web.yaml", deployment("web", "nginx:1")))
	if w := h.Want().Workloads; len(w) != 1 || w[0].Commit != "p" || !strings.HasPrefix(w[0].Held, "kustomization.yaml:1 does not load at h (Kustomization: is not built here") {
		t.Error(fmt.Sprint(w))
	}
}
