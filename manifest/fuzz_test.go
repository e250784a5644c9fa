package manifest

import (
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzParse holds Parse and all that follows to: no panic, no hang, the same answer twice, and a place for each problem.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"wrong.txtar", "wrong_pod.txtar", "render.txtar"} {
		golden, err := txtar.ParseFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range golden.Files {
			text, _, _ := strings.Cut(string(c.Data), "====\n")
			f.Add(text)
		}
	}
	f.Add(everything)
	f.Add(rich)
	f.Add(service("web", "type: NodePort\nclusterIP: 10.43.0.9\nselector: {app: web}\nports: [{name: a, port: 80, targetPort: web, nodePort: 30080}, {name: b, port: 81}]"))
	f.Add(service("web", "clusterIP: None\nipFamilyPolicy: PreferDualStack\nipFamilies: [IPv4]\nselector: {app: web}") + "---\n" + service("web", "type: LoadBalancer"))
	f.Add(service("db", "ports: [{port: 80}]") + "---\n" + slice("a", "db", "ports: [{port: 1}]\nendpoints: [{addresses: [192.0.2.1], conditions: {ready: false}, hostname: a, nodeName: n}]") +
		"---\n" + endpoints("db", "- addresses: [{ip: 192.0.2.1}]\n  ports: [{name: a, port: 1}]") + "---\n" + service("mail", "type: ExternalName\nexternalName: a.example.com"))
	f.Add(annotated("web", `metallb.io/loadBalancerIPs: "192.0.2.7, 192.0.2.8"`, "type: LoadBalancer\nexternalTrafficPolicy: Local\nhealthCheckNodePort: 30999\nexternalIPs: [192.0.2.1]\nloadBalancerSourceRanges: [192.0.2.0/24, '::/0']\nselector: {app: web}\nports: [{port: 80}]"))
	f.Add(over("front", "{canary: {steps: [{setWeight: 20}, {pause: {duration: 10m}}], canaryService: live, canaryMetadata: {labels: {a: b}}}}") + "---\n" + none("b") + named("live"))
	f.Add(ingress(nginx("rewrite-target /$1\nproxy-body-size 8m\nauth-type basic\nauth-secret users\nenable-cors true\ncors-allow-origin https://a.com\nserver-alias b.example.com\nwhitelist-source-range ::/0"),
		"tls: [{hosts: [a.example.com]}]\n"+atPath("path: '/(.*)', pathType: ImplementationSpecific, "+toWeb)) + "---\n" + strings.Replace(ingress("", anywhere), "Ingress", "IngressClass", 1))
	f.Add(rolls("{blueGreen: {activeService: live, previewReplicaCount: 1, antiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {}}}}") + named("live"))
	f.Fuzz(func(t *testing.T, text string) {
		s := set("c", "x.yaml", text, "y.yaml", rich)
		if again := set("c", "x.yaml", text, "y.yaml", rich); wrongs(again) != wrongs(s) || shown(again) != shown(s) {
			t.Errorf("%q gives two answers", text)
		}
		for _, p := range s.Problems {
			if p.File == "" || p.Line < 1 || p.Line > strings.Count(text, "\n")+strings.Count(rich, "\n")+2 || p.Text == "" {
				t.Errorf("%q: problem without a place or a text: %v", text, p)
			}
		}
		names := append(Names("x.yaml", []byte(text)), Names("y.yaml", []byte(rich))...)
		for id := range s.origins {
			if !slices.Contains(names, id) {
				t.Errorf("%q: a quick look misses %s", text, id)
			}
		}
		for _, w := range s.Workloads {
			w.Revision.Pod("a-1", nil, nil)
		}
		set("d", "x.yaml", text).After(s).Want()
	})
}
