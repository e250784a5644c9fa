package manifest

import (
	"fmt"
	"strings"
	"testing"
)

const composed = `apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: main
    image: b
    args: ["--listen", "$(ADDRESS)", "$$(ADDRESS)", "--on=$(NODE)"]
    env:
    - {name: USER, value: app}
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: key, key: password}}}
    - {name: URL, value: "postgres://$(USER):$(PASSWORD)@db/$$(x)$(GONE)"}
    - {name: AGAIN, value: "<$(URL)>"}
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: ADDRESS, value: "$(IP):80"}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {password: hunter2}
`

func TestAValueThatRefersToASecretIsAFileLikeIt(t *testing.T) {
	s := load(t, "x.yaml", composed)
	w := s.Workloads[0]
	values := map[string]string{}
	for _, f := range w.Config {
		values[f.Name] = string(f.Data)
	}
	env := map[string]string{}
	for _, e := range w.Revision.Pod("web-1", nil, nil).Spec.Containers[0].Env {
		if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
			env[e.Name] = values[e.ValueFrom.SecretKeyRef.Name]
		}
	}
	if got := fmt.Sprint(env); got != "map[AGAIN:<postgres://app:hunter2@db/$(x)$(GONE)> PASSWORD:hunter2 URL:postgres://app:hunter2@db/$(x)$(GONE)]" {
		t.Error(got)
	}
	if text := asYAML(t, w.Revision); strings.Contains(text, "hunter2") || len(w.Revision.Files) != 3 {
		t.Error(text)
	}
	other := load(t, "x.yaml", strings.Replace(composed, "hunter2", "hunter3", 1)).Workloads[0]
	if other.Revision.Rev == w.Revision.Rev {
		t.Error("another password is the same revision")
	}
}

func TestWhatOnlyTheNodeKnowsStandsInTextsOnceThePodIsThere(t *testing.T) {
	p := load(t, "x.yaml", composed).Workloads[0].Revision.Pod("web-1", nil, nil)
	before := asYAML(t, p.Spec)
	on := p.OnNode(func(field string) string {
		return map[string]string{"status.podIP": "10.0.0.2", "spec.nodeName": "n$1"}[field]
	})
	if got := fmt.Sprint(on.Spec.Containers[0].Args); got != "[--listen 10.0.0.2:80 $(ADDRESS) --on=n$1]" {
		t.Error(got)
	}
	for _, e := range on.Spec.Containers[0].Env {
		if want := map[string]string{"IP": "10.0.0.2", "NODE": "n$1", "ADDRESS": "10.0.0.2:80", "USER": "app"}[e.Name]; e.Value != want {
			t.Errorf("%s is %q", e.Name, e.Value)
		}
	}
	if asYAML(t, p.Spec) != before {
		t.Error("the pod itself changed")
	}
	plain := load(t, "x.yaml", deployment("web", "b")).Workloads[0].Revision.Pod("web-1", nil, nil)
	if asYAML(t, plain.OnNode(nil).Spec) != asYAML(t, plain.Spec) {
		t.Error("a pod that asks nothing of its node is another one there")
	}
}

func TestASecretStandsBesideNothingThatDiffersFromPodToPod(t *testing.T) {
	for edit, want := range map[string]string{
		"$(PASSWORD)@$(IP)":   "and $(IP) is another in each pod",
		"$(PASSWORD)@$(NAME)": "and $(NAME) is another in each pod",
	} {
		text := strings.Replace(composed, "postgres://$(USER):$(PASSWORD)@db/$$(x)$(GONE)", edit, 1)
		text = strings.Replace(text, "    - {name: URL", "    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}\n    - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}\n    - {name: URL", 1)
		if got := wrongs(set("c", "x.yaml", text)); !strings.Contains(got, want) || !strings.HasPrefix(got, "x.yaml:14: Pod/web: spec.containers[0].env[4].value: $(PASSWORD)") {
			t.Errorf("%s: %s", edit, got)
		}
	}
	text := strings.Replace(composed, "    env:", "    volumeMounts: [{name: v, mountPath: /v, subPathExpr: $(IP)}]\n    env:", 1)
	text = strings.Replace(text, "---", "  volumes: [{name: v, emptyDir: {}}]\n---", 1)
	if got := wrongs(set("c", "x.yaml", text)); !strings.Contains(got, "subPathExpr: $(IP) is known only once the pod is on its node") {
		t.Error(got)
	}
}
