package manifest

import (
	corev1 "k8s.io/api/core/v1"
)

var namespaceKind = kind{
	version: "v1", name: "Namespace", cluster: true,
	empty: func() typed { return &corev1.Namespace{} },
	check: func(c *check, t typed) { c.securityLabels(t.(*corev1.Namespace).Labels) },
	add: func(a *assembly, m Meta, o *object) {
		a.set.Namespaces = append(a.set.Namespaces, Namespace{Meta: m, Object: o.typed.(*corev1.Namespace)})
	},
}
