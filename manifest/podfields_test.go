package manifest

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

const fieldsHead = `# Every field of a pod

What becomes of each field of Kubernetes' PodSpec and of the types under it. A test walks the API types, writes each field into
a manifest that loads without it, and writes this page:

- *honoured*: the pods that are made differ by it, or its absence is refused (*required*);
- *accepted*: the manifest loads, nothing differs, and the reason stands beside it. Where it says *notice*, plan and status say so too;
- *refused*: with the words that stand here, behind file, line, object and field. What stands under a refused field is refused with it.

A type that several fields have is shown once.
`

// basePod loads, and holds what the fields under test refer to.
const basePod = `
volumes:
- {name: scratch, emptyDir: {}}
- {name: host, hostPath: {path: /data}}
containers:
- {name: main, image: "nginx:1", ports: [{name: web, containerPort: 8080}], env: [{name: DIR, value: dir}], resources: {limits: {cpu: 1, memory: 1Gi}}}
`

const besidePod = `
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {mode: fast}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: shop}
stringData: {password: hunter2}
---
apiVersion: v1
kind: Secret
metadata: {name: registry, namespace: shop}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: '{"auths":{}}'}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`

// contexts are what an object of a type is when one of its fields is written, by the name of the type.
var contexts = map[string]string{
	"Volume":                            `{name: more}`,
	"ContainerPort":                     `{containerPort: 80, hostPort: 8000}`,
	"EnvVar":                            `{name: MORE, value: more}`,
	"EnvVarSource":                      `{}`,
	"ConfigMapKeySelector":              `{name: settings, key: mode}`,
	"SecretKeySelector":                 `{name: keys, key: password}`,
	"ObjectFieldSelector":               `{fieldPath: metadata.namespace}`,
	"ResourceFieldSelector":             `{containerName: main, resource: limits.memory}`,
	"ConfigMapEnvSource":                `{name: settings}`,
	"SecretEnvSource":                   `{name: keys}`,
	"VolumeMount":                       `{name: scratch, mountPath: /more}`,
	"KeyToPath":                         `{key: password, path: mode}`,
	"ConfigMapVolumeSource":             `{name: settings}`,
	"SecretVolumeSource":                `{secretName: keys}`,
	"ConfigMapProjection":               `{name: settings}`,
	"SecretProjection":                  `{name: keys}`,
	"DownwardAPIVolumeSource":           `{items: [{path: a, fieldRef: {fieldPath: metadata.name}}]}`,
	"DownwardAPIVolumeFile":             `{path: a, fieldRef: {fieldPath: metadata.name}}`,
	"DownwardAPIProjection":             `{}`,
	"ProjectedVolumeSource":             `{sources: [{configMap: {name: settings}}]}`,
	"VolumeProjection":                  `{}`,
	"HostPathVolumeSource":              `{path: /srv}`,
	"PersistentVolumeClaimVolumeSource": `{claimName: data}`,
	"EmptyDirVolumeSource":              `{medium: Memory}`,
	"Toleration":                        `{key: disk}`,
	"SecretVolumeSource.optional":       `{secretName: gone}`,
	"ConfigMapVolumeSource.optional":    `{name: gone}`,
	"SecretProjection.optional":         `{name: gone}`, "ConfigMapProjection.optional": `{name: gone}`,
	"ConfigMapEnvSource.optional": `{name: gone}`, "SecretEnvSource.optional": `{name: gone}`,
	"ConfigMapKeySelector.optional": `{name: gone, key: a}`, "SecretKeySelector.optional": `{name: keys, key: gone}`,
	"DownwardAPIVolumeSource.items": `{}`, "ProjectedVolumeSource.sources": `{}`,
	"VolumeMount.recursiveReadOnly":          `{name: scratch, mountPath: /more, readOnly: true}`,
	"PodAffinityTerm.topologyKey":            `{}`,
	"NodeSelectorRequirement.operator":       `{key: zone}`,
	"LabelSelectorRequirement.operator":      `{key: zone}`,
	"EnvVar.valueFrom":                       `{name: MORE}`,
	"Container.command":                      `{env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: keys, key: password}}}]}`,
	"Container.args":                         `{env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: keys, key: password}}}]}`,
	"EnvFromSource":                          `{}`,
	"EnvFromSource.prefix":                   `{configMapRef: {name: settings}}`,
	"DownwardAPIVolumeFile.resourceFieldRef": `{path: a}`,
	"Probe.exec":                             `{}`, "Probe.httpGet": `{}`, "Probe.tcpSocket": `{}`, "Probe.grpc": `{}`,
	"VolumeMount.mountPropagation": `{name: host, mountPath: /more}`,
	"PodSpec.setHostnameAsFQDN":    `{subdomain: db}`,
	"PodSecurityContext":           `{}`,
	"SecurityContext":              `{}`,
	"SELinuxOptions":               `{}`,
	"Sysctl":                       `{name: net.ipv4.tcp_syncookies, value: "1"}`,
	"SeccompProfile":               `{type: Localhost, localhostProfile: a.json}`,
	"AppArmorProfile":              `{}`,
	"HostAlias":                    `{ip: 192.0.2.1, hostnames: [db]}`,
	"PodDNSConfig":                 `{}`,
	"PodDNSConfigOption":           `{name: ndots}`,
	"Lifecycle":                    `{}`,
	"LifecycleHandler":             `{}`,
	"SleepAction":                  `{seconds: 1}`,
	"Probe":                        `{exec: {command: [check]}}`,
	"HTTPGetAction":                `{port: 8080}`,
	"HTTPHeader":                   `{name: X-A, value: a}`,
	"TCPSocketAction":              `{port: 8080}`,
	"GRPCAction":                   `{port: 8080}`,
	"ContainerResizePolicy":        `{resourceName: cpu, restartPolicy: NotRequired}`,
	"TopologySpreadConstraint":     `{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}`,
	"PreferredSchedulingTerm":      `{weight: 1, preference: {matchExpressions: [{key: zone, operator: Exists}]}}`,
	"WeightedPodAffinityTerm":      `{weight: 1, podAffinityTerm: {topologyKey: zone}}`,
	"PodAffinityTerm":              `{topologyKey: zone}`,
	"NodeSelectorTerm":             `{}`,
	"NodeSelectorRequirement":      `{key: zone, operator: In, values: [a]}`,
	"LabelSelectorRequirement":     `{key: zone, operator: In, values: [a]}`,
	"LocalObjectReference":         `{name: registry}`,
}

