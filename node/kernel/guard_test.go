package kernel

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// The model: the specification's words, asked of objects as they are written, for one connection at a time.

// party is one end of a connection: a pod, or an address when it has no name.
type party struct {
	namespace, name string
	labels          map[string]string
	ports           map[string]string
	ip              netip.Addr
}

func (p party) pod() bool { return p.name != "" }

// packet is the first of a connection.
type packet struct {
	from, to party
	proto    string
	port     int
}

func (p packet) String() string {
	return fmt.Sprintf("%s/%s %s to %s/%s %s %s/%d", p.from.namespace, p.from.name, p.from.ip, p.to.namespace, p.to.name, p.to.ip, p.proto, p.port)
}

type specification struct {
	policies   []networkingv1.NetworkPolicy
	namespaces map[string]map[string]string
}

func (s specification) allows(p packet) bool {
	if p.from.ip == p.to.ip {
		return true
	}
	return s.mayLeave(p) && s.mayEnter(p)
}

func (s specification) mayEnter(p packet) bool {
	isolated := false
	for _, policy := range s.policies {
		if !s.isolates(policy, p.to, networkingv1.PolicyTypeIngress) {
			continue
		}
		isolated = true
		for _, rule := range policy.Spec.Ingress {
			if s.anyPeer(policy, rule.From, p.from) && anyPortOf(rule.Ports, p) {
				return true
			}
		}
	}
	return !isolated
}

func (s specification) mayLeave(p packet) bool {
	isolated := false
	for _, policy := range s.policies {
		if !s.isolates(policy, p.from, networkingv1.PolicyTypeEgress) {
			continue
		}
		isolated = true
		for _, rule := range policy.Spec.Egress {
			if s.anyPeer(policy, rule.To, p.to) && anyPortOf(rule.Ports, p) {
				return true
			}
		}
	}
	return !isolated
}

func (s specification) isolates(policy networkingv1.NetworkPolicy, pod party, direction networkingv1.PolicyType) bool {
	if !pod.pod() || pod.namespace != policy.Namespace || !selects(&policy.Spec.PodSelector, pod.labels) {
		return false
	}
	if len(policy.Spec.PolicyTypes) > 0 {
		return slices.Contains(policy.Spec.PolicyTypes, direction)
	}
	return direction == networkingv1.PolicyTypeIngress || len(policy.Spec.Egress) > 0
}

func (s specification) anyPeer(policy networkingv1.NetworkPolicy, peers []networkingv1.NetworkPolicyPeer, other party) bool {
	if len(peers) == 0 {
		return true
	}
	return slices.ContainsFunc(peers, func(peer networkingv1.NetworkPolicyPeer) bool {
		if b := peer.IPBlock; b != nil {
			return netip.MustParsePrefix(b.CIDR).Contains(other.ip) &&
				!slices.ContainsFunc(b.Except, func(e string) bool { return netip.MustParsePrefix(e).Contains(other.ip) })
		}
		if !other.pod() {
			return false
		}
		if peer.NamespaceSelector == nil && other.namespace != policy.Namespace {
			return false
		}
		if peer.NamespaceSelector != nil && !selects(peer.NamespaceSelector, s.namespaces[other.namespace]) {
			return false
		}
		return peer.PodSelector == nil || selects(peer.PodSelector, other.labels)
	})
}

func anyPortOf(ports []networkingv1.NetworkPolicyPort, p packet) bool {
	if len(ports) == 0 {
		return true
	}
	return slices.ContainsFunc(ports, func(port networkingv1.NetworkPolicyPort) bool {
		proto := "tcp"
		if port.Protocol != nil {
			proto = strings.ToLower(string(*port.Protocol))
		}
		switch {
		case proto != p.proto:
			return false
		case port.Port == nil:
			return true
		case port.Port.Type == intstr.String:
			return p.to.ports[port.Port.StrVal] == fmt.Sprintf("%d/%s", p.port, proto)
		case port.EndPort != nil:
			return p.port >= port.Port.IntValue() && p.port <= int(*port.EndPort)
		}
		return p.port == port.Port.IntValue()
	})
}

