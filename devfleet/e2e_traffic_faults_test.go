package devfleet_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/devfleet"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

// unservedManifest has Services that cannot be served as they ask, beside one that can.
const unservedManifest = `
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: portless}
spec: {selector: {app: hello}, ports: [{port: 80, targetPort: nothing}]}
---
apiVersion: v1
kind: Service
metadata: {name: first}
spec: {clusterIP: 10.43.0.77, selector: {app: hello}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: second}
spec: {clusterIP: 10.43.0.77, selector: {app: hello}, ports: [{port: 80}]}
`

// traffic is a stage with requests from its nodes, and from this machine.
type traffic struct {
	*stage
	over    context.Context // of the test
	virtual string
	port    int32
	loads   map[string]*asker // by node; "" is this machine
	since   time.Time         // what fails and began later is an error
	were    []string          // pods of the host that lost its power
}

// TestFaultsOfTheNetwork has hosts and links fail under load. Requests that begin once that is mended, or is left out, are all answered.
func TestFaultsOfTheNetwork(t *testing.T) {
	s := asked(t, "traffic-faults")
	s.write("unserved.yaml", unservedManifest)
	net := &traffic{stage: s, over: t.Context(), loads: map[string]*asker{}}
	scene := func(claim string, play func(*traffic)) {
		s.scene(claim, func(s *stage) {
			net.stage = s
			play(net)
		})
	}
	scene("what cannot be served is said, and the rest is", unserved)
	scene("a host without power is sent nothing", powerless)
	scene("and is again once it is back", powered)
	scene("nftables is emptied by somebody else", flushed)
	scene("routes, tunnel, address and bridge are removed by somebody else", unlinked)
	scene("packets of pods are dropped on the wire between two hosts", narrowed)
	scene("all packets are dropped between two hosts", cut)
	scene("Podman is started anew", podmanAnew)
	scene("a host is restarted", restarted)
	for _, l := range net.loads {
		s.Logf("from %q: %+v", l.node, l.end(s))
	}
}

func unserved(s *traffic) {
	s.start()
	s.converges(s.push("traffic"))
	svc := s.service("hello")
	s.virtual, s.port = svc.Spec.ClusterIP, svc.Spec.Ports[0].NodePort
	s.says("its selector chooses no pod", "no pod has a port called nothing, the targetPort of port 80", "10.43.0.77 is asked for by Service/default/first too")
	for _, from := range []string{"n1", "n2", ""} {
		s.begins(from, "n1", "n2")
	}
	s.flows()
}

func powerless(s *traffic) {
	s.were = s.pods("n3")
	s.ok(s.fleet.PowerOff(s.Context(), "n3"))
	for _, n := range []string{"n1", "n2"} {
		s.sends(n, func(slots string) bool { return !strings.Contains(slots, s.prefix("n3")) })
	}
	s.since = time.Now()
	s.answered()
}

func powered(s *traffic) {
	s.ok(s.fleet.Heal(s.Context(), "n3"))
	s.serves("n3")
	if diff := cmp.Diff(s.were, s.pods("n3")); diff != "" {
		s.Error(diff)
	}
	s.begins("n3", "n1", "n2", "n3")
	s.flows()
}

func flushed(s *traffic) {
	before := s.rules("n1")
	s.on("n1", "nft", "flush", "ruleset")
	s.mended(func() string { return cmp.Diff(before, s.rules("n1")) })
	s.flows()
}

func unlinked(s *traffic) {
	named := route.NamedOf("e2e")
	nodes := []string{"n1", "n2", "n3"}
	var before []string
	for _, n := range nodes {
		before = append(before, s.links(n))
	}
	for i, harm := range []string{
		"ip link del " + named.Tunnel + "; ip route flush proto 112", "ip addr flush dev " + named.Bridge, "ip link del " + named.Bridge,
	} {
		s.on(nodes[i], "sh", "-c", harm)
	}
	s.mended(func() string {
		for i, n := range nodes {
			if diff := cmp.Diff(before[i], s.links(n)); diff != "" {
				return n + diff
			}
		}
		return ""
	})
	s.flows()
}

// narrowed has two hosts take nothing from the wire that pods of the other send. The tunnel takes it.
func narrowed(s *traffic) {
	s.drops("n1", s.cidr("n2"))
	s.drops("n2", s.cidr("n1"))
	s.says("n3: direct; n2: vxlan", "n3: direct; n1: vxlan")
	s.since = time.Now()
	s.flows()
	s.takes("n1", "n2")
	s.says("n2, n3: direct", "n1, n3: direct")
	s.flows()
}

// cut has them take nothing at all from each other, though the controller hears both.
func cut(s *traffic) {
	s.drops("n1", s.address("n2"), s.cidr("n2"))
	s.drops("n2", s.address("n1"), s.cidr("n1"))
	s.says("n3: direct; n2: vxlan", "n3: direct; n1: vxlan")
	s.takes("n1", "n2")
	s.since = time.Now()
	s.says("n2, n3: direct", "n1, n3: direct")
	s.flows()
}

func podmanAnew(s *traffic) {
	s.ok(s.fleet.KillService(s.Context(), "n1"))
	s.says("n1 silent for")
	s.ok(s.fleet.Heal(s.Context(), "n1"))
	s.saysNoMore("silent for")
	s.flows()
}

