package status

import (
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// policies adds the NetworkPolicies that are asked for. The kind has no status, so what became of each is in annotations.
func (l *lister) policies() {
	for _, x := range l.report.Policies {
		o := &networkingv1.NetworkPolicy{}
		if x.Object != nil {
			o = x.Object.DeepCopy()
			o.Spec.PolicyTypes = nil
			for _, way := range strings.Split(x.directions(), ",") {
				o.Spec.PolicyTypes = append(o.Spec.PolicyTypes, networkingv1.PolicyType(way))
			}
		}
		o.TypeMeta = metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}
		o.Name, o.Namespace = x.Name, x.Namespace
		setUID(&o.ObjectMeta, l.uid(x.ID))
		said := map[string]string{AnnotationPods: x.holds(), AnnotationNodes: x.inForce()}
		if len(x.Whys) > 0 {
			said[AnnotationWhy] = strings.Join(x.Whys, "; ")
		}
		o.Annotations = withKnown(o.Annotations, said)
		l.add(o)
	}
}
