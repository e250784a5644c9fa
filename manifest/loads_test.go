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

// pod is a Pod whose spec has these lines, and one container with those.
func pod(spec, container string) string {
	indent := func(by, lines string) string {
		return by + strings.ReplaceAll(strings.TrimSpace(lines), "\n", "\n"+by) + "\n"
	}
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n" + indent("  ", spec) + "  containers:\n  - name: main\n    image: b\n" + indent("    ", container)
}

func TestWhatHasNoEffectHereIsTakenWithANotice(t *testing.T) {
	for _, c := range []struct{ spec, container, want string }{
		{"serviceAccountName: shop", "", "spec.serviceAccountName: " + noRights},
		{"serviceAccount: shop", "", "spec.serviceAccount: " + noRights},
		{"serviceAccountName: shop\nserviceAccount: shop\nautomountServiceAccountToken: true", "", "spec.serviceAccountName: " + noRights},
		{"serviceAccountName: default\nautomountServiceAccountToken: false", "", ""},
		{"priorityClassName: high", "", "spec.priorityClassName: " + equalsWait},
		{"priority: 0", "", ""},
		{"securityContext: {fsGroup: 1, fsGroupChangePolicy: Always}", "", ""},
		{"", "terminationMessagePolicy: FallbackToLogsOnError", "spec.containers[0].terminationMessagePolicy: " + lastWords},
		{"", "terminationMessagePath: /tmp/log", "spec.containers[0].terminationMessagePath: " + lastWords},
		{"", "terminationMessagePath: /dev/termination-log\nterminationMessagePolicy: File", ""},
		{"", "resources: {limits: {ephemeral-storage: 2Gi}, requests: {ephemeral-storage: 1Gi}}",
			"spec.containers[0].resources.limits[ephemeral-storage]: what a container writes to the disk is neither counted nor bounded; an emptyDir with medium: Memory and a sizeLimit is"},
	} {
		s := set("c", "x.yaml", pod(c.spec, c.container))
		refused, notices := Refusals(s.Problems)
		var said []string
		for _, p := range notices {
			said = append(said, p.Field+": "+p.Text)
		}
		if got := strings.Join(said, "\n"); len(refused) > 0 || len(s.Workloads) != 1 || got != c.want {
			t.Errorf("%s%s: got %q %v, want %q", c.spec, c.container, got, refused, c.want)
		}
	}
}

func TestAVariableHasTheServiceAccountThatIsAskedFor(t *testing.T) {
	for _, c := range []struct{ spec, want string }{
		{"serviceAccountName: shop", "shop"}, {"serviceAccount: shop", "shop"}, {"serviceAccountName: default", "default"}, {"restartPolicy: Always", "default"},
	} {
		s := set("c", "x.yaml", pod(c.spec, "env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}]"))
		if got := s.Workloads[0].Revision.Pod("a", nil, nil).Spec.Containers[0].Env[0].Value; got != c.want {
			t.Errorf("%s: %s", c.spec, got)
		}
	}
}

func TestOneCauseIsOneLine(t *testing.T) {
	const account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\n"
	const budget = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: a}\n"
	refused, notices := Refusals(set("c", "a.yaml", account, "b.yaml", budget, "c.yaml", budget+"---\n"+budget,
		"d.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: 1}\n", "e.yaml", pod("serviceAccountName: a", ""),
		"f.yaml", pod("hostname: A", "")+"---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{name: a, image: b}]}}}}}\n").Problems)
	var got []string
	for _, p := range append(refused, notices...) {
		got = append(got, p.Error())
	}
	want := []string{
		`f.yaml:5: Pod/a: spec.hostname: a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character`,
		"d.yaml:4: ConfigMap/a: data[a]: want a string, this is a number; put it in quotes",
		"b.yaml:1: PodDisruptionBudget/a: kind PodDisruptionBudget is not supported yet; nothing is done for it; 3 objects in 2 files, this is the first",
		"f.yaml:11: CronJob/a: " + noCronJob,
		"a.yaml:1: ServiceAccount/a: kind: " + noRights + "; 3 objects in 2 files, this is the first",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Error(strings.Join(got, "\n"))
	}
}

