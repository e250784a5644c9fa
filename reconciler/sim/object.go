package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/podkeep/podkeep/manifest"
)

// object is one manifest as a story writes it: a kind, a name, and words.
type object struct {
	kind, name, file string
	words            map[string]string
	docs             []string // of YAML, what the words come to
}

func (o object) equal(p object) bool {
	return o.kind == p.kind && o.name == p.name && o.file == p.file && maps.Equal(o.words, p.words)
}

// kinds are the short forms before a name: pod/x, node/n1. None is a Deployment.
var kinds = map[string]string{
	"": "Deployment", "pod": "Pod", "rs": "ReplicaSet", "rc": "ReplicationController",
	"job": "Job", "node": "Node", "ns": "Namespace", "cm": "ConfigMap", "pvc": "PersistentVolumeClaim", "svc": "Service", "eps": "EndpointSlice", "ro": "Rollout",
	"netpol": "NetworkPolicy", "ing": "Ingress",
}

// words are all that can be said of an object. A flag alone means "true"; "=" with nothing after takes it back.
var words = strings.Fields(`image replicas surge unavail strategy deadline min-ready suspend paused config secret env
	completions parallel indexed backoff per-index max-failed ttl active-deadline halt
	port cpu mem restart on-failure keep grace ns zone tolerate on file cordon drain at silence capacity init wave needs hook hook-delete claim mode
	policy replace success taint pull probe init-probe target headless node-port selects ip not-ready cidr address balanced outside by-hand external of ips
	steps active preview canary stable hand auto delay delay-revs abort-delay some window restart-at abort-late over shared
	from to hosts path class acme door`)

// say reads words on top of what the object says already.
func (o object) say(tokens []string) (object, error) {
	o.words = maps.Clone(o.words)
	if o.words == nil {
		o.words = map[string]string{}
	}
	for _, token := range tokens {
		key, value, ok := strings.Cut(token, "=")
		if !slices.Contains(words, key) {
			return o, fmt.Errorf("%s: what is %q? known are %s", o.name, key, strings.Join(words, " "))
		}
		if !ok {
			value = "true"
		}
		if key == "file" {
			o.file = value
			continue
		}
		o.words[key] = value
		if value == "" {
			delete(o.words, key)
		}
	}
	o.docs = o.yaml()
	return o, nil
}

// newObject reads kind/name.
func newObject(key string) (object, error) {
	short, name, ok := strings.Cut(key, "/")
	if !ok {
		short, name = "", key
	}
	kind := kinds[short]
	if kind == "" {
		return object{}, fmt.Errorf("%s: what kind is %q?", key, short)
	}
	return object{kind: kind, name: name, file: strings.ReplaceAll(key, "/", "-") + ".yaml"}, nil
}

type m = map[string]any

// yaml is the object, and the ConfigMap and Secret that its words imply, each as one document.
func (o object) yaml() (docs []string) {
	for _, d := range o.manifests() {
		text, err := yaml.Marshal(d)
		if err != nil {
			panic(err)
		}
		docs = append(docs, string(text))
	}
	return docs
}

