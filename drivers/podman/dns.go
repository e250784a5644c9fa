package podman

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/manifest"
)

// resolver is a resolv.conf.
type resolver struct {
	servers         []net.IP
	search, options []string
}

// dns gives the pod's resolv.conf: what its policy begins with, and dnsConfig after it, as the kubelet does. Where the policy is the node's
// resolver, Podman takes the node's file unless told otherwise, and what is told stands in the place of the node's nameservers or search
// domains: it cannot add to them.
func (b *builder) dns() (r resolver, err error) {
	c, own := b.pod.Spec.DNSConfig, b.clusterDNS()
	if c == nil {
		c = &corev1.PodDNSConfig{}
	}
	none := b.pod.Spec.DNSPolicy == corev1.DNSNone
	if own == nil && !none && len(c.Nameservers)+len(c.Searches) > 0 {
		return r, fmt.Errorf("dnsConfig: nameservers and searches stand in place of the node's: write dnsPolicy: None")
	}
	if own == nil {
		own = &corev1.PodDNSConfig{}
	}
	for _, server := range unique(own.Nameservers, c.Nameservers) {
		ip := net.ParseIP(server)
		if ip == nil {
			return r, fmt.Errorf("dnsConfig: nameserver %q is not an IP address", server)
		}
		r.servers = append(r.servers, ip)
	}
	r.servers = r.servers[:min(len(r.servers), manifest.MaxNameservers)]
	r.search = unique(own.Searches, c.Searches)
	if len(r.search) == 0 && none {
		r.search = []string{"."} // none of the node's either
	}
	for _, o := range options(own.Options, c.Options) {
		text := o.Name
		if o.Value != nil {
			text += ":" + *o.Value
		}
		r.options = append(r.options, text)
	}
	return r, nil
}

// asNamed has the pod, which is there, ask whom it asked at its birth, where nothing else is said.
func (b *builder) asNamed(labels map[string]string) {
	dns, domain, _ := strings.Cut(labels[labelDNS], ",")
	if ip, err := netip.ParseAddr(dns); err == nil && !b.pod.Net.DNS.IsValid() {
		b.pod.Net.DNS, b.pod.Net.Domain = ip, domain
	}
}

// clusterDNS is what the pod's policy begins with where that is the cluster's DNS, else nil. On the node's own network ClusterFirst means the
// node's resolver.
func (b *builder) clusterDNS() *corev1.PodDNSConfig {
	at := b.pod.Net
	switch policy := cmp.Or(b.pod.Spec.DNSPolicy, corev1.DNSClusterFirst); {
	case !at.DNS.IsValid():
		return nil
	case policy == corev1.DNSClusterFirst && !b.pod.Spec.HostNetwork, policy == corev1.DNSClusterFirstWithHostNet:
		five, svc := "5", "svc."+at.Domain
		return &corev1.PodDNSConfig{
			Nameservers: []string{at.DNS.String()},
			Searches:    []string{b.pod.Namespace + "." + svc, svc, at.Domain},
			Options:     []corev1.PodDNSConfigOption{{Name: "ndots", Value: &five}},
		}
	}
	return nil
}

// unique are the values of both lists in their order, each once.
func unique(a, b []string) (all []string) {
	for _, s := range slices.Concat(a, b) {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// options are those of both lists; of two with one name the later one.
func options(a, b []corev1.PodDNSConfigOption) (all []corev1.PodDNSConfigOption) {
	for _, o := range slices.Concat(a, b) {
		if i := slices.IndexFunc(all, func(had corev1.PodDNSConfigOption) bool { return had.Name == o.Name }); i >= 0 {
			all[i] = o
		} else {
			all = append(all, o)
		}
	}
	return all
}
