package drivertest

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// podNetwork is the network of the tests' cluster.
func podNetwork() live.PodNetwork {
	named := route.NamedOf(Cluster)
	return live.PodNetwork{Name: named.Network, Bridge: named.Bridge, Range: netip.MustParsePrefix("10.199.7.0/24"), MTU: 1400}
}

func (s *stage) networker() drivers.Networker {
	s.Helper()
	n, ok := s.Driver.(drivers.Networker)
	if !ok {
		s.Fatal("it keeps no network")
	}
	return n
}

func networkStays(s *stage) {
	cleaner := s.Driver.(drivers.Cleaner)
	net := podNetwork()
	is := func() bool {
		what, err := cleaner.Remains(s.ctx())
		s.ok(err)
		return slices.Contains(what, "network "+net.Name)
	}
	if is() {
		s.Error("a network of nobody's")
	}
	for range 2 {
		s.ok(s.networker().Network(s.ctx(), net))
	}
	net.Range = netip.MustParsePrefix("10.199.8.0/24")
	s.ok(s.networker().Network(s.ctx(), net))
	if !is() {
		s.Error("it is not there")
	}
	for range 2 {
		s.ok(s.networker().Networkless(s.ctx(), net.Name))
	}
	if is() {
		s.Error("it is there still")
	}
	s.ok(s.networker().Network(s.ctx(), net))
	s.ok(cleaner.Clean(s.ctx()))
	if is() {
		s.Error("it was not cleaned away")
	}
}

// at gives the pod its place in the cluster's network.
func at(pod manifest.Pod, ip string) manifest.Pod {
	pod.Net = manifest.PodNet{IP: netip.MustParseAddr(ip), DNS: podNetwork().Range.Addr().Next(), Domain: "cluster.local"}
	labels := map[string]string{live.LabelIP: ip}
	for name, value := range pod.Labels {
		if name != live.LabelIP {
			labels[name] = value
		}
	}
	pod.Labels = labels
	return pod
}

func givenAddress(s *stage) {
	s.ok(s.networker().Network(s.ctx(), podNetwork()))
	s.ok(s.Driver.Put(s.ctx(), HostRecord(live.HostFile, "0011")))
	one := at(Pod("one", s.Image), "10.199.7.7")
	one.Labels = live.Sign(Key, one.Labels, live.PodMessage("0011", one.Name, one.Labels))
	s.ok(s.Driver.Run(s.ctx(), one))
	has := func(ip string) func(live.Pod) bool { return func(p live.Pod) bool { return running(p) && p.IP == ip } }
	s.await(one.Name, "running at its address, and signed", func(p live.Pod) bool { return has("10.199.7.7")(p) && p.Signer == KeyText })
	two := at(Pod("two", s.Image), "10.199.7.7")
	for range 2 {
		if err := s.Driver.Run(s.ctx(), two); err == nil || !strings.Contains(err.Error(), "address 10.199.7.7 is taken") {
			s.Fatalf("%v", err)
		}
	}
	two = at(two, "10.199.7.9")
	s.ok(s.Driver.Run(s.ctx(), two))
	s.await(two.Name, "running at another address", has("10.199.7.9"))
	s.ok(s.Driver.Run(s.ctx(), at(two, "10.199.7.10")))
	s.await(two.Name, "left alone", has("10.199.7.9"))
	other := podNetwork()
	other.Range = netip.MustParsePrefix("10.199.8.0/24")
	if s.networker().Network(s.ctx(), other) == nil || s.networker().Networkless(s.ctx(), other.Name) == nil {
		s.Error("the network was taken from its pods")
	}
	if s.Driver.(drivers.Cleaner).Clean(s.ctx()) == nil {
		s.Error("it was cleaned away from its pods")
	}
	for _, pod := range []manifest.Pod{one, two} {
		s.ok(s.Driver.Stop(s.ctx(), pod.Name))
	}
	s.ok(s.networker().Networkless(s.ctx(), podNetwork().Name))
}
