package route_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

var net = manifest.Net{Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16"), Domain: "cluster.local"}

func service(name string, ports ...manifest.ServicePort) manifest.Service {
	if len(ports) == 0 {
		ports = []manifest.ServicePort{{Protocol: "tcp", Port: 80, Target: intstr.FromInt32(8080)}}
	}
	return manifest.Service{
		Meta: manifest.Meta{ID: manifest.ID{Kind: "Service", Namespace: "default", Name: name}}, Selector: map[string]string{"app": name}, Ports: ports,
	}
}

func pod(app string, i int, state route.State) route.Pod {
	return route.Pod{
		Namespace: "default", Name: fmt.Sprintf("%s-%d", app, i), Node: fmt.Sprintf("n%d", i), IP: netip.AddrFrom4([4]byte{10, 42, byte(i), 7}),
		Labels: map[string]string{"app": app, "tier": "front"}, Ports: map[string]string{"http": "8080/tcp", "dns": "53/udp"}, State: state,
	}
}

func build(services []manifest.Service, pods ...route.Pod) (route.Table, []route.Built) {
	t, built, _ := route.Build(route.Want{Net: net, Services: services, Pods: pods})
	return t, built
}

func sent(s route.Service) (names []string) {
	for _, e := range s.Endpoints {
		names = append(names, e.Pod)
	}
	return names
}

func TestAPodIsCalledByTheServiceThatIsItsSubdomain(t *testing.T) {
	p := pod("db", 1, route.Ready)
	p.Hostname, p.Subdomain = "db-1", "db"
	other := service("other")
	other.Selector = map[string]string{"app": "db"}
	made, _ := build([]manifest.Service{service("db"), other}, p)
	if a, b := made.Services[0].Endpoints[0].Hostname, made.Services[1].Endpoints[0].Hostname; a != "db-1" || b != "" {
		t.Errorf("its own calls it %q, another one %q", a, b)
	}
}

func TestRequestsGoToWhatIsReadyAndElseToWhatMayBe(t *testing.T) {
	all := service("web")
	all.PublishNotReady = true
	for _, c := range []struct {
		name   string
		s      manifest.Service
		states []route.State
		want   []string
		why    string
	}{
		{"ready ones alone", service("web"), []route.State{route.Ready, route.Doubtful, route.Unready, route.Ready}, []string{"web-0", "web-3"}, ""},
		{"doubtful ones when none is ready", service("web"), []route.State{route.Doubtful, route.Unready}, []string{"web-0"}, ""},
		{"nobody", service("web"), []route.State{route.Unready, route.Unready}, nil, "none of the 2 pods that it chooses is ready"},
		{"nothing chosen", service("web"), nil, nil, "its selector chooses no pod"},
		{"all where that is asked for", all, []route.State{route.Ready, route.Doubtful, route.Unready}, []string{"web-0", "web-1", "web-2"}, ""},
	} {
		var pods []route.Pod
		for i, state := range c.states {
			pods = append(pods, pod("web", i, state))
		}
		other := pod("web", 9, route.Ready)
		other.Namespace = "elsewhere"
		table, built := build([]manifest.Service{c.s}, append(pods, other, pod("api", 8, route.Ready))...)
		if diff := cmp.Diff(c.want, sent(table.Services[0])); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if built[0].Why != c.why || built[0].Sent != len(c.want) || built[0].Selected != len(c.states) {
			t.Errorf("%s: %+v", c.name, built[0])
		}
	}
}

func TestANamedPortIsEachPodsOwn(t *testing.T) {
	old := pod("web", 1, route.Ready)
	old.Ports = map[string]string{"http": "80/tcp"}
	s := service("web",
		manifest.ServicePort{Name: "http", Protocol: "tcp", Port: 80, Target: intstr.FromString("http")},
		manifest.ServicePort{Name: "dns", Protocol: "tcp", Port: 53, Target: intstr.FromString("dns")})
	table, built := build([]manifest.Service{s}, pod("web", 0, route.Ready), old)
	var got []string
	for _, target := range table.Services[0].Targets(0) {
		got = append(got, target.String())
	}
	if diff := cmp.Diff([]string{"10.42.0.7:8080", "10.42.1.7:80"}, got); diff != "" {
		t.Error(diff)
	}
	if targets := table.Services[0].Targets(1); len(targets) > 0 {
		t.Errorf("a port of another protocol is no port: %v", targets)
	}
	if want := "no pod has a port called dns, the targetPort of port 53"; built[0].Why != want {
		t.Errorf("said %q", built[0].Why)
	}
}

func TestHowPodsAreChosenIsInTheTable(t *testing.T) {
	s := service("web")
	s.Holds, s.Near, s.NearOutside, s.PrefersNear, s.PrefersZone = 60, true, true, true, true
	table, _ := build([]manifest.Service{s}, pod("web", 0, route.Ready), pod("web", 1, route.Ready))
	made := table.Services[0]
	if made.Holds != 60 || !made.Near || !made.NearOutside || !made.PrefersNear || !made.PrefersZone {
		t.Errorf("%+v", made)
	}
	if got := sent(made.On("n1")); len(got) != 1 || got[0] != "web-1" || len(made.Endpoints) != 2 {
		t.Errorf("%v of %v are on n1", got, sent(made))
	}
}

func TestWhatAServiceHasItKeeps(t *testing.T) {
	first, _ := build([]manifest.Service{service("web")})
	had := first.Services[0].IP
	asks := service("api")
	asks.ClusterIP = had
	table, built, _ := route.Build(route.Want{Net: net, Services: []manifest.Service{asks, service("web")}, Before: &first, Served: []*route.Table{&first}})
	if len(table.Services) != 1 || table.Services[0].Name != "web" || table.Services[0].IP != had {
		t.Errorf("%+v", table.Services)
	}
	if want := fmt.Sprintf("clusterIP %s is default/web's; ask for another, or for none", had); built[0].Why != want {
		t.Errorf("said %q", built[0].Why)
	}
	asks.ClusterIP = netip.MustParseAddr("10.44.0.1")
	_, built = build([]manifest.Service{asks})
	if want := "clusterIP 10.44.0.1 is not one of those for Services, 10.43.0.0/16; ask for another, or for none"; built[0].Why != want {
		t.Errorf("said %q", built[0].Why)
	}
	other := manifest.Net{Pods: net.Pods, Virtual: netip.MustParsePrefix("10.99.0.0/16")}
	table, _, _ = route.Build(route.Want{Net: other, Services: []manifest.Service{service("web")}, Before: &first, Served: []*route.Table{&first}})
	if !other.Virtual.Contains(table.Services[0].IP) {
		t.Errorf("in %s it has %s", other.Virtual, table.Services[0].IP)
	}
	asks.ClusterIP = netip.MustParseAddr("10.43.0.10")
	table, _ = build([]manifest.Service{asks})
	if table.Services[0].IP != asks.ClusterIP {
		t.Errorf("%+v", table.Services)
	}
}

func TestAnAddressThatSomeNodeStillServesIsNotGivenToAnother(t *testing.T) {
	small := manifest.Net{Pods: net.Pods, Virtual: netip.MustParsePrefix("10.43.0.0/30")} // two addresses
	first, _, _ := route.Build(route.Want{Net: small, Services: []manifest.Service{service("a"), service("b")}})
	want := route.Want{Net: small, Services: []manifest.Service{service("b"), service("c")}, Before: &first, Served: []*route.Table{&first}}
	table, built, _ := route.Build(want)
	if len(table.Services) != 1 || built[1].Why != "no clusterIP is left for it" {
		t.Errorf("%+v %+v", table.Services, built)
	}
	want.Before, want.Served = &table, []*route.Table{&table}
	if table, _, _ = route.Build(want); len(table.Services) != 2 {
		t.Errorf("%+v", table.Services)
	}
}

func TestPortsOfNodes(t *testing.T) {
	a, b := service("a"), service("b")
	a.NodePorts, b.NodePorts = true, true
	b.Ports[0].NodePort = 30080
	table, _ := build([]manifest.Service{a, b})
	if p := table.Services[1].Ports[0].NodePort; p != 30080 {
		t.Errorf("b has %d", p)
	}
	had := table.Services[0].Ports[0].NodePort
	if had < route.FirstNodePort || had > route.LastNodePort {
		t.Errorf("a has %d", had)
	}
	a.Ports = []manifest.ServicePort{{Protocol: "tcp", Port: 80, NodePort: 30080, Target: intstr.FromInt32(1)}}
	table, built, _ := route.Build(route.Want{Net: net, Services: []manifest.Service{a, b}, Before: &table})
	if want := "nodePort 30080/tcp is default/b's; ask for another, or for none"; built[0].Why != want {
		t.Errorf("said %q", built[0].Why)
	}
	if table.Services[0].Ports[0].NodePort != 0 || table.Services[1].Ports[0].NodePort != 30080 {
		t.Errorf("%+v", table.Services)
	}
}

func TestWhatNobodyHasLookedAtYetIsCarried(t *testing.T) {
	carried := func(state route.State) route.Carried {
		return route.Carried{Namespace: "default", Service: "web", State: state, Endpoint: route.Endpoint{
			Pod: "web-5", Node: "n5", IP: netip.MustParseAddr("10.42.5.7"), Ports: []uint16{8080},
		}}
	}
	for _, c := range []struct {
		state route.State
		want  []string
	}{{route.Ready, []string{"web-0", "web-5"}}, {route.Doubtful, []string{"web-0"}}} {
		table, _, _ := route.Build(route.Want{
			Net: net, Services: []manifest.Service{service("web")}, Pods: []route.Pod{pod("web", 0, route.Ready)}, Carried: []route.Carried{carried(c.state)},
		})
		if diff := cmp.Diff(c.want, sent(table.Services[0])); diff != "" {
			t.Error(diff)
		}
	}
}

// Whatever comes and goes, no two Services have one address or one port of nodes, and none loses what it has.
func TestNothingIsGivenTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := manifest.Net{Virtual: netip.MustParsePrefix("10.43.0.0/28")}
		var before *route.Table
		for range rapid.IntRange(1, 6).Draw(t, "commits") {
			var services []manifest.Service
			for i := range 20 {
				if !rapid.Bool().Draw(t, "there") {
					continue
				}
				s := service(fmt.Sprintf("s%02d", i))
				s.NodePorts = rapid.Bool().Draw(t, "node ports")
				if rapid.IntRange(0, 3).Draw(t, "asks") == 0 {
					s.ClusterIP = route.At(n.Virtual, rapid.Uint32Range(0, 20).Draw(t, "ip"))
					s.Ports[0].NodePort = uint16(rapid.IntRange(30000, 30003).Draw(t, "port"))
				}
				services = append(services, s)
			}
			table, built, _ := route.Build(route.Want{Net: n, Services: services, Before: before})
			said := map[string]string{}
			for _, b := range built {
				said[b.ID.Name] = b.Why
			}
			byIP, byPort := map[netip.Addr]string{}, map[uint16]string{}
			for _, s := range table.Services {
				if !n.Virtual.Contains(s.IP) || byIP[s.IP] != "" {
					t.Fatalf("%s has %s, which is %q's", s.Name, s.IP, byIP[s.IP])
				}
				byIP[s.IP] = s.Name
				if p := s.Ports[0].NodePort; p != 0 && byPort[p] != "" {
					t.Fatalf("%s has port %d, which is %s's", s.Name, p, byPort[p])
				} else if p != 0 {
					byPort[p] = s.Name
				}
			}
			for _, s := range services {
				found := false
				for _, made := range table.Services {
					found = found || made.Name == s.Name
				}
				if !found && said[s.Name] == "" {
					t.Fatalf("%s has no address, and nothing says why", s.Name)
				}
			}
			before = &table
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	var services []manifest.Service
	var pods []route.Pod
	for i := range 1000 {
		name := fmt.Sprintf("s%04d", i)
		services = append(services, service(name))
		for k := range 10 {
			p := pod(name, k, route.Ready)
			p.IP = netip.AddrFrom4([4]byte{10, 42, byte(k), byte(i)})
			pods = append(pods, p)
		}
	}
	first, _ := build(services, pods...)
	for b.Loop() {
		route.Build(route.Want{Net: net, Services: services, Pods: pods, Before: &first, Served: []*route.Table{&first}})
	}
}

func TestTablesAreTheSameWhateverTheirNumbers(t *testing.T) {
	one, _ := build([]manifest.Service{service("web")}, pod("web", 0, route.Ready))
	two, _ := build([]manifest.Service{service("web")}, pod("web", 0, route.Ready))
	two.Number = 7
	if !one.Same(&two) {
		t.Error("another number is another table")
	}
	two.Services[0].Endpoints[0].Ports[0]++
	var none *route.Table
	if one.Same(&two) || one.Same(nil) || none.Same(&one) || !none.Same(nil) {
		t.Error("different tables are the same")
	}
	if s := one.Service("default", "web"); s != &one.Services[0] || one.Service("shop", "web") != nil || none.Service("default", "web") != nil {
		t.Errorf("found %v", s)
	}
}

func TestAnOutsideNameHasNothingElse(t *testing.T) {
	s := manifest.Service{Meta: service("db").Meta, Headless: true, External: "db.example.com"}
	table, built := build([]manifest.Service{s}, pod("db", 0, route.Ready))
	if want := []route.Service{{Namespace: "default", Name: "db", External: "db.example.com"}}; !reflect.DeepEqual(want, table.Services) {
		t.Errorf("%+v", table.Services)
	}
	if built[0] != (route.Built{ID: s.ID}) {
		t.Errorf("said %+v", built[0])
	}
}
