package route_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// meta is that of an object "namespace/name", or of one in namespace default.
func meta(kind, id string) manifest.Meta {
	namespace, name, ok := strings.Cut(id, "/")
	if !ok {
		namespace, name = "default", id
	}
	return manifest.Meta{ID: manifest.ID{Kind: kind, Namespace: namespace, Name: name}}
}

func decoded[T any](spec string) *T {
	made := new(T)
	if err := yaml.UnmarshalStrict([]byte("spec:\n  "+strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ")), made); err != nil {
		panic(err)
	}
	return made
}

func ingress(id, spec string, manner ...manifest.Manner) manifest.Ingress {
	i := manifest.Ingress{Meta: meta("Ingress", id), Object: decoded[networkingv1.Ingress](spec)}
	if len(manner) > 0 {
		i.Manner = manner[0]
	}
	return i
}

// toWeb is an Ingress that leads a host's paths, of that type, to Service web.
func toWeb(id, host, kind string, paths ...string) manifest.Ingress {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "rules:\n- host: %q\n  http:\n    paths:\n", host)
	for _, p := range paths {
		_, _ = fmt.Fprintf(&b, "    - {path: '%s', pathType: %s, backend: {service: {name: web, port: {number: 80}}}}\n", p, kind)
	}
	return ingress(id, b.String())
}

func withTLS(i manifest.Ingress, secret string, hosts ...string) manifest.Ingress {
	i.Object = i.Object.DeepCopy()
	i.Object.Spec.TLS = append(i.Object.Spec.TLS, networkingv1.IngressTLS{Hosts: hosts, SecretName: secret})
	return i
}

func gatewayOf(id, spec string) manifest.Gateway {
	return manifest.Gateway{Meta: meta("Gateway", id), Object: decoded[gatewayv1.Gateway]("gatewayClassName: podkeep\n" + strings.TrimSpace(spec))}
}

func httpRoute(id, spec string) manifest.HTTPRoute {
	return manifest.HTTPRoute{Meta: meta("HTTPRoute", id), Object: decoded[gatewayv1.HTTPRoute](spec)}
}

func grant(id, spec string) manifest.ReferenceGrant {
	return manifest.ReferenceGrant{Meta: meta("ReferenceGrant", id), Object: decoded[gatewayv1beta1.ReferenceGrant](spec)}
}