func selects(s *metav1.LabelSelector, labels map[string]string) bool {
	for k, v := range s.MatchLabels {
		if have, there := labels[k]; !there || have != v {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		have, there := labels[e.Key]
		var holds bool
		switch e.Operator {
		case metav1.LabelSelectorOpIn:
			holds = there && slices.Contains(e.Values, have)
		case metav1.LabelSelectorOpNotIn:
			holds = !there || !slices.Contains(e.Values, have)
		case metav1.LabelSelectorOpExists:
			holds = there
		case metav1.LabelSelectorOpDoesNotExist:
			holds = !there
		}
		if !holds {
			return false
		}
	}
	return true
}

// The other side: what a packet finds in sets and chains, by the rules of police and admit.

type filter struct {
	guarding
	own netip.Prefix
}

func (f filter) finds(set string, key ...[]byte) (rest string, found bool) {
	l, asked := layouts[set], slices.Concat(key...)
	for _, text := range f.sets[set] {
		first, last := text[:l.key], text[:l.key]
		if l.interval {
			last = text[l.key:]
		}
		within := true // part by part, as the kernel compares
		for i := 0; i < l.key; i += 4 {
			within = within && first[i:i+4] <= string(asked[i:i+4]) && string(asked[i:i+4]) <= last[i:i+4]
		}
		if within {
			return text[l.key:], true
		}
	}
	return "", false
}

func (f filter) passes(p packet) bool {
	from, to := p.from.ip.AsSlice(), p.to.ip.AsSlice()
	if _, itself := f.finds(setKnown, from, to); itself {
		return true
	}
	for _, ip := range []netip.Addr{p.from.ip, p.to.ip} {
		if _, known := f.finds(setKnown, ip.AsSlice(), ip.AsSlice()); f.own.Contains(ip) && !known {
			return false
		}
	}
	return f.admits(egress, from, to, p) && f.admits(ingress, to, from, p)
}

func (f filter) admits(s side, pod, peer []byte, p packet) bool {
	chain, guarded := f.finds(s.guarded, pod)
	if !guarded {
		return true
	}
	port := portKey(map[string]byte{"tcp": 6, "udp": 17, "sctp": 132}[p.proto], uint32(p.port))
	return slices.ContainsFunc(f.chains[chain], func(a admission) bool {
		may := true
		if a.group != 0 {
			_, may = f.finds(setMembers, native(a.group), peer)
		}
		if a.blocks != 0 {
			_, in := f.finds(setBlocks, native(a.blocks), peer)
			may = may && in
		}
		if a.ports != 0 {
			_, in := f.finds(setPorts, native(a.ports), port)
			may = may && in
		}
		return may
	})
}

var gatewayIP = netip.MustParseAddr("10.42.1.1")

// town is the pods and the others that every policy is tried on.
type town struct {
	parties []party
	nodes   map[string]string // by name of the pod
}

func newTown() town {
	t := town{nodes: map[string]string{}}
	for i, who := range []struct {
		namespace, name, labels, ports string
	}{
		{"shop", "web", "app=web tier=front", "http=80/tcp dns=53/udp"},
		{"shop", "web2", "app=web tier=back", "http=8080/tcp"},
		{"shop", "db", "app=db", "sql=5432/tcp"},
		{"lab", "web", "app=web", "http=8080/tcp"},
		{"lab", "probe", "", "http=80/udp"},
		{"kube-system", "dns", "k8s-app=kube-dns", "dns=53/udp dns-tcp=53/tcp"},
	} {
		p := party{namespace: who.namespace, name: who.name, labels: pairs(who.labels), ports: pairs(who.ports), ip: netip.AddrFrom4([4]byte{10, 42, byte(1 + i%2), byte(10 + i)})}
		t.nodes[p.namespace+"/"+p.name] = fmt.Sprint("n", 1+i%2)
		t.parties = append(t.parties, p)
	}
	for _, ip := range []string{"192.0.2.1", "192.0.2.200", "198.51.100.7", "10.42.1.1"} {
		t.parties = append(t.parties, party{ip: netip.MustParseAddr(ip)})
	}
	return t
}

func pairs(text string) map[string]string {
	all := map[string]string{}
	for word := range strings.FieldsSeq(text) {
		k, v, _ := strings.Cut(word, "=")
		all[k] = v
	}
	return all
}

// packets are all that could be told apart.
func (t town) packets() (all []packet) {
	for _, from := range t.parties {
		for _, to := range t.parties {
			for _, proto := range []string{"tcp", "udp", "sctp"} {
				for _, port := range []int{1, 53, 80, 443, 5432, 8080, 8090, 65535} {
					all = append(all, packet{from, to, proto, port})
				}
			}
		}
	}
	return all
}

// table is what is made of policies and namespaces, as they are written.
func (t town) table(fatal func(...any), text string) (*route.Table, specification) {
	set := manifest.Assemble(manifest.Info{}, []manifest.Parsed{manifest.Parse("x.yaml", []byte(text))})
	for _, p := range set.Problems {
		if !p.Notice {
			fatal(p, text)
		}
	}
	g := route.Guard{Policies: set.NetworkPolicies, Namespaces: map[string]map[string]string{}}
	spec := specification{namespaces: map[string]map[string]string{}}
	for _, ns := range []string{"shop", "lab", "kube-system"} {
		spec.namespaces[ns] = map[string]string{"kubernetes.io/metadata.name": ns}
	}
	for _, ns := range set.Namespaces {
		g.Namespaces[ns.Name] = ns.Labels
		for k, v := range ns.Labels {
			spec.namespaces[ns.Name][k] = v
		}
	}
	for _, p := range t.parties {
		if p.pod() {
			g.Pods = append(g.Pods, route.Pod{Namespace: p.namespace, Name: p.name, Node: t.nodes[p.namespace+"/"+p.name], IP: p.ip, Labels: p.labels, Ports: p.ports})
		}
	}
	for _, p := range set.NetworkPolicies {
		spec.policies = append(spec.policies, *p.Object)
	}
	policies, _ := g.Build(nil)
	made, _, _ := route.Build(route.Want{Policies: policies, Nodes: tableOf().Nodes})
	return &made, spec
}

// differs is a packet with which nodes do otherwise than the specification; ok is false when there is none.
func (t town) differs(table *route.Table, spec specification) (p packet, passes, differs bool) {
	filters := map[string]filter{}
	for _, n := range table.Nodes {
		filters[n.Name] = filter{guards(table, n.Range), n.Range}
	}
	for _, p := range t.packets() {
		passes := true
		for _, end := range []party{p.from, p.to} {
			if end.pod() && table.Policies != nil {
				passes = passes && filters[t.nodes[end.namespace+"/"+end.name]].passes(p)
			}
		}
		if p.from.ip == gatewayIP && t.nodes[p.to.namespace+"/"+p.to.name] == "n1" || p.to.ip == gatewayIP && t.nodes[p.from.namespace+"/"+p.from.name] == "n1" {
			continue // a pod's own node, which nobody forwards
		}
		if passes != spec.allows(p) {
			return p, passes, true
		}
	}
	return packet{}, false, false
}

func netpol(namespace, name, spec string) string {
	return "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: " + name + ", namespace: " + namespace + "}\nspec: " + spec + "\n"
}

const labelledSpaces = `
apiVersion: v1
kind: Namespace
metadata: {name: lab, labels: {team: science, purpose: testing}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {purpose: production}}
`

func TestRecipesDoAsTheSpecificationSays(t *testing.T) {
	town := newTown()
	for name, text := range map[string]string{
		"no policy":                         "",
		"deny all to one app":               netpol("shop", "p", "{podSelector: {matchLabels: {app: web}}, ingress: []}"),
		"limit to one app":                  netpol("shop", "p", "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}"),
		"allow all to one app":              netpol("shop", "a", "{podSelector: {}}") + netpol("shop", "b", "{podSelector: {matchLabels: {app: web}}, ingress: [{}]}"),
		"deny all non-whitelisted":          netpol("shop", "p", "{podSelector: {}, ingress: []}"),
		"deny from other namespaces":        netpol("shop", "p", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}"),
		"allow from all namespaces":         netpol("shop", "p", "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: {}}]}]}"),
		"allow from a namespace":            netpol("shop", "p", "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: {matchLabels: {purpose: testing}}}]}]}"),
		"allow from a namespace by name":    netpol("shop", "p", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [kube-system, lab]}]}}]}]}"),
		"some pods of another namespace":    netpol("shop", "p", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: science}}, podSelector: {matchLabels: {app: web}}}]}]}"),
		"some pods, or another namespace":   netpol("shop", "p", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: science}}}, {podSelector: {matchLabels: {app: web}}}]}]}"),
		"external clients":                  netpol("shop", "a", "{podSelector: {}}") + netpol("shop", "b", "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [], ports: [{port: 80}]}]}"),
		"a port alone":                      netpol("shop", "p", "{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 5432}], from: [{podSelector: {matchLabels: {tier: front}}}]}]}"),
		"several selectors":                 netpol("shop", "p", "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {tier: front}}}, {podSelector: {matchLabels: {tier: back}}}]}]}"),
		"nothing goes out":                  netpol("shop", "p", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: []}"),
		"names alone are asked outside":     netpol("shop", "p", "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: kube-dns}}}], ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}]}"),
		"nothing goes out of the cluster":   netpol("shop", "p", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}]}, {to: [{namespaceSelector: {}}]}]}"),
		"outside but for a network":         netpol("shop", "p", "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 192.0.2.128/25]}}]}]}"),
		"one that allows what one excepts":  netpol("shop", "a", "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.128/25]}}]}]}") + netpol("shop", "b", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.0.2.200/32}}], ports: [{port: 443}]}]}"),
		"a range of ports":                  netpol("shop", "p", "{podSelector: {}, ingress: [{ports: [{port: 8000, endPort: 8085}, {port: 8080, endPort: 9000, protocol: UDP}]}]}"),
		"ranges that overlap":               netpol("shop", "a", "{podSelector: {}, ingress: [{ports: [{port: 80, endPort: 8080}], from: [{podSelector: {}}]}]}") + netpol("shop", "b", "{podSelector: {}, ingress: [{ports: [{port: 443, endPort: 65535}], from: [{namespaceSelector: {}}]}]}"),
		"all of one protocol":               netpol("shop", "p", "{podSelector: {}, ingress: [{ports: [{protocol: UDP}, {protocol: SCTP, port: 80}]}]}"),
		"a named port, in":                  netpol("shop", "p", "{podSelector: {}, ingress: [{ports: [{port: http}, {port: dns, protocol: UDP}], from: [{namespaceSelector: {}}]}]}"),
		"a named port, out":                 netpol("shop", "p", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: http}], to: [{podSelector: {}}, {namespaceSelector: {matchLabels: {team: science}}}]}]}"),
		"a named port of everybody":         netpol("shop", "p", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: http}, {port: 53, protocol: UDP}]}]}"),
		"both directions of both ends":      netpol("shop", "a", "{podSelector: {}, policyTypes: [Ingress, Egress], egress: [{to: [{namespaceSelector: {}}]}]}") + netpol("lab", "b", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {purpose: production}}}], ports: [{port: 8080}]}]}"),
		"types that leave a direction open": netpol("shop", "p", "{podSelector: {}, policyTypes: [Egress], ingress: [{}]}"),
		"a range of pods":                   netpol("shop", "p", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.42.0.0/16, except: [10.42.2.0/24]}}]}]}"),
		"expressions":                       netpol("shop", "p", "{podSelector: {matchExpressions: [{key: tier, operator: Exists}, {key: app, operator: NotIn, values: [db]}]}, ingress: [{from: [{podSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}}]}]}"),
	} {
		table, spec := town.table(t.Fatal, labelledSpaces+text)
		if p, passes, differs := town.differs(table, spec); differs {
			t.Errorf("%s: %s passes: %v", name, p, passes)
		}
	}
}