func restarted(s *traffic) {
	before, ended := s.pods("n2"), s.loads["n2"]
	delete(s.loads, "n2")
	s.ok(s.fleet.Reboot(s.Context(), "n2"))
	_ = ended.cmd.Wait()
	s.serves("n2")
	s.since = time.Now()
	if diff := cmp.Diff(before, s.pods("n2")); diff != "" {
		s.Error(diff)
	}
	s.begins("n2", "n1", "n2")
	s.flows()
}

// begins asks from a node, by the ports of others.
func (s *traffic) begins(from string, by ...string) {
	s.Helper()
	var urls []string
	if from != "" {
		urls = append(urls, "http://"+s.virtual+"/")
	}
	for _, n := range by {
		urls = append(urls, fmt.Sprintf("http://%s:%d/", s.address(n), s.port))
	}
	s.loads[from] = s.asks(s.over, from, urls...)
}

// answered waits until many requests were answered, and checks that none failed that should not have.
func (s *traffic) answered() {
	s.Helper()
	for _, l := range s.loads {
		l.atLeast(s.stage, l.said(s.stage).Answers+300)
		if said := l.said(s.stage); said.Failed.After(s.since) {
			s.Errorf("since %s from %q: %+v", s.since.Format("15:04:05.000"), l.node, said)
		}
	}
}

// flows is answered, once whatever had begun by then has ended too.
func (s *traffic) flows() {
	s.Helper()
	now := time.Now()
	for _, l := range s.loads {
		s.await(func() error {
			if said := l.said(s.stage); said.Oldest.Before(now) {
				return fmt.Errorf("a request from %q hangs since %s", l.node, said.Oldest)
			}
			return nil
		})
	}
	s.answered()
}

// mended waits until a difference is gone.
func (s *traffic) mended(differ func() string) {
	s.Helper()
	s.await(func() error {
		if diff := differ(); diff != "" {
			return fmt.Errorf("not mended: %s", diff)
		}
		return nil
	})
	s.since = time.Now()
}

// serves waits until the node runs pods at addresses to which all nodes send requests.
func (s *traffic) serves(node string) {
	s.Helper()
	for _, n := range s.fleet.Nodes {
		s.sends(n.Name, func(slots string) bool {
			all := s.pods(node)
			return len(all) > 0 && !slices.ContainsFunc(all, func(pod string) bool {
				at := strings.Fields(pod)
				return len(at) < 3 || at[1] != "running" || !strings.Contains(slots, " "+at[2]+" ")
			})
		})
	}
}

// sends waits until the places to which a node sends requests are as they should be.
func (s *traffic) sends(node string, are func(slots string) bool) {
	s.Helper()
	s.await(func() error {
		slots, err := s.fleet.Output(s.Context(), node, "nft", "list", "map", "ip", route.NamedOf("e2e").Table, "slots")
		if err == nil && !are(slots) {
			err = fmt.Errorf("%s sends to %s", node, slots)
		}
		return err
	})
}

// pods are hello's on a node: name, state and address of each, sorted.
func (s *traffic) pods(node string) []string {
	s.Helper()
	said := s.on(node, "sh", "-c", `for p in $(podman pod ps --quiet --filter label=`+live.LabelApp+`=Deployment/default/hello); do
		echo $(podman pod inspect --format '{{.Name}}' $p) $(podman inspect --format '{{.State.Status}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' \
			$(podman pod inspect --format '{{.InfraContainerID}}' $p)); done`)
	all := strings.Split(said, "\n")
	slices.Sort(all)
	return all
}

// rules is all that the cluster's table of nftables says, in words, sorted.
func (s *traffic) rules(node string) []string {
	s.Helper()
	said, _ := s.fleet.Output(s.Context(), node, "nft", "--stateless", "list", "table", "ip", route.NamedOf("e2e").Table)
	words := strings.FieldsFunc(said, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	slices.Sort(words)
	return words
}

// links is what a node has of the pod network, as far as it is the same whenever it is made.
func (s *traffic) links(node string) string {
	s.Helper()
	named := route.NamedOf("e2e")
	return s.on(node, "sh", "-c", fmt.Sprintf(`
		ip -4 route show proto 112 | sort
		ip -4 -brief address show dev %[1]s
		ip -details link show %[2]s | grep -o 'vxlan id.*dstport [0-9]*'
		bridge link | grep -o 'master %[1]s .* state [a-z]*' | sort
		true`, named.Bridge, named.Tunnel))
}

const foreignTable = "foreign"

// drops has a node take no packets from the wire with such sources.
func (s *traffic) drops(node string, from ...string) {
	s.Helper()
	s.on(node, "nft", fmt.Sprintf("table ip %s {\nchain wire {\ntype filter hook prerouting priority -310\niifname eth0 ip saddr { %s } drop\n}\n}",
		foreignTable, strings.Join(from, ", ")))
}

func (s *traffic) takes(nodes ...string) {
	s.Helper()
	for _, n := range nodes {
		s.on(n, "nft", "delete", "table", "ip", foreignTable)
	}
}

func (s *traffic) address(node string) string { return s.node(node).Address }
func (s *traffic) cidr(node string) string    { return s.node(node).PodCIDR }

func (s *traffic) node(name string) devfleet.Node {
	s.Helper()
	n, err := s.fleet.Node(name)
	s.ok(err)
	return n
}

// prefix is what addresses of a node's pods begin with.
func (s *traffic) prefix(node string) string { return strings.TrimSuffix(s.cidr(node), "0/24") }
