package manifest

import (
	"strings"
	"testing"
)

func admitted(t *testing.T, a Admission, text string) Set {
	t.Helper()
	return Assemble(Info{Commit: "c", Admission: a}, []Parsed{Parse("x.yaml", []byte(text))})
}

const (
	plainPod  = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\nspec: {containers: [{name: c, image: i}]}\n---\n"
	hostPod   = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\nspec: {containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, hostPath: {path: /}}]}\n---\n"
	strictPod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\nspec: {securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}, " +
		"containers: [{name: c, image: i, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}\n---\n"
	claimedDisk = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: d}\nspec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], storageClassName: '', hostPath: {path: /}}\n---\n" +
		"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c, namespace: shop}\nspec: {accessModes: [ReadWriteOnce], storageClassName: '', volumeName: d, resources: {requests: {storage: 1Gi}}}\n---\n" +
		"apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\nspec: {containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]}\n---\n"
)

func namespaceWith(labels string) string {
	return "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {" + labels + "}}\n---\n"
}

func TestPodsMeetTheirNamespacesLevel(t *testing.T) {
	const enforce = "pod-security.kubernetes.io/enforce: "
	for name, c := range map[string]struct {
		admission Admission
		text      string
		refused   string // empty: it is taken
	}{
		"nothing is said":                       {Admission{}, hostPod, ""},
		"a label":                               {Admission{}, namespaceWith(enforce+"baseline") + hostPod, `x.yaml:5: Pod/p: its pods are more than level baseline:latest of the Pod Security Standards lets namespace shop have: hostPath volumes (volume "v")`},
		"a label that is met":                   {Admission{}, namespaceWith(enforce+"baseline") + plainPod, ""},
		"a stricter label":                      {Admission{}, namespaceWith(enforce+"restricted") + plainPod, "allowPrivilegeEscalation != false"},
		"the strictest is met":                  {Admission{}, namespaceWith(enforce+"restricted") + strictPod, ""},
		"an older version of it":                {Admission{}, namespaceWith(enforce+"baseline, pod-security.kubernetes.io/enforce-version: v1.20") + hostPod, "level baseline:v1.20"},
		"who runs podkeep has the last word":    {Admission{Least: "baseline"}, namespaceWith(enforce+"privileged") + hostPod, "level baseline:latest"},
		"but for namespaces that are let":       {Admission{Least: "restricted", Exempt: []string{"shop"}}, hostPod, ""},
		"and these have their own label's":      {Admission{Least: "restricted", Exempt: []string{"shop"}}, namespaceWith(enforce+"baseline") + hostPod, "level baseline:latest"},
		"a label may be stricter":               {Admission{Least: "baseline"}, namespaceWith(enforce+"restricted") + plainPod, "level restricted:latest"},
		"a host's folder by way of a disk":      {Admission{Least: "baseline"}, claimedDisk, "hostPath"},
		"a label that is wrong":                 {Admission{}, namespaceWith(enforce+"strict") + plainPod, `"strict" is no level or version of the Pod Security Standards, so restricted counts`},
		"a level that only warns, and is taken": {Admission{}, namespaceWith("pod-security.kubernetes.io/warn: baseline") + hostPod, ""},
	} {
		set := admitted(t, c.admission, c.text)
		var said []string
		for _, p := range set.Problems {
			said = append(said, p.Error())
		}
		all := strings.Join(said, "\n")
		if taken := len(set.Workloads) == 1; taken != (c.refused == "") || !strings.Contains(all, c.refused) {
			t.Errorf("%s: %d workloads, %s", name, len(set.Workloads), all)
		}
		if name == "a level that only warns, and is taken" && !strings.Contains(all, "lets them be: hostPath volumes") {
			t.Errorf("%s: %s", name, all)
		}
	}
}

func TestNodesNameNoHostsButThoseThatAreAllowed(t *testing.T) {
	allowed := []string{"fleet.example", "*.hosts.example", "192.0.2.0/24", "198.51.100.7", "2001:db8::/32"}
	for id, want := range map[string]bool{
		"podman+ssh://root@fleet.example:22/run/podman/podman.sock": true, "podman+ssh://FLEET.example": true, "podman+ssh://a.hosts.example": true, "podman+ssh://192.0.2.9:2222": true,
		"podman+ssh://198.51.100.7": true, "podman+ssh://[2001:db8::1]:22": true,
		"podman+ssh://hosts.example": false, "podman+ssh://xhosts.example": false, "podman+ssh://fleet.example.evil.example": false, "podman+ssh://192.0.3.9": false,
		"podman+ssh://fleet.example@evil.example": false, "podman+unix:///run/podman/podman.sock": false,
	} {
		set := admitted(t, Admission{Nodes: allowed}, "apiVersion: v1\nkind: Node\nmetadata: {name: a}\nspec: {providerID: '"+id+"'}\n")
		if got := len(set.Nodes) == 1; got != want {
			t.Errorf("%s: %v %v", id, got, set.Problems)
		}
		if !want && !strings.HasPrefix(set.Problems[0].Error(), "x.yaml:4: Node/a: spec.providerID: "+id+" is none of the hosts") {
			t.Errorf("%s", set.Problems[0].Error())
		}
	}
	if !(Admission{Nodes: []string{"unix"}}).admits("podman+unix:///run/podman/podman.sock") || !(Admission{}).admits("podman+ssh://anywhere") {
		t.Error("what is allowed is refused")
	}
}

func TestWhatIsAdmittedIsWrittenRightly(t *testing.T) {
	for want, a := range map[string]Admission{
		"":                             {Least: "restricted", Nodes: []string{"unix", "*.a.example", "10.0.0.0/8", "10.0.0.1"}},
		`pod-security "strict": write`: {Least: "strict"},
		`allow-nodes "a/b": write`:     {Nodes: []string{"a/b"}},
		`allow-nodes "a.*": write`:     {Nodes: []string{"a.*"}},
		`allow-nodes "root@a": write`:  {Nodes: []string{"root@a"}},
	} {
		got := ""
		if err := a.Check(); err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%+v: %s", a, got)
		}
	}
}
