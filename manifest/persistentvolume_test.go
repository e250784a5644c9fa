package manifest

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// disk is a PersistentVolume, a claim that names it, and a pod that mounts the claim.
func disk(spec string) string {
	return "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: disk}\nspec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], " + spec + "}\n" +
		"---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {volumeName: disk, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n" +
		"---\n" + pod("volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]", "volumeMounts: [{name: v, mountPath: /v}]")
}

func TestAClaimThatNamesAPersistentVolumeIsItsDirectory(t *testing.T) {
	const at = "nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: KEY, operator: In, values: [here]}]}]}}"
	for name, c := range map[string]struct{ spec, volume, node, selector string }{
		"of the host":      {"hostPath: {path: /srv/data}", "/srv/data ", "", ""},
		"local to a node":  {"local: {path: /srv/data}, " + strings.Replace(at, "KEY", "kubernetes.io/hostname", 1), "/srv/data Directory", "here", ""},
		"local to a label": {"local: {path: /srv/data}, persistentVolumeReclaimPolicy: Retain, " + strings.Replace(at, "KEY", "disk", 1), "/srv/data Directory", "", "here"},
	} {
		s := load(t, "x.yaml", disk(c.spec)).Workloads[0].Revision.Spec
		kind := corev1.HostPathType("")
		if host := s.Volumes[0].HostPath; host == nil {
			t.Fatalf("%s: %v", name, s.Volumes[0])
		} else if host.Type != nil {
			kind = *host.Type
		}
		if got := s.Volumes[0].HostPath.Path + " " + string(kind); got != c.volume || s.NodeName != c.node || s.NodeSelector["disk"] != c.selector {
			t.Errorf("%s: %q %q %q", name, got, s.NodeName, s.NodeSelector)
		}
	}
	rev := func(dir string) string {
		return load(t, "x.yaml", disk("hostPath: {path: "+dir+"}")).Workloads[0].Revision.Rev
	}
	if rev("/a") == rev("/b") {
		t.Error("another directory is the same revision")
	}
}

func TestAPersistentVolumeThatIsWrongHoldsUpOnlyWhoNamesIt(t *testing.T) {
	const unnamed = "no claim has it: write its name as volumeName in a claim; a claim without one becomes a named volume on the node of its first pod"
	for name, c := range map[string]struct{ text, want string }{
		"of another kind": {disk("nfs: {server: a, path: /b}"),
			"x.yaml:4: PersistentVolume/disk: spec.nfs: is not supported yet; remove it: mount it on the hosts, and write hostPath or local\n" +
				"x.yaml:9: PersistentVolumeClaim/data: spec.volumeName: PersistentVolume/disk does not load, see x.yaml; without volumeName the claim becomes a named volume\n" +
				"x.yaml:15: Pod/a: spec.volumes[0].persistentVolumeClaim.claimName: PersistentVolumeClaim/default/data names it with volumeName: PersistentVolume/disk does not load, see x.yaml"},
		"that is not there": {strings.Replace(disk("hostPath: {path: /a}"), "volumeName: disk", "volumeName: disc", 1),
			"x.yaml:4: PersistentVolume/disk: spec: " + unnamed + "\n" +
				"x.yaml:9: PersistentVolumeClaim/data: spec.volumeName: PersistentVolume/disc is not in the repository; add it; did you mean \"disk\"?; without volumeName the claim becomes a named volume\n" +
				"x.yaml:15: Pod/a: spec.volumes[0].persistentVolumeClaim.claimName: PersistentVolumeClaim/default/data names it with volumeName: PersistentVolume/disc is not in the repository; add it; did you mean \"disk\"?"},
		"that nobody names":  {strings.Replace(disk("hostPath: {path: /a}"), "volumeName: disk, ", "", 1), "x.yaml:4: PersistentVolume/disk: spec: " + unnamed},
		"that is another's":  {disk("hostPath: {path: /a}, claimRef: {name: other, namespace: default}"), "x.yaml:15: Pod/a: spec.volumes[0].persistentVolumeClaim.claimName: PersistentVolumeClaim/default/data is not alone in asking for PersistentVolume/disk, or not the one that its claimRef names; give each claim a volume of its own"},
		"that would be gone": {strings.Replace(disk("hostPath: {path: /a}, persistentVolumeReclaimPolicy: Delete"), "volumeName: disk, ", "", 1), "x.yaml:4: PersistentVolume/disk: spec.persistentVolumeReclaimPolicy: Delete is not supported: podkeep removes no data; write Retain"},
	} {
		s := set("c", "x.yaml", c.text)
		if got := wrongs(s); got != c.want {
			t.Errorf("%s:\n%s", name, got)
		}
		for _, p := range s.Problems {
			if strings.HasPrefix(p.Object, "PersistentVolume/") && p.Refuses() {
				t.Errorf("%s: %v refuses", name, p)
			}
		}
	}
}