func (o object) manifests() []m {
	switch o.kind {
	case "Node":
		return []m{o.node()}
	case "Service":
		return []m{o.service()}
	case "NetworkPolicy":
		return []m{o.policy()}
	case "Ingress":
		return []m{o.ingress()}
	case "EndpointSlice":
		return []m{o.endpoints()}
	case "Namespace":
		return []m{{"apiVersion": "v1", "kind": "Namespace", "metadata": o.meta()}}
	case "PersistentVolumeClaim":
		return []m{{"apiVersion": "v1", "kind": o.kind, "metadata": o.meta(), "spec": m{
			"accessModes": []string{cmp.Or(o.words["mode"], "ReadWriteOnce")}, "resources": m{"requests": m{"storage": "1Gi"}},
		}}}
	case "ConfigMap":
		return []m{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": o.meta(), "data": pairs(o.words["config"])}}
	}
	docs := []m{o.workload()}
	if o.words["config"] != "" {
		docs = append(docs, m{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": o.part("config"), "data": pairs(o.words["config"]),
		})
	}
	if o.words["secret"] != "" {
		docs = append(docs, m{
			"apiVersion": "v1", "kind": "Secret", "metadata": o.part("secret"), "stringData": pairs(o.words["secret"]),
		})
	}
	return docs
}

func (o object) part(suffix string) m {
	meta := m{"name": o.name + "-" + suffix}
	if ns := o.words["ns"]; ns != "" {
		meta["namespace"] = ns
	}
	return meta
}

func (o object) meta() m {
	meta := m{"name": o.name}
	notes := m{}
	for word, key := range map[string]string{
		"suspend": "suspend", "on-failure": "on-failure", "silence": "silence-grace", "capacity": "capacity", "needs": "depends-on", "address": "address",
	} {
		if v := o.words[word]; v != "" {
			notes["podkeep.io/"+key] = v
		}
	}
	for word, key := range map[string]string{
		"wave": manifest.AnnotationWave, "hook": manifest.AnnotationHook, "hook-delete": manifest.AnnotationHookDelete,
	} {
		if v := o.words[word]; v != "" {
			notes[key] = v
		}
	}
	if o.words["keep"] != "" {
		notes["podkeep.io/prune"] = "disabled"
	}
	if len(notes) > 0 {
		meta["annotations"] = notes
	}
	if ns := o.words["ns"]; ns != "" {
		meta["namespace"] = ns
	}
	if o.kind == "Node" {
		labels := m{}
		for word, key := range map[string]string{"zone": "zone", "door": manifest.DoorLabel} {
			if v := o.words[word]; v != "" {
				labels[key] = v
			}
		}
		if len(labels) > 0 {
			meta["labels"] = labels
		}
	}
	return meta
}

func (o object) service() m {
	port := m{"port": 80, "protocol": "TCP"}
	number(port, "port", o.words["port"])
	number(port, "targetPort", o.words["target"])
	spec := m{"selector": m{"app": cmp.Or(o.words["selects"], o.name)}, "ports": []m{port}}
	if o.words["by-hand"] != "" {
		delete(spec, "selector")
	}
	if name := o.words["external"]; name != "" {
		return m{"apiVersion": "v1", "kind": "Service", "metadata": o.meta(), "spec": m{"type": "ExternalName", "externalName": name}}
	}
	if o.words["headless"] != "" {
		spec["clusterIP"] = "None"
	}
	if ip := o.words["ip"]; ip != "" {
		spec["clusterIP"] = ip
	}
	if p := o.words["node-port"]; p != "" {
		spec["type"] = "NodePort"
		number(port, "nodePort", strings.TrimPrefix(p, "true"))
	}
	if o.words["balanced"] != "" {
		spec["type"] = "LoadBalancer"
	}
	if ips := o.words["outside"]; ips != "" {
		spec["externalIPs"] = strings.Split(ips, ",")
	}
	if o.words["not-ready"] != "" {
		spec["publishNotReadyAddresses"] = true
	}
	return m{"apiVersion": "v1", "kind": "Service", "metadata": o.meta(), "spec": spec}
}

// policy holds the pods that are called as selects says, or all: from=APP,.. and to=APP,.. are who may speak to them, and to whom they may speak. With
// neither nobody speaks to them.
func (o object) policy() m {
	pods := func(app string) m {
		if app == "" {
			return m{}
		}
		return m{"matchLabels": m{"app": app}}
	}
	spec, types := m{"podSelector": pods(o.words["selects"])}, []string{}
	for _, way := range []struct{ word, rule, kind string }{{"from", "ingress", "Ingress"}, {"to", "egress", "Egress"}} {
		var peers []m
		for app := range strings.SplitSeq(o.words[way.word], ",") {
			peers = append(peers, m{"podSelector": pods(app)})
		}
		if o.words[way.word] != "" {
			spec[way.rule], types = []m{{way.word: peers}}, append(types, way.kind)
		}
	}
	if len(types) > 0 {
		spec["policyTypes"] = types
	}
	return m{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": o.meta(), "spec": spec}
}

func (o object) endpoints() m {
	port, ends := m{}, []m{}
	number(port, "port", cmp.Or(o.words["target"], "80"))
	for ip := range strings.SplitSeq(o.words["ips"], ",") {
		end := m{"addresses": []string{ip}}
		if o.words["not-ready"] != "" {
			end["conditions"] = m{"ready": false}
		}
		if node := o.words["on"]; node != "" {
			end["nodeName"] = node
		}
		ends = append(ends, end)
	}
	meta := o.meta()
	meta["labels"] = m{"kubernetes.io/service-name": o.words["of"]}
	return m{"apiVersion": "discovery.k8s.io/v1", "kind": o.kind, "metadata": meta, "addressType": "IPv4", "ports": []m{port}, "endpoints": ends}
}

func (o object) node() m {
	spec := m{"providerID": "podman+ssh://root@" + cmp.Or(o.words["at"], o.name) + "/run/podman/podman.sock"}
	if o.words["cordon"] != "" {
		spec["unschedulable"] = true
	}
	var taints []m
	if o.words["drain"] != "" {
		taints = append(taints, m{"key": "podkeep.io/drain", "effect": "NoExecute"})
	}
	if key := o.words["taint"]; key != "" {
		taints = append(taints, m{"key": key, "effect": "NoSchedule"})
	}
	if len(taints) > 0 {
		spec["taints"] = taints
	}
	if cidr := o.words["cidr"]; cidr != "" {
		spec["podCIDR"] = cidr
	}
	return m{"apiVersion": "v1", "kind": "Node", "metadata": o.meta(), "spec": spec}
}

func (o object) workload() m {
	if o.kind == "Pod" {
		return m{"apiVersion": "v1", "kind": "Pod", "metadata": o.meta(), "spec": o.pod()}
	}
	app := m{"app": o.name}
	spec := m{
		"selector": m{"matchLabels": app},
		"template": m{"metadata": m{"labels": app}, "spec": o.pod()},
	}
	if o.kind == "Job" {
		return m{"apiVersion": "batch/v1", "kind": "Job", "metadata": o.meta(), "spec": o.job()}
	}
	number(spec, "replicas", o.words["replicas"])
	number(spec, "minReadySeconds", o.words["min-ready"])
	version := "apps/v1"
	switch o.kind {
	case "ReplicationController":
		version, spec["selector"] = "v1", app
	case "Deployment":
		o.rolling(spec)
	case "Rollout":
		version = "argoproj.io/v1alpha1"
		o.rolling(spec)
		o.staged(spec)
		if over := o.words["over"]; over != "" { // a Deployment whose pods it takes
			spec["workloadRef"] = m{"apiVersion": "apps/v1", "kind": "Deployment", "name": over}
			delete(spec, "template")
			delete(spec, "selector")
		}
	}
	return m{"apiVersion": version, "kind": o.kind, "metadata": o.meta(), "spec": spec}
}

// staged is the strategy of a Rollout: steps=20,pause,50,pause:30s are a canary's, of which shared=INGRESS shares the requests; with active=SERVICE it is
// blue-green. What the other strategy alone has is left out.
func (o object) staged(spec m) {
	rolling, _ := spec["strategy"].(m)
	fields, _ := rolling["rollingUpdate"].(m)
	if fields == nil {
		fields = m{}
	}
	kind := "canary"
	services := map[string]string{"canary": "canaryService", "stable": "stableService"}
	if o.words["active"] != "" {
		kind = "blueGreen"
		delete(fields, "maxSurge")
		services = map[string]string{"active": "activeService", "preview": "previewService"}
		for word, field := range map[string]string{
			"auto": "autoPromotionSeconds", "delay": "scaleDownDelaySeconds", "delay-revs": "scaleDownDelayRevisionLimit",
			"abort-delay": "abortScaleDownDelaySeconds", "some": "previewReplicaCount",
		} {
			number(fields, field, o.words[word])
		}
		if o.words["hand"] != "" {
			fields["autoPromotionEnabled"] = false
		}
	} else {
		if steps := o.steps(); len(steps) > 0 {
			fields["steps"] = steps
		}
		if by := o.words["shared"]; by != "" {
			fields["trafficRouting"] = m{"nginx": m{"stableIngress": by}}
		}
	}
	for word, field := range services {
		if v := o.words[word]; v != "" {
			fields[field] = v
		}
	}
	spec["strategy"] = m{kind: fields}
	if w := o.words["window"]; w != "" {
		window := m{}
		number(window, "revisions", w)
		spec["rollbackWindow"] = window
	}
	if at := o.words["restart-at"]; at != "" {
		spec["restartAt"] = at
	}
	if o.words["abort-late"] != "" {
		spec["progressDeadlineAbort"] = true
	}
}

// steps are a canary's.
func (o object) steps() (all []m) {
	for _, step := range strings.Split(o.words["steps"], ",") {
		switch verb, long, _ := strings.Cut(step, ":"); {
		case verb == "":
		case verb == "pause" && long == "":
			all = append(all, m{"pause": m{}})
		case verb == "pause":
			all = append(all, m{"pause": m{"duration": long}})
		default:
			weight := m{}
			number(weight, "setWeight", verb)
			all = append(all, weight)
		}
	}
	return all
}

func (o object) rolling(spec m) {
	number(spec, "progressDeadlineSeconds", o.words["deadline"])
	if o.words["paused"] != "" {
		spec["paused"] = true
	}
	rolling := m{}
	number(rolling, "maxSurge", o.words["surge"])
	number(rolling, "maxUnavailable", o.words["unavail"])
	if len(rolling) > 0 {
		spec["strategy"] = m{"type": "RollingUpdate", "rollingUpdate": rolling}
	}
	if o.words["strategy"] == "recreate" {
		spec["strategy"] = m{"type": "Recreate"}
	}
}

func (o object) pod() m {
	var containers []m
	for i, tag := range strings.Split(o.words["image"], ",") {
		containers = append(containers, o.container(i, tag))
	}
	spec := m{"containers": containers}
	if init := o.init(); len(init) > 0 {
		spec["initContainers"] = init
	}
	for word, field := range map[string]string{"restart": "restartPolicy", "on": "nodeName"} {
		if v := o.words[word]; v != "" {
			spec[field] = v
		}
	}
	number(spec, "terminationGracePeriodSeconds", o.words["grace"])
	if zone := o.words["zone"]; zone != "" {
		spec["nodeSelector"] = m{"zone": zone}
	}
	if o.words["tolerate"] != "" {
		spec["tolerations"] = []m{{"operator": "Exists"}}
	}
	if o.words["config"] != "" {
		spec["volumes"] = []m{{"name": "config", "configMap": m{"name": o.name + "-config"}}}
	}
	for _, name := range strings.FieldsFunc(o.words["claim"], func(r rune) bool { return r == ',' }) {
		volumes, _ := spec["volumes"].([]m)
		spec["volumes"] = append(volumes, m{"name": name, "persistentVolumeClaim": m{"claimName": name}})
	}
	return spec
}

// init are the init containers i0, i1 ..: one for each tag, of which one that ends in "+" is a sidecar's.
func (o object) init() (all []m) {
	if o.words["init"] == "" {
		return nil
	}
	for i, tag := range strings.Split(o.words["init"], ",") {
		tag, sidecar := strings.CutSuffix(tag, "+")
		c := m{"name": "i" + strconv.Itoa(i), "image": "registry.example/app:" + tag}
		if sidecar {
			c["restartPolicy"] = "Always"
			addProbes(c, o.words["init-probe"])
		}
		all = append(all, c)
	}
	return all
}

// addProbes gives a container probes: startup+liveness+readiness.
func addProbes(c m, kinds string) {
	for _, kind := range strings.FieldsFunc(kinds, func(r rune) bool { return r == '+' }) {
		c[kind+"Probe"] = m{"tcpSocket": m{"port": 80}}
	}
}

func (o object) container(i int, tag string) m {
	c := m{"name": "c" + strconv.Itoa(i), "image": "registry.example/app:" + tag}
	requests := m{}
	for word, field := range map[string]string{"cpu": "cpu", "mem": "memory"} {
		if v := o.words[word]; v != "" {
			requests[field] = v
		}
	}
	addProbes(c, o.words["probe"])
	if policy := o.words["pull"]; policy != "" {
		c["imagePullPolicy"] = policy
	}
	if len(requests) > 0 {
		c["resources"] = m{"requests": requests}
	}
	if port, err := strconv.Atoi(o.words["port"]); err == nil && i == 0 {
		c["ports"] = []m{{"containerPort": port, "hostPort": port}}
	}
	var env []m
	for k, v := range pairs(o.words["env"]) {
		env = append(env, m{"name": k, "value": v})
	}
	for k := range pairs(o.words["secret"]) {
		env = append(env, m{"name": k, "valueFrom": m{"secretKeyRef": m{"name": o.name + "-secret", "key": k}}})
	}
	slices.SortFunc(env, func(a, b m) int { return strings.Compare(a["name"].(string), b["name"].(string)) })
	if len(env) > 0 {
		c["env"] = env
	}
	if o.words["config"] != "" {
		c["volumeMounts"] = []m{{"name": "config", "mountPath": "/config"}}
	}
	return c
}

// number sets a field to a whole number, or to what was written if it is none: 25%.
func number(spec m, field, value string) {
	if value == "" {
		return
	}
	if n, err := strconv.Atoi(value); err == nil {
		spec[field] = n
		return
	}
	spec[field] = value
}

// pairs reads k:v,k:v.
func pairs(s string) map[string]string {
	out := map[string]string{}
	for _, pair := range strings.Split(s, ",") {
		if k, v, ok := strings.Cut(pair, ":"); ok {
			out[k] = v
		}
	}
	return out
}
