package manifest

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// built names, for each type of which podkeep honours a part, the fields that it honours. Every other field of it
// is refused when it is set. Of a type that is not here all fields are honoured. To build a field is to add its name.
var built = map[reflect.Type]string{
	typeOf[metav1.ObjectMeta](): "name generateName namespace labels annotations",
	typeOf[corev1.NodeSpec]():   "podCIDR podCIDRs providerID unschedulable taints",
	typeOf[corev1.PodSpec](): "volumes initContainers containers restartPolicy terminationGracePeriodSeconds nodeSelector nodeName " +
		"hostNetwork hostPID hostIPC shareProcessNamespace securityContext imagePullSecrets hostname hostnameOverride subdomain " +
		"setHostnameAsFQDN affinity tolerations hostAliases dnsPolicy dnsConfig topologySpreadConstraints serviceAccountName",
	typeOf[corev1.Affinity]():        "nodeAffinity podAffinity podAntiAffinity",
	typeOf[corev1.NodeAffinity]():    "",
	typeOf[corev1.PodAffinity]():     "",
	typeOf[corev1.PodAntiAffinity](): "",
	typeOf[corev1.Container](): "name image command args workingDir ports envFrom env resources restartPolicy volumeMounts " +
		"livenessProbe readinessProbe startupProbe lifecycle imagePullPolicy securityContext stdin tty",
	typeOf[corev1.LifecycleHandler](): "exec sleep",
	typeOf[corev1.PodSecurityContext](): "runAsUser runAsGroup runAsNonRoot supplementalGroups fsGroup sysctls " +
		"seccompProfile",
	typeOf[corev1.SecurityContext](): "capabilities privileged runAsUser runAsGroup runAsNonRoot readOnlyRootFilesystem " +
		"allowPrivilegeEscalation seccompProfile",
	typeOf[corev1.ResourceRequirements](): "limits requests",
	typeOf[corev1.EnvVarSource]():         "configMapKeyRef secretKeyRef fieldRef resourceFieldRef",
	typeOf[corev1.Volume]():               "name emptyDir hostPath configMap secret downwardAPI projected persistentVolumeClaim",
	typeOf[corev1.VolumeProjection]():     "configMap secret downwardAPI",
	typeOf[corev1.VolumeMount]():          "name readOnly mountPath subPath subPathExpr mountPropagation",
	typeOf[corev1.TopologySpreadConstraint](): "maxSkew topologyKey whenUnsatisfiable labelSelector nodeAffinityPolicy " +
		"nodeTaintsPolicy matchLabelKeys",
}

// harmless are values, as compact JSON, at which a field that is not built changes nothing here, so that what
// kubectl exports loads as it is.
var harmless = map[reflect.Type]map[string][]string{
	typeOf[corev1.PodSpec](): {
		"schedulerName":                {`"default-scheduler"`},
		"serviceAccountName":           {`"default"`},
		"serviceAccount":               {`"default"`},
		"automountServiceAccountToken": {`false`},
		"hostUsers":                    {`true`},
		"priority":                     {`0`},
		"os":                           {`{"name":"linux"}`},
	},
	typeOf[corev1.Container](): {
		"terminationMessagePath":   {`"/dev/termination-log"`},
		"terminationMessagePolicy": {`"File"`},
	},
	typeOf[corev1.PodSecurityContext](): {
		"fsGroupChangePolicy":      {`"OnRootMismatch"`, `"Always"`},
		"supplementalGroupsPolicy": {`"Merge"`},
		"appArmorProfile":          {`{"type":"RuntimeDefault"}`},
	},
	typeOf[corev1.SecurityContext](): {
		"procMount":       {`"Default"`},
		"appArmorProfile": {`{"type":"RuntimeDefault"}`},
	},
	typeOf[corev1.Probe](): {
		"successThreshold": {`1`},
	},
	typeOf[corev1.VolumeMount](): {
		"recursiveReadOnly": {`"Disabled"`, `"IfPossible"`},
	},
}

// idle are fields that are taken at any value and change nothing, with the reason why that is right.
var idle = map[reflect.Type]map[string]string{
	typeOf[corev1.PodSpec](): {
		"enableServiceLinks": "no variables are made of Services: their names lead to them",
		"preemptionPolicy":   "no pod is ever preempted",
	},
	typeOf[corev1.Container](): {
		"stdinOnce":    "nothing attaches to a container, so its stdin is never closed",
		"resizePolicy": "new resources are a new revision, so its pods are new",
	},
	typeOf[corev1.ObjectFieldSelector](): {"apiVersion": "v1 is the only one there is"},
}

