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
	typeOf[metav1.ObjectMeta](): "name namespace labels annotations",
	typeOf[corev1.NodeSpec]():   "podCIDR podCIDRs providerID unschedulable taints",
	typeOf[corev1.PodSpec](): "volumes containers restartPolicy terminationGracePeriodSeconds nodeSelector nodeName hostNetwork " +
		"securityContext tolerations",
	typeOf[corev1.Container](): "name image command args workingDir ports envFrom env resources volumeMounts imagePullPolicy " +
		"securityContext",
	typeOf[corev1.PodSecurityContext]():   "runAsUser runAsGroup",
	typeOf[corev1.SecurityContext]():      "capabilities privileged runAsUser runAsGroup readOnlyRootFilesystem",
	typeOf[corev1.ResourceRequirements](): "limits requests",
	typeOf[corev1.EnvVarSource]():         "configMapKeyRef secretKeyRef fieldRef resourceFieldRef",
	typeOf[corev1.Volume]():               "name emptyDir hostPath configMap secret",
	typeOf[corev1.EmptyDirVolumeSource](): "",
	typeOf[corev1.VolumeMount]():          "name readOnly mountPath",
}

// harmless are values, as compact JSON, at which a field that is not built changes nothing here, so that what
// kubectl exports loads as it is.
var harmless = map[reflect.Type]map[string][]string{
	typeOf[corev1.PodSpec](): {
		"dnsPolicy":                    {`"ClusterFirst"`},
		"schedulerName":                {`"default-scheduler"`},
		"serviceAccountName":           {`"default"`},
		"serviceAccount":               {`"default"`},
		"automountServiceAccountToken": {`false`},
		"enableServiceLinks":           {`true`, `false`},
		"shareProcessNamespace":        {`false`},
		"setHostnameAsFQDN":            {`false`},
		"hostUsers":                    {`true`},
		"priority":                     {`0`},
		"preemptionPolicy":             {`"PreemptLowerPriority"`},
		"os":                           {`{"name":"linux"}`},
	},
	typeOf[corev1.Container](): {
		"terminationMessagePath":   {`"/dev/termination-log"`},
		"terminationMessagePolicy": {`"File"`},
	},
	typeOf[corev1.PodSecurityContext](): {
		"runAsNonRoot":   {`false`},
		"seccompProfile": {`{"type":"RuntimeDefault"}`},
	},
	typeOf[corev1.SecurityContext](): {
		"runAsNonRoot":             {`false`},
		"allowPrivilegeEscalation": {`true`},
		"procMount":                {`"Default"`},
		"seccompProfile":           {`{"type":"RuntimeDefault"}`},
	},
	typeOf[corev1.VolumeMount](): {
		"mountPropagation":  {`"None"`},
		"recursiveReadOnly": {`"Disabled"`},
	},
}

// instead is what to write in place of some fields that people use often.
var instead = map[string]string{
	"affinity":                 "nodeSelector and nodeName say where pods may run",
	"generateName":             "give it a name",
	"livenessProbe":            "a container that exits is started again",
	"readinessProbe":           "a pod is ready when its containers have been up for 2s",
	"startupProbe":             "a pod is ready when its containers have been up for 2s",
	"imagePullSecrets":         "log in on the hosts",
	"subPath":                  "mount the volume as a whole, or choose keys with items",
	"allowPrivilegeEscalation": "capabilities and runAsUser limit a container",
}

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

// refuseUnbuilt refuses a field that is set and not built.
func (d *decoder) refuseUnbuilt(t reflect.Type, name string, v reflect.Value, path string) {
	names, limited := built[t]
	if !limited || slices.Contains(strings.Fields(names), name) {
		return
	}
	value := canonical(v)
	if value == nil || slices.Contains(harmless[t][name], compact(value)) {
		return
	}
	if hint := instead[name]; hint != "" {
		d.refuse(path, "is not supported yet; remove it: %s", hint)
		return
	}
	d.refuse(path, "is not supported yet; remove it%s", orWrite(harmless[t][name]))
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

func fieldsOf(t reflect.Type) fields {
	var fs fields
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case name != "":
			fs = append(fs, jsonField{name, f.Index})
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			for _, inner := range fieldsOf(f.Type) {
				fs = append(fs, jsonField{inner.name, append(slices.Clone(f.Index), inner.index...)})
			}
		}
	}
	return fs
}
