package manifest

import (
	"net/netip"

	"k8s.io/apimachinery/pkg/util/intstr"
)

// Net says which addresses the cluster has for its pods and Services. The zero value is none: pods have the addresses that their host's Podman
// gives them, and Services are not served.
type Net struct {
	Pods    netip.Prefix // ranges are given out of it to Nodes that name none
	Virtual netip.Prefix // of Services
	Domain  string       // of names: "cluster.local"
}

// Layout is the version of how pods are joined to networks now.
func (n Net) Layout() int {
	if !n.Pods.IsValid() {
		return NetworkLayout
	}
	return NetworkOwn
}

// NetworkOwn is the layout of pods that have an address from the plan, in the cluster's own network.
const NetworkOwn = 2

// Service is a name and an address for the pods that its selector chooses in its namespace.
type Service struct {
	Meta
	Headless        bool       // it has no address of its own: its name leads to the pods
	ClusterIP       netip.Addr // the address that it asks for; the zero address leaves that open
	NodePorts       bool       // it is of type NodePort
	Selector        map[string]string
	Ports           []ServicePort
	PublishNotReady bool
}

// ServicePort is one by which a Service is reached.
type ServicePort struct {
	Name        string
	Protocol    string // "tcp" or "udp"
	Port        uint16
	Target      intstr.IntOrString // the pod's port, by number or by its name
	NodePort    uint16             // that it asks for, in a Service with NodePorts; 0 leaves that open
	AppProtocol string
}