func TestAPodThatTakesAServiceAccountsTokenIsRefused(t *testing.T) {
	const token = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: t, annotations: {kubernetes.io/service-account.name: shop}}\ntype: kubernetes.io/service-account-token\n"
	const why = "Secret/default/t waits for the token of a service account, and there is no API server that would give one; put a token of your own in it, as stringData token"
	mounted := pod("volumes: [{name: v, secret: {secretName: t}}]", "")
	for name, c := range map[string]struct{ text, want string }{
		"mounted":   {mounted + token, "x.yaml:5: Pod/a: spec.volumes[0].secret.secretName: " + why},
		"in a var":  {pod("restartPolicy: Always", "envFrom: [{secretRef: {name: t}}]") + token, "x.yaml:9: Pod/a: spec.containers[0].envFrom[0].secretRef.name: " + why},
		"one's own": {mounted + token + "stringData: {token: abc}\n", ""},
		"projected": {pod("volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: token}}]}}]", ""),
			"x.yaml:5: Pod/a: spec.volumes[0].projected.sources[0].serviceAccountToken: is not supported yet; remove it: there is no API server that would give one; put a token of your own in a Secret"},
	} {
		if got := wrongs(set("c", "x.yaml", c.text)); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestAPullSecretThatIsNotThereIsLeftOut(t *testing.T) {
	s := set("c", "x.yaml", pod("imagePullSecrets: [{name: registry}]", ""))
	if got := wrongs(s); got != "x.yaml:5: Pod/a: spec.imagePullSecrets[0].name: Secret/default/registry is not in the repository, so images are pulled without it" {
		t.Error(got)
	}
	if len(s.Workloads) != 1 || s.Workloads[0].Revision.Spec.ImagePullSecrets != nil {
		t.Error("the pod is not as if it had none")
	}
	s = set("c", "x.yaml", pod("imagePullSecrets: [{name: registry}]", ""), "y.yaml", "kind: Secret\n  a: b\n")
	if got := wrongs(s); len(s.Workloads) > 0 || !strings.Contains(got, "may be in y.yaml, which does not load") {
		t.Error(got)
	}
}

func TestAContainerThatAsksForGPUsIsGivenThoseOfItsNode(t *testing.T) {
	s := set("c", "x.yaml", pod("nodeSelector: {gpu: \"yes\"}", "resources: {limits: {nvidia.com/gpu: 2, cpu: 1}, requests: {nvidia.com/gpu: 2}}"))
	if got := Devices(s.Workloads[0].Revision.Spec.Containers[0].Resources); len(got) != 1 || got[0] != "nvidia.com/gpu=all" {
		t.Error(got)
	}
	if _, notices := Refusals(s.Problems); len(notices) != 1 {
		t.Error(notices)
	}
	for text, want := range map[string]string{
		"{requests: {nvidia.com/gpu: 1}}":                              "requests[nvidia.com/gpu]: is for limits; write it there too",
		"{limits: {amd.com/gpu: 500m}}":                                "limits[amd.com/gpu]: 500m is not a whole number",
		"{limits: {google.com/tpu: 4}}":                                "limits[google.com/tpu]: google.com/tpu is not supported yet; remove it: limit podkeep.io/dev.net.tun: 1 gives a container the node's /dev/net/tun, and nvidia.com/gpu or amd.com/gpu its GPUs",
		"{limits: {nvidia.com/gpu: 1}, requests: {nvidia.com/gpu: 2}}": "requests[nvidia.com/gpu]: 2 is more than the limit, 1",
	} {
		refused, _ := Refusals(set("c", "x.yaml", pod("restartPolicy: Always", "resources: "+text)).Problems)
		if len(refused) != 1 || refused[0].Error() != "x.yaml:9: Pod/a: spec.containers[0].resources."+want {
			t.Errorf("%s: %v", text, refused)
		}
	}
}

func TestWhatWillBeRefusedIsKnownBeforeTheKindIsBuilt(t *testing.T) {
	for kind, template := range map[string]string{
		"apps/v1 StatefulSet": "spec:\n  template:\n    spec:\n",
		"apps/v1 DaemonSet":   "spec:\n  template:\n    spec:\n",
		"batch/v1 CronJob":    "spec:\n  jobTemplate: {spec: {template: {spec: {restartPolicy: Never,\n\n",
	} {
		version, name, _ := strings.Cut(kind, " ")
		text := "apiVersion: " + version + "\nkind: " + name + "\nmetadata: {name: a}\n" + template
		if name == "CronJob" {
			text += "      runtimeClassName: fast,\n      containers: [{name: a, image: B}]}}}}\n"
		} else {
			text += "      runtimeClassName: fast\n      containers: [{name: a, image: B}]\n"
		}
		s := set("c", "x.yaml", text)
		refused, notices := Refusals(s.Problems)
		at := map[bool]string{true: "spec.jobTemplate.spec.template.spec", false: "spec.template.spec"}[name == "CronJob"]
		want := []string{
			"x.yaml:7: " + name + "/a: " + at + ".runtimeClassName: will be refused when the kind is built: is not supported yet; remove it: set the runtime in the containers.conf of the hosts",
			"x.yaml:8: " + name + "/a: " + at + `.containers[0].image: will be refused when the kind is built: "B" is not the name of an image; names are lower case, such as registry:5000/team/app:v1`,
		}
		var got []string
		for _, p := range notices {
			got = append(got, p.Error())
		}
		if len(refused) != 1 || strings.Join(got, "\n") != strings.Join(want, "\n") || len(History{Head: s}.Broken()) > 0 {
			t.Errorf("%s: %v\n%s", kind, refused, strings.Join(got, "\n"))
		}
	}
}

func TestMemoryThatNothingStartsWithIsRefused(t *testing.T) {
	for amount, want := range map[string]string{
		"128m":  "128m is less than any container can start with; did you mean 128Mi?",
		"64":    "64 is less than any container can start with; did you mean 64Mi?",
		"100Ki": "100Ki is less than any container can start with; write for example 64Mi",
		"0":     "",
		"4Mi":   "",
	} {
		if want != "" {
			want = "x.yaml:9: Pod/a: spec.containers[0].resources.limits[memory]: " + want
		}
		if got := wrongs(set("c", "x.yaml", pod("restartPolicy: Always", "resources: {limits: {memory: "+amount+"}}"))); got != want {
			t.Errorf("%s: %s", amount, got)
		}
	}
}
