package devfleet_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/keyring/keyringtest"
)

const doorsManifest = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  tls: [{hosts: [shop.example.org], secretName: shop-tls}]
  rules:
    - host: shop.example.org
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: hello, port: {number: 80}}}}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public}
spec:
  gatewayClassName: podkeep
  listeners: [{name: http, protocol: HTTP, port: 80, hostname: "*.walk.example.org"}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: walk}
spec:
  parentRefs: [{name: public}]
  hostnames: [www.walk.example.org]
  rules:
    - matches: [{path: {value: /hello}}]
      filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]
      backendRefs: [{name: hello, port: 80}]
    - matches: [{path: {value: /old}}]
      filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /hello}}}]
`

// anotherManifest claims what shop has, leads where nothing is, and is of a class that is nobody's here.
const anotherManifest = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: another}
spec:
  rules:
    - host: shop.example.org
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: nowhere, port: {number: 80}}}}]}
    - host: nowhere.example.org
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: nowhere, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: theirs}
spec:
  ingressClassName: theirs
  defaultBackend: {service: {name: hello, port: {number: 80}}}
`

const issuedManifest = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: issued, annotations: {kubernetes.io/tls-acme: "true"}}
spec:
  tls: [{hosts: [issued.example.org], secretName: issued-tls}]
  rules:
    - host: issued.example.org
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: hello, port: {number: 80}}}}]}
`

// greyManifest is a Rollout whose requests an HTTPRoute shares out, as Argo Rollouts' plugin for the Gateway API has it.
const greyManifest = `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: grey}
spec:
  replicas: 2
  selector: {matchLabels: {app: grey}}
  strategy:
    canary:
      maxSurge: 1
      maxUnavailable: 0
      stableService: grey
      canaryService: grey-new
      trafficRouting: {plugins: {argoproj-labs/gatewayAPI: {httpRoute: grey, namespace: default}}}
      steps: [{setWeight: 10}, {pause: {}}]
  template:
    metadata: {labels: {app: grey}}
    spec:
      containers:
        - name: hello
          image: localhost/traffic:v1
          imagePullPolicy: Never
          env: [{name: VERSION, value: "1"}]
          ports: [{name: web, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: web}, periodSeconds: 1, timeoutSeconds: 5}
