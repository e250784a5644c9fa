package manifest

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// env checks a container's variables as far as the object alone can tell.
func (c *check) env(at string, k corev1.Container, s corev1.PodSpec) {
	for i, from := range k.EnvFrom {
		c.envFrom(item(under(at, "envFrom"), i), from)
	}
	for i, v := range k.Env {
		here := item(under(at, "env"), i)
		c.envName(under(here, "name"), v.Name)
		if v.ValueFrom == nil {
			continue
		}
		if v.Value != "" {
			c.refuse(under(here, "valueFrom"), "stands beside value; keep one of them")
		}
		c.valueFrom(under(here, "valueFrom"), v.ValueFrom, s)
	}
}

func (c *check) envName(at, name string) {
	if name == "" {
		c.refuse(at, "is missing; give the variable a name")
		return
	}
	c.refuseAll(at, util.IsRelaxedEnvVarName(name))
}

func (c *check) envFrom(at string, from corev1.EnvFromSource) {
	if from.Prefix != "" {
		c.refuseAll(under(at, "prefix"), util.IsRelaxedEnvVarName(from.Prefix))
	}
	switch {
	case (from.ConfigMapRef == nil) == (from.SecretRef == nil):
		c.refuse(at, "needs one of configMapRef and secretRef")
	case from.ConfigMapRef != nil:
		c.named(under(at, "configMapRef.name"), from.ConfigMapRef.Name)
	default:
		c.named(under(at, "secretRef.name"), from.SecretRef.Name)
	}
}

func (c *check) named(at, name string) {
	if name == "" {
		c.refuse(at, "is missing; write the name of the object")
		return
	}
	c.refuseAll(at, util.IsDNS1123Subdomain(name))
}

func (c *check) valueFrom(at string, from *corev1.EnvVarSource, s corev1.PodSpec) {
	sources := 0
	if ref := from.ConfigMapKeyRef; ref != nil {
		sources++
		c.keyRef(under(at, "configMapKeyRef"), ref.Name, ref.Key)
	}
	if ref := from.SecretKeyRef; ref != nil {
		sources++
		c.keyRef(under(at, "secretKeyRef"), ref.Name, ref.Key)
	}
	if ref := from.FieldRef; ref != nil {
		sources++
		c.fieldRef(under(at, "fieldRef"), ref)
	}
	if ref := from.ResourceFieldRef; ref != nil {
		sources++
		c.resourceRef(under(at, "resourceFieldRef"), ref, s)
	}
	if sources != 1 && from.FileKeyRef == nil {
		c.refuse(at, "needs one of configMapKeyRef, secretKeyRef, fieldRef and resourceFieldRef")
	}
}

func (c *check) keyRef(at, name, key string) {
	c.named(under(at, "name"), name)
	if key == "" {
		c.refuse(under(at, "key"), "is missing; write a key of the object")
	}
}

// podFields are what a fieldRef may name, apart from single labels and annotations. Those that begin with status, and the
// node's name, only the node knows.
var podFields = []string{
	"metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels['KEY']", "metadata.annotations['KEY']",
	"spec.nodeName", "spec.serviceAccountName", "status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs",
}

func (c *check) fieldRef(at string, ref *corev1.ObjectFieldSelector) {
	if ref.APIVersion != "" && ref.APIVersion != "v1" {
		c.refuse(under(at, "apiVersion"), "%q is not v1", ref.APIVersion)
	}
	_, key := mapField(ref.FieldPath)
	if key == "" && (!slices.Contains(podFields, ref.FieldPath) || strings.Contains(ref.FieldPath, "[")) {
		c.refuse(under(at, "fieldPath"), "%q is no field that a variable can have%s", ref.FieldPath, didYouMean(ref.FieldPath, podFields))
	}
}

// mapField takes metadata.labels['x'] or metadata.annotations['x'] apart.
func mapField(path string) (field, key string) {
	for _, field := range []string{"metadata.labels", "metadata.annotations"} {
		key, ok := strings.CutPrefix(path, field+"['")
		if key, closed := strings.CutSuffix(key, "']"); ok && closed && key != "" && key != "KEY" {
			return field, key
		}
	}
	return "", ""
}

// onlyNodeKnows says which fields have no value before the pod is on its node.
func onlyNodeKnows(path string) bool {
	return strings.HasPrefix(path, "status.") || path == "spec.nodeName"
}

func (c *check) resourceRef(at string, ref *corev1.ResourceFieldSelector, s corev1.PodSpec) {
	c.oneOf(under(at, "resource"), ref.Resource, "limits.cpu", "limits.memory", "requests.cpu", "requests.memory")
	if ref.Divisor.Sign() < 0 {
		c.refuse(under(at, "divisor"), "%s is less than 0", ref.Divisor.String())
	}
	if ref.ContainerName == "" {
		return
	}
	if names := containerNames(s); !slices.Contains(names, ref.ContainerName) {
		c.refuse(under(at, "containerName"), "there is no container %q%s", ref.ContainerName, didYouMean(ref.ContainerName, names))
	}
}
