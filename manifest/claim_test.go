package manifest

import (
	"strings"
	"testing"
)

const (
	dataClaim = `apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`
	alone = `apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOncePod], resources: {requests: {storage: 1Gi}}}
`
)

func claiming(kind, name, claim, replicas string) string {
	spec := "{containers: [{name: a, image: b}], volumes: [{name: v, persistentVolumeClaim: {claimName: " + claim + "}}]}"
	if kind == "Pod" {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\nspec: " + spec + "\n"
	}
	return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: " + name + "}\nspec: {replicas: " + replicas +
		", selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: " + spec + "}}\n"
}

func TestClaims(t *testing.T) {
	spec := func(s string) string {
		return "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec:\n" + s
	}
	const good = "  accessModes: [ReadWriteOnce]\n  resources: {requests: {storage: 1Gi}}\n"
	rows := []struct {
		claim string
		texts []string
		wrong string // what is said, or ""
	}{
		{"a pod may mount a claim of its namespace", []string{dataClaim, claiming("Pod", "a", "data", "")}, ""},
		{"pods on one node share it", []string{dataClaim, claiming("Deployment", "a", "data", "3"), claiming("Pod", "b", "data", "")}, ""},
		{"what kubectl exports loads", []string{spec(good + "  volumeMode: Filesystem\nstatus: {phase: Bound}\n")}, ""},
		{"a claim that is not there is missed", []string{dataClaim, claiming("Pod", "a", "date", "")},
			`x.yaml:9: Pod/a: spec.volumes[0].persistentVolumeClaim.claimName: PersistentVolumeClaim/default/date is not in the repository; add it; did you mean "data"?`},
		{"and so is one that does not load", []string{spec("  accessModes: [RWO]\n"), claiming("Pod", "a", "data", "")},
			"x.yaml:10: Pod/a: spec.volumes[0].persistentVolumeClaim.claimName: PersistentVolumeClaim/default/data does not load, see x.yaml"},
		{"one pod at a time is not two", []string{alone, claiming("Deployment", "a", "data", "2")},
			"PersistentVolumeClaim/default/data is ReadWriteOncePod, and this asks for 2 pods; write replicas: 1, or ReadWriteOnce in the claim"},
		{"nor is it two workloads", []string{alone, claiming("Pod", "a", "data", ""), claiming("Pod", "b", "data", "")},
			"PersistentVolumeClaim/default/data is ReadWriteOncePod, and Pod/default/a uses it; write ReadWriteOnce in the claim"},
		{"modes are asked for", []string{spec("  resources: {requests: {storage: 1Gi}}\n")}, "spec.accessModes: is missing; write [ReadWriteOnce]"},
		{"and known", []string{spec("  accessModes: [RWO]\n  resources: {requests: {storage: 1Gi}}\n")},
			`x.yaml:5: PersistentVolumeClaim/data: spec.accessModes[0]: "RWO" is not one of ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod`},
		{"one mode excludes the others", []string{spec("  accessModes: [ReadWriteOncePod, ReadWriteOnce]\n  resources: {requests: {storage: 1Gi}}\n")},
			"spec.accessModes[0]: ReadWriteOncePod goes with no other mode; write it alone"},
		{"a size is asked for", []string{spec("  accessModes: [ReadWriteOnce]\n")},
			"spec.resources.requests: storage is missing; write how much is needed, for example storage: 1Gi"},
		{"of more than nothing", []string{spec("  accessModes: [ReadWriteOnce]\n  resources: {requests: {storage: 0}}\n")},
			"spec.resources.requests[storage]: 0 is not more than 0"},
		{"the PersistentVolume that it names is there", []string{spec(good + "  volumeName: pv1\n")},
			"x.yaml:7: PersistentVolumeClaim/data: spec.volumeName: PersistentVolume/pv1 is not in the repository; add it"},
		{"nor by label", []string{spec(good + "  selector: {matchLabels: {a: b}}\n")}, "spec.selector: is not supported yet; remove it: a claim gets a volume of its own"},
		{"nothing fills it", []string{spec(good + "  dataSource: {kind: PersistentVolumeClaim, name: other}\n")},
			"spec.dataSource: is not supported yet; remove it: let a Job or an init container fill the volume"},
		{"it is no device", []string{spec(good + "  volumeMode: Block\n")}, `spec.volumeMode: is not supported yet; remove it or write "Filesystem": a claim is a directory`},
	}
	for _, r := range rows {
		t.Run(r.claim, func(t *testing.T) {
			s := set("a1b2c3d4", "x.yaml", strings.Join(r.texts, "---\n"))
			said := wrongs(s)
			if r.wrong == "" && said != "" || !strings.Contains(said, r.wrong) {
				t.Errorf("got\n%s\nwant\n%s", said, r.wrong)
			}
		})
	}
}

func TestWhatStandsInForAKindOfStorageIsSaid(t *testing.T) {
	for kind, want := range map[string]string{
		"apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\n":    "kind StorageClass is not supported, and nothing is done for it: there is one class of storage",
		strings.Replace(dataClaim, "spec: {", "spec: {storageClassName: manual, ", 1): "spec.storageClassName: storage classes change nothing here",
	} {
		s := set("a1b2c3d4", "x.yaml", kind)
		if len(s.Problems) != 1 || !s.Problems[0].Notice || !strings.Contains(s.Problems[0].Error(), want) {
			t.Errorf("got %v, want %s", s.Problems, want)
		}
	}
}

func TestAClaimWhoseFileBreaksIsHeld(t *testing.T) {
	before := set("a1", "x.yaml", dataClaim)
	head := set("b2", "x.yaml", "apiVersion: [")
	want := head.After(before).Want()
	if len(want.Claims) != 1 || want.Claims[0].Held == "" {
		t.Errorf("got %v", want.Claims)
	}
}