func TestWhateverPoliciesThereAreNodesDoAsTheSpecificationSays(t *testing.T) {
	town := newTown()
	rapid.Check(t, func(t *rapid.T) {
		text := labelledSpaces
		for i := range rapid.IntRange(1, 5).Draw(t, "policies") {
			p := somePolicy(t, i)
			out, err := yaml.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			text += "---\n" + string(out)
		}
		table, spec := town.table(t.Fatal, text)
		if p, passes, differs := town.differs(table, spec); differs {
			t.Fatalf("%s passes: %v\n%s", p, passes, text)
		}
	})
}

func somePolicy(t *rapid.T, i int) networkingv1.NetworkPolicy {
	p := networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("p", i), Namespace: rapid.SampledFrom([]string{"shop", "lab"}).Draw(t, "namespace")},
	}
	p.Spec.PodSelector = *someSelector(t, "app=web", "app=db", "tier=front")
	p.Spec.PolicyTypes = rapid.SampledFrom([][]networkingv1.PolicyType{nil, {"Ingress"}, {"Egress"}, {"Ingress", "Egress"}}).Draw(t, "types")
	for range rapid.IntRange(0, 2).Draw(t, "ingress") {
		p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: somePeers(t), Ports: somePorts(t)})
	}
	for range rapid.IntRange(0, 2).Draw(t, "egress") {
		p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: somePeers(t), Ports: somePorts(t)})
	}
	return p
}

