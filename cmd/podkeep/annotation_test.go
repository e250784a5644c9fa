package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/manifest"
)

var (
	aWeb    = manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}
	suspend = note{[]string{"metadata"}, "podkeep.io/suspend", "true"}
	resume  = note{[]string{"metadata"}, "podkeep.io/suspend", ""}
	restart = note{[]string{"spec", "template", "metadata"}, restartedAt, "2026-11-26T12:00:00Z"}
)

func TestAnAnnotationIsWrittenWhereTheObjectStandsAndNothingElseChanges(t *testing.T) {
	for _, c := range []struct {
		name      string
		note      note
		was, want string
	}{
		{"below the name", suspend, `
# the shop's front
apiVersion: apps/v1
kind: Deployment
metadata:
    name: web   # as in DNS
    labels:
        app: web
spec: {}
`, `
# the shop's front
apiVersion: apps/v1
kind: Deployment
metadata:
    name: web   # as in DNS
    annotations:
        podkeep.io/suspend: "true"
    labels:
        app: web
spec: {}
`},
		{"among others, whose comments stay theirs", suspend, `
kind: Deployment
metadata:
  annotations: # ours
    # who to ask
    owner: ann
  name: web
`, `
kind: Deployment
metadata:
  annotations: # ours
    podkeep.io/suspend: "true"
    # who to ask
    owner: ann
  name: web
`},
		{"in the place of another value", suspend, `
kind: Deployment
metadata: {name: web, annotations: {podkeep.io/suspend: 'false', owner: ann}}
`, `
kind: Deployment
metadata: {name: web, annotations: {podkeep.io/suspend: 'true', owner: ann}}
`},
		{"in braces", suspend, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2}}`,
			`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, annotations: {podkeep.io/suspend: "true"}}, spec: {replicas: 2}}`},
		{"in braces that hold more braces", suspend, "kind: Deployment\nmetadata: {name: web, labels: {app: web}}\n",
			"kind: Deployment\nmetadata: {annotations: {podkeep.io/suspend: \"true\"}, name: web, labels: {app: web}}\n"},
		{"in empty braces", suspend, "kind: Deployment\nmetadata:\n  name: web\n  annotations: {}\n",
			"kind: Deployment\nmetadata:\n  name: web\n  annotations: {podkeep.io/suspend: \"true\"}\n"},
		{"below a key alone", suspend, "kind: Deployment\nmetadata:\n  name: web\n  annotations: # none yet\nspec: {}\n",
			"kind: Deployment\nmetadata:\n  name: web\n  annotations: # none yet\n    podkeep.io/suspend: \"true\"\nspec: {}\n"},
		{"in JSON", suspend, `{"kind": "Deployment", "metadata": {"name": "web"}}`,
			`{"kind": "Deployment", "metadata": {"name": "web", "annotations": {"podkeep.io/suspend": "true"}}}`},
		{"in a file that ends without a line's end", suspend, "kind: Deployment\nmetadata:\n  name: web",
			"kind: Deployment\nmetadata:\n  name: web\n  annotations:\n    podkeep.io/suspend: \"true\""},
		{"with the line ends that the file has", suspend, "kind: Deployment\r\nmetadata:\r\n  name: web\r\n",
			"kind: Deployment\r\nmetadata:\r\n  name: web\r\n  annotations:\r\n    podkeep.io/suspend: \"true\"\r\n"},
		{"in the right document and the right place of a list", suspend, `
kind: Deployment
metadata: {name: web, namespace: shop}
---
apiVersion: v1
kind: List
items:
- kind: Service
  metadata:
    name: web
- kind: Deployment
  metadata:
    name: web
`, `
kind: Deployment
metadata: {name: web, namespace: shop}
---
apiVersion: v1
kind: List
items:
- kind: Service
  metadata:
    name: web
- kind: Deployment
  metadata:
    name: web
    annotations:
      podkeep.io/suspend: "true"
