package route_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// balancer is a Service of type LoadBalancer by one port, or at addresses outside.
func balancer(name string, port uint16, outside ...string) manifest.Service {
	s := service(name, manifest.ServicePort{Protocol: "tcp", Port: port, Target: intstr.FromInt32(8080)})
	s.Balanced = true
	for _, ip := range outside {
		s.Outside = append(s.Outside, netip.MustParseAddr(ip))
	}
	return s
}

// external is one of type ClusterIP with externalIPs.
func external(name string, port uint16, ips ...string) manifest.Service {
	s := balancer(name, port, ips...)
	s.Balanced = false
	return s
}

var hosts = []route.Node{
	{Name: "n1", Address: netip.MustParseAddr("192.0.2.1"), Range: netip.MustParsePrefix("10.50.1.0/24")},
	{Name: "n2", Address: netip.MustParseAddr("192.0.2.2"), Range: netip.MustParsePrefix("10.42.2.0/24"), Excluded: true},
	{Name: "n3", Range: netip.MustParsePrefix("10.42.3.0/24")},
}

func wantOf(services ...manifest.Service) route.Want {
	n := net
	n.Outside = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/28")}
	return route.Want{Net: n, Nodes: hosts, Services: services, Reach: []uint16{2222}}
}

// open is who is reached where from outside, and what is said, in a line for each.
func open(w route.Want) (text string, t route.Table) {
	t, built, _ := route.Build(w)
	var lines []string
	for i, b := range built {
		words := []string{b.ID.Name}
		made := t.Service(b.ID.Namespace, b.ID.Name)
		for _, p := range made.Ports {
			if p.NodePort != 0 {
				words = append(words, fmt.Sprintf("node:%d", p.NodePort))
			}
			if p.Hosts {
				words = append(words, fmt.Sprintf("hosts:%d", p.Port))
			}
			for _, ip := range p.Outside {
				words = append(words, fmt.Sprintf("%s:%d", ip, p.Port))
			}
		}
		if made.Health != 0 {
			words = append(words, fmt.Sprintf("health:%d", made.Health))
		}
		if why := strings.TrimSuffix(strings.TrimSuffix(built[i].Why, "its selector chooses no pod"), "; "); why != "" {
			words = append(words, "("+why+")")
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return strings.Join(lines, "\n"), t
}

func TestWhereServicesAreReachedFromOutside(t *testing.T) {
	ported := func(s manifest.Service, node uint16) manifest.Service {
		s.Ports[0].NodePort = node
		return s
	}
	healthy := balancer("well", 80)
	healthy.Health, healthy.HealthPort = true, 30999
	dns := balancer("dns", 4789)
	dns.Ports[0].Protocol = "udp"
	for _, c := range []struct {
		claim    string
		services []manifest.Service
		want     string
	}{
		{"at all hosts", []manifest.Service{balancer("a", 80)}, "a hosts:80"},
		{"at all hosts, and a port of theirs", []manifest.Service{ported(balancer("a", 80), 30080)}, "a node:30080 hosts:80"},
		{"one port is enough where both are one", []manifest.Service{ported(balancer("a", 30080), 30080)}, "a node:30080"},
		{"at addresses alone that it asks for", []manifest.Service{balancer("a", 80, "192.0.2.1", "203.0.113.7")}, "a 192.0.2.1:80 203.0.113.7:80"},
		{"of any type", []manifest.Service{external("a", 80, "192.0.2.1")}, "a 192.0.2.1:80"},
		{"nodes say who is well", []manifest.Service{healthy}, "well hosts:80 health:30999"},
		{"the port is the first one's", []manifest.Service{balancer("a", 80), balancer("b", 80), balancer("c", 81)},
			"a hosts:80\nb (hosts' port 80/tcp is default/a's; ask for another, or for an address with loadBalancerIP)\nc hosts:81"},
		{"another has it as nodePort", []manifest.Service{balancer("a", 30080), ported(external("b", 80), 30080)},
			"a hosts:30080\nb (nodePort 30080/tcp is default/a's; ask for another, or for none)"},
		{"so is one at an address", []manifest.Service{external("a", 80, "192.0.2.1", "203.0.113.7"), balancer("b", 80, "203.0.113.7"), external("c", 81, "203.0.113.7")},
			"a 192.0.2.1:80 203.0.113.7:80\nb (port 80/tcp at 203.0.113.7 is default/a's; ask for another port, or another address)\nc 203.0.113.7:81"},
		{"who has all hosts has each of them", []manifest.Service{external("a", 80, "192.0.2.1"), balancer("b", 80)},
			"a (port 80/tcp at 192.0.2.1 is default/b's at all hosts; ask for another port, or another address)\nb hosts:80"},
		{"but for those that are set apart", []manifest.Service{external("a", 80, "192.0.2.2"), balancer("b", 80)}, "a 192.0.2.2:80\nb hosts:80"},
		{"a stranger's address", []manifest.Service{external("a", 80, "192.0.2.1", "198.51.100.1")},
			"a 192.0.2.1:80 (externalIP 198.51.100.1 is no node's, and not in --external-cidr; ask for a node's, or begin podkeep with --external-cidr=198.51.100.1/32)"},
		{"one of a balancer's", []manifest.Service{balancer("a", 80, "203.0.113.16")},
			"a (load balancer's address 203.0.113.16 is no node's, and not in --external-cidr; ask for a node's, or begin podkeep with --external-cidr=203.0.113.16/32)"},
		{"one of the pods'", []manifest.Service{external("a", 80, "10.42.1.7")}, "a (externalIP 10.42.1.7 is one of the pods' own; ask for a node's)"},
		{"one of a node's pods", []manifest.Service{external("a", 80, "10.50.1.7")}, "a (externalIP 10.50.1.7 is one of the pods' own; ask for a node's)"},
		{"one of the Services'", []manifest.Service{external("a", 80, "10.43.0.7")},
			"a (externalIP 10.43.0.7 is one of the Services' own; ask for it as clusterIP, or for a node's)"},
		{"SSH stays the hosts'", []manifest.Service{external("a", 22, "192.0.2.1", "203.0.113.7")},
			"a 203.0.113.7:22 (port 22/tcp at 192.0.2.1 is the hosts' own, for SSH; ask for another port, or another address)"},
		{"also by another port", []manifest.Service{balancer("a", 2222)},
			"a (hosts' port 2222/tcp is a port by which podkeep reaches a host; ask for another, or for an address with loadBalancerIP)"},
		{"and the tunnel", []manifest.Service{dns},
			"dns (hosts' port 4789/udp is the hosts' own, for the tunnel between them; ask for another, or for an address with loadBalancerIP)"},
	} {
		if got, _ := open(wantOf(c.services...)); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.claim, got, c.want)
		}
	}
}

