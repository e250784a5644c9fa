package manifest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// variables are the environment of one container in the making. hidden says, of the variables that no text may
// refer to, why not.
type variables struct {
	*sources
	list   []corev1.EnvVar
	hidden map[string]string
}

// renderEnv writes envFrom out, resolves what can be resolved, and sees that no $(VAR) shows a secret.
func (s *sources) renderEnv(at string, k *corev1.Container, spec corev1.PodSpec) {
	v := &variables{sources: s, hidden: map[string]string{}}
	for i, from := range k.EnvFrom {
		v.from(item(under(at, "envFrom"), i), from)
	}
	for i, env := range k.Env {
		v.variable(item(under(at, "env"), i), env, *k, spec)
	}
	k.Env, k.EnvFrom = v.list, nil
	for i, m := range k.VolumeMounts {
		v.mayShow(under(item(under(at, "volumeMounts"), i), "subPathExpr"), m.SubPathExpr)
	}
	for i, text := range k.Command {
		v.mayShow(item(under(at, "command"), i), text)
	}
	for i, text := range k.Args {
		v.mayShow(item(under(at, "args"), i), text)
	}
}

// set adds a variable; a later one of the same name hides the earlier.
func (v *variables) set(env corev1.EnvVar, hidden string) {
	v.list = append(v.list, env)
	delete(v.hidden, env.Name)
	if hidden != "" {
		v.hidden[env.Name] = hidden
	}
}

// mayShow refuses a text that refers to a variable whose value nobody may see, or nobody knows yet.
func (v *variables) mayShow(at, text string) {
	for _, name := range references(text) {
		if why := v.hidden[name]; why != "" {
			v.refuse(at, "$(%s) %s; let the program read the variable, or write $$(%s) for the text itself", name, why, name)
		}
	}
}

// from writes out a whole ConfigMap or Secret, sorted by key. Keys of binary content are left out, as in Kubernetes.
func (v *variables) from(at string, from corev1.EnvFromSource) {
	var cfg config
	if ref := from.ConfigMapRef; ref != nil {
		cfg, _ = v.config(under(at, "configMapRef.name"), "ConfigMap", ref.Name, ref.Optional)
	} else if ref := from.SecretRef; ref != nil {
		cfg, _ = v.config(under(at, "secretRef.name"), "Secret", ref.Name, ref.Optional)
	}
	for _, key := range sorted(cfg.data) {
		if !cfg.binary[key] {
			v.fromKey(at, from.Prefix+key, cfg, key, nil)
		}
	}
}

// fromKey sets a variable to the content of a key: a ConfigMap's as it is, a Secret's as the name of its File.
func (v *variables) fromKey(at, name string, cfg config, key string, optional *bool) {
	if cfg.binary[key] {
		v.refuse(at, "%s has key %q in binaryData, which no variable can hold; mount it as a volume", cfg.ID, key)
		return
	}
	value, ok := v.key(at, cfg, key, optional)
	switch {
	case !ok:
	case cfg.Kind == "ConfigMap":
		v.set(corev1.EnvVar{Name: name, Value: literal(string(value))}, "")
	default:
		ref := &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: v.file(cfg, key)}}
		v.set(corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: ref}},
			fmt.Sprintf("would show a value of %s to everyone who sees the pod", cfg.ID))
	}
}

func (v *variables) variable(at string, env corev1.EnvVar, k corev1.Container, spec corev1.PodSpec) {
	from := env.ValueFrom
	switch {
	case from == nil:
		v.mayShow(under(at, "value"), env.Value)
		v.set(env, "")
	case from.ConfigMapKeyRef != nil:
		ref, here := from.ConfigMapKeyRef, under(at, "valueFrom.configMapKeyRef")
		if cfg, ok := v.config(under(here, "name"), "ConfigMap", ref.Name, ref.Optional); ok {
			v.fromKey(under(here, "key"), env.Name, cfg, ref.Key, ref.Optional)
		}
	case from.SecretKeyRef != nil:
		ref, here := from.SecretKeyRef, under(at, "valueFrom.secretKeyRef")
		if cfg, ok := v.config(under(here, "name"), "Secret", ref.Name, ref.Optional); ok {
			v.fromKey(under(here, "key"), env.Name, cfg, ref.Key, ref.Optional)
		}
	case from.ResourceFieldRef != nil:
		v.resource(under(at, "valueFrom.resourceFieldRef"), env.Name, from.ResourceFieldRef, k, spec)
	case from.FieldRef != nil && onlyNodeKnows(from.FieldRef.FieldPath):
		v.set(env, "is known only once the pod is on its node")
	default:
		v.set(env, "")
	}
}

// resource sets a variable to a request or limit in units of the divisor, rounded up.
func (v *variables) resource(at, name string, ref *corev1.ResourceFieldSelector, k corev1.Container, spec corev1.PodSpec) {
	value, ok := amountOf(ref, k, spec)
	if !ok {
		v.refuse(under(at, "resource"), "%s", noAmount(ref, k.Name))
		return
	}
	v.set(corev1.EnvVar{Name: name, Value: value}, "")
}

func noAmount(ref *corev1.ResourceFieldSelector, container string) string {
	return fmt.Sprintf("container %s has no %s, and what the node has is not known; write it under resources", or(ref.ContainerName, container), ref.Resource)
}

// amountOf is a request or limit of the container that is named, or else of k, in units of the divisor, rounded up.
func amountOf(ref *corev1.ResourceFieldSelector, k corev1.Container, spec corev1.PodSpec) (string, bool) {
	all := slices.Concat(spec.InitContainers, spec.Containers)
	if i := slices.IndexFunc(all, func(c corev1.Container) bool { return c.Name == ref.ContainerName }); i >= 0 {
		k = all[i]
	}
	list, name := k.Resources.Limits, corev1.ResourceMemory
	if strings.HasPrefix(ref.Resource, "requests.") {
		list = k.Resources.Requests
	}
	if strings.HasSuffix(ref.Resource, ".cpu") {
		name = corev1.ResourceCPU
	}
	amount, ok := list[name]
	return strconv.FormatInt(divide(amount, ref.Divisor, name), 10), ok
}

func divide(amount, divisor resource.Quantity, name corev1.ResourceName) int64 {
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	a, d := amount.Value(), divisor.Value()
	if name == corev1.ResourceCPU {
		a, d = amount.MilliValue(), divisor.MilliValue()
	}
	return (a + d - 1) / max(d, 1)
}