// noticed are fields that are taken and of which a Problem says that they have no effect yet. It breaks nothing.
var noticed = map[reflect.Type]map[string]string{
	typeOf[corev1.PodSpec]():         {"priorityClassName": equalsWait, "priority": equalsWait},
	typeOf[corev1.Container]():       {"terminationMessagePath": lastWords, "terminationMessagePolicy": lastWords},
	typeOf[corev1.NodeAffinity]():    {"preferredDuringSchedulingIgnoredDuringExecution": preferencesWait},
	typeOf[corev1.PodAffinity]():     {"preferredDuringSchedulingIgnoredDuringExecution": preferencesWait},
	typeOf[corev1.PodAntiAffinity](): {"preferredDuringSchedulingIgnoredDuringExecution": preferencesWait},
}

const (
	equalsWait      = "priorities are not followed yet: no pod makes way for another"
	lastWords       = "no last words are taken from a container: podkeep logs shows what it wrote"
	preferencesWait = "preferences are not followed yet: pods are spread over the nodes that have room"
)

// instead is what to write in place of fields that are not built, by type.
var instead = map[reflect.Type]map[string]string{
	typeOf[corev1.PodSpec](): {
		"ephemeralContainers":   "podkeep exec runs a command in a container that is there",
		"activeDeadlineSeconds": "a Job has one of its own, spec.activeDeadlineSeconds",
		"schedulerName":         "podkeep places the pods",
		"readinessGates":        "nobody sets conditions of pods",
		"runtimeClassName":      "set the runtime in the containers.conf of the hosts",
		"overhead":              "add it to the requests of a container",
		"os":                    "hosts run Linux",
		"hostUsers":             "runAsUser and capabilities limit a container",
		"schedulingGates":       `annotation podkeep.io/suspend: "true" makes a workload wait`,
		"resourceClaims":        "a limit such as podkeep.io/dev.net.tun: 1 gives a container a device of the node",
		"resources":             "write the resources of each container",
	},
	typeOf[corev1.NodeAffinity](): {
		"requiredDuringSchedulingIgnoredDuringExecution": "nodeSelector and nodeName say where pods may run",
	},
	typeOf[corev1.PodAffinity](): {
		"requiredDuringSchedulingIgnoredDuringExecution": "a nodeSelector on both puts them together",
	},
	typeOf[corev1.PodAntiAffinity](): {
		"requiredDuringSchedulingIgnoredDuringExecution": "pods of a workload are spread anyway, and those that want the same hostPort never share a node",
	},
	typeOf[corev1.Container](): {
		"restartPolicyRules": "restartPolicy of the pod says what is started again",
		"volumeDevices":      "a limit such as podkeep.io/dev.sdb: 1 gives a container a device of the node",
	},
	typeOf[corev1.LifecycleHandler](): {
		"httpGet":   "nothing calls pods from outside yet; call it from the container, with exec",
		"tcpSocket": "it never did anything in Kubernetes; use exec or sleep",
	},
	typeOf[corev1.PodSecurityContext](): {
		"windowsOptions":           "hosts run Linux",
		"supplementalGroupsPolicy": "the groups that the image gives its user are always merged",
		"fsGroupChangePolicy":      "a volume is given to the group once, when it is made",
		"seLinuxChangePolicy":      "volumes are not relabelled",
		"seLinuxOptions":           ownLabels,
		"appArmorProfile":          ownProfile,
	},
	typeOf[corev1.SecurityContext](): {
		"windowsOptions":  "hosts run Linux",
		"seLinuxOptions":  ownLabels,
		"appArmorProfile": ownProfile,
		"procMount":       "it needs a user namespace, which pods do not have; a privileged container sees all of /proc",
	},
	typeOf[corev1.ResourceRequirements](): {"claims": "a limit such as podkeep.io/dev.net.tun: 1 gives a container a device of the node"},
	typeOf[corev1.EnvVarSource]():         {"fileKeyRef": "let the container's command read the file"},
	typeOf[corev1.Volume](): {
		"nfs": mountOnHosts, "iscsi": mountOnHosts, "cephfs": mountOnHosts, "rbd": mountOnHosts, "glusterfs": mountOnHosts, "fc": mountOnHosts,
		"cinder": mountOnHosts, "csi": mountOnHosts, "flexVolume": mountOnHosts, "azureFile": mountOnHosts, "azureDisk": mountOnHosts,
		"gcePersistentDisk": mountOnHosts, "awsElasticBlockStore": mountOnHosts, "vsphereVolume": mountOnHosts, "portworxVolume": mountOnHosts,
		"photonPersistentDisk": mountOnHosts, "quobyte": mountOnHosts, "scaleIO": mountOnHosts, "storageos": mountOnHosts, "flocker": mountOnHosts,
		"gitRepo":   "let an init container clone into an emptyDir",
		"ephemeral": "emptyDir goes with the pod, persistentVolumeClaim outlives it",
		"image":     "let an init container of that image copy into an emptyDir",
	},
	typeOf[corev1.VolumeProjection](): {
		"serviceAccountToken": "there is no API server that would give one; put a token of your own in a Secret",
		"clusterTrustBundle":  "put the certificates in a ConfigMap",
		"podCertificate":      "there is no API server that would sign one; put key and certificate in a Secret",
	},
}

