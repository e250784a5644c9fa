package manifest

import (
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// What a resolver takes, as Kubernetes bounds it. A pod that would have more nameservers has the first ones.
const (
	MaxNameservers = 3
	maxSearches    = 32
	MaxHostname    = 64 // letters of a host's name, in the kernel
)

// DefaultDomain is the cluster's where none is set.
const DefaultDomain = "cluster.local"

// NeedsNetwork says whether such pods have a part in the cluster's own network, where it has one: an address of it, or its names.
func NeedsNetwork(s corev1.PodSpec) bool {
	return !s.HostNetwork || s.DNSPolicy == corev1.DNSClusterFirstWithHostNet
}

// names checks what the pod calls itself and whom it knows.
func (c *check) names(at string, s corev1.PodSpec) {
	if s.Hostname != "" {
		c.refuseAll(under(at, "hostname"), util.IsDNS1123Label(s.Hostname))
	}
	if s.Subdomain != "" {
		c.refuseAll(under(at, "subdomain"), util.IsDNS1123Label(s.Subdomain))
	}
	c.hostnameOverride(under(at, "hostnameOverride"), s)
	c.dns(at, s)
	for i, alias := range s.HostAliases {
		c.hostAlias(item(under(at, "hostAliases"), i), alias)
	}
}

func (c *check) hostnameOverride(at string, s corev1.PodSpec) {
	name := s.HostnameOverride
	switch {
	case name == nil:
	case s.HostNetwork:
		c.refuse(at, "means nothing with hostNetwork; remove one of them")
	case s.SetHostnameAsFQDN != nil && *s.SetHostnameAsFQDN:
		c.refuse(at, "stands beside setHostnameAsFQDN; keep one of them")
	case len(*name) > MaxHostname:
		c.refuse(at, "has %d letters; a host's name has %d at most", len(*name), MaxHostname)
	default:
		c.refuseAll(at, util.IsDNS1123Subdomain(*name))
	}
}

func (c *check) dns(at string, s corev1.PodSpec) {
	if s.DNSPolicy != "" {
		c.oneOf(under(at, "dnsPolicy"), string(s.DNSPolicy), "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
	}
	if s.DNSPolicy == corev1.DNSNone && (s.DNSConfig == nil || len(s.DNSConfig.Nameservers) == 0) {
		c.refuse(under(at, "dnsConfig.nameservers"), "is missing; dnsPolicy None leaves the pod no other nameserver")
	}
	if s.DNSConfig == nil {
		return
	}
	c.dnsConfig(under(at, "dnsConfig"), s.DNSConfig)
	say := c.refuse
	why := "would stand in place of the node's, not beside them; write dnsPolicy: None, and all that the pods are to have"
	switch {
	case s.DNSPolicy == corev1.DNSNone:
		return
	case s.DNSPolicy == corev1.DNSClusterFirstWithHostNet, s.DNSPolicy != corev1.DNSDefault && !s.HostNetwork:
		say = func(path, text string, _ ...any) { c.notice(path, text) }
		why = "come after those of the cluster's DNS; where the cluster has none the pods do not run, and need dnsPolicy: None"
	}
	if len(s.DNSConfig.Nameservers) > 0 {
		say(under(at, "dnsConfig.nameservers"), why)
	}
	if len(s.DNSConfig.Searches) > 0 {
		say(under(at, "dnsConfig.searches"), why)
	}
}

func (c *check) dnsConfig(at string, d *corev1.PodDNSConfig) {
	if len(d.Nameservers) > MaxNameservers {
		c.refuse(under(at, "nameservers"), "are %d; a resolver takes %d at most", len(d.Nameservers), MaxNameservers)
	}
	for i, server := range d.Nameservers {
		c.address(item(under(at, "nameservers"), i), server)
	}
	if len(d.Searches) > maxSearches {
		c.refuse(under(at, "searches"), "are %d; a resolver takes %d at most", len(d.Searches), maxSearches)
	}
	for i, search := range d.Searches {
		if search != "." {
			c.refuseAll(item(under(at, "searches"), i), util.IsDNS1123Subdomain(strings.TrimSuffix(search, ".")))
		}
	}
	for i, option := range d.Options {
		if option.Name == "" {
			c.refuse(under(item(under(at, "options"), i), "name"), "is missing; write an option such as ndots")
		}
	}
}

func (c *check) hostAlias(at string, alias corev1.HostAlias) {
	c.address(under(at, "ip"), alias.IP)
	for i, name := range alias.Hostnames {
		c.refuseAll(item(under(at, "hostnames"), i), util.IsDNS1123Subdomain(name))
	}
}

func (c *check) address(at, ip string) {
	if _, err := netip.ParseAddr(ip); err != nil {
		c.refuse(at, "%q is not an IP address", ip)
	}
}
