package manifest

import (
	"fmt"
	"strings"
	"testing"
)

func policy(spec string) string {
	return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec:\n  " + strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ") + "\n"
}

// toldPolicy is a policy in a line.
func toldPolicy(p NetworkPolicy) string {
	words := []string{"[" + p.Pods.String() + "]"}
	side := func(name string, isolates bool, rules []PolicyRule) {
		if !isolates {
			return
		}
		words = append(words, name)
		for _, r := range rules {
			words = append(words, "{")
			for _, p := range r.Peers {
				switch {
				case p.Pods == nil:
					words = append(words, fmt.Sprint(p.Block, p.Except))
				case p.Namespaces == nil:
					words = append(words, "["+p.Pods.String()+"]")
				default:
					words = append(words, "["+p.Namespaces.String()+"]/["+p.Pods.String()+"]")
				}
			}
			for _, p := range r.Ports {
				words = append(words, fmt.Sprintf("%s:%s%d-%d", p.Protocol, p.Name, p.First, p.Last))
			}
			words = append(words, "}")
		}
	}
	side("in", p.Ingress, p.In)
	side("out", p.Egress, p.Out)
	return strings.Join(words, " ")
}

func TestANetworkPolicyAsPeopleWriteItLoads(t *testing.T) {
	for name, c := range map[string]struct{ spec, want string }{
		"nobody comes in":        {"podSelector: {}", "[] in"},
		"nobody comes in or out": {"podSelector: {}\npolicyTypes: [Ingress, Egress]", "[] in out"},
		"nobody goes out":        {"podSelector: {}\npolicyTypes: [Egress]", "[] out"},
		"everybody comes in":     {"podSelector: {}\ningress: [{}]", "[] in { }"},
		"egress alone is both":   {"podSelector: {}\negress: [{}]", "[] in out { }"},
		"by labels":              {"podSelector: {matchLabels: {app: db}, matchExpressions: [{key: tier, operator: NotIn, values: [test]}]}", "[app=db,tier notin (test)] in"},
		"from pods of the same":  {"podSelector: {}\ningress: [{from: [{podSelector: {}}]}]", "[] in { [] }"},
		"from pods of some":      {"podSelector: {}\ningress: [{from: [{namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: web}}}]}]", "[] in { [team=a]/[app=web] }"},
		"from all of some":       {"podSelector: {}\ningress: [{from: [{namespaceSelector: {}}]}]", "[] in { []/[] }"},
		"but for some":           {"podSelector: {}\negress: [{to: [{ipBlock: {cidr: 10.1.2.3/8, except: [10.1.0.0/16]}}]}]", "[] in out { 10.0.0.0/8 [10.1.0.0/16] }"},
		"ports":                  {"podSelector: {}\ningress: [{ports: [{port: 80}, {port: web, protocol: UDP}, {protocol: SCTP}, {port: 32000, endPort: 32768}]}]", "[] in { tcp:80-80 udp:web0-0 sctp:0-65535 tcp:32000-32768 }"},
	} {
		s := load(t, "x.yaml", policy(c.spec))
		if len(s.NetworkPolicies) != 1 || toldPolicy(s.NetworkPolicies[0]) != c.want {
			t.Errorf("%s: %v", name, s.NetworkPolicies)
			for _, p := range s.NetworkPolicies {
				t.Error(toldPolicy(p))
			}
		}
	}
}

func TestANetworkPolicyThatIsRefusedSaysByWhichField(t *testing.T) {
	from := func(peer string) string { return "podSelector: {}\ningress: [{from: [" + peer + "]}]" }
	port := func(p string) string { return "podSelector: {}\ningress: [{ports: [" + p + "]}]" }
	for name, c := range map[string]struct{ spec, want string }{
		"a type of nobody's":      {"podSelector: {}\npolicyTypes: [ingress]", `spec.policyTypes[0]: "ingress" is not one of Ingress, Egress; did you mean "Ingress"?`},
		"a type twice":            {"podSelector: {}\npolicyTypes: [Egress, Egress]", "spec.policyTypes[1]: Egress is written twice; remove this one"},
		"a selector's operator":   {"podSelector: {matchExpressions: [{key: a, operator: Like}]}", "spec.podSelector: not a valid selector operator"},
		"a peer that is nobody":   {from("{}"), "spec.ingress[0].from[0]: is nobody; write podSelector, namespaceSelector, both, or ipBlock"},
		"a peer of nothing":       {from("{podSelector: }"), "spec.ingress[0].from[0]: is nobody; write podSelector, namespaceSelector, both, or ipBlock"},
		"pods at addresses":       {from("{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}"), "spec.ingress[0].from[0].ipBlock: goes with no selector; write it as another item of the list"},
		"no range":                {from("{ipBlock: {}}"), "spec.ingress[0].from[0].ipBlock.cidr: is missing; write a range such as 192.0.2.0/24"},
		"a bare address":          {from("{ipBlock: {cidr: 10.0.0.1}}"), `spec.ingress[0].from[0].ipBlock.cidr: "10.0.0.1" is no range of addresses; write one such as 192.0.2.0/24, or 192.0.2.1/32 for a single one`},
		"an exception outside":    {from("{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}"), "spec.ingress[0].from[0].ipBlock.except[0]: 11.0.0.0/16 is no part of 10.0.0.0/8; write a smaller range that lies in it, or remove it"},
		"an exception of all":     {from("{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}"), "spec.ingress[0].from[0].ipBlock.except[0]: 10.0.0.0/8 is no part of 10.0.0.0/8; write a smaller range that lies in it, or remove it"},
		"a protocol of nobody's":  {port("{protocol: tcp}"), `spec.ingress[0].ports[0].protocol: "tcp" is not one of TCP, UDP, SCTP; did you mean "TCP"?`},
		"no port's number":        {port("{port: 0}"), "spec.ingress[0].ports[0].port: 0 is not between 1 and 65535"},
		"no port's name":          {port("{port: Web_1}"), `spec.ingress[0].ports[0].port: "Web_1": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)`},
		"an end alone":            {port("{endPort: 90}"), "spec.ingress[0].ports[0].endPort: stands here alone; write the first port as port too"},
		"an end of a name":        {port("{port: web, endPort: 90}"), "spec.ingress[0].ports[0].endPort: goes with no name; write both ports as numbers"},
		"an end before the first": {port("{port: 90, endPort: 80}"), "spec.ingress[0].ports[0].endPort: 80 is not between port, which is 90, and 65535"},
		"a field of another's":    {"podSelector: {}\norder: 10", `spec.order: unknown field "order"`},
	} {
		s := set("c1", "x.yaml", policy(c.spec))
		if len(s.NetworkPolicies) != 0 || len(s.Problems) == 0 || !strings.HasPrefix(s.Problems[0].brief(), "NetworkPolicy/p: "+c.want) || s.Problems[0].Notice {
			t.Errorf("%s: got %v", name, s.Problems)
		}
	}
}