// samples are what to write for a field where the type of it does not tell, each for a row.
var samples = map[string][]string{
	"PodSpec.volumes":                      {`[{name: more}]`},
	"PodSpec.initContainers":               {`[{name: init, image: b}]`, `[{name: sidecar, image: b, restartPolicy: Always}]`},
	"PodSpec.containers":                   {`[{name: main, image: b}]`},
	"PodSpec.restartPolicy":                {`Never`},
	"PodSpec.dnsPolicy":                    {`None`, `Default`, `ClusterFirst`, `ClusterFirstWithHostNet`},
	"PodSpec.nodeSelector":                 {`{zone: a}`},
	"PodSpec.serviceAccountName":           {`builder`, `default`},
	"PodSpec.serviceAccount":               {`builder`, `default`},
	"PodSpec.automountServiceAccountToken": {`true`, `false`},
	"PodSpec.nodeName":                     {`n1`},
	"PodSpec.securityContext":              {`{runAsUser: 1}`},
	"PodSpec.imagePullSecrets":             {`[{name: registry}]`},
	"PodSpec.schedulerName":                {`mine`, `default-scheduler`},
	"PodSpec.tolerations":                  {`[{operator: Exists}]`},
	"PodSpec.hostAliases":                  {`[{ip: 192.0.2.1, hostnames: [db]}]`},
	"PodSpec.priority":                     {`1`, `0`},
	"PodSpec.dnsConfig":                    {`{options: [{name: ndots}]}`, `{nameservers: [192.0.2.1]}`},
	"PodSpec.preemptionPolicy":             {`Never`},
	"PodSpec.topologySpreadConstraints":    {`[{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]`},
	"PodSpec.os":                           {`{name: windows}`, `{name: linux}`},
	"PodSpec.hostUsers":                    {`false`, `true`},
	"PodSpec.affinity":                     {`{nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: zone, operator: Exists}]}}]}}`},
	"PodSpec.overhead":                     {`{cpu: 1}`},
	"PodSpec.ephemeralContainers":          {`[{name: debug, image: b}]`},
	"PodSpec.resourceClaims":               {`[{name: gpu}]`},
	"PodSpec.resources":                    {`{limits: {cpu: 1}}`},
	"PodAffinity.preferredDuringSchedulingIgnoredDuringExecution":     {`[{weight: 1, podAffinityTerm: {topologyKey: zone}}]`},
	"PodAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution": {`[{weight: 1, podAffinityTerm: {topologyKey: zone}}]`},
	"NodeAffinity.preferredDuringSchedulingIgnoredDuringExecution":    {`[{weight: 1, preference: {matchExpressions: [{key: zone, operator: Exists}]}}]`},
	"Affinity.nodeAffinity":                       {`{preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: zone, operator: Exists}]}}]}`},
	"Affinity.podAffinity":                        {`{preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone}}]}`},
	"Affinity.podAntiAffinity":                    {`{preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone}}]}`},
	"Container.image":                             {`nginx:2`},
	"Container.command":                           {`["a"]`, `[$(PASSWORD)]`},
	"Container.args":                              {`["a"]`, `[$(PASSWORD)]`},
	"Container.ports":                             {`[{containerPort: 80, hostPort: 80}]`},
	"Container.env":                               {`[{name: A, value: a}]`},
	"Container.envFrom":                           {`[{configMapRef: {name: settings}}]`},
	"Container.resources":                         {`{limits: {cpu: 2}}`},
	"Container.resizePolicy":                      {`[{resourceName: cpu, restartPolicy: NotRequired}]`},
	"Container.restartPolicy":                     {`Always`},
	"Container.volumeMounts":                      {`[{name: scratch, mountPath: /a}]`},
	"Container.livenessProbe":                     {`{exec: {command: [check]}}`},
	"Container.readinessProbe":                    {`{exec: {command: [check]}}`},
	"Container.startupProbe":                      {`{exec: {command: [check]}}`},
	"Container.lifecycle":                         {`{preStop: {exec: {command: [stop]}}}`},
	"Container.terminationMessagePath":            {`/tmp/log`, `/dev/termination-log`},
	"Container.terminationMessagePolicy":          {`FallbackToLogsOnError`, `File`},
	"Container.imagePullPolicy":                   {`Always`},
	"Container.securityContext":                   {`{runAsUser: 1}`},
	"Lifecycle.postStart":                         {`{exec: {command: [start]}}`},
	"Lifecycle.preStop":                           {`{exec: {command: [stop]}}`},
	"Lifecycle.stopSignal":                        {`SIGUSR1`},
	"LifecycleHandler.exec":                       {`{command: [start]}`},
	"LifecycleHandler.sleep":                      {`{seconds: 1}`},
	"LifecycleHandler.httpGet":                    {`{port: 8080}`},
	"LifecycleHandler.tcpSocket":                  {`{port: 8080}`},
	"SleepAction.seconds":                         {`2`},
	"Probe.exec":                                  {`{command: [check]}`},
	"Probe.httpGet":                               {`{port: 8080}`},
	"Probe.tcpSocket":                             {`{port: 8080}`},
	"Probe.grpc":                                  {`{port: 8080}`},
	"Probe.timeoutSeconds":                        {`2`},
	"Probe.successThreshold":                      {`1`, `2`},
	"HTTPGetAction.scheme":                        {`HTTPS`},
	"HTTPGetAction.port":                          {`web`},
	"TCPSocketAction.port":                        {`web`},
	"HTTPGetAction.httpHeaders":                   {`[{name: X-A, value: a}]`},
	"ContainerPort.hostIP":                        {`192.0.2.1`},
	"ContainerPort.protocol":                      {`UDP`, `SCTP`},
	"EnvVar.valueFrom":                            {`{configMapKeyRef: {name: settings, key: mode}}`},
	"EnvVarSource.fieldRef":                       {`{fieldPath: metadata.name}`, `{fieldPath: status.podIP}`},
	"EnvVarSource.resourceFieldRef":               {`{resource: limits.memory}`},
	"EnvVarSource.configMapKeyRef":                {`{name: settings, key: mode}`},
	"EnvVarSource.secretKeyRef":                   {`{name: keys, key: password}`},
	"EnvFromSource.configMapRef":                  {`{name: settings}`},
	"EnvFromSource.secretRef":                     {`{name: keys}`},
	"EnvFromSource.prefix":                        {`P_`},
	"ConfigMapKeySelector.name":                   {`settings`},
	"ConfigMapKeySelector.key":                    {`mode`},
	"SecretKeySelector.name":                      {`keys`},
	"SecretKeySelector.key":                       {`password`},
	"ConfigMapEnvSource.name":                     {`settings`},
	"SecretEnvSource.name":                        {`keys`},
	"LocalObjectReference.name":                   {`registry`},
	"ObjectFieldSelector.apiVersion":              {`v1`},
	"ObjectFieldSelector.fieldPath":               {`metadata.name`},
	"ResourceFieldSelector.containerName":         {`main`},
	"ResourceFieldSelector.resource":              {`limits.cpu`, `requests.ephemeral-storage`},
	"ResourceFieldSelector.divisor":               {`1Mi`},
	"ResourceRequirements.limits":                 {`{cpu: 2}`, `{memory: 2Gi}`, `{ephemeral-storage: 1Gi}`, `{hugepages-2Mi: 2Mi}`, `{podkeep.io/dev.net.tun: 1}`, `{nvidia.com/gpu: 1}`, `{example.com/device: 1}`},
	"ResourceRequirements.requests":               {`{cpu: 1m}`, `{ephemeral-storage: 1Gi}`},
	"PodSpec.priorityClassName":                   {`high`},
	"ResourceRequirements.claims":                 {`[{name: gpu}]`},
	"Capabilities.add":                            {`[NET_ADMIN]`},
	"Capabilities.drop":                           {`[ALL]`},
	"SecurityContext.capabilities":                {`{drop: [ALL]}`},
	"SecurityContext.procMount":                   {`Unmasked`, `Default`},
	"SecurityContext.seccompProfile":              {`{type: Unconfined}`},
	"SecurityContext.appArmorProfile":             {`{type: Unconfined}`, `{type: RuntimeDefault}`},
	"SecurityContext.seLinuxOptions":              {`{level: "s0:c1,c2"}`},
	"SecurityContext.allowPrivilegeEscalation":    {`false`},
	"PodSecurityContext.seccompProfile":           {`{type: Unconfined}`},
	"PodSecurityContext.appArmorProfile":          {`{type: Unconfined}`, `{type: RuntimeDefault}`},
	"PodSecurityContext.seLinuxOptions":           {`{level: "s0:c1,c2"}`},
	"PodSecurityContext.supplementalGroups":       {`[100]`},
	"PodSecurityContext.supplementalGroupsPolicy": {`Strict`, `Merge`},
	"PodSecurityContext.fsGroupChangePolicy":      {`Always`, `OnRootMismatch`},
	"PodSecurityContext.sysctls":                  {`[{name: net.ipv4.tcp_syncookies, value: "1"}]`},
	"Sysctl.name":                                 {`net.ipv4.tcp_syncookies`, `vm.swappiness`},
	"Sysctl.value":                                {`"1"`},
	"SeccompProfile.type":                         {`Localhost`},
	"SeccompProfile.localhostProfile":             {`a.json`},
	"AppArmorProfile.localhostProfile":            {`a`},
	"VolumeMount.name":                            {`host`},
	"VolumeMount.mountPath":                       {`/other`},
	"VolumeMount.subPathExpr":                     {`$(DIR)`},
	"VolumeMount.mountPropagation":                {`None`, `HostToContainer`},
	"VolumeMount.recursiveReadOnly":               {`Enabled`, `IfPossible`, `Disabled`},
	"Volume.name":                                 {`other`},
	"Volume.hostPath":                             {`{path: /srv}`},
	"Volume.emptyDir":                             {`{medium: Memory}`},
	"Volume.secret":                               {`{secretName: keys}`},
	"Volume.configMap":                            {`{name: settings}`},
	"Volume.persistentVolumeClaim":                {`{claimName: data}`},
	"Volume.downwardAPI":                          {`{items: [{path: a, fieldRef: {fieldPath: metadata.labels}}]}`},
	"Volume.projected":                            {`{sources: [{configMap: {name: settings}}]}`},
	"PersistentVolumeClaimVolumeSource.claimName": {`data`},
	"HostPathVolumeSource.path":                   {`/srv`},
	"HostPathVolumeSource.type":                   {`Directory`, `DirectoryOrCreate`, `File`, `FileOrCreate`, `Socket`, `CharDevice`, `BlockDevice`},
	"EmptyDirVolumeSource.medium":                 {`Memory`, `HugePages`},
	"EmptyDirVolumeSource.sizeLimit":              {`1Gi`},
	"SecretVolumeSource.secretName":               {`keys`},
	"SecretVolumeSource.items":                    {`[{key: password, path: p}]`},
	"ConfigMapVolumeSource.name":                  {`settings`},
	"ConfigMapVolumeSource.items":                 {`[{key: mode, path: p}]`},
	"SecretProjection.name":                       {`keys`},
	"SecretProjection.items":                      {`[{key: password, path: p}]`},
	"ConfigMapProjection.name":                    {`settings`},
	"ConfigMapProjection.items":                   {`[{key: mode, path: p}]`},
	"DownwardAPIVolumeSource.items":               {`[{path: a, fieldRef: {fieldPath: metadata.name}}]`},
	"DownwardAPIProjection.items":                 {`[{path: a, fieldRef: {fieldPath: metadata.name}}]`},
	"ProjectedVolumeSource.sources":               {`[{configMap: {name: settings}}]`},
	"VolumeProjection.secret":                     {`{name: keys}`},
	"VolumeProjection.configMap":                  {`{name: settings}`},
	"VolumeProjection.downwardAPI":                {`{items: [{path: a, fieldRef: {fieldPath: metadata.name}}]}`},
	"KeyToPath.key":                               {`password`},
	"DownwardAPIVolumeFile.fieldRef":              {`{fieldPath: metadata.labels}`},
	"DownwardAPIVolumeFile.resourceFieldRef":      {`{containerName: main, resource: limits.memory}`},
	"Toleration.operator":                         {`Exists`},
	"Toleration.effect":                           {`NoExecute`},
	"PodDNSConfig.nameservers":                    {`[192.0.2.2]`},
	"PodDNSConfig.options":                        {`[{name: ndots, value: "2"}]`},
	"HostAlias.ip":                                {`192.0.2.2`},
	"TopologySpreadConstraint.whenUnsatisfiable":  {`DoNotSchedule`, `ScheduleAnyway`},
}