// signed is a Secret with a certificate for names, and its key.
func signed(id string, names ...string) manifest.Secret {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	is := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names}
	der, err := x509.CreateCertificate(rand.Reader, is, is, key.Public(), key)
	if err != nil {
		panic(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return manifest.Secret{Meta: meta("Secret", id), Type: corev1.SecretTypeTLS, Data: map[string]manifest.Bytes{
		"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), "tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}}
}

var offer = manifest.DoorOffer{HTTP: 80, HTTPS: 443}

// doorsOf builds with Services web, api and v1 to v3, and nodes n1 and n2.
func doorsOf(d route.DoorWant, before *route.Table) (route.Table, map[string]route.Doored) {
	t, all := built(d, before)
	said := map[string]route.Doored{}
	for _, one := range all {
		said[one.Kind+"/"+one.Namespace+"/"+one.Name] = one
	}
	return t, said
}

func built(d route.DoorWant, before *route.Table) (route.Table, []route.Doored) {
	if d.Offer.HTTP+d.Offer.HTTPS == 0 {
		d.Offer = offer
	}
	if d.Nodes == nil {
		d.Nodes = []string{"n1", "n2"}
	}
	var services []manifest.Service
	for _, name := range []string{"api", "v1", "v2", "v3", "web"} {
		s := service(name)
		s.Ports[0].Name = "http"
		services = append(services, s)
	}
	nodes := []route.Node{{Name: "n1", Address: netip.MustParseAddr("192.0.2.1")}, {Name: "n2", Address: netip.MustParseAddr("192.0.2.2")}}
	other := service("db")
	other.Namespace = "shop"
	t, _, all := route.Build(route.Want{Net: net, Nodes: nodes, Services: append(services, other), Doors: &d, Before: before})
	return t, all
}

// shown is what doors serve, a line a rule: PORT HOST MATCH -> BACKEND.
func shown(t route.Table) (lines []string) {
	if t.Doors == nil {
		return nil
	}
	for _, p := range t.Doors.Ports {
		for _, h := range p.Hosts {
			for _, r := range h.Rules {
				lines = append(lines, fmt.Sprintf("%d %s %s", p.Port, nameOf(h), shownRule(r)))
			}
		}
	}
	return lines
}

func nameOf(h route.DoorHost) string {
	switch {
	case h.Name == "":
		return "any"
	case h.Deep:
		return "*" + h.Name
	}
	return h.Name
}

func shownRule(r route.DoorRule) string {
	text := r.Match.Kind + " " + r.Match.Path
	if r.Match.Method != "" {
		text = r.Match.Method + " " + text
	}
	for _, v := range append(r.Match.Headers, r.Match.Query...) {
		text += " " + v.Name + "=" + v.Value
	}
	text += " ->"
	if to := r.Redirect; to != nil {
		text += fmt.Sprintf(" %d %s%s%s", to.Code, to.Scheme, to.Host, to.Whole)
		if to.Path != nil {
			text += to.Path.Path
		}
	}
	if r.Status != 0 {
		text += fmt.Sprintf(" %d", r.Status)
	}
	for _, to := range r.To {
		text += fmt.Sprintf(" %s:%d", to.Service, to.Port)
		if to.Status != 0 {
			text += fmt.Sprintf("=%d", to.Status)
		}
		if to.Weight != 1 {
			text += fmt.Sprintf("*%d", to.Weight)
		}
	}
	return text
}

func same(t *testing.T, name string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

func TestNoDoorsWhereNothingIsServed(t *testing.T) {
	other := toWeb("web", "shop.example.org", "Prefix", "/")
	class := "nginx"
	other.Object.Spec.IngressClassName = &class
	table, said := doorsOf(route.DoorWant{Ingresses: []manifest.Ingress{other}}, nil)
	if table.Doors != nil {
		t.Errorf("%+v", table.Doors)
	}
	same(t, "another's class", route.Doored{Kind: "Ingress", Namespace: "default", Name: "web", Why: []string{
		"it is of class nginx, which is another controller's: write ingressClassName: podkeep, or begin podkeep with --ingress-class=nginx, to have it served",
	}}, said["Ingress/default/web"])
	w := route.DoorWant{Ingresses: []manifest.Ingress{toWeb("web", "", "Prefix", "/")}}
	table, _, all := route.Build(route.Want{Net: net, Doors: &w})
	if table.Doors != nil || len(all) != 1 || !all[0].Ours {
		t.Errorf("%+v", all)
	}
	same(t, "no ports", []string{"nobody serves it: podkeep was begun without ports for doors"}, all[0].Why)
	if _, _, all := route.Build(route.Want{Net: net}); all != nil {
		t.Errorf("nobody asked: %v", all)
	}
}

func TestWhichNodesHaveADoor(t *testing.T) {
	node := func(name, label string) manifest.Node {
		n := manifest.Node{Meta: meta("Node", name)}
		if label != "-" {
			n.Labels = map[string]string{"podkeep.io/ingress": label}
		}
		return n
	}
	for _, c := range []struct {
		name  string
		nodes []manifest.Node
		want  []string
	}{
		{"all where none says", []manifest.Node{node("n2", "-"), node("n1", "-")}, []string{"n1", "n2"}},
		{"those that say", []manifest.Node{node("n1", "-"), node("n2", "true"), node("n3", "")}, []string{"n2", "n3"}},
		{"all but those that say no", []manifest.Node{node("n1", "-"), node("n2", "false")}, []string{"n1"}},
		{"no is no", []manifest.Node{node("n1", "true"), node("n2", "false")}, []string{"n1"}},
		{"none", []manifest.Node{node("n1", "false")}, nil},
	} {
		same(t, c.name, c.want, route.DoorNodes(c.nodes))
	}
}

func prefixes(texts ...string) []netip.Prefix {
	all := []netip.Prefix{}
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}
