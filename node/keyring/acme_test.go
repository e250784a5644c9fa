package keyring

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/sirupsen/logrus"
	"go.uber.org/zap"

	"github.com/podkeep/podkeep/node/keyring/keyringtest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/wire"
)

const shop = "shop.example.org"

// fleet is some doors' rings, each at an address of loopback where it answers the issuer, and what they hand up and down.
type fleet struct {
	*testing.T
	port  uint16
	mu    sync.Mutex
	rings map[string]*Keyring // by node
	kept  wire.Kept           // what a controller would have
}

func newFleet(t *testing.T, nodes ...string) *fleet {
	f := &fleet{T: t, rings: map[string]*Keyring{}, kept: wire.Kept{Entries: map[string]wire.KeptEntry{}}}
	for _, n := range nodes {
		f.ring(n)
	}
	return f
}

// at is a node's address.
func at(node string) netip.Addr {
	return netip.MustParseAddr("127.66.6." + strings.TrimPrefix(node, "n"))
}

// ring gives a node a ring, in place of one that it had.
func (f *fleet) ring(node string) *Keyring {
	f.Helper()
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	k := New(Options{Log: quiet, Changed: func(kept wire.Kept) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.kept = kept
		for _, other := range f.rings {
			other.store.merge(kept)
		}
	}})
	f.Cleanup(k.Close)
	listener, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", at(node), f.port))
	if err != nil {
		f.Fatal(err)
	}
	f.port = uint16(listener.Addr().(*net.TCPAddr).Port)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !k.Challenge(w, r) {
			http.NotFound(w, r)
		}
	})}
	go func() { _ = server.Serve(listener) }()
	f.Cleanup(func() { _ = server.Close() })
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rings[node] = k
	return k
}

// table has a node issue certificates for hosts.
func (f *fleet) table(i *keyringtest.Issuer, issuer string, hosts ...string) *route.Table {
	secure := route.DoorPort{Port: 443, TLS: true}
	for _, h := range hosts {
		secure.Hosts = append(secure.Hosts, route.DoorHost{Name: h, Key: "acme/" + h, Issuer: issuer})
	}
	t := &route.Table{Doors: &route.Doors{
		Ports: []route.DoorPort{{Port: f.port}, secure}, ACME: &route.DoorACME{Directory: i.Directory, Roots: i.Roots, Email: "somebody@example.org"},
	}}
	for n := range f.rings {
		t.Nodes, t.Doors.Nodes = append(t.Nodes, route.Node{Name: n, Address: at(n)}), append(t.Doors.Nodes, n)
	}
	slices.SortFunc(t.Nodes, func(a, b route.Node) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(t.Doors.Nodes)
	return t
}

func (f *fleet) put(t *route.Table) {
	for n, k := range f.rings {
		k.Put(t, n)
	}
}

// has waits until a node serves a certificate for the host that the issuer signed, and gives it.
func (f *fleet) has(i *keyringtest.Issuer, node, host string) *tls.Certificate {
	f.Helper()
	k, want := f.rings[node], fmt.Sprintf("%s serves no certificate for %s", node, host)
	var cert *tls.Certificate
	await(f.T, func() error {
		f.mu.Lock()
		kept := f.kept
		f.mu.Unlock()
		k.Keep(kept)
		cert, _ = k.Certificate(443)(&tls.ClientHelloInfo{ServerName: host})
		if cert == nil {
			return fmt.Errorf("%s: %v", want, k.Lacks())
		}
		return nil
	})
	among := x509.NewCertPool()
	for _, raw := range cert.Certificate[1:] {
		if c, err := x509.ParseCertificate(raw); err == nil {
			among.AddCert(c)
		}
	}
	if _, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: i.Signed, Intermediates: among}); err != nil {
		f.Error(err)
	}
	return cert
}

