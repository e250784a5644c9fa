package manifest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	argo "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
)

// rolls is a Rollout called web with this strategy, and further lines of its spec.
func rolls(strategy string, more ...string) string {
	return rolloutOf(append([]string{"selector: {matchLabels: {app: web}}", "template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: b}]}}",
		"strategy: " + strategy}, more...)...)
}

// rolloutOf is a Rollout called web; each line of its spec has its own line, the first is line 5.
func rolloutOf(lines ...string) string {
	return "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web}\nspec:\n  " + strings.Join(lines, "\n  ") + "\n"
}

// named are Services that choose the pods of web.
func named(names ...string) (all string) {
	for _, name := range names {
		all += "---\n" + service(name, "selector: {app: web}\nports: [{port: 80}]")
	}
	return all
}

// rollsAs is how a workload rolls, in a line, as far as it is not the default.
func rollsAs(w Workload) string {
	s := w.Strategy
	text, _ := json.Marshal(s.Rollout)
	var all, plain map[string]any
	_ = json.Unmarshal(text, &all)
	text, _ = json.Marshal(Rollout{})
	_ = json.Unmarshal(text, &plain)
	for key, value := range plain {
		if fmt.Sprint(all[key]) == fmt.Sprint(value) {
			delete(all, key)
		}
	}
	return fmt.Sprintf("%s %d +%d -%d firm=%v %v %v paused=%v %s %s", s.Type, w.Replicas, s.MaxSurge, s.MaxUnavailable, s.Firm, s.MinReady, s.Deadline, s.Paused, s.OnFailure, compact(all))
}

