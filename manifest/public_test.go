package manifest

import (
	"strings"
	"testing"
)

// public are the shapes in which workloads stand in public repositories, and of how many in 1,250 each is the first that would stop them: a survey
// of 27 repositories counted them. Each is in our own words.
var public = []struct {
	name   string
	of     int
	loads  bool
	shapes []string
}{
	{"nothing special", 549, true, []string{
		pod("nodeSelector: {kubernetes.io/os: linux}", "resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 200m, memory: 128Mi}}\nports: [{containerPort: 8080}]"),
		pod("volumes: [{name: tmp, emptyDir: {}}]\nterminationGracePeriodSeconds: 5", "readinessProbe: {httpGet: {path: /, port: 80}}\nlivenessProbe: {tcpSocket: {port: 80}}\nvolumeMounts: [{name: tmp, mountPath: /tmp}]"),
		pod("affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: kubernetes.io/hostname}}]}}", ""),
	}},
	{"a port by name", 8, true, []string{
		pod("restartPolicy: Always", "ports: [{name: metrics, containerPort: 9090}]\nreadinessProbe: {httpGet: {port: metrics}}"),
	}},
	{"a capability in small letters", 47, true, []string{
		pod("securityContext: {runAsNonRoot: true, runAsUser: 10001}", "securityContext: {capabilities: {drop: [all], add: [NET_BIND_SERVICE]}, readOnlyRootFilesystem: true}"),
	}},
	{"a service account", 229, true, []string{
		pod("serviceAccountName: shop", "") + "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: shop}\n",
		pod("serviceAccount: shop\nautomountServiceAccountToken: true", ""),
		pod("automountServiceAccountToken: false\nserviceAccountName: shop", "") + "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: shop}\nrules: []\n",
	}},
	{"what stands in another file", 121, true, []string{
		pod("volumes: [{name: cfg, configMap: {name: cfg}}, {name: data, persistentVolumeClaim: {claimName: data}}]", "envFrom: [{secretRef: {name: key}}]") + besides,
	}},
	{"last words", 1, true, []string{pod("restartPolicy: Always", "terminationMessagePath: /dev/termination-log\nterminationMessagePolicy: FallbackToLogsOnError")}},
	{"a priority", 1, true, []string{pod("priorityClassName: system-cluster-critical", "")}},
	{"ephemeral storage", 1, true, []string{pod("restartPolicy: Always", "resources: {limits: {cpu: 1, memory: 1Gi, ephemeral-storage: 1Gi}, requests: {cpu: 1, memory: 1Gi, ephemeral-storage: 1Gi}}")}},
	{"GPUs", 81, true, []string{
		pod("nodeSelector: {accelerator: a100}", "resources: {limits: {nvidia.com/gpu: 1, ephemeral-storage: 10Gi}, requests: {cpu: 2, nvidia.com/gpu: 1}}"),
	}},
	{"TPUs", 14, false, []string{pod("restartPolicy: Always", "resources: {limits: {google.com/tpu: 8}, requests: {google.com/tpu: 8}}")}},
	{"what must hold of its place", 46, false, []string{
		pod("affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}", ""),
		pod("affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a}]}}", ""),
		pod("topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]", ""),
	}},
	{"no object yet", 79, false, []string{
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  replicas: 3\n",
		"apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n  labels: {{ toYaml .Values.labels }}\n",
		"apiVersion: v1\nkind: Pod\n{{- with .Values.pod }}\nspec: {{ . }}\n{{- end }}\n",
		strings.Replace(pod("restartPolicy: Always", ""), "image: b", "image: ${IMAGE}", 1),
	}},
	{"an API of the past", 25, false, []string{"apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{name: a, image: b}]}}}\n"}},
	{"a volume of a cloud", 48, false, []string{pod("volumes: [{name: v, gcePersistentDisk: {pdName: a}}]", "")}},
}

const besides = `---
apiVersion: v1
kind: ConfigMap
metadata: {name: cfg}
data: {a: b}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {a: b}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`

func TestFourOfFivePublicWorkloadsLoadAndNoneIsDropped(t *testing.T) {
	all, load := 0, 0
	for _, c := range public {
		all += c.of
		if c.loads {
			load += c.of
		}
		for _, shape := range c.shapes {
			s := set("c", "x.yaml", shape)
			refused, _ := Refusals(s.Problems)
			switch {
			case c.loads && (len(s.Workloads) != 1 || len(refused) > 0):
				t.Errorf("%s: %v\n%s", c.name, refused, shape)
			case !c.loads && (len(s.Workloads) > 0 || len(refused) != 1 || refused[0].Line < 1):
				t.Errorf("%s: not one line for one cause: %v\n%s", c.name, refused, shape)
			}
		}
	}
	if all != 1250 || load*100 < all*80 {
		t.Errorf("%d of %d load", load, all)
	}
	t.Logf("%d of %d load, %d %%", load, all, load*100/all)
}