`},
		{"in a list of one kind", suspend, "kind: DeploymentList\nitems:\n- metadata: {name: web}\n",
			"kind: DeploymentList\nitems:\n- metadata: {name: web, annotations: {podkeep.io/suspend: \"true\"}}\n"},
		{"after letters of several bytes", suspend, "kind: Deployment\nmetadata: {name: web, labels: {von: Jörg}, note: ö}\n",
			"kind: Deployment\nmetadata: {name: web, labels: {von: Jörg}, note: ö, annotations: {podkeep.io/suspend: \"true\"}}\n"},

		{"taken out with its line", resume, "kind: Deployment\nmetadata:\n  name: web\n  annotations:\n    owner: ann\n    podkeep.io/suspend: \"true\" # till Monday\nspec: {}\n",
			"kind: Deployment\nmetadata:\n  name: web\n  annotations:\n    owner: ann\nspec: {}\n"},
		{"taken out with the key above", resume, "kind: Deployment\nmetadata:\n  name: web\n  annotations:\n    podkeep.io/suspend: \"true\"\nspec: {}\n",
			"kind: Deployment\nmetadata:\n  name: web\nspec: {}\n"},
		{"made false where there is no line to take out", resume, "kind: Deployment\nmetadata: {name: web, annotations: {podkeep.io/suspend: \"true\"}}\n",
			"kind: Deployment\nmetadata: {name: web, annotations: {podkeep.io/suspend: \"false\"}}\n"},
		{"made false below a comment", resume, "kind: Deployment\nmetadata:\n  name: web\n  annotations:\n    # till Monday\n    podkeep.io/suspend: \"true\"\n",
			"kind: Deployment\nmetadata:\n  name: web\n  annotations:\n    # till Monday\n    podkeep.io/suspend: \"false\"\n"},
		{"not there to be taken out", resume, "kind: Deployment\nmetadata: {name: web}\n", "kind: Deployment\nmetadata: {name: web}\n"},

		{"in a template", restart, `
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata:
      labels: {app: web}
    spec: {}
`, `
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata:
      annotations:
        kubectl.kubernetes.io/restartedAt: "2026-11-26T12:00:00Z"
      labels: {app: web}
    spec: {}
`},
		{"in a template without metadata", restart, `
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec: {}
`, `
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata:
      annotations:
        kubectl.kubernetes.io/restartedAt: "2026-11-26T12:00:00Z"
    spec: {}
`},
		{"once more", restart, `
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata:
      annotations:
        kubectl.kubernetes.io/restartedAt: 2025-01-01T00:00:00Z
`, `
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata:
      annotations:
        kubectl.kubernetes.io/restartedAt: "2026-11-26T12:00:00Z"
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := annotate([]byte(c.was), aWeb, c.note)
			if diff := cmp.Diff(c.want, string(got)); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func TestWhatCannotBeChangedSafelyIsLeftToAPerson(t *testing.T) {
	for _, c := range []struct{ name, text, why string }{
		{"it is made elsewhere", "kind: Kustomization\nresources: [web.yaml]\n", "does not stand there"},
		{"an anchor that others use", "kind: Deployment\nmetadata:\n  name: web\n  annotations: &a\n    owner: ann\nspec:\n  template:\n    metadata:\n      annotations: *a\n", "line 1: is written in a way that cannot be changed safely"},
		{"an alias", "kind: Deployment\nx: &a {owner: ann}\nmetadata:\n  name: web\n  annotations: *a\n", "line 5: annotations is written in a way"},
		{"a value of several lines", "kind: Deployment\nmetadata:\n  name: web\n  annotations:\n    podkeep.io/suspend: >-\n      false\n", "by hand"},
		{"a null", "kind: Deployment\nmetadata:\n  name: web\n  annotations: null\n", "line 4: annotations is written in a way"},
		{"a name that is there twice", "kind: Deployment\nmetadata: {name: web}\n---\nkind: Deployment\nmetadata: {name: web}\n", "deployment/web is there 2 times"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := annotate([]byte(c.text), aWeb, suspend)
			if err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%v\n%s", err, got)
			}
			if wants := strings.Contains(c.text, "Kustomization"); errors.Is(err, errElsewhere) != wants {
				t.Error(err)
			}
		})
	}
}

func TestADiffShowsNothingOfOtherDocuments(t *testing.T) {
	const held = "--- a\n+++ b\n@@ -1,9 +1,9 @@\n stringData: {key: s3cret}\n ---\n kind: Deployment\n-metadata: {name: a}\n+metadata: {name: a, annotations: {x: y}}\n spec: {}\n ---\n   key: s3cret\n --- # next\n-b\n+c\n@@ -20,2 +20,2 @@\n kind: Job\n-d\n+e\n"
	const want = "--- a\n+++ b\n@@ -1,9 +1,9 @@\n …\n ---\n kind: Deployment\n-metadata: {name: a}\n+metadata: {name: a, annotations: {x: y}}\n spec: {}\n ---\n …\n --- # next\n-b\n+c\n@@ -20,2 +20,2 @@\n kind: Job\n-d\n+e\n"
	if got := changedDocuments(held); got != want {
		t.Errorf("%s", got)
	}
}