func init() {
	maps.Copy(samples, map[string][]string{
		"NodeSelectorTerm.matchExpressions":           {`[{key: zone, operator: Exists}]`},
		"NodeSelectorTerm.matchFields":                {`[{key: metadata.name, operator: In, values: [n1]}]`},
		"NodeSelectorRequirement.operator":            {`Exists`},
		"PreferredSchedulingTerm.preference":          {`{matchExpressions: [{key: zone, operator: Exists}]}`},
		"WeightedPodAffinityTerm.podAffinityTerm":     {`{topologyKey: zone}`},
		"LabelSelector.matchExpressions":              {`[{key: zone, operator: Exists}]`},
		"LabelSelectorRequirement.operator":           {`Exists`},
		"ContainerResizePolicy.resourceName":          {`memory`},
		"ContainerResizePolicy.restartPolicy":         {`RestartContainer`},
		"PodSecurityContext.seLinuxChangePolicy":      {`Recursive`},
		"AppArmorProfile.type":                        {`Unconfined`},
		"PodOS.name":                                  {`windows`},
		"TopologySpreadConstraint.nodeAffinityPolicy": {`Honor`},
		"TopologySpreadConstraint.nodeTaintsPolicy":   {`Honor`},
		"Sysctl.value":                                {`"1"`},
	})
}

