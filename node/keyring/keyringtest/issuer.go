// Package keyringtest has an issuer of certificates for tests: pebble, which Let's Encrypt made for that, in this process.
package keyringtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// Issuer is asked at Directory, by who trusts Roots, and signs what Signed trusts.
type Issuer struct {
	Directory string
	Roots     string // PEM
	Signed    *x509.CertPool
	Orders    atomic.Int64 // that were begun
	Down      atomic.Bool  // it answers nobody
}

// New is an issuer at an address of this machine until the test ends. To find out whose a host is, it asks at that port of the address that the host has
// according to names. What it signs is good for so many seconds; 0 is for years.
func New(t *testing.T, at string, port uint16, names func(host string) netip.Addr, seconds uint64) *Issuer {
	t.Helper()
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"} {
		if err := os.Setenv(name, value); err != nil {
			t.Fatal(err)
		}
	}
	quiet, store := log.New(io.Discard, "", 0), db.NewMemoryStore()
	authority := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: seconds}})
	validator := va.New(quiet, int(port), 0, false, resolver(t, at, names), store)
	front := wfe.New(quiet, store, validator, authority, nil, false, false, 1, 1)
	listener, err := net.Listen("tcp4", net.JoinHostPort(at, "0"))
	if err != nil {
		t.Fatal(err)
	}
	cert, text := selfSigned(t, at)
	i := &Issuer{Directory: "https://" + listener.Addr().String() + wfe.DirectoryPath, Roots: text, Signed: x509.NewCertPool()}
	i.Signed.AddCert(authority.GetRootCert(0).Cert)
	mux := front.Handler()
	server := &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, ErrorLog: quiet, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i.Down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		if r.Method == http.MethodPost && r.URL.Path == "/order-plz" {
			i.Orders.Add(1)
		}
		mux.ServeHTTP(w, r)
	})}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { _ = server.Close() })
	return i
}

// resolver answers for all names.
func resolver(t *testing.T, at string, names func(string) netip.Addr) string {
	t.Helper()
	listener, err := net.Listen("tcp4", net.JoinHostPort(at, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: listener, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
		answer := new(dns.Msg).SetReply(question)
		q := question.Question[0]
		if ip := names(q.Name[:len(q.Name)-1]); q.Qtype == dns.TypeA && ip.IsValid() {
			answer.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: ip.AsSlice()}}
		}
		_ = w.WriteMsg(answer)
	})}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	return listener.Addr().String()
}

func selfSigned(t *testing.T, at string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.ParseIP(at)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 7),
		IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
}
