package route_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// guard has pods web-1 and web-2, whose port http is 8080/tcp, in default, and this policy.
func guard(t *testing.T, spec string) route.Guard {
	t.Helper()
	set := manifest.Assemble(manifest.Info{Commit: "a1"}, []manifest.Parsed{manifest.Parse("x.yaml", []byte("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {"+spec+"}\n"))})
	if len(set.NetworkPolicies) != 1 {
		t.Fatal(set.Problems)
	}
	return route.Guard{Policies: set.NetworkPolicies, Namespaces: map[string]map[string]string{"shop": {"team": "shop"}}, Pods: []route.Pod{pod("web", 1, route.Ready), pod("web", 2, route.Ready)}}
}

func TestWhatOfAPolicyMeansNobodyIsSaid(t *testing.T) {
	for _, c := range []struct{ spec, want string }{
		{"podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: http}]}]", ""},
		{"podSelector: {}, ingress: [{}], egress: [{ports: [{port: http}]}]", ""},
		{"podSelector: {}, ingress: [{from: [{podSelector: {}}, {podSelector: {matchLabels: {app: webb}}}]}]",
			"spec.ingress[0].from[1] means nobody: no pod there has the labels app=webb"},
		{"podSelector: {}, egress: [{to: [{namespaceSelector: {matchLabels: {team: ops}}}]}]",
			"spec.egress[0].to[0] means nobody: no namespace has the labels team=ops"},
		{"podSelector: {}, egress: [{to: [{namespaceSelector: {matchLabels: {team: shop}}}]}]", "spec.egress[0].to[0] means nobody: no pod is there"},
		{"podSelector: {}, ingress: [{ports: [{port: httpp}, {port: dns}]}]",
			"no pod that it selects has a port called httpp/tcp; no pod that it selects has a port called dns/tcp"},
		{"podSelector: {}, egress: [{to: [{podSelector: {}}], ports: [{port: httpp}]}]", "no pod of spec.egress[0].to has a port called httpp/tcp"},
		{"podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.42.0.0/16}}], ports: [{port: httpp}]}]", "no pod of spec.egress[0].to has a port called httpp/tcp"},
		{"podSelector: {matchLabels: {app: none}}, ingress: [{ports: [{port: httpp}]}]", ""},
	} {
		_, ruled := guard(t, c.spec).Build(nil)
		if got := strings.Join(ruled[0].Whys, "; "); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.spec, got, c.want)
		}
	}
}

func TestATableSaysInWordsWhatAPolicyAllows(t *testing.T) {
	const spec = "podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.0/16]}}]," +
		" ports: [{port: http}, {port: 80, endPort: 89}, {protocol: UDP}]}], egress: [{}, {to: [{namespaceSelector: {}}, {namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: b}}}]}]"
	want := []string{
		"from all pods of default at http/tcp, 80-89/tcp, all of udp",
		"from 10.0.0.0/8 but 10.1.0.0/16 10.2.0.0/16 at http/tcp, 80-89/tcp, all of udp",
		"to everybody at all ports", "to all pods of all namespaces at all ports", "to pods app=b of namespaces team=a at all ports",
	}
	with := guard(t, spec)
	without := with
	without.Pods = nil
	for _, g := range []route.Guard{with, without} {
		all, _ := g.Build(nil)
		if p := all.Each[0]; p.Selects != "pods app=web of default" || !slices.Equal(p.Allows, want) {
			t.Errorf("%s: %q", p.Selects, p.Allows)
		}
	}
}

func TestTablesHoldAPolicyAlikeIfTheySayTheSameOfTheSamePods(t *testing.T) {
	of := func(spec string, pods ...route.Pod) *route.Table {
		g := guard(t, spec)
		g.Pods = append(g.Pods, pods...)
		all, _ := g.Build(nil)
		return &route.Table{Policies: all}
	}
	const spec = "podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]"
	a := of(spec)
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	sent := &route.Table{}
	if err := json.Unmarshal(text, sent); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		other *route.Table
		holds bool
	}{
		"sent and received":         {sent, true},
		"another pod of nobody's":   {of(spec, pod("db", 3, route.Ready)), true},
		"one more that it selects":  {of(spec, pod("web", 3, route.Ready)), false},
		"one more that is let in":   {of(spec, pod("api", 3, route.Ready)), false},
		"other ports":               {of(strings.Replace(spec, "ingress: [{", "ingress: [{ports: [{port: 80}], ", 1)), false},
		"none":                      {&route.Table{}, false},
		"no table":                  {nil, false},
		"one that is about another": {of(strings.Replace(spec, "app: web", "app: webb", 1)), false},
	} {
		if c.other.Holds(a, "default", "p") != c.holds || a.Holds(c.other, "default", "p") != c.holds {
			t.Errorf("%s: %v", name, !c.holds)
		}
	}
}