func TestWhoIsReachedSomewhereStaysSo(t *testing.T) {
	for _, c := range []struct {
		claim         string
		before, after []manifest.Service
		want          string
	}{
		{"a port of hosts", []manifest.Service{balancer("b", 80)}, []manifest.Service{balancer("a", 80), balancer("b", 80)},
			"a (hosts' port 80/tcp is default/b's; ask for another, or for an address with loadBalancerIP)\nb hosts:80"},
		{"an address", []manifest.Service{external("b", 80, "203.0.113.7")}, []manifest.Service{balancer("a", 80, "203.0.113.7"), external("b", 80, "203.0.113.7")},
			"a (port 80/tcp at 203.0.113.7 is default/b's; ask for another port, or another address)\nb 203.0.113.7:80"},
		{"an address of a host, though another asks for all", []manifest.Service{external("b", 80, "192.0.2.1")}, []manifest.Service{balancer("a", 80), external("b", 80, "192.0.2.1")},
			"a (hosts' port 80/tcp is default/b's at the address of a host; ask for another, or for an address with loadBalancerIP)\nb 192.0.2.1:80"},
		{"until it asks for it no more", []manifest.Service{balancer("b", 80)}, []manifest.Service{balancer("a", 80), balancer("b", 81)}, "a hosts:80\nb hosts:81"},
	} {
		_, table := open(wantOf(c.before...))
		w := wantOf(c.after...)
		w.Before = &table
		if got, _ := open(w); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.claim, got, c.want)
		}
	}
}

