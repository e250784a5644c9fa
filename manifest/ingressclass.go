package manifest

import (
	networkingv1 "k8s.io/api/networking/v1"
	util "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const anIngressClass = "IngressClass"

var ingressClassKind = kind{
	version: "networking.k8s.io/v1", name: anIngressClass, cluster: true, meek: true,
	empty: func() typed { return &networkingv1.IngressClass{} },
	check: func(c *check, t typed) { c.ingressClass(t.(*networkingv1.IngressClass)) },
	add: func(a *assembly, m Meta, o *object) {
		class := o.typed.(*networkingv1.IngressClass)
		a.set.IngressClasses = append(a.set.IngressClasses, IngressClass{
			Meta: m, Ours: class.Spec.Controller == IngressController, Object: class,
			Default: class.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true",
		})
	},
}

// longestController is how many letters the name of a controller may have, as in Kubernetes.
const longestController = 250

func (c *check) ingressClass(o *networkingv1.IngressClass) {
	const path, standard = "spec.controller", networkingv1.AnnotationIsDefaultIngressClass
	switch name := o.Spec.Controller; {
	case name == "":
		c.refuse(path, "is missing; write %s, or the one whose class this is", IngressController)
	case len(name) > longestController:
		c.refuse(path, "has more than %d letters", longestController)
	case name != IngressController:
		c.refuseErrors(path, util.IsDomainPrefixedPath(field.NewPath(""), name))
		c.notice(path, "nothing is done for Ingresses of this class: it is another controller's; write "+IngressController+" to have them served here")
	case o.Spec.Parameters != nil:
		c.refuse("spec.parameters", "mean nothing to %s, which has its settings as flags; remove them", IngressController)
	}
	if text, written := o.Annotations[standard]; written && text != "true" && text != "false" {
		c.refuse(keyed("metadata.annotations", standard), `%q is neither "true" nor "false"`, text)
	}
}
