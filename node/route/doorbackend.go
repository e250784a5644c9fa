package route

import (
	"fmt"
	"slices"
)

// backendPort is which port of a Service is meant: by its name, or by number.
type backendPort struct {
	name   string
	number uint16
}

func (p backendPort) String() string {
	if p.name != "" {
		return "called " + p.name
	}
	return fmt.Sprint(p.number)
}

// backend is a port of a Service of the table. Where nobody can be asked by it, why says so; there says whether the Service is one at all.
func (b *doorBuild) backend(namespace, service string, port backendPort) (to DoorBackend, there bool, why string) {
	to = DoorBackend{Namespace: namespace, Service: service, Port: port.number, Weight: 1}
	id := "Service " + keyOf(namespace, service)
	if b.services[keyOf(namespace, service)] == nil {
		return to, false, id + " is not there"
	}
	s := b.t.Service(namespace, service)
	switch {
	case s == nil:
		return to, true, id + " has no address, as it says itself"
	case s.External != "":
		return to, true, id + " is of type ExternalName, which no door leads to; write down its addresses in an EndpointSlice of a Service without a selector"
	}
	n := slices.IndexFunc(s.Ports, func(p Port) bool {
		return p.Protocol == "tcp" && (port.name != "" && p.Name == port.name || port.name == "" && p.Port == port.number)
	})
	if n < 0 {
		return to, false, fmt.Sprintf("%s has no port %s", id, port)
	}
	to.Port, to.Protocol = s.Ports[n].Port, spoken(s.Ports[n].App)
	return to, true, ""
}

// spoken is what a Service's port speaks, of its appProtocol: HTTP/1.1 where that says nothing else that doors know.
func spoken(app string) string {
	switch app {
	case "kubernetes.io/h2c", "h2c", "grpc":
		return "h2c"
	case "https", "HTTPS", "kubernetes.io/wss":
		return "https"
	}
	return ""
}
