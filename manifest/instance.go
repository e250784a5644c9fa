package manifest

import (
	"crypto/sha256"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Pod is one pod of the revision. References to metadata.* become values, and each $(VAR) in command, args, env,
// subPathExpr and the commands of probes is expanded, so that what remains is for the node alone: Files, addresses and the node's name. metadata.uid is a digest of
// the pod's name and rev, so it survives a restart of everything. The Revision is left as it is.
func (r Revision) Pod(name string, labels map[string]string, attempt map[string]int) Pod {
	p := Pod{Name: name, Namespace: r.App.Namespace, Labels: labels, Spec: *r.Spec.DeepCopy(), Attempt: attempt}
	eachContainer("", &p.Spec, func(_ string, k *corev1.Container) { r.settle(k, name) })
	if r.late() {
		p.late = &r
	}
	p.Texts = r.texts(name)
	for i := range p.Spec.Volumes {
		p.Spec.Volumes[i].DownwardAPI = nil
	}
	return p
}

// Hostname is what the pod calls itself. One that Kubernetes would make is within the letters that a host's name may have, and the _ in a pod's
// name is none; one that is written is as it is written, with the cluster's domain where it is to be the full name.
func (p Pod) Hostname() string {
	s, domain := p.Spec, ""
	if s.HostnameOverride != nil {
		return *s.HostnameOverride
	}
	if isFull(s) {
		domain = "." + domainOf(s, p.Namespace, or(p.Net.Domain, DefaultDomain))
	}
	name := strings.Join(strings.FieldsFunc(p.Name, func(r rune) bool { return r == '_' }), "-")
	return or(s.Hostname, clip(name, min(63, max(1, MaxHostname-len(domain))))) + domain
}

// isFull says whether pods are to call themselves by their full name, and have one.
func isFull(s corev1.PodSpec) bool {
	return s.Subdomain != "" && s.SetHostnameAsFQDN != nil && *s.SetHostnameAsFQDN
}

// domainOf is the part of a pod's full name that comes after its hostname.
func domainOf(s corev1.PodSpec, namespace, domain string) string {
	return s.Subdomain + "." + namespace + ".svc." + domain
}

func clip(name string, n int) string {
	return strings.TrimRight(name[:max(0, min(n, len(name)))], "-.")
}

// known are the values that a container's texts may refer to, and how many bytes its expansions may still take. Only the form of
// a revision that an older podkeep left on a node can take more, since loading refuses it: then a text stays as it is written.
type known struct {
	values map[string]string
	left   int
}

func (k *known) expand(s string) string {
	size := expandedSize(s, func(name string) (int, bool) {
		value, ok := k.values[name]
		return len(value), ok
	})
	if size > k.left {
		return s
	}
	k.left -= size
	return expand(s, func(name string) (string, bool) {
		value, ok := k.values[name]
		return value, ok
	})
}

func (k *known) expandAll(texts []string) {
	for i := range texts {
		texts[i] = k.expand(texts[i])
	}
}

// settle resolves the variables in order, each seeing those before it, then the command.
func (r Revision) settle(k *corev1.Container, name string) {
	known := known{map[string]string{}, maxExpanded}
	last := map[string]int{}
	for i := range k.Env {
		env := &k.Env[i]
		last[env.Name] = i
		env.Value = known.expand(env.Value)
		if from := env.ValueFrom; from != nil && from.FieldRef != nil && !onlyNodeKnows(from.FieldRef.FieldPath) {
			env.Value, env.ValueFrom = r.field(from.FieldRef.FieldPath, name), nil
		}
		if delete(known.values, env.Name); env.ValueFrom == nil {
			known.values[env.Name] = env.Value
		}
	}
	k.Env = onlyLast(k.Env, last)
	known.expandAll(k.Command)
	known.expandAll(k.Args)
	for _, p := range probesIn(k) {
		if p.Exec != nil {
			known.expandAll(p.Exec.Command)
		}
	}
	for i := range k.VolumeMounts {
		if m := &k.VolumeMounts[i]; m.SubPathExpr != "" {
			m.SubPath, m.SubPathExpr = known.expand(m.SubPathExpr), ""
		}
	}
}

// onlyLast keeps of several variables of one name the last.
func onlyLast(list []corev1.EnvVar, last map[string]int) []corev1.EnvVar {
	kept := list[:0]
	for i, env := range list {
		if last[env.Name] == i {
			kept = append(kept, env)
		}
	}
	return kept
}

// field is the value of a metadata field, or of the service account, of the pod of that name.
func (r Revision) field(path, name string) string {
	switch path {
	case "metadata.name":
		return name
	case "metadata.namespace":
		return r.App.Namespace
	case "metadata.uid":
		return uid(name, r.Rev)
	case "spec.serviceAccountName":
		return or(r.Spec.ServiceAccountName, "default")
	}
	if field, key := mapField(path); field == "metadata.labels" {
		return r.Labels[key]
	} else {
		return r.Annotations[key]
	}
}

func uid(name, rev string) string {
	sum := sha256.Sum256([]byte("uid\x00" + name + "\x00" + rev))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // RFC 9562, version 8: a digest of our own
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