// walker writes every field of every type once.
type walker struct {
	t    *testing.T
	page strings.Builder
	seen map[reflect.Type]bool
	next []place
}

// place is a struct type, and the steps that lead to an object of it from a pod's spec.
type place struct {
	t    reflect.Type
	path []step
}

type step struct {
	field string
	to    reflect.Type
	list  bool
}

func (p place) String() string {
	out := "spec"
	for _, s := range p.path {
		out += "." + s.field
		if s.list {
			out += "[]"
		}
	}
	return out
}

func TestEveryFieldOfAPodIsHonouredOrRefusedOrItsPageSaysWhyNot(t *testing.T) {
	const page = "../docs/fields.md"
	w := &walker{t: t, seen: map[reflect.Type]bool{}, next: []place{{t: typeOf[corev1.PodSpec]()}}}
	w.page.WriteString(fieldsHead)
	for len(w.next) > 0 {
		p := w.next[0]
		w.next = w.next[1:]
		w.place(p)
	}
	if *update {
		if err := os.WriteFile(page, []byte(w.page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil || w.page.String() != string(want) {
		t.Errorf("%s is not what the code does (%v); make golden, and read the difference", page, err)
	}
}

// place writes the section of a type.
func (w *walker) place(p place) {
	if w.seen[p.t] {
		return
	}
	w.seen[p.t] = true
	fmt.Fprintf(&w.page, "\n## %s\n\n`%s`\n\n| field | written | what becomes of it |\n|---|---|---|\n", p.t.Name(), p)
	for _, f := range fieldsOf(p.t) {
		w.field(p, f)
	}
	if p.t == typeOf[corev1.Container]() {
		w.initContainers(p)
	}
}

// initContainers writes those fields again that are another thing on an init container.
func (w *walker) initContainers(p place) {
	for _, kind := range []string{"initContainers", "sidecars"} {
		fmt.Fprintf(&w.page, "\n## Container, of %s\n\nAs of `spec.containers[]`, but for:\n\n| field | written | what becomes of it |\n|---|---|---|\n", kind)
		main, here := place{p.t, []step{{"containers", p.t, true}}}, place{p.t, []step{{kind, p.t, true}}}
		for _, f := range fieldsOf(p.t) {
			for _, sample := range samplesOf(w.t, p.t, f) {
				plain, _, _ := w.row(main, f, sample)
				if text, _, _ := w.row(here, f, sample); text != plain {
					fmt.Fprintf(&w.page, "| %s | `%s` | %s |\n", f.name, sample, text)
				}
			}
		}
	}
}

// field writes the rows of a field, and remembers to visit its type unless nothing of it is taken.
func (w *walker) field(p place, f jsonField) {
	taken := false
	for _, sample := range samplesOf(w.t, p.t, f) {
		text, refused, silent := w.row(p, f, sample)
		if silent {
			w.t.Errorf("%s.%s: %s is taken, changes nothing, and nothing says why", p, f.name, sample)
		}
		taken = taken || !refused
		fmt.Fprintf(&w.page, "| %s | `%s` | %s |\n", f.name, strings.ReplaceAll(sample, "|", `\|`), text)
	}
	t, list := p.t.FieldByIndex(f.index).Type, false
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		list = list || t.Kind() == reflect.Slice
		t = t.Elem()
	}
	if f.name != "initContainers" && taken && t.Kind() == reflect.Struct && !isLeaf(reflect.New(t).Elem()) {
		w.next = append(w.next, place{t, append(slices.Clone(p.path), step{f.name, t, list})})
	}
}

// row is what becomes of one field written so.
func (w *walker) row(p place, f jsonField, sample string) (text string, refused, silent bool) {
	before := w.assembled(w.build(p, f, nil))
	after := w.assembled(w.build(p, f, parsed(w.t, sample)))
	var texts, notices []string
	for _, problem := range after.problems {
		if problem.Notice {
			notices = append(notices, problem.Text)
		} else {
			texts = append(texts, problem.Text)
		}
	}
	written := compact(parsed(w.t, sample))
	switch {
	case len(texts) > 0:
		return "refused: " + strings.Join(slices.Compact(texts), "; "), true, false
	case before.rendered == "":
		return "honoured, required", false, false
	case len(notices) > 0 && before.rendered == after.rendered:
		return "accepted, with a notice: " + strings.Join(notices, "; "), false, false
	case before.rendered != after.rendered && len(notices) > 0:
		return "honoured in part, with a notice: " + strings.Join(notices, "; "), false, false
	case before.rendered != after.rendered:
		return "honoured", false, false
	case idle[p.t][f.name] != "":
		return "accepted: " + idle[p.t][f.name], false, false
	case slices.Contains(harmless[p.t][f.name], written):
		return "accepted: it is so anyway", false, false
	}
	return "accepted", false, true
}

// build is a pod's spec in which the field has the value, or none when that is nil, and all that leads to it is there.
func (w *walker) build(p place, f jsonField, value any) map[string]any {
	spec := mapping(w.t, basePod)
	if at := spec; len(p.path) == 0 {
		maps.Copy(at, contextOf(w.t, p.t, f.name))
	}
	at := spec
	for i, s := range p.path {
		next := f.name
		if i+1 < len(p.path) {
			next = p.path[i+1].field
		}
		at = enter(at, s, contextOf(w.t, s.to, next))
	}
	if delete(at, f.name); value != nil {
		at[f.name] = value
	}
	return spec
}

// enter is the object behind a step: a pod's first container, or one that is made there.
func enter(at map[string]any, s step, made map[string]any) map[string]any {
	switch {
	case s.field == "dnsConfig":
		at["dnsPolicy"], made["nameservers"] = "None", []any{"192.0.2.1"}
		at[s.field] = made
	case s.field == "containers":
		maps.Copy(at["containers"].([]any)[0].(map[string]any), made)
		return at["containers"].([]any)[0].(map[string]any)
	case s.field == "initContainers" || s.field == "sidecars":
		maps.Copy(made, map[string]any{"name": "first", "image": "first:1"})
		if s.field == "sidecars" {
			made["restartPolicy"] = "Always"
		}
		at["initContainers"] = []any{made}
	case s.list:
		list, _ := at[s.field].([]any)
		at[s.field] = append(list, made)
	default:
		at[s.field] = made
	}
	return made
}

func contextOf(t *testing.T, of reflect.Type, field string) map[string]any {
	text, ok := contexts[of.Name()+"."+field]
	if !ok {
		text = or(contexts[of.Name()], "{}")
	}
	return mapping(t, text)
}

func samplesOf(t *testing.T, of reflect.Type, f jsonField) []string {
	if texts, ok := samples[of.Name()+"."+f.name]; ok {
		return texts
	}
	return []string{compact(guess(of.FieldByIndex(f.index).Type, 0))}
}

// guess is a value that is not zero.
func guess(t reflect.Type, depth int) any {
	switch reflect.New(t).Interface().(type) {
	case *resource.Quantity, *intstr.IntOrString:
		return 1
	case *metav1.Time:
		return "2026-01-01T00:00:00Z"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return guess(t.Elem(), depth)
	case reflect.Slice:
		return []any{guess(t.Elem(), depth+1)}
	case reflect.Map:
		return map[string]any{"a": guess(t.Elem(), depth+1)}
	case reflect.Struct:
		for _, f := range fieldsOf(t) {
			if depth < 4 {
				return map[string]any{f.name: guess(t.FieldByIndex(f.index).Type, depth+1)}
			}
		}
		return map[string]any{}
	case reflect.Bool:
		return true
	case reflect.String:
		return "a"
	}
	return 1
}

func mapping(t *testing.T, text string) map[string]any { return parsed(t, text).(map[string]any) }

func parsed(t *testing.T, text string) (v any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(text, err)
	}
	return v
}

// outcome is what Parse and Assemble make of a pod.
type outcome struct {
	problems []Problem
	rendered string // all that its driver is told, or empty
}

func (w *walker) assembled(spec map[string]any) outcome {
	pod := map[string]any{"apiVersion": "v1", "kind": "Pod", "spec": spec,
		"metadata": map[string]any{"name": "web", "namespace": "shop", "labels": map[string]any{"app": "web"}}}
	text, err := yaml.Marshal(pod)
	if err != nil {
		w.t.Fatal(err)
	}
	s := set("a1b2c3d4", "x.yaml", string(text)+besidePod)
	out := outcome{problems: slices.DeleteFunc(s.Problems, func(p Problem) bool { return p.Object != "Pod/web" })}
	if len(s.Workloads) > 0 {
		wl := s.Workloads[0]
		p := wl.Revision.Pod("web", nil, nil)
		out.rendered = asYAML(w.t, p.Spec) + p.Hostname()
		for _, t := range p.Texts {
			out.rendered += fmt.Sprint("\n", t.Volume, t.Path, t.Mode, string(t.Data))
		}
		for _, f := range wl.Config {
			out.rendered += "\n" + f.Name
		}
	}
	return out
}