const (
	ownLabels  = "Podman labels each container itself where the host has SELinux"
	ownProfile = "Podman gives each container its own profile where the host has AppArmor"
)

const mountOnHosts = "mount it on the hosts, and write hostPath"

// dropped are fields that a server sets and kubectl exports; they say nothing about what is asked for.
var dropped = strings.Fields("creationTimestamp uid resourceVersion managedFields generation selfLink ownerReferences finalizers " +
	"deletionTimestamp deletionGracePeriodSeconds")

// ignored says whether the key of a struct is passed over unread: server-set metadata, and the status of a whole object.
func ignored(t reflect.Type, key string) bool {
	if t == typeOf[metav1.ObjectMeta]() {
		return slices.Contains(dropped, key)
	}
	_, whole := t.FieldByName("TypeMeta")
	return whole && key == "status"
}

// judge refuses a field that is set and not built, and gives notice of one that is taken without effect.
func (d *decoder) judge(t reflect.Type, name string, v reflect.Value, path string) {
	value := canonical(v)
	names, limited := built[t]
	switch {
	case value == nil || slices.Contains(harmless[t][name], compact(value)):
	case noticed[t][name] != "":
		d.notice(path, noticed[t][name])
	case !limited || lists(names, name) || idle[t][name] != "":
	case instead[t][name] != "":
		d.refuse(path, "is not supported yet; remove it%s: %s", orWrite(harmless[t][name]), instead[t][name])
	default:
		d.refuse(path, "is not supported yet; remove it%s", orWrite(harmless[t][name]))
	}
}

// prune unsets every field that changes nothing, so that a rendered spec holds only what its pods are made of.
func prune(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			prune(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			prune(v.Index(i))
		}
	case reflect.Struct:
		names, limited := built[v.Type()]
		for _, f := range fieldsOf(v.Type()) {
			switch field := v.FieldByIndex(f.index); {
			case field.IsZero(): // as most are
			case limited && !lists(names, f.name):
				field.SetZero()
			default:
				prune(field)
			}
		}
	}
}

// lists says whether a list of words has that one.
func lists(words, word string) bool {
	for w := range strings.FieldsSeq(words) {
		if w == word {
			return true
		}
	}
	return false
}

func orWrite(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return " or write " + values[0]
}

func compact(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// jsonField is one JSON field of a struct; those of embedded structs count as its own.
type jsonField struct {
	name  string
	index []int
}

type fields []jsonField

func (fs fields) find(name string) (jsonField, bool) {
	for _, f := range fs {
		if f.name == name {
			return f, true
		}
	}
	return jsonField{}, false
}

func (fs fields) names() []string {
	var names []string
	for _, f := range fs {
		names = append(names, f.name)
	}
	return names
}

// shapes are the fields of all structs that a pod is made of, found out once.
var shapes = map[reflect.Type]fields{}

func init() { shape(typeOf[corev1.PodSpec]()) }

func shape(t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		shape(t.Elem())
	case reflect.Struct:
		if _, done := shapes[t]; done {
			return
		}
		shapes[t] = findFields(t)
		for _, f := range shapes[t] {
			shape(t.FieldByIndex(f.index).Type)
		}
	}
}

func fieldsOf(t reflect.Type) fields {
	if fs, ok := shapes[t]; ok {
		return fs
	}
	return findFields(t)
}

func findFields(t reflect.Type) fields {
	var fs fields
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case name != "":
			fs = append(fs, jsonField{name, f.Index})
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			for _, inner := range findFields(f.Type) {
				fs = append(fs, jsonField{inner.name, append(slices.Clone(f.Index), inner.index...)})
			}
		}
	}
	return fs
}
