package podman

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/containers/common/libnetwork/types"
	"github.com/containers/podman/v4/pkg/specgen"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
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
	if at := b.pod.Net; at.DNS.IsValid() {
		s.Labels[labelDNS] = at.DNS.String() + "," + at.Domain
	}
	s.Sysctl = b.sysctls()
	s.SharedNamespaces = b.shared()
	s.HostAdd = b.aliases()
	dns, err := b.dns()
	if err != nil {
		return s, err
	}
	s.DNSServer, s.DNSSearch, s.DNSOption = dns.servers, dns.search, dns.options
	if b.pod.Spec.HostNetwork {
		s.NetNS = specgen.Namespace{NSMode: specgen.Host}
		return s, nil
	}
	if s.Hostname = b.pod.Hostname(); len(s.Hostname) > manifest.MaxHostname {
		return s, fmt.Errorf("%s has %d letters; a host's name has %d at most: choose a shorter hostname or subdomain, or leave out setHostnameAsFQDN",
			s.Hostname, len(s.Hostname), manifest.MaxHostname)
	}
	s.PortMappings = b.ports()
	s.NetNS = specgen.Namespace{NSMode: specgen.Bridge} // a user's own Podman would give each pod a network that only it is in
	if ip := b.pod.Net.IP; ip.IsValid() {
		s.Networks = map[string]types.PerNetworkOptions{b.driver.podNetwork(): {
			StaticIPs: []net.IP{ip.AsSlice()}, StaticMAC: types.HardwareAddr(hardware(ip)),
		}}
	}
	return s, nil
}

// hardware is the same for each pod that ever has the address: nobody on the bridge has to unlearn it.
func hardware(ip netip.Addr) net.HardwareAddr {
	return append(net.HardwareAddr{0x0a, 0x5a}, ip.AsSlice()...)
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

// namespaces are those that a container has from the host. On the host's network Podman asks the container, not its pod, for a resolv.conf.
func (b *builder) namespaces(s *specgen.SpecGenerator) error {
	if b.pod.Spec.HostNetwork {
		dns, err := b.dns()
		if err != nil {
			return err
		}
		s.DNSServers, s.DNSSearch, s.DNSOptions = dns.servers, dns.search, dns.options
	}
	if b.pod.Spec.HostPID {
		s.PidNS = specgen.Namespace{NSMode: specgen.Host}
	}
	if live.IsSide(b.pod.Labels) { // from a cgroup namespace of its own nobody puts a probe's command into the cgroup of its container
		s.CgroupNS = specgen.Namespace{NSMode: specgen.Host}
	}
	if b.pod.Spec.HostIPC {
		s.IpcNS = specgen.Namespace{NSMode: specgen.Host}
	}
	return nil
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
