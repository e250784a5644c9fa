package main

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/podkeep/podkeep/manifest"
)

func TestTheClustersAddressesAreChecked(t *testing.T) {
	defaults := manifest.Net{Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16"), Domain: "cluster.local"}
	for name, c := range map[string]struct {
		flags []string
		want  string
	}{
		"nothing given":        {nil, ""},
		"IPv6":                 {[]string{"--cluster-cidr=fd00::/64"}, `cluster-cidr "fd00::/64": write a range of IPv4 addresses, such as 10.42.0.0/16`},
		"no range":             {[]string{"--service-cidr=10.43.0.0"}, `service-cidr "10.43.0.0": write a range of IPv4 addresses, such as 10.42.0.0/16`},
		"within a range":       {[]string{"--service-cidr=10.43.0.1/16"}, "service-cidr 10.43.0.1/16: is an address within a range; write 10.43.0.0/16"},
		"too small":            {[]string{"--cluster-cidr=10.42.0.0/25"}, "cluster-cidr 10.42.0.0/25: write a range between a /8 and a /24"},
		"everything":           {[]string{"--cluster-cidr=0.0.0.0/0"}, "cluster-cidr 0.0.0.0/0: write a range between a /8 and a /24"},
		"one within the other": {[]string{"--cluster-cidr=10.0.0.0/8"}, "service-cidr 10.43.0.0/16: overlaps --cluster-cidr, 10.0.0.0/8; give Services a range of their own"},
		"outside, no range":    {[]string{"--external-cidr=192.0.2.7"}, `external-cidr "192.0.2.7": write a range of IPv4 addresses, such as 192.0.2.0/24, or 192.0.2.7/32 for a single one`},
		"outside, within one":  {[]string{"--external-cidr=192.0.2.0/24,203.0.113.1/24"}, "external-cidr 203.0.113.1/24: is an address within a range; write 203.0.113.0/24"},
		"outside, everything":  {[]string{"--external-cidr=0.0.0.0/0"}, "external-cidr 0.0.0.0/0: write a /8 or a smaller range: who may write a Service could have hosts lead away what is sent to any of these"},
		"outside, loopback":    {[]string{"--external-cidr=127.0.0.0/8"}, "external-cidr 127.0.0.0/8: by these addresses nobody reaches a host; write those that are led to the nodes"},
		"outside, the pods'":   {[]string{"--external-cidr=10.42.7.0/24"}, "external-cidr 10.42.7.0/24: overlaps --cluster-cidr, 10.42.0.0/16, or --service-cidr, 10.43.0.0/16; write addresses that neither pods nor Services have"},
		"a long domain":        {[]string{"--cluster-domain=" + strings.Repeat("a.", 28) + "b"}, ""},
		"too long a domain": {[]string{"--cluster-domain=" + strings.Repeat("a", 58)},
			`cluster-domain "` + strings.Repeat("a", 58) + `": has 58 letters; with more than 57 there are pods whose names are too long to be asked for`},
		"no domain": {[]string{"--cluster-domain=Cluster.local."}, `cluster-domain "Cluster.local.": write a domain in small letters and without a dot at its end, such as cluster.local`},
	} {
		var s settings
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		s.register(flags)
		if err := flags.Parse(c.flags); err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := s.check(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %s", name, got)
		}
		defaults.Domain = s.clusterDomain
		if net := s.options(nil, nil, nil).Net; c.want == "" && !reflect.DeepEqual(net, defaults) {
			t.Errorf("%s: %v", name, net)
		}
		s.nodeSide = sideNever
		if net := s.options(nil, nil, nil).Net; c.want == "" && !reflect.DeepEqual(net, manifest.Net{Domain: defaults.Domain}) {
			t.Errorf("%s: %v without a node side", name, net)
		}
	}
}

func TestWhichAddressesServicesMayHaveOutsideIsSaidOneByOneOrInAList(t *testing.T) {
	want := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("203.0.113.7/32"), netip.MustParsePrefix("198.51.100.0/28")}
	s, _, err := configured(t, "", "--external-cidr=192.0.2.0/24,203.0.113.7/32", "--external-cidr=198.51.100.0/28")
	if got := s.options(nil, nil, nil).Net.Outside; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("by flags: %v, %v", got, err)
	}
	s, _, err = configured(t, "external-cidr: 192.0.2.0/24, 203.0.113.7/32,198.51.100.0/28\n")
	if got := s.options(nil, nil, nil).Net.Outside; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("in the file: %v, %v", got, err)
	}
}