func TestANetworkPolicySaysWhatOfItHasNoEffect(t *testing.T) {
	for name, c := range map[string]struct{ spec, want string }{
		"rules of a type that is not named": {"podSelector: {}\npolicyTypes: [Egress]\ningress: [{}]", "spec.ingress: has no effect: policyTypes does not name Ingress; name it, or remove this"},
		"addresses that no pod has":         {"podSelector: {}\negress: [{to: [{ipBlock: {cidr: '::/0'}}]}]", "spec.egress[0].to[0].ipBlock.cidr: pods have IPv4 addresses alone: nobody speaks with them from there, or is spoken to"},
	} {
		s := set("c1", "x.yaml", policy(c.spec))
		if len(s.NetworkPolicies) != 1 || len(s.Problems) != 1 || s.Problems[0].brief() != "NetworkPolicy/p: "+c.want || !s.Problems[0].Notice {
			t.Errorf("%s: got %v", name, s.Problems)
		}
	}
}

func TestNothingOpensWhatANetworkPolicyCloses(t *testing.T) {
	suspended := "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, annotations: {podkeep.io/suspend: 'true'}}\n---\n"
	if s := load(t, "x.yaml", suspended+policy("podSelector: {}")); len(s.NetworkPolicies) != 1 {
		t.Error("a suspended Namespace has none")
	}
	s := set("c1", "x.yaml", strings.Replace(policy("podSelector: {}"), "{name: p}", "{name: p, annotations: {podkeep.io/suspend: 'true'}}", 1))
	if len(s.Problems) != 1 || s.Problems[0].brief() != "NetworkPolicy/p: metadata.annotations[podkeep.io/suspend]: means nothing on a NetworkPolicy" {
		t.Error(s.Problems)
	}
	good, bad := set("p", "x.yaml", policy("podSelector: {}")), set("h", "x.yaml", policy("podSelector: {}\npolicyTypes: [Both]"))
	if want := bad.After(good).Want(); len(want.NetworkPolicies) != 1 || want.NetworkPolicies[0].Held == "" {
		t.Errorf("what does not load has no form: %v", want.NetworkPolicies)
	}
}

func TestAPolicyThatDoesNotLoadKeepsItsLastForm(t *testing.T) {
	one, two, typo := policy("podSelector: {matchLabels: {app: one}}"), policy("podSelector: {matchLabels: {app: two}}"), policy("podSelectr: {}")
	const ill = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ill}\nspec: {replica: 1}\n"
	for name, c := range map[string]struct {
		head Set
		line []Set
		want string // pods that are selected, and policies that hold nobody
	}{
		"it loads":           {set("h", "x.yaml", two), []Set{set("p", "x.yaml", one)}, "app=two []"},
		"a field is refused": {set("h", "x.yaml", typo), []Set{set("p", "x.yaml", one)}, "app=one []"},
		"its file never loaded whole, and it did":       {set("h", "x.yaml", typo+ill), []Set{set("p", "x.yaml", two+ill)}, "app=two []"},
		"it was changed while its file was not whole":   {set("h", "x.yaml", typo+ill), []Set{set("p2", "x.yaml", two+ill), set("p", "x.yaml", one)}, "app=two []"},
		"it was taken out while its file was not whole": {set("h", "x.yaml", typo), []Set{set("p2", "y.yaml", one), set("p", "x.yaml", one)}, "app=one []"},
		"it never loaded":  {set("h", "x.yaml", typo), []Set{set("p2", "x.yaml", typo), set("p", "y.yaml", deployment("web", "nginx:1"))}, " [NetworkPolicy/default/p]"},
		"its file is torn": {set("h", "x.yaml", torn), []Set{set("p", "x.yaml", one)}, "app=one []"},
	} {
		got, want := "", c.head.After(c.line...).Want()
		for _, p := range want.NetworkPolicies {
			got += p.Pods.String()
		}
		if got += fmt.Sprint(" ", want.Unruled()); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
