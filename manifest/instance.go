package manifest

import (
	"crypto/sha256"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Pod is one pod of the revision. References to metadata.* become values, and each $(VAR) in command, args, env and
// subPathExpr is expanded, so that what remains is for the node alone: Files, addresses and the node's name. metadata.uid is a digest of
// the pod's name and rev, so it survives a restart of everything. The Revision is left as it is.
func (r Revision) Pod(name string, labels map[string]string, attempt map[string]int) Pod {
	p := Pod{Name: name, Hostname: r.hostname(name), Namespace: r.App.Namespace, Labels: labels, Spec: *r.Spec.DeepCopy(), Attempt: attempt}
	eachContainer("", &p.Spec, func(_ string, k *corev1.Container) { r.settle(k, name) })
	p.Texts = r.texts(name)
	for i := range p.Spec.Volumes {
		p.Spec.Volumes[i].DownwardAPI = nil
	}
	return p
}

// hostname is what the pod of that name calls itself, within the letters that a host's name may have.
func (r Revision) hostname(name string) string {
	s := r.Spec
	if s.HostnameOverride != nil {
		return *s.HostnameOverride
	}
	host := or(s.Hostname, clip(name, 63))
	if s.Subdomain == "" || s.SetHostnameAsFQDN == nil || !*s.SetHostnameAsFQDN {
		return host
	}
	domain := "." + domainOf(s, r.App.Namespace)
	return clip(host, maxFQDN-len(domain)) + domain
}

// domainOf is the part of a pod's full name that comes after its hostname.
func domainOf(s corev1.PodSpec, namespace string) string {
	return s.Subdomain + "." + namespace + ".svc.cluster.local"
}

func clip(name string, n int) string {
	return strings.TrimRight(name[:max(0, min(n, len(name)))], "-.")
}

// settle resolves the variables in order, each seeing those before it, then the command.
func (r Revision) settle(k *corev1.Container, name string) {
	known := map[string]string{}
	of := func(name string) (string, bool) {
		value, ok := known[name]
		return value, ok
	}
	last := map[string]int{}
	for i := range k.Env {
		env := &k.Env[i]
		last[env.Name] = i
		env.Value = expand(env.Value, of)
		if from := env.ValueFrom; from != nil && from.FieldRef != nil && !onlyNodeKnows(from.FieldRef.FieldPath) {
			env.Value, env.ValueFrom = r.field(from.FieldRef.FieldPath, name), nil
		}
		if delete(known, env.Name); env.ValueFrom == nil {
			known[env.Name] = env.Value
		}
	}
	k.Env = onlyLast(k.Env, last)
	expandAll(k.Command, of)
	expandAll(k.Args, of)
	for i := range k.VolumeMounts {
		if m := &k.VolumeMounts[i]; m.SubPathExpr != "" {
			m.SubPath, m.SubPathExpr = expand(m.SubPathExpr, of), ""
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

func expandAll(texts []string, of func(string) (string, bool)) {
	for i := range texts {
		texts[i] = expand(texts[i], of)
	}
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
		return "default"
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
