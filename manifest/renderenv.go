package manifest

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// maxVariables is how many bytes the variables of all containers of a commit may have, perVariable what each costs beside them, and
// what a file of a volume costs.
const (
	maxVariables = 64 << 20
	perVariable  = 64
)

// longName stands for a pod's name where only its length matters: none is longer.
var longName = strings.Repeat("x", 512)

// longField is as many bytes as what only the node knows can have: its name.
const longField = 253

// variables are the environment of one container in the making. hidden says, of the variables that no argument may
// refer to, why not; sizes are those of the others, expanded.
type variables struct {
	*sources
	of      string // the container's name
	list    []corev1.EnvVar
	hidden  map[string]string
	late    map[string]bool   // those that have a value only on the node
	content map[string]string // the values that are known by now, secret ones too
	sizes   map[string]int
	names   int  // bytes that the names of further variables may have
	left    int  // bytes that further values and texts may have, expanded
	full    bool // it was said that there are too many, and nothing more is looked at
}

// renderEnv writes envFrom out, resolves what can be resolved, and sees that no $(VAR) shows a secret.
func (s *sources) renderEnv(at string, k *corev1.Container, spec corev1.PodSpec) {
	v := &variables{
		sources: s, of: k.Name, hidden: map[string]string{}, late: map[string]bool{}, content: map[string]string{}, sizes: map[string]int{},
		names: maxExpanded, left: maxExpanded,
	}
	for i, from := range k.EnvFrom {
		v.from(item(under(at, "envFrom"), i), from)
	}
	for i, env := range k.Env {
		v.variable(item(under(at, "env"), i), env, *k, spec)
	}
	k.Env, k.EnvFrom = v.list, nil
	for i, m := range k.VolumeMounts {
		here := under(item(under(at, "volumeMounts"), i), "subPathExpr")
		v.mayWait(here, m.SubPathExpr)
		v.text(here, m.SubPathExpr, "choose a directory without it")
	}
	for i, text := range k.Command {
		v.argument(item(under(at, "command"), i), text)
	}
	for i, text := range k.Args {
		v.argument(item(under(at, "args"), i), text)
	}
}

// set adds a variable whose value has that size once it is expanded; a later one of the same name hides the earlier.
func (v *variables) set(at string, env corev1.EnvVar, hidden string, size int) {
	if !v.mayName(at, env.Name) || !v.mayTake(at, size) {
		return
	}
	v.list = append(v.list, env)
	delete(v.hidden, env.Name)
	delete(v.sizes, env.Name)
	delete(v.late, env.Name)
	delete(v.content, env.Name)
	if hidden != "" {
		v.hidden[env.Name] = hidden
	} else {
		v.sizes[env.Name] = size
	}
}

// argument checks one that the program gets. Where the image has a shell, that can put in what nobody is to see.
func (v *variables) argument(at, text string) {
	v.text(at, text, `let the program read the variable, or where the image has a shell write command: [sh, -c, 'exec prog --pw="$NAME"']`)
}

// text checks one text of the container, and counts it. instead is what to write where nobody may see the variable NAME.
func (v *variables) text(at, text, instead string) {
	v.mayShow(at, text, instead)
	v.mayHold(at, text)
	v.mayTake(at, v.size(text))
}

func (v *variables) size(text string) int {
	return expandedSize(text, func(name string) (int, bool) {
		size, ok := v.sizes[name]
		return size, ok
	})
}

// mayName counts the name of a variable, and the variable itself among those of the commit.
func (v *variables) mayName(at, name string) bool {
	v.names -= len(name)
	v.room -= len(name) + perVariable
	switch {
	case v.full:
	case v.names < 0:
		v.refuse(at, "with it the names of the container's variables have more than %d KiB; choose fewer or shorter ones", maxExpanded>>10)
	case v.room < 0:
		v.refuse(at, "with it the variables of all containers in the repository have more than %d MiB; mount what is long as a volume", maxVariables>>20)
	default:
		return true
	}
	v.full = true
	return false
}

// mayTake counts the size that a value or a text has once it is expanded, which nobody has done yet.
func (v *variables) mayTake(at string, size int) bool {
	switch {
	case v.full:
	case size > maxExpanded:
		v.refuse(at, "has more than %d KiB once each $(NAME) in it is replaced; write a shorter one, or mount what is long as a volume", maxExpanded>>10)
	case size > v.left:
		v.refuse(at, "with it the container's variables, command and args have more than %d KiB once each $(NAME) is replaced; "+
			"write shorter ones, or mount what is long as a volume", maxExpanded>>10)
	default:
		v.left -= size
		v.room -= size
		return true
	}
	v.full = true
	return false
}

// mayHold refuses a text that no program can be given.
func (v *variables) mayHold(at, text string) bool {
	why := unfit(text)
	if why != "" {
		v.refuse(at, "has %s, which no program can be given; leave it out, or mount it as a file", why)
	}
	return why == ""
}

// unfit says what a text has that no variable and no argument can: they end at a NUL byte, and Podman's API takes UTF-8 and
// changes what is none.
func unfit(text string) string {
	switch {
	case strings.Contains(text, "\x00"):
		return "a NUL byte"
	case !utf8.ValidString(text):
		return "bytes that are no UTF-8"
	}
	return ""
}

