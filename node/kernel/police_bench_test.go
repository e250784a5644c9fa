package kernel

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// crowded is that many pods on one node, in ten namespaces of ten apps, with that many policies: each app is spoken to by another, by some namespaces, and by
// addresses, at two ports, and speaks to pods of all namespaces.
func crowded(pods, policies int) route.Guard {
	g := route.Guard{Namespaces: map[string]map[string]string{}}
	var text strings.Builder
	for i := range policies {
		fmt.Fprintf(&text, `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p%d, namespace: ns%d}
spec:
  podSelector: {matchLabels: {app: a%d}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: a%d}}}, {namespaceSelector: {matchLabels: {team: t%d}}}, {ipBlock: {cidr: 192.0.%d.0/24, except: [192.0.%[6]d.16/28]}}]
    ports: [{port: %d}, {port: 9000, endPort: 9100}]
  egress: [{to: [{namespaceSelector: {}}]}, {ports: [{port: 53, protocol: UDP}]}]
`, i, i%10, i/10%10, (i/10+1)%10, i%3, i%256, 8000+i)
	}
	g.Policies = manifest.Assemble(manifest.Info{}, []manifest.Parsed{manifest.Parse("x.yaml", []byte(text.String()))}).NetworkPolicies
	for i := range 10 {
		g.Namespaces[fmt.Sprint("ns", i)] = map[string]string{"team": fmt.Sprint("t", i%3)}
	}
	for i := range pods {
		g.Pods = append(g.Pods, route.Pod{
			Namespace: fmt.Sprint("ns", i%10), Name: fmt.Sprint("p", i), Node: "n1", IP: netip.AddrFrom4([4]byte{10, 64, byte(i >> 8), byte(2 + i)}),
			Labels: map[string]string{"app": fmt.Sprint("a", i/10%10)},
		})
	}
	return g
}

func crowdedTable(g route.Guard) *route.Table {
	policies, _ := g.Build(nil)
	t, _, _ := route.Build(route.Want{Policies: policies, Nodes: []route.Node{{Name: "n1", Range: netip.MustParsePrefix("10.64.0.0/16")}}})
	return &t
}

func BenchmarkPolicies(b *testing.B) {
	g := crowded(1000, 100)
	if len(g.Policies) != 100 {
		b.Fatal(len(g.Policies))
	}
	b.Run("resolved", func(b *testing.B) {
		for b.Loop() {
			crowdedTable(g)
		}
	})
	table := crowdedTable(g)
	b.Run("wanted", func(b *testing.B) {
		for b.Loop() {
			wantOf(table, "n1", 1, false)
		}
	})
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			ns := newSpace(b)
			b.StartTimer()
			do(b, ns, func() error { return New("one", quiet()).Put(table, "n1") })
			b.StopTimer()
			ns.Close()
			b.StartTimer()
		}
	})
	b.Run("one pod changes", func(b *testing.B) {
		other := crowded(1000, 100)
		other.Pods[500].Labels = map[string]string{"app": "nothing"}
		tables, k := []*route.Table{table, crowdedTable(other)}, New("one", quiet())
		do(b, newSpace(b), func() error {
			n := 0
			for b.Loop() {
				n++
				if err := k.Put(tables[n%2], "n1"); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
