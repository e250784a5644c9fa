package manifest

import (
	"strings"
	"testing"
)

// rich uses every part that a rev is made of.
const rich = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {team: a}, annotations: {note: x}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {port: "80"}}
    spec:
      nodeSelector: {zone: ""}
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: nginx:1
        args: ["", $(NAME)]
        env:
        - {name: NAME, valueFrom: {configMapKeyRef: {name: cfg, key: name}}}
        - {name: PASSWORD, valueFrom: {secretKeyRef: {name: key, key: password}}}
        resources: {limits: {cpu: 1, memory: 1Gi}}
        volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, emptyDir: {}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cfg}
data: {name: a, unused: b}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {password: hunter2, unused: x}
`

// everything uses what came after the first revs were on pods.
const everything = `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  hostname: web
  dnsPolicy: ClusterFirst
  enableServiceLinks: false
  securityContext: {fsGroup: 1, supplementalGroups: [2], seccompProfile: {type: RuntimeDefault}}
  imagePullSecrets: [{name: registry}]
  initContainers:
  - {name: first, image: a, restartPolicy: Always}
  containers:
  - name: main
    image: b
    livenessProbe: {tcpSocket: {port: 80}, periodSeconds: 5}
    lifecycle: {preStop: {sleep: {seconds: 1}}}
    volumeMounts: [{name: all, mountPath: /all, subPath: a}]
  volumes:
  - name: all
    projected: {sources: [{downwardAPI: {items: [{path: a, fieldRef: {fieldPath: metadata.name}}]}}, {secret: {name: registry}}]}
  - {name: mem, emptyDir: {medium: Memory, sizeLimit: 1Gi}}
---
apiVersion: v1
kind: Secret
metadata: {name: registry, namespace: shop}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: "{}"}
`

func TestWhatIsNotRunYetIsPartOfTheRev(t *testing.T) {
	for _, edit := range [][]string{{"periodSeconds: 5", "periodSeconds: 6"}, {`: "{}"`, `: "{ }"`}, {"1Gi", "2Gi"}, {"{seconds: 1}", "{seconds: 2}"}} {
		if rev(t, strings.Replace(everything, edit[0], edit[1], 1)) == rev(t, everything) {
			t.Errorf("%s is as %s", edit[1], edit[0])
		}
	}
}

func rev(t *testing.T, text string) string {
	t.Helper()
	s := set("a1b2c3d4", "web.yaml", text)
	if refused, _ := Refusals(s.Problems); len(s.Workloads) != 1 || len(refused) > 0 {
		t.Fatalf("%d workloads, want 1: %s", len(s.Workloads), wrongs(s))
	}
	return s.Workloads[0].Revision.Rev
}

// These digests are on pods that live. A change of any of them, by an upgrade of a library too, would start every pod of
// every fleet anew.
func TestARevisionKeepsItsRevForEver(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"plain": {deployment("web", "nginx:1"), "v1-9b6a212c07a7d06dcd13"},
		"rich":  {rich, "v1-85a12835ad0f012606ea"},
		"pod": {"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: b, ports: [{containerPort: 80}]}]}",
			"v1-163b2d871910374e2f0b"},
		"replica set": {strings.Replace(deployment("web", "nginx:1"), "Deployment", "ReplicaSet", 1), "v1-6043edd556739afa4611"},
		"replication controller": {"apiVersion: v1\nkind: ReplicationController\nmetadata: {name: a}\nspec: {template: {metadata: {labels: {a: b}}, " +
			"spec: {containers: [{name: a, image: b, securityContext: {privileged: false, runAsUser: 0}}]}}}", "v1-d5ba876eb219d5348b07"},
		"a pod of everything": {everything, "v1-ae4647de47bd16690c8e"},
	} {
		if got := rev(t, c.text); got != c.want {
			t.Errorf("%s: rev is %s, want %s", name, got, c.want)
		}
	}
}

func TestARevStaysWhen(t *testing.T) {
	base := rev(t, rich)
	for name, edit := range map[string][]string{
		"a comment comes":               {"kind: Deployment", "kind: Deployment # ours"},
		"keys change places":            {"name: main\n        image: nginx:1", "image: nginx:1\n        name: main"},
		"style changes":                 {"image: nginx:1", `"image": "nginx:1"`},
		"quantities are spelt anew":     {"{cpu: 1, memory: 1Gi}", "{cpu: 1000m, memory: 1024Mi}"},
		"a label of the object changes": {"team: a", "team: b"},
		"an annotation of it changes":   {"note: x", "note: y"},
		"replicas change":               {"replicas: 2", "replicas: 3"},
		"the strategy changes":          {"replicas: 2", "strategy: {type: Recreate}"},
		"an unused key changes":         {"unused: b", "unused: c"},
		"an unused secret changes":      {"unused: x", "unused: y"},
		"something empty is written":    {"image: nginx:1", "image: nginx:1\n        securityContext: {}\n        command: []\n        workingDir: null"},
		"false is written":              {"nodeSelector:", "hostNetwork: false\n      nodeSelector:"},
		"emptyDir is left out":          {", emptyDir: {}", ""},
		"the secret is encoded":         {"stringData: {password: hunter2, unused: x}", "data: {password: aHVudGVyMg==}"},
		"it is suspended":               {"note: x", `podkeep.io/suspend: "true"`},
	} {
		if got := rev(t, strings.Replace(rich, edit[0], edit[1], 1)); got != base || !strings.Contains(rich, edit[0]) {
			t.Errorf("%s: %s became %s", name, base, got)
		}
	}
}

func TestARevChangesWhen(t *testing.T) {
	seen := map[string]string{rev(t, rich): "nothing changes"}
	for name, edit := range map[string][]string{
		"the image changes":               {"nginx:1", "nginx:2"},
		"a label of the template comes":   {"labels: {app: web}, annotations", "labels: {app: web, a: b}, annotations"},
		"an annotation of it changes":     {`port: "80"`, `port: "81"`},
		"a selector's value comes":        {`zone: ""`, "zone: a"},
		"an empty argument goes":          {`["", $(NAME)]`, "[$(NAME)]"},
		"config changes":                  {"name: a, unused", "name: b, unused"},
		"a secret changes":                {"hunter2", "hunter3"},
		"a limit changes":                 {"cpu: 1,", "cpu: 2,"},
		"the grace period goes":           {"terminationGracePeriodSeconds: 0", ""},
		"a command comes":                 {"args:", "command: [a]\n        args:"},
		"another one of the same content": {"metadata: {name: web", "metadata: {name: www"},
	} {
		got := rev(t, strings.Replace(rich, edit[0], edit[1], 1))
		if other, taken := seen[got]; taken {
			t.Errorf("%s: the rev is the same as when %s", name, other)
		}
		seen[got] = name
	}
}
