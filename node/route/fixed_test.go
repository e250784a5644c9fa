package route_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// at is an address that somebody wrote down, with ports such as "pg/tcp=5432", and what else is said of it.
func at(ip string, words ...string) manifest.Fixed {
	f := manifest.Fixed{IP: netip.MustParseAddr(ip), Ports: map[string]uint16{}, Ready: true, From: manifest.Meta{Origin: manifest.Origin{File: "db.yaml", Line: 3}}}
	for _, word := range words {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "unready":
			f.Ready = false
		case "ending":
			f.Ready, f.Ending = false, true
		case "on":
			f.Node = value
		case "called":
			f.Hostname = value
		default:
			var port uint16
			_, _ = fmt.Sscan(value, &port)
			f.Ports[key] = port
		}
	}
	return f
}

// ends are the endpoints of a Service, a line each.
func ends(s route.Service) string {
	var lines []string
	for _, e := range s.Endpoints {
		line := fmt.Sprintf("%s%v", e.IP, e.Ports)
		for _, word := range []string{e.Pod, e.Node, e.Hostname} {
			if word != "" {
				line += " " + word
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestAServiceWithoutASelectorLeadsWhereSomebodyWrote(t *testing.T) {
	headless := func(s *manifest.Service) { s.Headless = true }
	unready := func(s *manifest.Service) { s.PublishNotReady = true }
	for _, c := range []struct {
		name      string
		fixed     []manifest.Fixed
		change    func(*manifest.Service)
		want, why string
	}{
		{"one address", []manifest.Fixed{at("192.0.2.7", "pg/tcp=5432", "web/udp=81")}, nil, "192.0.2.7[5432 81]", ""},
		{"several, in order", []manifest.Fixed{at("192.0.2.9", "pg/tcp=1", "web/udp=1"), at("192.0.2.8", "pg/tcp=1", "web/udp=1")}, nil, "192.0.2.8[1 1]\n192.0.2.9[1 1]", ""},
		{"one on a node of ours", []manifest.Fixed{at("192.0.2.7", "pg/tcp=1", "web/udp=1", "on=n1"), at("192.0.2.6", "pg/tcp=1", "web/udp=1", "on=n9")}, nil, "192.0.2.6[1 1]\n192.0.2.7[1 1] n1", ""},
		{"written twice", []manifest.Fixed{at("192.0.2.7", "pg/tcp=1", "web/udp=1"), at("192.0.2.7", "pg/tcp=1", "web/udp=1")}, nil, "192.0.2.7[1 1]", ""},
		{"each port by itself", []manifest.Fixed{at("192.0.2.7", "pg/tcp=1"), at("192.0.2.7", "web/udp=2")}, nil, "192.0.2.7[1 2]", ""},
		{"two ports of one address", []manifest.Fixed{at("192.0.2.7", "pg/tcp=1", "web/udp=2"), at("192.0.2.7", "pg/tcp=3", "web/udp=2")}, nil, "192.0.2.7[1 2]\n192.0.2.7[3 0]", ""},
		{"a port of another protocol", []manifest.Fixed{at("192.0.2.7", "pg/tcp=1", "web/tcp=2")}, nil, "192.0.2.7[1 0]", `port 81 leads nowhere: nothing that is written down for it has a port of the name "web", UDP`},
		{"not ready", []manifest.Fixed{at("192.0.2.7", "pg/tcp=1", "web/udp=1", "unready")}, nil, "", "none of the 1 addresses that are written down for it is ready"},
		{"that is published", []manifest.Fixed{at("192.0.2.7", "pg/tcp=1", "web/udp=1", "unready")}, unready, "192.0.2.7[1 1]", ""},
		{"what ends is asked last", []manifest.Fixed{at("192.0.2.7", "pg/tcp=1", "web/udp=1", "ending"), at("192.0.2.8", "pg/tcp=1", "web/udp=1")}, nil, "192.0.2.8[1 1]", ""},
		{"but is asked", []manifest.Fixed{at("192.0.2.7", "pg/tcp=1", "web/udp=1", "ending"), at("192.0.2.8", "pg/tcp=1", "web/udp=1", "unready")}, nil, "192.0.2.7[1 1]", ""},
		{"its name", []manifest.Fixed{at("192.0.2.7", "pg/tcp=1", "web/udp=1", "called=a")}, headless, "192.0.2.7[1 1] a", ""},
		{"which only a headless one has a use for", []manifest.Fixed{at("192.0.2.7", "pg/tcp=1", "web/udp=1", "called=a"), at("192.0.2.7", "pg/tcp=1", "web/udp=1", "called=b")}, nil, "192.0.2.7[1 1]", ""},
		{"another Service", []manifest.Fixed{at("10.43.0.9", "pg/tcp=1", "web/udp=1"), at("192.0.2.7", "pg/tcp=1", "web/udp=1")}, nil, "192.0.2.7[1 1]", "10.43.0.9, db.yaml:3, is a Service's address and is left out: a Service leads to no other one"},
		{"a pod", []manifest.Fixed{at("10.42.1.7", "pg/tcp=1", "web/udp=1")}, nil, "10.42.1.7[1 1] n1", "10.42.1.7, db.yaml:3, is a pod's address, and the pod that comes next has another: write a selector"},
		{"nothing", nil, nil, "", "it has no selector, and no EndpointSlice with the label kubernetes.io/service-name: db says where it leads"},
	} {
		s := service("db", manifest.ServicePort{Name: "pg", Protocol: "tcp", Port: 80}, manifest.ServicePort{Name: "web", Protocol: "udp", Port: 81})
		s.Selector, s.Fixed = nil, c.fixed
		if c.change != nil {
			c.change(&s)
		}
		table, built, _ := route.Build(route.Want{Net: net, Nodes: []route.Node{{Name: "n1", Range: netip.MustParsePrefix("10.42.1.0/24")}, {Name: "n2"}}, Services: []manifest.Service{s}, Pods: []route.Pod{pod("db", 0, route.Ready)}})
		if got := ends(table.Services[0]); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
		if b := built[0]; b.Why != c.why || b.Selected != len(c.fixed) || b.Sent != len(table.Services[0].Endpoints) {
			t.Errorf("%s: %+v", c.name, b)
		}
	}
}

// In whatever order addresses are written down, each port of each is asked once.
func TestTheOrderOfWhatIsWrittenDownIsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := service("db", manifest.ServicePort{Name: "a", Protocol: "tcp", Port: 80}, manifest.ServicePort{Name: "b", Protocol: "tcp", Port: 81})
		s.Selector = nil
		want := [2][]string{}
		for range rapid.IntRange(1, 6).Draw(t, "addresses") {
			f := at(fmt.Sprintf("192.0.2.%d", rapid.IntRange(1, 2).Draw(t, "ip")))
			for i, name := range []string{"a/tcp", "b/tcp"} {
				if port := rapid.IntRange(0, 3).Draw(t, name); port > 0 {
					f.Ports[name] = uint16(port)
					want[i] = append(want[i], fmt.Sprintf("%s:%d", f.IP, port))
				}
			}
			s.Fixed = append(s.Fixed, f)
		}
		first, _ := build([]manifest.Service{s})
		s.Fixed = rapid.Permutation(s.Fixed).Draw(t, "order")
		second, _ := build([]manifest.Service{s})
		if !first.Same(&second) {
			t.Fatalf("%s\nis not\n%s", ends(first.Services[0]), ends(second.Services[0]))
		}
		for i := range want {
			var got []string
			for _, target := range first.Services[0].Targets(i) {
				got = append(got, target.String())
			}
			slices.Sort(got)
			slices.Sort(want[i])
			if want[i] = slices.Compact(want[i]); !slices.Equal(got, want[i]) {
				t.Fatalf("port %d: %v, want %v", i, got, want[i])
			}
		}
	})
}
