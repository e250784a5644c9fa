package manifest

import (
	"fmt"
	"strings"
	"testing"
)

const overWeb = "workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web}"

// over is a Rollout of that name over Deployment web.
func over(name, strategy string, more ...string) string {
	return strings.Replace(rolloutOf(append([]string{overWeb, "strategy: " + strategy}, more...)...), "name: web}\nspec", "name: "+name+"}\nspec", 1)
}

// none is a Deployment called web of no pods.
func none(image string) string {
	return strings.Replace(deployment("web", image), "spec:\n", "spec:\n  replicas: 0\n", 1)
}

// led are the workloads with how many pods they have, how they roll, and by what.
func led(s Set) string {
	var lines []string
	for _, w := range s.Workloads {
		line := fmt.Sprintf("%s of %s %s %d %s", w.ID.said(), w.Commit, strings.TrimPrefix(w.Revision.Spec.Containers[0].Image, "docker.io/library/"), w.Replicas, w.Strategy.Type)
		if w.By != nil {
			line += " by " + w.By.ID.said()
		}
		if w.Suspended {
			line += " suspended"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestARolloutOverADeploymentLeavesItItsPods(t *testing.T) {
	alone := load(t, "x.yaml", none("nginx:1")).Workloads[0]
	s := load(t, "a.yaml", over("front", "{canary: {steps: [{setWeight: 20}]}}", "replicas: 5", "minReadySeconds: 3", "paused: true", "selector: {matchLabels: {app: web}}"), "x.yaml", none("nginx:1"))
	if got := led(s); got != "Deployment/default/web of a1b2c3d4 nginx:1 5 Canary by Rollout/default/front" {
		t.Fatal(got)
	}
	w := s.Workloads[0]
	if w.Revision.Rev != alone.Revision.Rev || w.Object != alone.Object && fmt.Sprintf("%T", w.Object) != "*v1.Deployment" {
		t.Errorf("revision %s was %s, object %T", w.Revision.Rev, alone.Revision.Rev, w.Object)
	}
	if got := rollsAs(w); got != `Canary 5 +2 -1 firm=false 3s 10m0s paused=true report {"Steps":[{"setWeight":20}]}` {
		t.Error(got)
	}
	if s.Workloads[0].By.Object == nil || s.Workloads[0].By.Commit != "a1b2c3d4" {
		t.Errorf("%+v", s.Workloads[0].By)
	}
}

func TestADeploymentHasItsWordWhereItsRolloutHasNone(t *testing.T) {
	noted := func(text, notes string) string { return strings.Replace(text, "spec:\n", notes+"spec:\n", 1) }
	hold := noted(none("nginx:1"), "  annotations: {podkeep.io/on-failure: hold}\n")
	asleep := strings.Replace(over("front", "{canary: {}}"), "{name: front}", `{name: front, annotations: {podkeep.io/suspend: "true"}}`, 1)
	back := strings.Replace(over("front", "{canary: {}}"), "{name: front}", `{name: front, annotations: {podkeep.io/on-failure: rollback}}`, 1)
	for name, c := range map[string]struct{ text, want string }{
		"the Deployment's":   {over("front", "{canary: {}}", "progressDeadlineAbort: true") + "---\n" + hold, "hold false"},
		"the Rollout's":      {back + "---\n" + hold, "rollback false"},
		"nobody's":           {over("front", "{canary: {}}") + "---\n" + none("nginx:1"), "report false"},
		"a suspended one":    {asleep + "---\n" + none("nginx:1"), "report true"},
		"suspended and held": {asleep + "---\n" + none("nginx:1"), "report true"},
	} {
		s := load(t, "x.yaml", c.text)
		if got := fmt.Sprint(s.Workloads[0].Strategy.OnFailure, " ", s.Workloads[0].Suspended); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
		if s.inheritSuspend(); s.Workloads[0].Suspended != strings.HasSuffix(c.want, "true") {
			t.Errorf("%s: Want forgets it", name)
		}
	}
}

func TestWhatNeedsARolloutNeedsTheDeploymentUnderIt(t *testing.T) {
	needy := strings.Replace(deployment("db", "pg:1"), "  name: db\n", "  name: db\n  annotations: {podkeep.io/depends-on: Rollout/front}\n", 1)
	s := load(t, "x.yaml", over("front", "{canary: {}}")+"---\n"+needy+"---\n"+none("nginx:1"))
	if got := fmt.Sprint(s.Workloads[0].Needs); got != "[Deployment/default/web]" {
		t.Error(got)
	}
}

func TestARolloutWhoseDeploymentOrServicesAreNotItsOwnIsRefused(t *testing.T) {
	canary, web := over("front", "{canary: {}}"), none("nginx:1")
	const waits = ": nothing changes of it: Rollout/default/front, r.yaml:1, has it as workloadRef and does not load"
	const once = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {accessModes: [%s], resources: {requests: {storage: 1Gi}}}\n"
	claiming := func(text string) string {
		return strings.Replace(text, "      containers:", "      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]\n      containers:", 1)
	}
	own := func(strategy string, more ...string) string {
		return strings.Replace(rolls(strategy, more...), "spec: {containers:", "spec: {volumes: [{name: data, persistentVolumeClaim: {claimName: data}}], containers:", 1)
	}
	const jams = "PersistentVolumeClaim/default/data is for one pod at a time, and a Rollout starts new pods beside the old; write ReadWriteMany in the claim if both may write, or a Deployment, which stops the old pod first"
	const lb = "---\napiVersion: v1\nkind: Service\nmetadata: {name: live}\nspec: {type: Balancer, selector: {app: web}, ports: [{port: 80}]}\n"
	live, next := named("live"), named("next")
	bg := rolls("{blueGreen: {activeService: live}}")
	for name, c := range map[string]struct {
		rollout, other, want string
		left                 string // workloads
	}{
		"the Deployment is not there": {canary, "", "r.yaml:5: Rollout/front: spec.workloadRef.name: Deployment/default/web is not in the repository; add it", ""},
		"it has another name":         {canary, deployment("webb", "b"), `r.yaml:5: Rollout/front: spec.workloadRef.name: Deployment/default/web is not in the repository; add it; did you mean "webb"?`, "Deployment/default/webb"},
		"it does not load": {canary, strings.Replace(web, "image:", "imagee:", 1), "r.yaml:5: Rollout/front: spec.workloadRef.name: Deployment/default/web does not load, see x.yaml\n" +
			`x.yaml:15: Deployment/web: spec.template.spec.containers[0].imagee: unknown field "imagee"; did you mean "image"?`, ""},
		"it cannot be put together": {canary, strings.Replace(web, "image:", "envFrom: [{configMapRef: {name: a}}]\n        image:", 1), "r.yaml:5: Rollout/front: spec.workloadRef.name: Deployment/default/web does not load, see x.yaml\n" +
			"x.yaml:15: Deployment/web: spec.template.spec.containers[0].envFrom[0].configMapRef.name: ConfigMap/default/a is not in the repository; add it or set optional: true", ""},
		"it may be in a broken file": {canary, "kind: {\n", "r.yaml:5: Rollout/front: spec.workloadRef.name: Deployment/default/web is in no file that loads; it may be in x.yaml, which does not\n" +
			"x.yaml:1: is not YAML: did not find expected node content", ""},
		"it has two": {canary, over("back", "{canary: {}}") + "---\n" + web,
			"r.yaml:5: Rollout/front: spec.workloadRef.name: Deployment/default/web has Rollout/default/back over it too, x.yaml:1, so neither counts; remove one of them\n" +
				"x.yaml:5: Rollout/back: spec.workloadRef.name: Deployment/default/web has Rollout/default/front over it too, r.yaml:1, so neither counts; remove one of them\n" +
				"x.yaml:8: Deployment/web: nothing changes of it: Rollout/default/back, x.yaml:1, has it as workloadRef and does not load", ""},
		"it is chosen otherwise": {over("front", "{canary: {}}", "selector: {matchLabels: {app: b}}"), web,
			`r.yaml:7: Rollout/front: spec.selector: app=b does not match the template's labels, which are "app=web"` + "\nx.yaml:1: Deployment/web" + waits, ""},
		"a field of it is refused":   {over("front", "{canary: {pingPong: {pingService: a}}}"), web, "r.yaml:6: Rollout/front: spec.strategy.canary.pingPong: is not supported yet; remove it: canaryService and stableService each lead to their own pods\nx.yaml:1: Deployment/web" + waits, ""},
		"it claims what one pod has": {over("front", "{canary: {}}", "replicas: 2"), claiming(web) + "---\n" + fmt.Sprintf(once, "ReadWriteOncePod"), "r.yaml:5: Rollout/front: spec.workloadRef: " + jams + "\nx.yaml:1: Deployment/web" + waits, ""},
		"a claim for one pod":        {own("{canary: {}}", "replicas: 2"), fmt.Sprintf(once, "ReadWriteOncePod"), "r.yaml:6: Rollout/web: spec.template.spec.volumes[0].persistentVolumeClaim.claimName: " + jams, ""},
		"a claim of one pod":         {own("{canary: {}}"), fmt.Sprintf(once, "ReadWriteOnce"), "r.yaml:6: Rollout/web: spec.template.spec.volumes[0].persistentVolumeClaim.claimName: " + jams, ""},
		"a claim of two pods":        {own("{canary: {}}", "replicas: 2"), fmt.Sprintf(once, "ReadWriteOnce"), "", "Rollout/default/web"},
		"a claim for many":           {own("{canary: {}}"), fmt.Sprintf(once, "ReadWriteMany"), "", "Rollout/default/web"},
		"no Service":                 {bg, "", "r.yaml:7: Rollout/web: spec.strategy.blueGreen.activeService: Service/default/live is not in the repository; add it", ""},
		"one of another name":        {bg, named("alive"), `r.yaml:7: Rollout/web: spec.strategy.blueGreen.activeService: Service/default/live is not in the repository; add it; did you mean "alive"?`, ""},
		"one of another namespace":   {bg, strings.Replace(live, "{name: live}", "{name: live, namespace: b}", 1), "r.yaml:7: Rollout/web: spec.strategy.blueGreen.activeService: Service/default/live is not in the repository; add it", ""},
		"one that does not load": {bg, lb, "r.yaml:7: Rollout/web: spec.strategy.blueGreen.activeService: Service/default/live does not load, see x.yaml\n" +
			`x.yaml:4: Service/live: spec.type: "Balancer" is not one of ClusterIP, NodePort, LoadBalancer, ExternalName`, ""},
		"one for other pods": {bg, strings.Replace(live, "app: web", "app: b", 1), `r.yaml:7: Rollout/web: spec.strategy.blueGreen.activeService: Service/default/live selects "app=b", and the template's labels are "app=web"; it has to choose these pods`, ""},
		"one for no pods":    {bg, strings.Replace(live, "selector: {app: web}", "type: ExternalName\n  externalName: a.example.com", 1), "r.yaml:7: Rollout/web: spec.strategy.blueGreen.activeService: Service/default/live chooses no pods; it has to choose these: write a selector", ""},
		"one of Argo's":      {bg, strings.Replace(live, "app: web", "app: web, rollouts-pod-template-hash: a", 1), "r.yaml:7: Rollout/web: spec.strategy.blueGreen.activeService: Service/default/live selects on rollouts-pod-template-hash, which Argo Rollouts wrote there; remove that label", ""},
		"one of two": {bg, strings.NewReplacer("name: web}", "name: two}", "app: web}", "app: two}").Replace(rolls("{canary: {stableService: live}}")) + live,
			"r.yaml:7: Rollout/web: spec.strategy.blueGreen.activeService: Service/default/live is named by Rollout/default/two too, x.yaml:1, so neither has it; give each its own\n" +
				"x.yaml:7: Rollout/two: spec.strategy.canary.stableService: Service/default/live is named by Rollout/default/web too, r.yaml:1, so neither has it; give each its own", ""},
		"one of another's over a Deployment": {over("front", "{canary: {canaryService: next}}"), web + next + "---\n" + strings.NewReplacer("name: web}", "name: two}", "app: web}", "app: two}").Replace(rolls("{canary: {stableService: next}}")),
			"r.yaml:6: Rollout/front: spec.strategy.canary.canaryService: Service/default/next is named by Rollout/default/two too, x.yaml:24, so neither has it; give each its own\n" +
				"x.yaml:1: Deployment/web" + waits + "\n" +
				"x.yaml:30: Rollout/two: spec.strategy.canary.stableService: Service/default/next is named by Rollout/default/front too, r.yaml:1, so neither has it; give each its own", ""},
		"pods of a Deployment": {rolls("{canary: {}}"), web, "r.yaml:5: Rollout/web: spec.selector: Deployment/default/web, x.yaml:1, selects the same pods; remove it, or give the pods of each a label of their own", "Deployment/default/web"},
		"pods of a ReplicationController": {rolls("{canary: {}}"), "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: web}\nspec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: b}]}}}\n",
			"r.yaml:5: Rollout/web: spec.selector: ReplicationController/default/web, x.yaml:1, selects the same pods; remove it, or give the pods of each a label of their own", "ReplicationController/default/web"},
		"pods of another namespace": {rolls("{canary: {}}"), strings.Replace(web, "  name: web\n", "  name: web\n  namespace: b\n", 1), "", "Deployment/b/web Rollout/default/web"},
		"pods of a bare Pod":        {rolls("{canary: {}}"), strings.Replace(pod("restartPolicy: Always", ""), "{name: a}", "{name: a, labels: {app: web}}", 1), "", "Pod/default/a Rollout/default/web"},
		"pods of its own Deployment and another": {canary, web + "---\n" + strings.Replace(deployment("web", "b"), "  name: web\n", "  name: wub\n", 1),
			"r.yaml:5: Rollout/front: spec.workloadRef.name: Deployment/default/wub, x.yaml:17, selects the same pods; remove it, or give the pods of each a label of their own\nx.yaml:1: Deployment/web" + waits, "Deployment/default/wub"},
		"a role's label that it chooses by": {rolls("{canary: {canaryMetadata: {labels: {app: new}}}}"), "", "r.yaml:7: Rollout/web: spec.strategy.canary.canaryMetadata.labels: app=web does not match the pods that have them; leave out what it goes by", ""},
		"it is there twice":                 {canary, canary + "---\n" + web, "r.yaml:3: Rollout/front: metadata.name: Rollout/default/front is in x.yaml:1 too, so neither counts; remove one of them\n" + "x.yaml:3: Rollout/front: metadata.name: Rollout/default/front is in r.yaml:1 too, so neither counts; remove one of them\nx.yaml:8: Deployment/web" + strings.Replace(waits, "r.yaml:1", "x.yaml:1", 1), ""},
	} {
		s := set("c", "r.yaml", c.rollout, "x.yaml", strings.TrimPrefix(c.other, "---\n"))
		var left []string
		for _, w := range s.Workloads {
			left = append(left, w.ID.said())
		}
		if got := wrongs(s); got != c.want || strings.Join(left, " ") != c.left {
			t.Errorf("%s: got\n%s\nwant\n%s\nleft are %q", name, got, c.want, left)
		}
	}
}

func TestADeploymentWhoseRolloutDoesNotLoadStaysAsItWas(t *testing.T) {
	good, bad := over("front", "{canary: {}}", "replicas: 3"), over("front", "{canary: {pingPong: {pingService: a}}}", "replicas: 3")
	v1, v2, plain := none("nginx:1"), none("nginx:2"), strings.Replace(none("nginx:1"), "replicas: 0", "replicas: 4", 1)
	const was, new = "Deployment/default/web of p nginx:1 3 Canary by Rollout/default/front", "Deployment/default/web of h nginx:2 "
	for name, c := range map[string]struct {
		head Set
		line []Set
		want string
	}{
		"both load":                     {set("h", "r.yaml", good, "x.yaml", v2), nil, new + "3 Canary by Rollout/default/front"},
		"a field is refused":            {set("h", "r.yaml", bad, "x.yaml", v2), []Set{set("p", "r.yaml", good, "x.yaml", v1)}, was},
		"of one file":                   {set("h", "x.yaml", bad+"---\n"+v2), []Set{set("p", "x.yaml", good+"---\n"+v1)}, was},
		"a Service is missing":          {set("h", "r.yaml", over("front", "{canary: {canaryService: a}}"), "x.yaml", v2), []Set{set("p", "r.yaml", good, "x.yaml", v1)}, was},
		"its file is torn":              {set("h", "r.yaml", torn, "x.yaml", v2), []Set{set("p", "r.yaml", good, "x.yaml", v1)}, was},
		"its file is damaged":           {set("h", "r.yaml", "oid: 1", "x.yaml", v2), []Set{set("p", "r.yaml", good, "x.yaml", v1)}, was},
		"it moved and does not load":    {set("h", "new.yaml", bad, "x.yaml", v2), []Set{set("p", "r.yaml", good, "x.yaml", v1)}, was},
		"it moved into a torn file":     {set("h", "new.yaml", torn, "x.yaml", v2), []Set{set("p", "r.yaml", good, "x.yaml", v1)}, was},
		"it was refused before":         {set("h", "r.yaml", bad, "x.yaml", v2), []Set{set("p1", "r.yaml", bad, "x.yaml", v2), set("p", "r.yaml", good, "x.yaml", v1)}, was},
		"the Deployment does not load":  {set("h", "r.yaml", good, "x.yaml", strings.Replace(v2, "image:", "imagee:", 1)), []Set{set("p", "r.yaml", good, "x.yaml", v1)}, was},
		"it is new, over one that runs": {set("h", "r.yaml", bad, "x.yaml", v2), []Set{set("p", "x.yaml", plain)}, "Deployment/default/web of p nginx:1 4 RollingUpdate"},
		"both are new":                  {set("h", "r.yaml", bad, "x.yaml", v2), []Set{set("p", "y.yaml", n1)}, ""},
		"it is gone":                    {set("h", "x.yaml", v2), []Set{set("p", "r.yaml", good, "x.yaml", v1)}, new + "0 RollingUpdate"},
		"it is over another one now":    {set("h", "new.yaml", strings.Replace(good, "name: web", "name: db", 1)+"---\n"+deployment("db", "pg:1"), "r.yaml", torn, "x.yaml", v2), []Set{set("p", "r.yaml", good, "x.yaml", v1)}, "Deployment/default/db of h pg:1 3 Canary by Rollout/default/front\n" + new + "0 RollingUpdate"},
		"its file holds another, torn":  {set("h", "new.yaml", good, "r.yaml", torn, "x.yaml", v2), []Set{set("p", "r.yaml", good, "x.yaml", v1)}, new + "3 Canary by Rollout/default/front"},
	} {
		h := c.head.After(c.line...)
		want := h.Want()
		if got := led(want); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
		for _, w := range want.Workloads {
			if (w.Held == "") != (w.Commit == "h") {
				t.Errorf("%s: %s of %s is held: %q", name, w.ID, w.Commit, w.Held)
			}
		}
	}
}