func await(t *testing.T, ask func() error) {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if err := ask(); err == nil {
			return
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

func TestOneDoorHasACertificateIssuedAndAllServeIt(t *testing.T) {
	f := newFleet(t, "n1", "n2")
	i := keyringtest.New(t, "127.66.6.100", f.port, func(string) netip.Addr { return at("n2") }, 0) // who asks comes to the one that issues nothing
	f.put(f.table(i, "n1", shop))
	first := f.has(i, "n1", shop)
	if second := f.has(i, "n2", shop); !second.Leaf.Equal(first.Leaf) {
		t.Error("each has one of its own")
	}
	for _, n := range []string{"n1", "n2"} {
		if lacks := f.rings[n].Lacks(); len(lacks) > 0 {
			t.Errorf("%s: %q", n, lacks)
		}
	}
	t.Run("another node takes over without an order", func(t *testing.T) {
		delete(f.rings, "n1")
		f.put(f.table(i, "n2", shop))
		if after := f.has(i, "n2", shop); !after.Leaf.Equal(first.Leaf) {
			t.Error("there is another certificate")
		}
	})
	t.Run("so does one that begins anew, and has what was handed up", func(t *testing.T) {
		k := f.ring("n3")
		f.mu.Lock()
		kept := f.kept
		f.mu.Unlock()
		k.Keep(kept)
		f.put(f.table(i, "n3", shop))
		if after := f.has(i, "n3", shop); !after.Leaf.Equal(first.Leaf) {
			t.Error("there is another certificate")
		}
	})
	t.Run("with the account that there is another host has one issued", func(t *testing.T) {
		f.put(f.table(i, "n3", shop, "other.example.org"))
		f.has(i, "n3", "other.example.org")
		accounts := 0
		f.mu.Lock()
		defer f.mu.Unlock()
		for name := range f.kept.Entries {
			if strings.HasSuffix(name, ".json") && strings.Contains(name, "/users/") {
				accounts++
			}
		}
		if accounts != 1 {
			t.Errorf("%d accounts", accounts)
		}
	})
	if n := i.Orders.Load(); n != 2 {
		t.Errorf("%d orders", n)
	}
}

func TestACertificateIsRenewedBeforeItEnds(t *testing.T) {
	f := newFleet(t, "n4")
	i := keyringtest.New(t, "127.66.6.100", f.port, func(string) netip.Addr { return at("n4") }, 3600)
	f.put(f.table(i, "n4", shop))
	first := f.has(i, "n4", shop)
	c := f.rings["n4"].client
	early := *c.config
	early.RenewalWindowRatio = 0.9999 // it is renewed once a ten-thousandth of its time is over
	config := certmagic.New(c.cache, early)
	c.cache.SetOptions(certmagic.CacheOptions{Logger: zap.NewNop(), GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return config, nil }})
	await(t, func() error {
		_ = c.cache.RenewManagedCertificates(t.Context()) // which certmagic does every ten minutes
		if f.has(i, "n4", shop).Leaf.Equal(first.Leaf) {
			return fmt.Errorf("it is the same, until %s", first.Leaf.NotAfter)
		}
		return nil
	})
}

func TestAnIssuerThatIsDownIsSaidAndKeepsNothingFromOthers(t *testing.T) {
	f := newFleet(t, "n5")
	i := keyringtest.New(t, "127.66.6.100", f.port, func(string) netip.Addr { return at("n5") }, 0)
	i.Down.Store(true)
	k := f.rings["n5"]
	k.Take(wire.Keys{Keys: []wire.Key{keyFor(t, "default/web", "web.example.org")}})
	table := f.table(i, "n5", shop)
	table.Doors.Ports[1].Hosts = append(table.Doors.Ports[1].Hosts, route.DoorHost{Name: "web.example.org", Key: "default/web"})
	f.put(table)
	await(t, func() error {
		if lacks := k.Lacks(); len(lacks) != 1 || !strings.HasPrefix(lacks[0], "acme/"+shop+": there is no certificate yet: the issuer is asked again later: ") || !strings.Contains(lacks[0], "503") {
			return fmt.Errorf("%q", lacks)
		}
		return nil
	})
	if cert, err := k.Certificate(443)(&tls.ClientHelloInfo{ServerName: "web.example.org"}); cert == nil || err != nil {
		t.Error("the other host is not served: ", err)
	}
}

func TestWhatCannotBeKeptIsNotOrdered(t *testing.T) {
	f := newFleet(t, "n6")
	i := keyringtest.New(t, "127.66.6.100", f.port, func(string) netip.Addr { return at("n6") }, 0)
	k := f.rings["n6"]
	for n := range mostKept/largestEntry - 1 {
		k.Keep(wire.Kept{Entries: map[string]wire.KeptEntry{fmt.Sprint("certificates/", n): {Value: make([]byte, largestEntry), Time: time.Now()}}})
	}
	k.Keep(wire.Kept{Entries: map[string]wire.KeptEntry{"certificates/last": {Value: make([]byte, largestEntry-4096), Time: time.Now()}}})
	f.put(f.table(i, "n6", shop))
	if lacks := k.Lacks(); len(lacks) != 1 || !strings.Contains(lacks[0], "as many certificates are kept as may be") {
		t.Errorf("%q", lacks)
	}
	if n := len(k.client.ends); n > 0 {
		t.Errorf("%d are asked for", n)
	}
}

func TestAnotherIssuerThatIsDownIsSaidAndTheOldCertificateServes(t *testing.T) {
	f := newFleet(t, "n7")
	names := func(string) netip.Addr { return at("n7") }
	before, after := keyringtest.New(t, "127.66.6.100", f.port, names, 0), keyringtest.New(t, "127.66.6.101", f.port, names, 0)
	f.put(f.table(before, "n7", shop))
	first := f.has(before, "n7", shop)
	after.Down.Store(true)
	f.put(f.table(after, "n7", shop))
	await(t, func() error {
		if lacks := f.rings["n7"].Lacks(); len(lacks) != 1 || !strings.HasPrefix(lacks[0], "acme/"+shop+": the certificate is another issuer's still: ") || !strings.Contains(lacks[0], "503") {
			return fmt.Errorf("%q", lacks)
		}
		return nil
	})
	if still := f.has(before, "n7", shop); !still.Leaf.Equal(first.Leaf) {
		t.Error("another certificate is served")
	}
}
