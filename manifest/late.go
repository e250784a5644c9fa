package manifest

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// OnNode is the pod as its node makes it: what its variables have of the node stands in the texts that refer to them. of gives the value of
// a field that only the node knows, such as status.podIP.
func (p Pod) OnNode(of func(field string) string) Pod {
	if p.late == nil {
		return p
	}
	r := *p.late
	r.Spec = *r.Spec.DeepCopy()
	eachContainer("", &r.Spec, func(_ string, k *corev1.Container) {
		for i := range k.Env {
			if isLate(k.Env[i]) {
				k.Env[i].Value, k.Env[i].ValueFrom = literal(of(k.Env[i].ValueFrom.FieldRef.FieldPath)), nil
			}
		}
	})
	settled := map[string]*corev1.Container{}
	made := r.Pod(p.Name, p.Labels, p.Attempt)
	eachContainer("", &made.Spec, func(_ string, k *corev1.Container) { settled[k.Name] = k })
	p.Spec, p.late = *p.Spec.DeepCopy(), nil
	eachContainer("", &p.Spec, func(_ string, k *corev1.Container) {
		k.Command, k.Args, k.Env = settled[k.Name].Command, settled[k.Name].Args, settled[k.Name].Env
	})
	return p
}

// isLate says whether a variable has a value only on the node.
func isLate(env corev1.EnvVar) bool {
	return env.ValueFrom != nil && env.ValueFrom.FieldRef != nil && onlyNodeKnows(env.ValueFrom.FieldRef.FieldPath)
}

// late says whether a text of the revision refers to a variable that has a value only on the node.
func (r Revision) late() bool {
	is := false
	eachContainer("", &r.Spec, func(_ string, k *corev1.Container) {
		var names []string
		texts := slices.Concat(k.Command, k.Args)
		for _, env := range k.Env {
			if isLate(env) {
				names = append(names, env.Name)
			}
			texts = append(texts, env.Value)
		}
		if len(names) == 0 {
			return
		}
		for _, text := range texts {
			is = is || slices.ContainsFunc(references(text), func(name string) bool { return slices.Contains(names, name) })
		}
	})
	return is
}