func TestARolloutAsPeopleWriteItLoads(t *testing.T) {
	active, both := named("live"), named("live", "next")
	for name, c := range map[string]struct{ text, want string }{
		"a rolling update":              {rolls("{canary: {}}"), `Canary 1 +1 -0 firm=false 0s 10m0s paused=false report {}`},
		"its room":                      {rolls("{canary: {maxSurge: 1, maxUnavailable: 0}}", "replicas: 5"), `Canary 5 +1 -0 firm=true 0s 10m0s paused=false report {}`},
		"a quarter":                     {rolls("{canary: {}}", "replicas: 10"), `Canary 10 +3 -2 firm=false 0s 10m0s paused=false report {}`},
		"no room after rounding":        {rolls("{canary: {maxSurge: 0, maxUnavailable: 10%}}", "replicas: 3"), `Canary 3 +0 -1 firm=false 0s 10m0s paused=false report {}`},
		"times":                         {rolls("{canary: {}}", "minReadySeconds: 5", "progressDeadlineSeconds: 60"), `Canary 1 +1 -0 firm=false 5s 1m0s paused=false report {}`},
		"no deadline":                   {rolls("{canary: {}}", "progressDeadlineSeconds: 2147483647"), `Canary 1 +1 -0 firm=false 0s 0s paused=false report {}`},
		"going back at the deadline":    {rolls("{canary: {}}", "progressDeadlineAbort: true"), `Canary 1 +1 -0 firm=false 0s 10m0s paused=false rollback {}`},
		"the annotation's word is last": {strings.Replace(rolls("{canary: {}}", "progressDeadlineAbort: true"), "{name: web}", "{name: web, annotations: {podkeep.io/on-failure: hold}}", 1), `Canary 1 +1 -0 firm=false 0s 10m0s paused=false hold {}`},
		"paused":                        {rolls("{canary: {}}", "paused: true"), `Canary 1 +1 -0 firm=false 0s 10m0s paused=true report {}`},
		"a window":                      {rolls("{canary: {}}", "rollbackWindow: {revisions: 3}"), `Canary 1 +1 -0 firm=false 0s 10m0s paused=false report {"Window":3}`},
		"no window":                     {rolls("{canary: {}}", "rollbackWindow: {}"), `Canary 1 +1 -0 firm=false 0s 10m0s paused=false report {"Window":0}`},
		"a restart":                     {rolls("{canary: {}}", "restartAt: 2026-03-01T10:00:00Z"), `Canary 1 +1 -0 firm=false 0s 10m0s paused=false report {"RestartAt":"2026-03-01T10:00:00Z"}`},
		"what Argo keeps": {rolls("{canary: {dynamicStableScale: false}}", "revisionHistoryLimit: 2", "analysis: {successfulRunHistoryLimit: 1}") + "status:\n  phase: Healthy\n  abort: true\n",
			`Canary 1 +1 -0 firm=false 0s 10m0s paused=false report {}`},
		"steps": {rolls("{canary: {steps: [{setWeight: 20}, {pause: {}}, {setWeight: 100}, {pause: {duration: 30}}, {pause: {duration: '45'}}, {pause: {duration: 1h30m}}, {pause: {duration: 0}}, {setWeight: 0}]}}"),
			`Canary 1 +1 -0 firm=false 0s 10m0s paused=false report {"Steps":[{"setWeight":20},{"pause":{"duration":0,"ends":false}},{"setWeight":100},{"pause":{"duration":30000000000,"ends":true}},` +
				`{"pause":{"duration":45000000000,"ends":true}},{"pause":{"duration":5400000000000,"ends":true}},{"pause":{"duration":0,"ends":true}},{"setWeight":0}]}`},
		"Services": {rolls("{canary: {canaryService: next, stableService: live}}") + both, `Canary 1 +1 -0 firm=false 0s 10m0s paused=false report {"CanaryService":"next","StableService":"live"}`},
		"apart": {rolls("{canary: {antiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {}}}}"),
			`Canary 1 +1 -0 firm=false 0s 10m0s paused=false report {"AntiAffinity":{"Required":true,"Weight":0}}`},
		"apart if it can be had": {rolls("{canary: {antiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: {weight: 7}}}}"),
			`Canary 1 +1 -0 firm=false 0s 10m0s paused=false report {"AntiAffinity":{"Required":false,"Weight":7}}`},
		"labels of a role": {rolls("{canary: {canaryMetadata: {labels: {role: new}, annotations: {a: b}}, stableMetadata: {labels: {role: old}}}}"),
			`Canary 1 +1 -0 firm=false 0s 10m0s paused=false report {"New":{"Annotations":{"a":"b"},"Labels":{"role":"new"}},"Stable":{"Annotations":null,"Labels":{"role":"old"}}}`},
		"enough": {rolls("{canary: {replicaProgressThreshold: {type: Percent, value: 90}}}"), `Canary 1 +1 -0 firm=false 0s 10m0s paused=false report {"Threshold":{"Percent":90,"Pods":0}}`},
		"blue and green": {rolls("{blueGreen: {activeService: live}}", "replicas: 8") + active,
			`BlueGreen 8 +1 -2 firm=false 0s 10m0s paused=false report {"AbortDelay":30000000000,"ActiveService":"live","AutoPromotion":true,"Delay":30000000000}`},
		"of one pod": {rolls("{blueGreen: {activeService: live}}") + active,
			`BlueGreen 1 +1 -0 firm=false 0s 10m0s paused=false report {"AbortDelay":30000000000,"ActiveService":"live","AutoPromotion":true,"Delay":30000000000}`},
		"all of blue and green": {rolls("{blueGreen: {activeService: live, previewService: next, previewReplicaCount: 1, autoPromotionEnabled: false, autoPromotionSeconds: 9, maxUnavailable: 1, "+
			"scaleDownDelaySeconds: 0, scaleDownDelayRevisionLimit: 2, abortScaleDownDelaySeconds: 0, antiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {}}, "+
			"previewMetadata: {labels: {role: next}}, activeMetadata: {annotations: {role: live}}}}", "replicas: 3") + both,
			`BlueGreen 3 +1 -1 firm=false 0s 10m0s paused=false report {"ActiveService":"live","AntiAffinity":{"Required":true,"Weight":0},"AutoAfter":9000000000,"DelayRevisions":2,` +
				`"New":{"Annotations":null,"Labels":{"role":"next"}},"PreviewReplicas":1,"PreviewService":"next","Stable":{"Annotations":{"role":"live"},"Labels":null}}`},
	} {
		s := load(t, "x.yaml", c.text)
		if len(s.Workloads) != 1 || rollsAs(s.Workloads[0]) != c.want || s.Workloads[0].ID.String() != "Rollout/default/web" {
			t.Errorf("%s: got\n%s\nwant\n%s", name, rollsAs(s.Workloads[0]), c.want)
		}
	}
}

