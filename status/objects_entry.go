package status

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// portError is what the status of an Ingress says of a port that a host's door does not have.
const portError = "podkeep.io/PortUnavailable"

// entries adds what doors serve. What is of another controller's class has no status.
func (l *lister) entries() {
	for _, x := range l.report.Entries {
		switch o := x.object.(type) {
		case *networkingv1.Ingress:
			o = o.DeepCopy()
			o.TypeMeta = metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: x.Kind}
			l.served(&o.ObjectMeta, x)
			o.Status.LoadBalancer.Ingress = x.balancer(l.table())
			l.add(o)
		case *gatewayv1.GatewayClass:
			o = o.DeepCopy()
			o.TypeMeta = metav1.TypeMeta{APIVersion: gatewayv1.GroupVersion.String(), Kind: x.Kind}
			l.served(&o.ObjectMeta, x)
			o.Status = gatewayv1.GatewayClassStatus{Conditions: metaConditions(x.conditions())}
			l.add(o)
		case *gatewayv1.Gateway:
			o = o.DeepCopy()
			o.TypeMeta = metav1.TypeMeta{APIVersion: gatewayv1.GroupVersion.String(), Kind: x.Kind}
			l.served(&o.ObjectMeta, x)
			o.Status = x.gatewayStatus()
			l.add(o)
		case *gatewayv1.HTTPRoute:
			o = o.DeepCopy()
			o.TypeMeta = metav1.TypeMeta{APIVersion: gatewayv1.GroupVersion.String(), Kind: x.Kind}
			l.served(&o.ObjectMeta, x)
			o.Status = gatewayv1.HTTPRouteStatus{RouteStatus: gatewayv1.RouteStatus{Parents: x.parents(o.Spec.ParentRefs)}}
			l.add(o)
		}
	}
}

func (l *lister) served(m *metav1.ObjectMeta, x Entry) {
	m.Name, m.Namespace = x.Name, x.Namespace
	setUID(m, l.uid(x.ID))
	m.Annotations = withKnown(m.Annotations, map[string]string{AnnotationWhy: strings.Join(x.Whys, "; ")})
}

// balancer is where an Ingress is reached.
func (x *Entry) balancer(table *route.Table) (all []networkingv1.IngressLoadBalancerIngress) {
	for _, ip := range x.Reached {
		one := networkingv1.IngressLoadBalancerIngress{IP: ip.String()}
		for _, port := range x.ports {
			p := networkingv1.IngressPortStatus{Port: int32(port), Protocol: corev1.ProtocolTCP}
			for _, n := range table.Nodes {
				if n.Address == ip && x.denial(port, n.Name) != "" {
					p.Error = new(portError)
				}
			}
			one.Ports = append(one.Ports, p)
		}
		all = append(all, one)
	}
	return all
}

func (x *Entry) gatewayStatus() (s gatewayv1.GatewayStatus) {
	s.Conditions = metaConditions(x.conditions())
	for _, ip := range x.Reached {
		s.Addresses = append(s.Addresses, gatewayv1.GatewayStatusAddress{Type: new(gatewayv1.IPAddressType), Value: ip.String()})
	}
	for _, l := range x.Doored.Listeners {
		one := gatewayv1.ListenerStatus{
			Name: gatewayv1.SectionName(l.Name), AttachedRoutes: int32(l.Attached), SupportedKinds: []gatewayv1.RouteGroupKind{}, Conditions: metaConditions(x.listening(l)),
		}
		for _, kind := range l.Kinds {
			one.SupportedKinds = append(one.SupportedKinds, gatewayv1.RouteGroupKind{Group: new(gatewayv1.Group(gatewayv1.GroupName)), Kind: gatewayv1.Kind(kind)})
		}
		s.Listeners = append(s.Listeners, one)
	}
	return s
}

// parents are the Gateways of ours that a route names, each as it names it.
func (x *Entry) parents(asked []gatewayv1.ParentReference) []gatewayv1.RouteParentStatus {
	all := []gatewayv1.RouteParentStatus{}
	for _, p := range x.Doored.Parents {
		one := gatewayv1.RouteParentStatus{
			ParentRef:      gatewayv1.ParentReference{Name: gatewayv1.ObjectName(p.Name), Namespace: new(gatewayv1.Namespace(p.Namespace))},
			ControllerName: manifest.GatewayController, Conditions: metaConditions(p.Conditions),
		}
		if p.Section != "" {
			one.ParentRef.SectionName = new(gatewayv1.SectionName(p.Section))
		}
		if p.Port != 0 {
			one.ParentRef.Port = new(p.Port)
		}
		for _, ref := range asked {
			if x.names(ref, p) {
				one.ParentRef = ref
			}
		}
		all = append(all, one)
	}
	return all
}

// names says whether a route's reference is that to a parent.
func (x *Entry) names(ref gatewayv1.ParentReference, p route.DooredParent) bool {
	namespace, section, port := x.Namespace, "", int32(0)
	if ref.Namespace != nil {
		namespace = string(*ref.Namespace)
	}
	if ref.SectionName != nil {
		section = string(*ref.SectionName)
	}
	if ref.Port != nil {
		port = *ref.Port
	}
	return string(ref.Name) == p.Name && namespace == p.Namespace && section == p.Section && port == p.Port
}

func metaConditions(all []route.DoorCondition) []metav1.Condition {
	out := []metav1.Condition{}
	for _, c := range all {
		out = append(out, metav1.Condition{Type: c.Type, Status: metav1.ConditionStatus(c.Status), Reason: c.Reason, Message: c.Message})
	}
	return out
}