---
apiVersion: v1
kind: Service
metadata: {name: grey}
spec: {selector: {app: grey}, ports: [{port: 80, targetPort: web}]}
---
apiVersion: v1
kind: Service
metadata: {name: grey-new}
spec: {selector: {app: grey}, ports: [{port: 80, targetPort: web}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: grey}
spec:
  parentRefs: [{name: public}]
  hostnames: [grey.walk.example.org]
  rules: [{backendRefs: [{name: grey, port: 80, weight: 100}, {name: grey-new, port: 80, weight: 0}]}]
`

// TestDoorsServeWhatGitSays has three nodes, one over SSH, and asks at each of them, while everything that is involved is updated.
func TestDoorsServeWhatGitSays(t *testing.T) {
	s := asked(t, "doors")
	ca := newAuthority(t)
	s.write("secret.yaml", ca.secret(t, "shop-tls", "shop.example.org"))
	s.write("doors.yaml", doorsManifest)
	issuer := keyringtest.New(t, s.fleet.Gateway(), 80, func(string) netip.Addr { return netip.MustParseAddr(s.fleet.Nodes[1].Address) }, 0)
	roots := s.path("roots.pem")
	s.ok(os.WriteFile(roots, []byte(issuer.Roots), 0o644))
	flags := []string{"--acme-directory", issuer.Directory, "--acme-roots", roots}
	nodes := s.read(s.path("work", "nodes.yaml"))
	var loads []*asker
	s.scene("three manifests are enough for HTTPS, at every node", func(s *stage) {
		s.start(flags...)
		s.converges(s.push("doors"))
		for _, n := range s.fleet.Nodes {
			s.opens(n.Address, ca.trusted, "http://shop.example.org/a?b=c", "308 https://shop.example.org/a?b=c")
			s.opens(n.Address, ca.trusted, "https://shop.example.org/", "200 1")
			s.opens(n.Address, ca.trusted, "http://unknown.example.org/", "404 *")
		}
	})
	s.scene("so are a Gateway and a route", func(s *stage) {
		for _, n := range s.fleet.Nodes {
			s.opens(n.Address, ca.trusted, "http://www.walk.example.org/hello", "200 1")
			s.opens(n.Address, ca.trusted, "http://www.walk.example.org/old", "302 http://www.walk.example.org/hello")
			s.opens(n.Address, ca.trusted, "http://www.walk.example.org/else", "404 *")
		}
	})
	s.scene("a certificate that follows another is served, and requests go on", func(s *stage) {
		for _, n := range s.fleet.Nodes {
			loads = append(loads, s.asks(t.Context(), "", "10ms", "https://shop.example.org/#"+n.Address, "http://www.walk.example.org/hello#"+n.Address))
		}
		for _, l := range loads {
			l.atLeast(s, 100)
		}
		other := newAuthority(t)
		s.write("secret.yaml", other.secret(t, "shop-tls", "shop.example.org"))
		s.push("another certificate")
		for _, n := range s.fleet.Nodes {
			s.opens(n.Address, other.trusted, "https://shop.example.org/", "200 1")
		}
		ca = other
	})
	next := filepath.Join(t.TempDir(), "podkeep")
	s.scene("three updates lose nothing, and doors that are upgraded in between do not either", func(s *stage) {
		for i := 2; i <= 4; i++ {
			s.edit("deployment.yaml", fmt.Sprintf(`value: "%d"`, i-1), fmt.Sprintf(`value: "%d"`, i))
			s.converges(s.push(fmt.Sprintf("version %d", i)))
			if i == 2 {
				s.stop()
				s.binary = next
				build := exec.Command("go", "build", "-ldflags", "-X main.committed=20991231235959 -X main.version=next", "-o", s.binary, "../cmd/podkeep")
				if out, err := build.CombinedOutput(); err != nil {
					s.Fatalf("%v: %s", err, out)
				}
				s.start(flags...)
				s.doorsAre("20991231235959-next", "n1", "n2", "n3")
			}
		}
	})
	s.binary = next
	s.scene("nor do a controller and node sides that are killed", func(s *stage) {
		s.edit("deployment.yaml", `value: "4"`, `value: "5"`)
		commit := s.push("version 5")
		for _, n := range s.fleet.Nodes {
			s.killSide(n.Name)
		}
		s.stop()
		s.start(flags...)
		s.converges(commit)
	})
	s.scene("and all of a hundred thousand requests were answered", func(s *stage) {
		for _, l := range loads {
			l.atLeast(s, 100_000/int64(len(loads)))
		}
		var sum toll
		for _, l := range loads {
			sum = sum.with(l.end(s), l.node)
		}
		s.lostAtMost("all", sum)
	})
	s.scene("a certificate is issued once, whoever is asked for the host", func(s *stage) {
		s.write("issued.yaml", issuedManifest)
		s.push("a certificate is asked for")
		for _, n := range s.fleet.Nodes {
			s.opens(n.Address, issuer.Signed, "https://issued.example.org/", "200 *")
		}
		s.orders(issuer, 1)
	})
	s.scene("and outlives controllers and the host that has it", func(s *stage) {
		s.stop()
		for _, n := range s.fleet.Nodes {
			s.on(n.Name, "sh", "-c", `podman restart $(podman ps --quiet --filter label=`+live.LabelSide+` --filter label=`+live.LabelContainer+`) >/dev/null`)
		}
		for _, n := range s.fleet.Nodes {
			s.opens(n.Address, issuer.Signed, "https://issued.example.org/", "200 *")
		}
		s.start(flags...)
		for i, without := range []map[string]string{{"n1": "false"}, {"n1": "false", "n2": "false"}} { // whichever of them has it, another one takes over
			s.write("nodes.yaml", labelled(nodes, without))
			s.push("fewer doors")
			s.refused(s.fleet.Nodes[i].Address + ":443")
			s.opens(s.fleet.Nodes[2].Address, issuer.Signed, "https://issued.example.org/", "200 *")
		}
		s.write("nodes.yaml", nodes)
		s.push("doors everywhere")
		for _, n := range s.fleet.Nodes {
			s.opens(n.Address, issuer.Signed, "https://issued.example.org/", "200 *")
		}
		s.orders(issuer, 1)
	})
	s.scene("a canary has the share of requests that its weight says", func(s *stage) {
		const grey = "http://grey.walk.example.org/"
		s.write("grey.yaml", greyManifest)
		s.stands(s.push("a canary"), "Converged", "grey") // what follows before that takes no steps either
		for _, n := range s.fleet.Nodes {
			s.opens(n.Address, nil, grey, "200 1")
		}
		s.edit("grey.yaml", `value: "1"`, `value: "2"`)
		s.stands(s.push("another version"), "Paused", "grey")
		fresh, all := 0, 0
		for _, n := range s.fleet.Nodes {
			s.opens(n.Address, nil, grey, "200 2")
			for range 400 {
				status, version, err := get(s.Context(), nil, n.Address, grey)
				if err != nil || status != "200" {
					s.Fatalf("%s %q: %v", status, version, err)
				}
				if all++; version == "2" {
					fresh++
				}
			}
		}
		if fresh < all/20 || fresh > all/5 { // of pods it is a third
			s.Errorf("%d of %d requests come to the new pod, want about a tenth", fresh, all)
		}
		s.ok(os.Remove(s.path("work", "grey.yaml")))
		s.push("no canary")
	})
	s.scene("what is broken is said, and takes nothing from what is served", func(s *stage) {
		s.write("another.yaml", anotherManifest)
		s.write("secret.yaml", strings.Replace(ca.secret(t, "shop-tls", "shop.example.org"), "tls.crt: ", "tls.crt: AAAA", 1))
		s.push("mistakes")
		for _, n := range s.fleet.Nodes {
			s.opens(n.Address, ca.trusted, "https://shop.example.org/", "200 *")
			s.opens(n.Address, ca.trusted, "http://nowhere.example.org/", "503 *")
		}
		s.says("Service default/nowhere", "Secret default/shop-tls", "/ of shop.example.org is Ingress default/shop's", "class theirs")
	})
	s.scene("a node without the label has no door, and with the last that is served all go", func(s *stage) {
		s.write("nodes.yaml", labelled(nodes, map[string]string{"n1": ""}))
		s.push("only n1")
		s.doorsAre("20991231235959-next", "n1")
		s.opens(s.fleet.Nodes[0].Address, ca.trusted, "https://shop.example.org/", "200 *")
		s.refused(s.fleet.Nodes[1].Address + ":443")
		for _, file := range []string{"doors.yaml", "another.yaml", "issued.yaml"} {
			s.ok(os.Remove(s.path("work", file)))
		}
		s.push("no doors")
		s.doorsAre("")
		s.refused(s.fleet.Nodes[0].Address + ":443")
	})
}

// labelled are manifests of nodes of which some say whether they are to have a door.
func labelled(nodes string, doors map[string]string) string {
	for node, value := range doors {
		name := "  name: " + node + "\n"
		nodes = strings.Replace(nodes, name, name+"  labels: {podkeep.io/ingress: '"+value+"'}\n", 1)
	}
	return nodes
}

// orders holds that the issuer was asked for so many certificates.
func (s *stage) orders(i *keyringtest.Issuer, want int64) {
	s.Helper()
	if n := i.Orders.Load(); n != want {
		s.Errorf("%d orders, want %d", n, want)
	}
}

// opens waits until a door of the node answers so: its status and, of a redirect, where it leads, else its text; "*" is any.
func (s *stage) opens(node string, trusted *x509.CertPool, url, want string) {
	s.Helper()
	status, text, _ := strings.Cut(want, " ")
	s.await(func() error {
		got, body, err := get(s.Context(), trusted, node, url)
		if err != nil {
			return err
		}
		if got != status || text != "*" && body != text {
			return fmt.Errorf("%s at %s: %s %q, want %s", url, node, got, body, want)
		}
		return nil
	})
}

// refused waits until nobody listens there.
func (s *stage) refused(address string) {
	s.Helper()
	s.await(func() error {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = c.Close()
			return fmt.Errorf("somebody listens at %s", address)
		}
		return nil
	})
}

// doorsAre waits until these nodes, and no others, have one door, of that version.
func (s *stage) doorsAre(version string, nodes ...string) {
	s.Helper()
	s.await(func() error {
		for _, n := range s.fleet.Nodes {
			found, err := listed(n, `{"label":["`+live.LabelApp+`=`+live.DoorApp.String()+`","`+live.LabelContainer+`"]}`)
			if err != nil {
				return err
			}
			if !slices.Contains(nodes, n.Name) {
				if len(found) > 0 {
					return fmt.Errorf("%s has a door: %v", n.Name, found)
				}
			} else if len(found) != 1 || found[0].Labels[live.LabelSide] != version {
				return fmt.Errorf("%s: %v, want one door of version %s", n.Name, found, version)
			}
		}
		return nil
	})
}

// authority signs certificates.
type authority struct {
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	trusted *x509.CertPool // it alone
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotAfter: time.Now().AddDate(0, 0, 7), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(cert)
	return &authority{cert, key, trusted}
}

// secret is a Secret with a certificate for a host.
func (a *authority) secret(t *testing.T, name, host string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{host}, NotAfter: time.Now().AddDate(0, 0, 7)}
	cert, err := x509.CreateCertificate(rand.Reader, form, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, data []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
	}
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: %s}\ntype: kubernetes.io/tls\ndata:\n  tls.crt: %s\n  tls.key: %s\n",
		name, text("CERTIFICATE", cert), text("PRIVATE KEY", private))
}

// get asks a node's door, and gives the status and where it leads, or the text.
func get(ctx context.Context, trusted *x509.CertPool, node, url string) (status, text string, err error) {
	client := http.Client{
		Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: trusted},
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				_, port, _ := net.SplitHostPort(address)
				return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(node, port))
			},
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	text = strings.TrimSpace(string(body))
	if to := response.Header.Get("Location"); to != "" {
		text = to
	}
	return fmt.Sprint(response.StatusCode), text, err
}
