package live

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/manifest"
)

const template = `{
  hostname: front, subdomain: shop,
  initContainers: [
    {name: once, image: a, ports: [{name: once, containerPort: 1}]},
    {name: beside, image: a, restartPolicy: Always, ports: [{name: http, containerPort: 81}, {name: metrics, containerPort: 82, protocol: UDP}], startupProbe: {tcpSocket: {port: 81}}}],
  containers: [
    {name: web, image: a, ports: [{name: http, containerPort: 80}, {containerPort: 90}], readinessProbe: {tcpSocket: {port: 80}}, livenessProbe: {tcpSocket: {port: 80}}},
    {name: quiet, image: a}]}`

func revisionOf(t *testing.T, spec string) manifest.Revision {
	t.Helper()
	text := "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: web, example.com/tier: front-1.2_a, none: \"\"}}\nspec: " + spec
	set := manifest.Assemble(manifest.Info{Commit: "a1"}, []manifest.Parsed{manifest.Parse("x.yaml", []byte(text))})
	if len(set.Workloads) != 1 {
		t.Fatal(set.Problems)
	}
	return set.Workloads[0].Revision
}

func TestAPodIsBornWithWhatItsTemplateSays(t *testing.T) {
	r := revisionOf(t, template)
	born := BirthOf(r)
	want := Birth{
		Labels:   map[string]string{"app": "web", "example.com/tier": "front-1.2_a", "none": ""},
		Ports:    map[string]string{"http": "80/tcp", "metrics": "82/udp"},
		Hostname: "front", Subdomain: "shop",
		Probes:  map[string]string{"web": "liveness+readiness", "beside": "startup"},
		Network: manifest.NetworkLayout,
	}
	if diff := cmp.Diff(want, born); diff != "" {
		t.Error(diff)
	}
	p := Pod{Name: "web", App: r.App, Rev: r.Rev, Gen: 1, Birth: born}
	back, err := ParsePod(p.Name, PodLabels(p))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(born, back.Birth); diff != "" {
		t.Errorf("the labels lost something: %s", diff)
	}
}

// The role is on the pod alone: whoever makes its containers has the revision's form, in which there is none.
func TestAPodIsBornInItsRoleAndKeepsIt(t *testing.T) {
	r := revisionOf(t, `{containers: [{name: web, image: a, env: [
	  {name: TIER, valueFrom: {fieldRef: {fieldPath: "metadata.labels['example.com/tier']"}}},
	  {name: ROLE, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['role']"}}},
	  {name: APP, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}]}]}`)
	role := manifest.RoleMeta{Labels: map[string]string{"example.com/tier": "canary"}, Annotations: map[string]string{"role": "a, b=\"c\"\n"}}
	born := Pod{Name: "web", App: r.App, Rev: r.Rev, Gen: 1, Birth: BirthIn(role, r)}
	if diff := cmp.Diff(map[string]string{"app": "web", "example.com/tier": "canary", "none": ""}, born.Birth.Labels); diff != "" {
		t.Errorf("what a Service selects: %s", diff)
	}
	if r.Labels["example.com/tier"] != "front-1.2_a" {
		t.Error("the revision has a role")
	}
	back, err := ParsePod(born.Name, PodLabels(born))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(born.Birth, back.Birth); diff != "" {
		t.Errorf("the labels lost something: %s", diff)
	}
	again, env := PodOf(r, back, map[string]int{"web": 1}), map[string]string{}
	for _, v := range again.Spec.Containers[0].Env {
		env[v.Name] = v.Value
	}
	if diff := cmp.Diff(map[string]string{"TIER": "canary", "ROLE": "a, b=\"c\"\n", "APP": "web"}, env); diff != "" {
		t.Errorf("the container that is made again: %s", diff)
	}
	if diff := cmp.Diff(PodLabels(born), again.Labels); diff != "" {
		t.Errorf("the pod that is made again: %s", diff)
	}
}

func TestAPodOnTheHostsNetworkHasNoLayout(t *testing.T) {
	if b := BirthOf(revisionOf(t, strings.Replace(template, "hostname: front", "hostNetwork: true", 1))); b.Network != 0 {
		t.Errorf("%+v", b)
	}
}