// mayShow refuses a text that refers to a variable whose value nobody may see.
func (v *variables) mayShow(at, text, instead string) {
	for _, name := range references(text) {
		if why := v.hidden[name]; why != "" {
			v.refuse(at, "$(%s) %s; %s, or write $$(%s) for the text itself", name, why, strings.ReplaceAll(instead, "NAME", name), name)
		}
	}
}

// mayWait refuses a text that refers to a variable whose value nobody knows before the pod is on its node, where that is too late.
func (v *variables) mayWait(at, text string) {
	for _, name := range references(text) {
		if v.late[name] {
			v.refuse(at, "$(%s) is known only once the pod is on its node; choose a directory without it, or write $$(%s) for the text itself", name, name)
		}
	}
}

// value sets a variable to a text. One that refers to a secret is as secret, and becomes a File like it.
func (v *variables) value(at string, env corev1.EnvVar) {
	secret, unknown := "", ""
	late := false
	for _, name := range references(env.Value) {
		_, defined := v.sizes[name]
		_, known := v.content[name]
		switch {
		case v.hidden[name] != "":
			secret = name
		case defined && !known:
			unknown = name
		}
		late = late || v.late[name]
	}
	switch {
	case !v.mayHold(at, env.Value):
	case secret != "" && unknown != "":
		v.refuse(at, "$(%s) %s, and $(%s) is another in each pod, so no file can hold both; let the program put them together", secret, v.hidden[secret], unknown)
	case secret != "":
		v.compose(at, env, v.hidden[secret])
	default:
		v.set(at, env, "", v.size(env.Value))
		if v.late[env.Name] = late; unknown == "" {
			v.content[env.Name] = v.expanded(env.Value)
		}
	}
}

// compose makes a File of a text that refers to a secret.
func (v *variables) compose(at string, env corev1.EnvVar, hidden string) {
	size := expandedSize(env.Value, func(name string) (int, bool) {
		value, ok := v.content[name]
		return len(value), ok
	})
	if size > maxExpanded {
		v.mayTake(at, size)
		return
	}
	value := v.expanded(env.Value)
	use := "Secret/$(" + v.of + ")/" + env.Name // no Secret has such a name
	v.used[use] = base64.StdEncoding.EncodeToString([]byte(value))
	v.files[use] = File{Name: use, Data: Bytes(value)}
	ref := &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: use}}
	v.set(at, corev1.EnvVar{Name: env.Name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: ref}}, hidden, size)
	v.content[env.Name] = value
}

func (v *variables) expanded(text string) string {
	if v.full {
		return ""
	}
	return expand(text, func(name string) (string, bool) {
		value, ok := v.content[name]
		return value, ok
	})
}

// from writes out a whole ConfigMap or Secret, sorted by key. What a ConfigMap has as binaryData is left out, as in Kubernetes.
func (v *variables) from(at string, from corev1.EnvFromSource) {
	var cfg config
	if ref := from.ConfigMapRef; ref != nil {
		cfg, _ = v.config(under(at, "configMapRef.name"), "ConfigMap", ref.Name, ref.Optional)
	} else if ref := from.SecretRef; ref != nil {
		cfg, _ = v.config(under(at, "secretRef.name"), "Secret", ref.Name, ref.Optional)
	}
	for _, key := range cfg.texts {
		if v.full {
			return
		}
		v.fromKey(at, from.Prefix+key, cfg, key, nil)
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
	case len(value) > maxExpanded:
		v.full = true
		v.refuse(at, "%s has key %q with more than %d KiB, which no variable can hold; mount it as a volume", cfg.ID, key, maxExpanded>>10)
	case unfit(string(value)) != "":
		v.refuse(at, "%s has key %q with %s, which no variable can hold; mount it as a volume", cfg.ID, key, unfit(string(value)))
	case cfg.Kind == "ConfigMap":
		v.set(at, corev1.EnvVar{Name: name, Value: literal(string(value))}, "", len(value))
		v.content[name] = string(value)
	default:
		ref := &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: v.file(cfg, key)}}
		v.set(at, corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: ref}},
			fmt.Sprintf("would show a value of %s to everyone who sees the pod", cfg.ID), len(value))
		v.content[name] = string(value)
	}
}

func (v *variables) variable(at string, env corev1.EnvVar, k corev1.Container, spec corev1.PodSpec) {
	from := env.ValueFrom
	switch {
	case v.full:
	case from == nil:
		v.value(under(at, "value"), env)
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
		v.set(at, env, "", 0)
		v.late[env.Name], v.sizes[env.Name] = true, longField
	case from.FieldRef != nil:
		at = under(at, "valueFrom.fieldRef")
		if value := v.pod.field(from.FieldRef.FieldPath, longName); v.mayHold(at, value) {
			v.set(at, env, "", len(value))
		}
	}
}

// resource sets a variable to a request or limit in units of the divisor, rounded up.
func (v *variables) resource(at, name string, ref *corev1.ResourceFieldSelector, k corev1.Container, spec corev1.PodSpec) {
	value, ok := amountOf(ref, k, spec)
	if !ok {
		v.refuse(under(at, "resource"), "%s", noAmount(ref, k.Name))
		return
	}
	v.set(at, corev1.EnvVar{Name: name, Value: value}, "", len(value))
	v.content[name] = value
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
