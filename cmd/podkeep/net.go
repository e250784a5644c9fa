package main

import (
	"fmt"
	"net/netip"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/podkeep/podkeep/manifest"
)

// longestDomain is what three labels of 63 letters, a pod's hostname, its Service and its namespace, and "svc" leave of a name.
const longestDomain = 253 - 3*64 - len("svc.")

// netSettings say which addresses and names the cluster has for its pods and Services.
type netSettings struct{ clusterCIDR, serviceCIDR, clusterDomain string }

func (s *netSettings) register(flags *pflag.FlagSet) {
	flags.StringVar(&s.clusterCIDR, "cluster-cidr", "10.42.0.0/16", "range of the pods' addresses, for Nodes that name no podCIDR")
	flags.StringVar(&s.serviceCIDR, "service-cidr", "10.43.0.0/16", "range of the Services' addresses")
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
	return manifest.Net{Pods: pods, Virtual: virtual, Domain: s.clusterDomain}, nil
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