func someSelector(t *rapid.T, labels ...string) *metav1.LabelSelector {
	word := rapid.SampledFrom(append(labels, "")).Draw(t, "label")
	if word == "" {
		return &metav1.LabelSelector{}
	}
	k, v, _ := strings.Cut(word, "=")
	if rapid.Bool().Draw(t, "not") {
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: k, Operator: metav1.LabelSelectorOpNotIn, Values: []string{v}}}}
	}
	return &metav1.LabelSelector{MatchLabels: map[string]string{k: v}}
}

func somePeers(t *rapid.T) (all []networkingv1.NetworkPolicyPeer) {
	for range rapid.IntRange(0, 2).Draw(t, "peers") {
		switch rapid.IntRange(0, 3).Draw(t, "peer") {
		case 0:
			all = append(all, networkingv1.NetworkPolicyPeer{PodSelector: someSelector(t, "app=web", "tier=back")})
		case 1:
			all = append(all, networkingv1.NetworkPolicyPeer{NamespaceSelector: someSelector(t, "team=science", "purpose=production")})
		case 2:
			all = append(all, networkingv1.NetworkPolicyPeer{NamespaceSelector: someSelector(t, "kubernetes.io/metadata.name=shop"), PodSelector: someSelector(t, "app=web")})
		case 3:
			all = append(all, networkingv1.NetworkPolicyPeer{IPBlock: rapid.SampledFrom([]*networkingv1.IPBlock{
				{CIDR: "0.0.0.0/0"}, {CIDR: "192.0.2.0/24", Except: []string{"192.0.2.128/25", "192.0.2.0/28"}}, {CIDR: "10.42.0.0/16", Except: []string{"10.42.1.0/28"}},
				{CIDR: "0.0.0.0/0", Except: []string{"128.0.0.0/1"}}, {CIDR: "192.0.2.200/32"},
			}).Draw(t, "block")})
		}
	}
	return all
}