func TestARolloutThatIsRefusedSaysByWhichField(t *testing.T) {
	const canary, blueGreen = "spec.strategy.canary.", "spec.strategy.blueGreen."
	const mesh = "is not supported yet; remove it: write nginx with an Ingress, or plugins argoproj-labs/gatewayAPI with an HTTPRoute, by which doors share requests out"
	routing := func(s string) string {
		return rolls("{canary: {canaryService: next, stableService: live, trafficRouting: "+s+"}}") + named("next") + named("live")
	}
	const decide = "is not supported yet; remove it: a step pause: {} waits for whoever decides, and progressDeadlineAbort: true goes back where pods do not become available"
	step := func(s string) string { return rolls("{canary: {steps: [{setWeight: 5}, " + s + "]}}") }
	ref := func(ref string, more ...string) string {
		return rolloutOf(append([]string{"strategy: {canary: {}}", "workloadRef: " + ref}, more...)...)
	}
	for name, c := range map[string]struct{ text, want string }{
		"no strategy":               {rolls("{}"), "7 spec.strategy: is missing; write canary with its steps, canary: {} for a rolling update, or blueGreen"},
		"an empty one":              {rolls("{canary: }"), "7 spec.strategy: is missing; write canary with its steps, canary: {} for a rolling update, or blueGreen"},
		"a misspelt one":            {rolls("{blueGren: {}}"), `7 spec.strategy.blueGren: unknown field "blueGren"; did you mean "blueGreen"?`},
		"both":                      {rolls("{canary: {}, blueGreen: {activeService: a}}"), "7 spec.strategy: has both canary and blueGreen; remove one of them"},
		"a Deployment's":            {rolls("{type: Recreate}"), `7 spec.strategy.type: unknown field "type"` + "\n" + "7 spec.strategy: is missing; write canary with its steps, canary: {} for a rolling update, or blueGreen"},
		"no room":                   {rolls("{canary: {maxSurge: 0, maxUnavailable: 0%}}"), "7 " + canary + "maxUnavailable: may not be 0 when maxSurge is 0; one of them must give room to move"},
		"more than all":             {rolls("{canary: {maxUnavailable: 101%}}"), "7 " + canary + "maxUnavailable: 101% is more than all"},
		"no amount":                 {rolls("{canary: {maxSurge: a}}"), "7 " + canary + `maxSurge: "a" is neither a number of pods nor a percentage such as 25%`},
		"negative replicas":         {rolls("{canary: {}}", "replicas: -1"), "8 spec.replicas: -1 is less than 0"},
		"a negative wait":           {rolls("{canary: {}}", "minReadySeconds: -1"), "8 spec.minReadySeconds: -1 is less than 0"},
		"a negative history":        {rolls("{canary: {}}", "revisionHistoryLimit: -1"), "8 spec.revisionHistoryLimit: -1 is less than 0"},
		"a negative window":         {rolls("{canary: {}}", "rollbackWindow: {revisions: -1}"), "8 spec.rollbackWindow.revisions: -1 is less than 0"},
		"too short a deadline":      {rolls("{canary: {}}", "minReadySeconds: 9", "progressDeadlineSeconds: 9"), "9 spec.progressDeadlineSeconds: 9 is not more than minReadySeconds, which is 9"},
		"too long a wait":           {rolls("{canary: {}}", "minReadySeconds: 600"), "8 spec.minReadySeconds: 600 is not less than progressDeadlineSeconds, which is 600 unless you write it"},
		"no time to restart":        {rolls("{canary: {}}", "restartAt: soon"), `8 spec.restartAt: "soon" is not a time such as 2006-01-02T15:04:05Z`},
		"too much weight":           {step("{setWeight: 101}"), "7 " + canary + "steps[1].setWeight: 101 is not between 0 and 100"},
		"too little":                {step("{setWeight: -1}"), "7 " + canary + "steps[1].setWeight: -1 is not between 0 and 100"},
		"weight as text":            {step("{setWeight: '20'}"), "7 " + canary + "steps[1].setWeight: want a whole number, this is a string; leave out the quotes"},
		"an empty step":             {step("{}"), "7 " + canary + "steps[1]: does nothing; write for example setWeight: 20, or pause: {}"},
		"a pause of nothing":        {step("{pause: }"), "7 " + canary + "steps[1]: does nothing; write for example setWeight: 20, or pause: {}"},
		"a misspelt step":           {step("{setweight: 20}"), "7 " + canary + `steps[1].setweight: unknown field "setweight"; did you mean "setWeight"?`},
		"two steps in one":          {step("{setWeight: 20, pause: {}}"), "7 " + canary + "steps[1]: has both setWeight and pause; make two steps of it"},
		"a pause of no time":        {step("{pause: {duration: 10x}}"), "7 " + canary + `steps[1].pause.duration: "10x" is no time; write seconds, such as 30, or a text such as 10m`},
		"a pause before":            {step("{pause: {duration: -5}}"), "7 " + canary + "steps[1].pause.duration: -5 is less than 0"},
		"a pause before, in text":   {step("{pause: {duration: -5s}}"), "7 " + canary + "steps[1].pause.duration: -5s is less than 0"},
		"one Service twice":         {rolls("{canary: {canaryService: a, stableService: a}}"), "7 " + canary + "stableService: a is canaryService too, and each leads to pods of its own; write another, or remove one of them"},
		"apart of nothing":          {rolls("{canary: {antiAffinity: {}}}"), "7 " + canary + "antiAffinity: says nothing; write requiredDuringSchedulingIgnoredDuringExecution: {}, or remove it"},
		"apart twice":               {rolls("{canary: {antiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {}, preferredDuringSchedulingIgnoredDuringExecution: {weight: 1}}}}"), "7 " + canary + "antiAffinity: has both; remove one of them"},
		"apart without weight":      {rolls("{canary: {antiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: {}}}}"), "7 " + canary + "antiAffinity.preferredDuringSchedulingIgnoredDuringExecution.weight: 0 is not between 1 and 100"},
		"enough of what":            {rolls("{canary: {replicaProgressThreshold: {type: percent, value: 1}}}"), "7 " + canary + `replicaProgressThreshold.type: "percent" is not one of Percent, Pods; did you mean "Percent"?`},
		"none is enough":            {rolls("{canary: {replicaProgressThreshold: {type: Pods, value: 0}}}"), "7 " + canary + "replicaProgressThreshold.value: 0 is less than 1"},
		"more than enough":          {rolls("{canary: {replicaProgressThreshold: {type: Percent, value: 101}}}"), "7 " + canary + "replicaProgressThreshold.value: 101% is more than all"},
		"a label of a role":         {rolls("{canary: {canaryMetadata: {labels: {a b: c}}}}"), "7 " + canary + "canaryMetadata.labels[a b]: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"},
		"an annotation of a role":   {rolls("{blueGreen: {activeService: live, activeMetadata: {annotations: {podkeep.io/suspend: 'true'}}}}") + named("live"), "7 " + blueGreen + "activeMetadata.annotations[podkeep.io/suspend]: means nothing on a template; write it in the object's own metadata"},
		"no active Service":         {rolls("{blueGreen: {}}"), "7 " + blueGreen + "activeService: is missing; write the Service that leads to the pods that serve"},
		"active is preview":         {rolls("{blueGreen: {activeService: a, previewService: a}}"), "7 " + blueGreen + "previewService: a is activeService too, and each leads to pods of its own; write another, or remove previewService"},
		"a negative promotion":      {rolls("{blueGreen: {activeService: live, autoPromotionSeconds: -1}}") + named("live"), "7 " + blueGreen + "autoPromotionSeconds: -1 is less than 0"},
		"a negative delay":          {rolls("{blueGreen: {activeService: live, scaleDownDelaySeconds: -1}}") + named("live"), "7 " + blueGreen + "scaleDownDelaySeconds: -1 is less than 0"},
		"one of an abort":           {rolls("{blueGreen: {activeService: live, abortScaleDownDelaySeconds: -1}}") + named("live"), "7 " + blueGreen + "abortScaleDownDelaySeconds: -1 is less than 0"},
		"negative old revisions":    {rolls("{blueGreen: {activeService: live, scaleDownDelayRevisionLimit: -1}}") + named("live"), "7 " + blueGreen + "scaleDownDelayRevisionLimit: -1 is less than 0"},
		"more old ones than known":  {rolls("{blueGreen: {activeService: live, scaleDownDelayRevisionLimit: 3}}", "revisionHistoryLimit: 2") + named("live"), "7 " + blueGreen + "scaleDownDelayRevisionLimit: 3 is more than revisionHistoryLimit, which is 2"},
		"more than are known":       {rolls("{blueGreen: {activeService: live, scaleDownDelayRevisionLimit: 11}}") + named("live"), "7 " + blueGreen + "scaleDownDelayRevisionLimit: 11 is more than revisionHistoryLimit, which is 10 unless you write it"},
		"no preview":                {rolls("{blueGreen: {activeService: live, previewReplicaCount: 0}}") + named("live"), "7 " + blueGreen + "previewReplicaCount: 0 leaves nothing to look at; write 1 or more, or remove it to have all replicas"},
		"steps of blue and green":   {rolls("{blueGreen: {activeService: live, steps: []}}") + named("live"), "7 " + blueGreen + `steps: unknown field "steps"`},
		"more down than all":        {rolls("{blueGreen: {activeService: live, maxUnavailable: 101%}}") + named("live"), "7 " + blueGreen + "maxUnavailable: 101% is more than all"},
		"no pods":                   {rolloutOf("strategy: {canary: {}}"), "4 spec.template: is missing; write what the pods are made of, or workloadRef with the Deployment that says so"},
		"no selector":               {rolloutOf("strategy: {canary: {}}", "template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: b}]}}"), "4 spec.selector: is missing; write matchLabels that the template's labels match"},
		"pods twice":                {rolls("{canary: {}}", "workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web}"), "6 spec.template: stands beside workloadRef, which says what the pods are made of; remove one of them"},
		"pods that it chooses not":  {strings.Replace(rolls("{canary: {}}"), "labels: {app: web}", "labels: {app: b}", 1), `5 spec.selector: app=web does not match the template's labels, which are "app=b"`},
		"another workload":          {ref("{apiVersion: apps/v1, kind: ReplicaSet, name: a}"), "6 spec.workloadRef.kind: ReplicaSet is not supported; make a Deployment of it, or write its template here as spec.template"},
		"no workload":               {ref("{}"), "6 spec.workloadRef.kind: is missing; write Deployment\n6 spec.workloadRef.name: is missing; write which Deployment of the namespace says what the pods are made of"},
		"a patch":                   {rolloutOf("replicas: 3"), "1 is a part of an object, such as a patch of Kustomize: write the whole object, or commit what kustomize build makes of it"},
		"an API of the past":        {ref("{apiVersion: extensions/v1beta1, kind: Deployment, name: a}"), "6 spec.workloadRef.apiVersion: extensions/v1beta1 has no kind Deployment; write apps/v1"},
		"no API":                    {ref("{kind: Deployment, name: a}"), "6 spec.workloadRef.apiVersion: is missing; write apiVersion: apps/v1"},
		"scaled down somehow":       {ref("{apiVersion: apps/v1, kind: Deployment, name: a, scaleDown: later}"), `6 spec.workloadRef.scaleDown: "later" is not one of never, onsuccess, progressively`},
		"needs of no pods":          {strings.Replace(ref("{apiVersion: apps/v1, kind: Deployment, name: a}"), "{name: web}", "{name: web, annotations: {podkeep.io/depends-on: Job/a}}", 1), "3 metadata.annotations[podkeep.io/depends-on]: means nothing beside workloadRef; write it on the Deployment"},
		"the split":                 {rolls("{canary: {trafficRouting: {}}}"), "7 " + canary + "trafficRouting: says nothing; name an Ingress with nginx, or an HTTPRoute with plugins argoproj-labs/gatewayAPI, or remove it: weights are kept by numbers of pods, as where Argo Rollouts has no trafficRouting"},
		"a mesh":                    {rolls("{canary: {trafficRouting: {istio: {virtualService: {name: a}}, managedRoutes: [{name: b}], maxTrafficWeight: 1000}}}"), "7 " + canary + "trafficRouting.istio: " + mesh + "\n7 " + canary + "trafficRouting.managedRoutes: is not supported yet; remove it: a rule of an HTTPRoute that matches the header leads to canaryService\n7 " + canary + "trafficRouting.maxTrafficWeight: is not supported yet; remove it: weights are of 100"},
		"a plugin that splits":      {rolls("{canary: {trafficRouting: {plugins: {a/b: {c: [1]}}}}}"), "7 " + canary + "trafficRouting.plugins[a/b]: is not supported yet; remove it: no program of others shares requests out; write argoproj-labs/gatewayAPI with an HTTPRoute, or nginx with an Ingress"},
		"no Service to share with":  {rolls("{canary: {trafficRouting: {nginx: {stableIngress: web}}}}"), "7 " + canary + "canaryService: is missing; write the Service to which trafficRouting leads a share of the requests"},
		"nor another one":           {rolls("{canary: {canaryService: a, trafficRouting: {nginx: {stableIngress: web}}}}"), "7 " + canary + "stableService: is missing; write the Service to which trafficRouting leads what is left of the requests"},
		"no Ingress":                {routing("{nginx: {}}"), "7 " + canary + "trafficRouting.nginx: names no Ingress; write stableIngress with the one that leads to stableService"},
		"none that is there":        {routing("{nginx: {stableIngress: web}}"), "7 " + canary + "trafficRouting.nginx: Ingress/default/web is not in the repository; add it"},
		"one that leads elsewhere":  {routing("{nginx: {stableIngress: web}}") + "---\n" + doorTo("next"), "7 " + canary + "trafficRouting.nginx: no path of Ingress/default/web leads to live; write it as the Service of one"},
		"no route":                  {routing("{plugins: {argoproj-labs/gatewayAPI: {namespace: default}}}"), "7 " + canary + "trafficRouting.plugins[argoproj-labs/gatewayAPI]: names no route; write httpRoute with the HTTPRoute whose rules lead to both Services"},
		"none of that name":         {routing("{plugins: {argoproj-labs/gatewayAPI: {httpRoute: web}}}"), "7 " + canary + "trafficRouting.plugins[argoproj-labs/gatewayAPI]: HTTPRoute/default/web is not in the repository; add it"},
		"one to one of them":        {routing("{plugins: {argoproj-labs/gatewayAPI: {httpRoute: web}}}") + "---\n" + routeTo("live"), "7 " + canary + "trafficRouting.plugins[argoproj-labs/gatewayAPI]: no rule of HTTPRoute/default/web leads to both live and next; write both into backendRefs of one"},
		"a route of another kind":   {routing("{plugins: {argoproj-labs/gatewayAPI: {grpcRoute: web, httpRoute: web}}}") + "---\n" + routeTo("live", "next"), "7 " + canary + "trafficRouting.plugins[argoproj-labs/gatewayAPI].grpcRoute: is not supported yet; remove it: doors serve HTTPRoutes alone; name one with httpRoute"},
		"a misspelt one of those":   {routing("{plugins: {argoproj-labs/gatewayAPI: {httproute: web}}}"), "7 " + canary + `trafficRouting.plugins[argoproj-labs/gatewayAPI].httproute: unknown field "httproute"; did you mean "httpRoute"?` + "\n7 " + canary + "trafficRouting.plugins[argoproj-labs/gatewayAPI]: names no route; write httpRoute with the HTTPRoute whose rules lead to both Services"},
		"the split by annotation":   {strings.Replace(rolls("{canary: {}}"), "{name: web}", "{name: web, annotations: {podkeep.io/split: 'true'}}", 1), "3 metadata.annotations[podkeep.io/split]: is not supported yet; remove it: weights are kept by numbers of pods, as where Argo Rollouts has no trafficRouting"},
		"a scale":                   {step("{setCanaryScale: {replicas: 1}}"), "7 " + canary + "steps[1].setCanaryScale: is not supported yet; remove it: setWeight says how many pods are new"},
		"headers":                   {step("{setHeaderRoute: {name: a}}"), "7 " + canary + "steps[1].setHeaderRoute: is not supported yet; remove it: a rule of an HTTPRoute that matches the header leads to canaryService"},
		"a mirror":                  {step("{setMirrorRoute: {name: a, match: [{path: {exact: /}}]}}"), "7 " + canary + "steps[1].setMirrorRoute: is not supported yet; remove it: canaryService leads to the new pods alone"},
		"an analysis":               {step("{analysis: {templates: [{templateName: a}]}}"), "7 " + canary + "steps[1].analysis: " + decide},
		"an analysis beside":        {rolls("{canary: {analysis: {templates: [{templateName: a}], startingStep: 1}}}"), "7 " + canary + "analysis: " + decide},
		"an experiment":             {step("{experiment: {templates: [{name: a, specRef: canary}]}}"), "7 " + canary + "steps[1].experiment: is not supported yet; remove it: setWeight starts pods of the new revision, and canaryService leads to them alone"},
		"a plugin":                  {step("{plugin: {name: a/b, config: {c: 1}}}"), "7 " + canary + "steps[1].plugin: is not supported yet; remove it: no program of others decides here; pause: {} waits for whoever does"},
		"ping and pong":             {rolls("{canary: {pingPong: {pingService: a, pongService: b}}}"), "7 " + canary + "pingPong: is not supported yet; remove it: canaryService and stableService each lead to their own pods"},
		"a stable set that shrinks": {rolls("{canary: {dynamicStableScale: true}}"), "7 " + canary + "dynamicStableScale: is not supported yet; remove it: stable pods go anyway as the canary grows"},
		"a delay of a canary":       {rolls("{canary: {scaleDownDelaySeconds: 30}}"), "7 " + canary + "scaleDownDelaySeconds: is not supported yet; remove it: old pods go as new ones are available, once nobody sends them requests any more"},
		"so many at least":          {rolls("{canary: {minPodsPerReplicaSet: 2}}"), "7 " + canary + "minPodsPerReplicaSet: is not supported yet; remove it: replicas and the weights say how many pods there are"},
		"an analysis before":        {rolls("{blueGreen: {activeService: live, prePromotionAnalysis: {templates: [{templateName: a}]}}}") + named("live"), "7 " + blueGreen + "prePromotionAnalysis: is not supported yet; remove it: autoPromotionEnabled: false waits for whoever has looked at the new pods"},
		"an analysis after":         {rolls("{blueGreen: {activeService: live, postPromotionAnalysis: {templates: [{templateName: a}]}}}") + named("live"), "7 " + blueGreen + "postPromotionAnalysis: is not supported yet; remove it: a git revert switches back, at once within scaleDownDelaySeconds"},
	} {
		s := set("c", "x.yaml", c.text)
		if got := ofWeb(s); got != c.want || len(s.Workloads) > 0 {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

// ofWeb are the problems of Rollout/web in x.yaml, by line and field.
func ofWeb(s Set) string {
	return strings.NewReplacer("x.yaml:", "", ": Rollout/web: ", " ").Replace(wrongs(s))
}

// doorTo is an Ingress that leads to a Service, and routeTo an HTTPRoute with a rule for several.
func doorTo(service string) string {
	return "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec: {rules: [{host: a.example.org, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: " + service + ", port: {number: 80}}}}]}}]}\n"
}

func routeTo(services ...string) string {
	return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: web}\nspec: {parentRefs: [{name: web}], rules: [{backendRefs: [{name: " + strings.Join(services, ", port: 80}, {name: ") + ", port: 80}]}]}\n"
}

func TestACanarysRequestsAreSharedByWhatItNames(t *testing.T) {
	text := rolls("{canary: {canaryService: next, stableService: live, trafficRouting: {nginx: {stableIngress: web}, plugins: {argoproj-labs/gatewayAPI: {namespace: default, httpRoutes: [{name: web}]}}}}}") +
		named("next") + named("live") + "---\n" + doorTo("live") + "---\n" + routeTo("live", "next")
	s := set("c", "x.yaml", text)
	want := []ID{{Kind: "Ingress", Namespace: "default", Name: "web"}, {Kind: "HTTPRoute", Namespace: "default", Name: "web"}}
	if len(s.Workloads) != 1 || !slices.Equal(s.Workloads[0].Strategy.Rollout.Shares, want) {
		t.Errorf("%s: %+v", ofWeb(s), s.Workloads)
	}
}

func TestWhatMeansNothingToACanaryIsTakenWithANotice(t *testing.T) {
	for text, want := range map[string]string{
		rolls("{canary: {abortScaleDownDelaySeconds: 9, scaleDownDelayRevisionLimit: 1}}"):                 "7 spec.strategy.canary.abortScaleDownDelaySeconds: means nothing here: pods of a canary go at once",
		rolls("{blueGreen: {activeService: live, previewReplicaCount: 9}}", "replicas: 2") + named("live"): "7 spec.strategy.blueGreen.previewReplicaCount: 9 is more than replicas, so there are 2",
		rolls("{canary: {canaryMetadata: {labels: {role: new}}}}") + "---\n" + service("next", "selector: {app: web, role: new}\nports: [{port: 80}]"): "7 spec.strategy.canary.canaryMetadata.labels: Service/default/next goes by them: a pod has them from its start to its end, " +
			"whatever it becomes; name the Service as one of the Rollout's instead",
	} {
		s := set("c", "x.yaml", text)
		if refused, _ := Refusals(s.Problems); ofWeb(s) != want || len(refused) > 0 || len(s.Workloads) != 1 {
			t.Errorf("got\n%s\nwant\n%s", ofWeb(s), want)
		}
	}
}

func TestEnoughIsAPartOfWhatAStepAsksFor(t *testing.T) {
	for _, c := range []struct {
		t       *Threshold
		n, want int
	}{{nil, 7, 7}, {&Threshold{Percent: 50}, 7, 4}, {&Threshold{Percent: 100}, 7, 7}, {&Threshold{Percent: 1}, 0, 0}, {&Threshold{Pods: 3}, 7, 3}, {&Threshold{Pods: 3}, 1, 1}} {
		if got := (&Rollout{Threshold: c.t}).Enough(c.n); got != c.want {
			t.Errorf("%v of %d: %d", c.t, c.n, got)
		}
	}
}

func TestEveryFieldOfARolloutIsHonouredOrHasAReason(t *testing.T) {
	for _, of := range []reflect.Type{typeOf[argo.RolloutSpec](), typeOf[argo.CanaryStrategy](), typeOf[argo.CanaryStep](), typeOf[argo.BlueGreenStrategy](), typeOf[argo.ObjectRef]()} {
		names := strings.Fields(built[of])
		for _, more := range []map[string]string{idle[of], noticed[of], instead[of]} {
			names = append(names, sorted(more)...)
		}
		known := fieldsOf(of).names()
		slices.Sort(names)
		slices.Sort(known)
		if strings.Join(names, " ") != strings.Join(known, " ") {
			t.Errorf("%s: said is something of\n%v\nand there are\n%v", of, names, known)
		}
	}
}