func TestAPortThatIsChosenIsNobodysElse(t *testing.T) {
	one := service("one")
	one.NodePorts, one.Health = true, true
	_, table := open(wantOf(one))
	had, health := table.Services[0].Ports[0].NodePort, table.Services[0].Health
	if had == health || health < route.FirstNodePort || health > route.LastNodePort {
		t.Errorf("nodePort %d, health %d", had, health)
	}
	w := wantOf(balancer("a", had), one)
	w.Reach = []uint16{health}
	if _, table = open(w); table.Services[1].Ports[0].NodePort == had || table.Services[1].Health == health || table.Services[1].Health == 0 {
		t.Errorf("%d is a's, %d podkeep's: %+v", had, health, table.Services[1])
	}
	w = wantOf(one)
	w.Before = &table
	if _, again := open(w); again.Services[0].Health != table.Services[1].Health {
		t.Errorf("%d becomes %d", table.Services[1].Health, again.Services[0].Health)
	}
}

func TestWhoMayComeIsInTheTable(t *testing.T) {
	s := balancer("a", 80)
	s.Sources = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	if _, table := open(wantOf(s)); len(table.Services[0].Sources) != 1 || table.Services[0].Sources[0] != s.Sources[0] {
		t.Errorf("%+v", table.Services[0])
	}
}

// No Service is ever reached at an address outside that is neither a node's nor in a range that was named (CVE-2020-8554).
func TestNoServiceHasAStrangersAddress(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var before *route.Table
		for range rapid.IntRange(1, 4).Draw(t, "commits") {
			w := wantOf()
			w.Before, w.Net.Outside = before, w.Net.Outside[:rapid.IntRange(0, 1).Draw(t, "ranges")]
			w.Nodes = w.Nodes[:rapid.IntRange(0, len(hosts)).Draw(t, "nodes")]
			for i := range 6 {
				var ips []string
				for range rapid.IntRange(0, 2).Draw(t, "addresses") {
					ips = append(ips, rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "203.0.113.7", "203.0.113.77", "10.42.1.7", "10.43.0.7", "8.8.8.8"}).Draw(t, "address"))
				}
				s := external(fmt.Sprint("s", i), uint16(rapid.SampledFrom([]int{80, 22, 2222, 30080}).Draw(t, "port")), ips...)
				s.Balanced, s.NodePorts = rapid.Bool().Draw(t, "balanced"), rapid.Bool().Draw(t, "node ports")
				w.Services = append(w.Services, s)
			}
			table, _, _ := route.Build(w)
			hostPorts, places := map[route.HostPort]string{}, map[string]string{}
			claim := func(p route.HostPort, s route.Service) {
				if other := hostPorts[p]; other != "" || p.Port == 22 || p.Port == 2222 {
					t.Fatalf("%s has %s of hosts, which is %q's", s.Name, p, other)
				}
				hostPorts[p] = s.Name
			}
			for _, s := range table.Services {
				for _, p := range s.Ports {
					if p.NodePort != 0 {
						claim(route.HostPort{Port: p.NodePort, Protocol: p.Protocol}, s)
					}
					if p.Hosts {
						claim(route.HostPort{Port: p.Port, Protocol: p.Protocol}, s)
					}
				}
			}
			for _, s := range table.Services {
				for _, p := range s.Ports {
					for _, ip := range p.Outside {
						at := fmt.Sprint(ip, ":", p.Port)
						i, named := nodeAt(w.Nodes, ip), len(w.Net.Outside) > 0 && w.Net.Outside[0].Contains(ip)
						switch other := hostPorts[route.HostPort{Port: p.Port, Protocol: p.Protocol}]; {
						case i < 0 && !named:
							t.Fatalf("%s has %s, which is nobody's to give", s.Name, at)
						case places[at] != "" && places[at] != s.Name:
							t.Fatalf("%s has %s, which is %s's", s.Name, at, places[at])
						case i >= 0 && (p.Port == 22 || p.Port == 2222):
							t.Fatalf("%s has %s, which is the host's", s.Name, at)
						case i >= 0 && other != "" && other != s.Name && !w.Nodes[i].Excluded:
							t.Fatalf("%s has %s, which is %s's at all hosts", s.Name, at, other)
						}
						places[at] = s.Name
					}
				}
			}
			before = &table
		}
	})
}

func nodeAt(nodes []route.Node, ip netip.Addr) int {
	for i, n := range nodes {
		if n.Address == ip {
			return i
		}
	}
	return -1
}
