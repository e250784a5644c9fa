package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/podkeep/podkeep/manifest"
)

// longestDomain is what three labels of 63 letters, a pod's hostname, its Service and its namespace, and "svc" leave of a name.
const longestDomain = 253 - 3*64 - len("svc.")

// netSettings say which addresses and names the cluster has for its pods and Services.
type netSettings struct {
	clusterCIDR, serviceCIDR, clusterDomain string
	externalCIDRs                           []string
}

func (s *netSettings) register(flags *pflag.FlagSet) {
	flags.StringVar(&s.clusterCIDR, "cluster-cidr", "10.42.0.0/16", "range of the pods' addresses, for Nodes that name no podCIDR")
	flags.StringVar(&s.serviceCIDR, "service-cidr", "10.43.0.0/16", "range of the Services' addresses")
	flags.StringSliceVar(&s.externalCIDRs, "external-cidr", nil, "`RANGE` of addresses that Services may ask for as externalIPs and loadBalancerIP, beside those of nodes")
	flags.StringVar(&s.clusterDomain, "cluster-domain", manifest.DefaultDomain, "domain of the Services' names")
}

func (s *netSettings) check() error {
	_, err := s.net()
	return err
}

// net is what they say.
func (s *netSettings) net() (manifest.Net, error) {
	pods, err := rangeOf("cluster-cidr", s.clusterCIDR)
	if err != nil {
		return manifest.Net{}, err
	}
	virtual, err := rangeOf("service-cidr", s.serviceCIDR)
	switch {
	case err != nil:
		return manifest.Net{}, err
	case pods.Overlaps(virtual):
		return manifest.Net{}, fmt.Errorf("service-cidr %s: overlaps --cluster-cidr, %s; give Services a range of their own", virtual, pods)
	case len(s.clusterDomain) > longestDomain:
		return manifest.Net{}, fmt.Errorf("cluster-domain %q: has %d letters; with more than %d there are pods whose names are too long to be asked for",
			s.clusterDomain, len(s.clusterDomain), longestDomain)
	case len(validation.IsDNS1123Subdomain(s.clusterDomain)) > 0:
		return manifest.Net{}, fmt.Errorf("cluster-domain %q: write a domain in small letters and without a dot at its end, such as cluster.local", s.clusterDomain)
	}
	net := manifest.Net{Pods: pods, Virtual: virtual, Domain: s.clusterDomain}
	for _, text := range s.externalCIDRs {
		r, err := external(strings.TrimSpace(text), net)
		if err != nil {
			return manifest.Net{}, err
		}
		net.Outside = append(net.Outside, r)
	}
	return net, nil
}

// external reads a range of addresses that are neither pods' nor Services' own.
func external(text string, net manifest.Net) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || !p.Addr().Is4():
		return p, fmt.Errorf("external-cidr %q: write a range of IPv4 addresses, such as 192.0.2.0/24, or 192.0.2.7/32 for a single one", text)
	case p != p.Masked():
		return p, fmt.Errorf("external-cidr %s: is an address within a range; write %s", text, p.Masked())
	case p.Bits() < 8:
		return p, fmt.Errorf("external-cidr %s: write a /8 or a smaller range: who may write a Service could have hosts lead away what is sent to any of these", text)
	case manifest.IsNoHosts(p.Addr()):
		return p, fmt.Errorf("external-cidr %s: by these addresses nobody reaches a host; write those that are led to the nodes", text)
	case p.Overlaps(net.Pods), p.Overlaps(net.Virtual):
		return p, fmt.Errorf("external-cidr %s: overlaps --cluster-cidr, %s, or --service-cidr, %s; write addresses that neither pods nor Services have", text, net.Pods, net.Virtual)
	}
	return p, nil
}

// rangeOf reads a flag's range of IPv4 addresses, which can be parted into those of nodes.
func rangeOf(flag, text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || !p.Addr().Is4():
		return p, fmt.Errorf("%s %q: write a range of IPv4 addresses, such as 10.42.0.0/16", flag, text)
	case p != p.Masked():
		return p, fmt.Errorf("%s %s: is an address within a range; write %s", flag, text, p.Masked())
	case p.Bits() < 8 || p.Bits() > 24:
		return p, fmt.Errorf("%s %s: write a range between a /8 and a /24", flag, text)
	}
	return p, nil
}
