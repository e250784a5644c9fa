package status

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podkeep/podkeep/node/route"
)

// services adds the Services that are asked for, each with what it was given, and their EndpointSlices.
func (l *lister) services() {
	if len(l.report.Services) == 0 {
		return
	}
	pods := podsByApp(l.World)
	for _, x := range l.report.Services {
		o := l.service(x)
		l.add(o)
		for _, slice := range l.slices(x, o, chosen(x.Service, pods)) {
			l.add(slice)
		}
	}
}

func (l *lister) service(x Service) *corev1.Service {
	o := &corev1.Service{}
	if x.Object != nil {
		o = x.Object.DeepCopy()
	}
	o.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}
	o.Name, o.Namespace = x.Name, x.Namespace
	setUID(&o.ObjectMeta, l.uid(x.ID))
	defaulted(&o.Spec)
	if x.Made != nil && x.Made.IP.IsValid() {
		o.Spec.ClusterIP = x.Made.IP.String()
	}
	if o.Spec.ClusterIP != "" {
		o.Spec.ClusterIPs = []string{o.Spec.ClusterIP}
	}
	if x.Made != nil {
		o.Spec.HealthCheckNodePort, o.Status.LoadBalancer.Ingress = int32(x.Made.Health), x.ingress()
	}
	for i := range o.Spec.Ports {
		if x.Made != nil && i < len(x.Made.Ports) {
			o.Spec.Ports[i].NodePort = int32(x.Made.Ports[i].NodePort)
		}
	}
	if x.Why != "" {
		o.Status.Conditions = []metav1.Condition{{Type: "podkeep.io/Served", Status: metav1.ConditionFalse, Reason: "NotAsAskedFor", Message: x.Why}}
		o.Annotations = withKnown(o.Annotations, map[string]string{AnnotationWhy: x.Why})
	}
	return o
}

// defaulted fills in what the API server does.
func defaulted(s *corev1.ServiceSpec) {
	if s.Type == "" {
		s.Type = corev1.ServiceTypeClusterIP
	}
	if s.Type == corev1.ServiceTypeExternalName {
		s.SessionAffinity = cmp.Or(s.SessionAffinity, corev1.ServiceAffinityNone)
		return
	}
	s.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
	switch {
	case s.SessionAffinity == "":
		s.SessionAffinity = corev1.ServiceAffinityNone
	case s.SessionAffinity == corev1.ServiceAffinityClientIP && s.SessionAffinityConfig == nil:
		seconds := corev1.DefaultClientIPServiceAffinitySeconds
		s.SessionAffinityConfig = &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: &seconds}}
	}
	if s.IPFamilyPolicy == nil {
		single := corev1.IPFamilyPolicySingleStack
		s.IPFamilyPolicy = &single
	}
	if s.InternalTrafficPolicy == nil {
		everywhere := corev1.ServiceInternalTrafficPolicyCluster
		s.InternalTrafficPolicy = &everywhere
	}
	balanced := s.Type == corev1.ServiceTypeLoadBalancer
	if balanced && s.AllocateLoadBalancerNodePorts == nil {
		s.AllocateLoadBalancerNodePorts = new(true)
	}
	if (balanced || s.Type == corev1.ServiceTypeNodePort || len(s.ExternalIPs) > 0) && s.ExternalTrafficPolicy == "" {
		s.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
	}
	for i := range s.Ports {
		p := &s.Ports[i]
		if p.Protocol == "" {
			p.Protocol = corev1.ProtocolTCP
		}
		if p.TargetPort == (intstr.IntOrString{}) {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
	}
}

// slices are the Service's pods: those that requests are sent to, which are ready, and the others that its selector chooses; or the addresses that are
// written down for it, those that requests are sent to. Those in one have the same ports.
func (l *lister) slices(x Service, of *corev1.Service, pods []Pod) (all []*discoveryv1.EndpointSlice) {
	if x.Made == nil {
		return nil
	}
	byPorts := map[string]*discoveryv1.EndpointSlice{}
	add := func(ports []uint16, e discoveryv1.Endpoint) {
		key := fmt.Sprint(ports)
		if byPorts[key] == nil {
			byPorts[key] = l.slice(x, of, ports)
			all = append(all, byPorts[key])
		}
		byPorts[key].Endpoints = append(byPorts[key].Endpoints, e)
	}
	for _, e := range x.Made.Endpoints {
		i := slices.IndexFunc(pods, func(p Pod) bool { return p.Name == e.Pod && p.Node == e.Node })
		one := l.endpoint(x, e)
		one.Conditions.Ready = new(true)
		if i >= 0 { // it has been looked at
			one.Conditions.Serving, one.Conditions.Terminating = new(pods[i].State == Ready), new(pods[i].Stopping)
			one.TargetRef.UID = l.podUID(pods[i])
			pods = slices.Delete(pods, i, i+1)
		}
		add(e.Ports, one)
	}
	for _, p := range pods {
		ip, err := netip.ParseAddr(cmp.Or(p.Birth.IP, p.IP))
		if err != nil {
			continue
		}
		one := l.endpoint(x, route.Endpoint{Pod: p.Name, Node: p.Node, IP: ip})
		one.Conditions = discoveryv1.EndpointConditions{Ready: new(false), Serving: new(p.State == Ready), Terminating: new(p.Stopping)}
		one.TargetRef.UID = l.podUID(p)
		add(route.PortsOf(&x.Service, p.Birth.Ports), one)
	}
	return all
}

func (l *lister) slice(x Service, of *corev1.Service, ports []uint16) *discoveryv1.EndpointSlice {
	uid := l.uid("EndpointSlice", x.ID, ports)
	o := &discoveryv1.EndpointSlice{
		TypeMeta: metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta: metav1.ObjectMeta{
			Name: x.Name + "-" + uid[:5], Namespace: x.Namespace, UID: types.UID(uid),
			Labels:          map[string]string{discoveryv1.LabelServiceName: x.Name, discoveryv1.LabelManagedBy: "podkeep.io"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Service", Name: x.Name, UID: of.UID, Controller: new(true)}},
		},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{},
	}
	for i, p := range x.Made.Ports {
		if i < len(ports) && ports[i] != 0 {
			port := discoveryv1.EndpointPort{Name: new(p.Name), Protocol: new(corev1.Protocol(strings.ToUpper(p.Protocol))), Port: new(int32(ports[i]))}
			if p.App != "" {
				port.AppProtocol = new(p.App)
			}
			o.Ports = append(o.Ports, port)
		}
	}
	return o
}

func (l *lister) endpoint(x Service, e route.Endpoint) discoveryv1.Endpoint {
	one := discoveryv1.Endpoint{Addresses: []string{e.IP.String()}}
	if e.Node != "" {
		one.NodeName = new(e.Node)
	}
	if e.Pod != "" {
		one.TargetRef = &corev1.ObjectReference{Kind: "Pod", Namespace: x.Namespace, Name: e.Pod}
	}
	if e.Hostname != "" {
		one.Hostname = new(e.Hostname)
	}
	if zone := l.declared(e.Node).Labels[corev1.LabelTopologyZone]; zone != "" {
		one.Zone = new(zone)
	}
	return one
}
