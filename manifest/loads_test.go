package manifest

import (
	"strings"
	"testing"
)

func TestAPortIsCalledByAnyName(t *testing.T) {
	for _, name := range []string{"web", "metrics", "redis", "readiness-port", "e-mail"} {
		load := set("c", "x.yaml", `apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - name: main
    image: b
    ports: [{name: `+name+`, containerPort: 80}]
    readinessProbe: {httpGet: {port: `+name+`}}
`)
		if refused, _ := Refusals(load.Problems); len(refused) > 0 {
			t.Errorf("%s: %v", name, refused)
		}
	}
}

func TestACapabilityIsTheSameInAnyCase(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: b, securityContext: {capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}}]}"
	upper, lower := load(t, "x.yaml", pod), load(t, "x.yaml", strings.Replace(strings.Replace(pod, "ALL", "all", 1), "NET_BIND", "net_Bind", 1))
	if upper.Workloads[0].Revision.Rev != lower.Workloads[0].Revision.Rev {
		t.Error("the revision is another one")
	}
	if got := lower.Workloads[0].Revision.Spec.Containers[0].SecurityContext.Capabilities.Drop[0]; got != "ALL" {
		t.Errorf("dropped is %q", got)
	}
}