func somePorts(t *rapid.T) (all []networkingv1.NetworkPolicyPort) {
	for range rapid.IntRange(0, 2).Draw(t, "ports") {
		var p networkingv1.NetworkPolicyPort
		if rapid.Bool().Draw(t, "protocol") {
			proto := rapid.SampledFrom([]corev1.Protocol{"TCP", "UDP", "SCTP"}).Draw(t, "of")
			p.Protocol = &proto
		}
		switch port := rapid.SampledFrom([]intstr.IntOrString{{}, intstr.FromInt32(80), intstr.FromInt32(443), intstr.FromString("http"), intstr.FromString("dns")}).Draw(t, "port"); {
		case port.Type == intstr.String:
			p.Port = &port
		case port.IntVal > 0:
			p.Port = &port
			if last := rapid.SampledFrom([]int32{0, 8080, 65535}).Draw(t, "end"); last > 0 {
				p.EndPort = &last
			}
		}
		all = append(all, p)
	}
	return all
}

// Whatever is changed: a pod is led to a chain once that has its rules, and to what these ask for; and what is not asked for any more goes after that.
func TestOnTheWayToAnotherPolicyAPodHasTheOneOrTheOther(t *testing.T) {
	town := newTown()
	texts := []string{
		"",
		netpol("shop", "a", "{podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}"),
		netpol("shop", "a", "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 81}]}]}"),
		netpol("shop", "a", "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.0.2.0/24}}]}]}"),
	}
	want := func(text string) *state {
		table, _ := town.table(t.Fatal, labelledSpaces+text)
		return wantOf(table, "n1", 1, false)
	}
	for _, from := range texts {
		for _, to := range texts {
			have, want := want(from), want(to)
			for _, c := range diff(have, want) {
				for _, e := range c.elements {
					l := layouts[e.set]
					if e.gone && l.lingers && !c.readers {
						t.Errorf("from %q to %q: %q of %s goes while packets ask for it", from, to, e.key, e.set)
					}
					if chain := e.key[min(len(e.key), l.key):]; l.guards && !e.gone && have.chains[chain] == nil {
						t.Errorf("from %q to %q: a pod is led to %s, which is not there yet", from, to, chain)
					}
				}
				for _, name := range c.unchained {
					delete(have.chains, name)
				}
				for _, name := range c.fill {
					have.chains[name] = want.chains[name]
				}
			}
		}
	}
}
