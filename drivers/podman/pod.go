package podman

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/containers/common/libnetwork/types"
	"github.com/containers/podman/v4/pkg/specgen"
	corev1 "k8s.io/api/core/v1"
)

// podSpec is the pod without its containers: what they share.
func (b *builder) podSpec() (specgen.PodSpecGenerator, error) {
	var s specgen.PodSpecGenerator
	s.Name = b.pod.Name
	s.ExitPolicy = "continue"
	s.Labels = b.labels()
	s.Labels[labelGrace] = strconv.FormatInt(b.grace(), 10)
	if names := b.volumeNames(); len(names) > 0 {
		s.Labels[labelVolumes] = strings.Join(names, ",")
	}
	if hooks := b.preStops(); hooks != "" {
		s.Labels[labelPreStop] = hooks
	}
	s.Sysctl = b.sysctls()
	s.SharedNamespaces = b.shared()
	s.HostAdd = b.aliases()
	if err := b.dns(&s); err != nil {
		return s, err
	}
	if b.pod.Spec.HostNetwork {
		s.NetNS = specgen.Namespace{NSMode: specgen.Host}
		return s, nil
	}
	s.Hostname = b.pod.Hostname
	s.PortMappings = b.ports()
	return s, nil
}

// ports are the host ports; Podman publishes nothing else.
func (b *builder) ports() []types.PortMapping {
	var all []types.PortMapping
	for _, c := range b.containers {
		for _, p := range c.Ports {
			if p.HostPort == 0 {
				continue
			}
			protocol := strings.ToLower(string(p.Protocol))
			all = append(all, types.PortMapping{
				HostIP: p.HostIP, HostPort: uint16(p.HostPort), ContainerPort: uint16(p.ContainerPort), Protocol: protocol,
			})
		}
	}
	return all
}

func (b *builder) sysctls() map[string]string {
	all := map[string]string{}
	for _, ctl := range b.podSecurity().Sysctls {
		all[ctl.Name] = ctl.Value
	}
	return all
}

// shared are the namespaces that the containers share; none given means Podman's own choice, which is ipc, net and uts.
func (b *builder) shared() []string {
	names := []string{"net", "uts"}
	if !b.pod.Spec.HostIPC {
		names = append(names, "ipc")
	}
	if is(b.pod.Spec.ShareProcessNamespace) {
		names = append(names, "pid")
	}
	if slices.Equal(names, []string{"net", "uts", "ipc"}) {
		return nil
	}
	return names
}

// namespaces are those that a container has from the host.
func (b *builder) namespaces(s *specgen.SpecGenerator) {
	if b.pod.Spec.HostPID {
		s.PidNS = specgen.Namespace{NSMode: specgen.Host}
	}
	if b.pod.Spec.HostIPC {
		s.IpcNS = specgen.Namespace{NSMode: specgen.Host}
	}
}

// aliases are lines of /etc/hosts in Podman's form NAME:ADDRESS.
func (b *builder) aliases() (all []string) {
	for _, a := range b.pod.Spec.HostAliases {
		for _, name := range a.Hostnames {
			all = append(all, name+":"+a.IP)
		}
	}
	return all
}

// dns gives the pod's resolv.conf. Podman takes the node's file unless told otherwise, and what is told stands in the place of the
// node's nameservers or search domains: it cannot add to them, as dnsConfig would under any policy but None.
func (b *builder) dns(s *specgen.PodSpecGenerator) error {
	c := b.pod.Spec.DNSConfig
	if c == nil {
		return nil
	}
	if b.pod.Spec.DNSPolicy != corev1.DNSNone && len(c.Nameservers)+len(c.Searches) > 0 {
		return fmt.Errorf("dnsConfig: nameservers and searches stand in place of the node's: write dnsPolicy: None")
	}
	for _, server := range c.Nameservers {
		ip := net.ParseIP(server)
		if ip == nil {
			return fmt.Errorf("dnsConfig: nameserver %q is not an IP address", server)
		}
		s.DNSServer = append(s.DNSServer, ip)
	}
	s.DNSSearch = c.Searches
	if len(c.Searches) == 0 && b.pod.Spec.DNSPolicy == corev1.DNSNone {
		s.DNSSearch = []string{"."} // none of the node's either
	}
	for _, o := range c.Options {
		text := o.Name
		if o.Value != nil {
			text += ":" + *o.Value
		}
		s.DNSOption = append(s.DNSOption, text)
	}
	return nil
}
