package keyring

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/wire"
)

// keyFor is a certificate for a host, for some days.
func keyFor(t testing.TB, name, host string) wire.Key {
	return keyUntil(t, name, host, time.Now().AddDate(0, 0, 60))
}

func keyUntil(t testing.TB, name, host string, end time.Time) wire.Key {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: end.AddDate(0, 0, -90), NotAfter: end}
	cert, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return wire.Key{
		Name: name, Chain: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), Private: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
}

func serving(hosts ...route.DoorHost) *route.Table {
	return &route.Table{Doors: &route.Doors{Ports: []route.DoorPort{{Port: 443, TLS: true, Hosts: hosts}}}}
}

func TestOfSeveralNamesTheMostSpecificServes(t *testing.T) {
	k := New(Options{})
	defer k.Close()
	var keys wire.Keys
	for _, name := range []string{"exact", "near", "deep", "deeper", "all"} {
		keys.Keys = append(keys.Keys, keyFor(t, name, name))
	}
	k.Take(keys)
	k.Put(serving(
		route.DoorHost{Name: "a.example.org", Key: "exact"}, route.DoorHost{Name: "*.example.org", Key: "near"}, route.DoorHost{Name: "*.example.net", Deep: true, Key: "deep"},
		route.DoorHost{Name: "*.sub.example.net", Deep: true, Key: "deeper"}, route.DoorHost{Key: "all"}, route.DoorHost{Name: "none.example.org"},
	), "n1")
	for asked, want := range map[string]string{
		"a.example.org": "exact", "A.Example.ORG.": "exact", "b.example.org": "near", "a.b.example.org": "all", "a.b.example.net": "deep", "a.sub.example.net": "deeper",
		"sub.example.net": "deep", "example.net": "all", "": "all", "none.example.org": "",
	} {
		got := ""
		if cert, _ := k.Certificate(443)(&tls.ClientHelloInfo{ServerName: asked}); cert != nil {
			got = cert.Leaf.DNSNames[0]
		}
		if got != want {
			t.Errorf("%q is served %q, want %q", asked, got, want)
		}
	}
	if cert, _ := k.Certificate(8443)(&tls.ClientHelloInfo{ServerName: "a.example.org"}); cert != nil {
		t.Error("a port that the table does not name is served")
	}
}

func TestWhatIsLackingIsSaidByItsKey(t *testing.T) {
	k := New(Options{})
	defer k.Close()
	broken := keyFor(t, "default/broken@1", "broken.example.org")
	broken.Private = []byte("secret")
	k.Take(wire.Keys{Keys: []wire.Key{
		broken, keyUntil(t, "default/old@1", "old.example.org", time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)), keyFor(t, "default/good@1", "good.example.org"),
		{Name: "default/users@1", Users: []byte("ann:plain\n")},
	}})
	hosts := []route.DoorHost{{Name: "plain.example.org", Rules: []route.DoorRule{{Users: "default/users@1"}}}}
	for _, name := range []string{"broken", "old", "good", "missing"} {
		hosts = append(hosts, route.DoorHost{Name: name + ".example.org", Key: "default/" + name + "@1"})
	}
	k.Put(serving(hosts...), "n1")
	if diff := cmp.Diff([]string{
		"default/broken@1: it cannot be read", "default/missing@1: it is not here yet", "default/old@1: it ended on 2026-01-02",
		"default/users@1: a line is not NAME:HASH with a hash of bcrypt, SHA or MD5 that is checked within a second or so, and opens nothing",
	}, k.Lacks()); diff != "" {
		t.Error(diff)
	}
}

func TestACertificateThatFollowsAnotherIsServedToTheNextHandshake(t *testing.T) {
	k := New(Options{})
	defer k.Close()
	k.Put(serving(route.DoorHost{Name: shop, Key: "default/shop@1"}), "n1")
	serves := func() string {
		cert, _ := k.Certificate(443)(&tls.ClientHelloInfo{ServerName: shop})
		if cert == nil {
			return ""
		}
		return cert.Leaf.DNSNames[0]
	}
	k.Take(wire.Keys{Keys: []wire.Key{keyFor(t, "default/shop@1", "first"), keyFor(t, "default/shop@2", "second")}})
	if got := serves(); got != "first" {
		t.Error(got)
	}
	k.Put(serving(route.DoorHost{Name: shop, Key: "default/shop@2"}), "n1")
	if got := serves(); got != "second" {
		t.Error(got)
	}
	k.Take(wire.Keys{})
	if got := serves(); got != "" {
		t.Error(got)
	}
}

func TestWhoComesInByWhichHash(t *testing.T) {
	k := New(Options{})
	defer k.Close()
	k.Take(wire.Keys{Keys: []wire.Key{{Name: "list", Users: []byte(strings.Join([]string{
		"bcrypt:$2y$04$ZeVrmhzOxJ9w4iPCDvBMXe0VXPZ2OlpL1ETdFiTI8d1Mcv5DWpfpi", "sha:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=", "plain:pass",
	}, "\n"))}}})
	for _, c := range []struct {
		list, name, password string
		want                 bool
	}{
		{"list", "sha", "pass", true}, {"list", "sha", "pass", true}, {"list", "sha", "word", false}, {"list", "nobody", "pass", false}, {"list", "plain", "pass", false},
		{"list", "bcrypt", "word", false}, {"other", "sha", "pass", false},
	} {
		if got := k.Allowed(c.list, c.name, c.password); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	k.Take(wire.Keys{Keys: []wire.Key{{Name: "list", Users: []byte("sha:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=\n")}}})
	if k.Allowed("list", "sha", "pass") {
		t.Error("an old password opens still")
	}
}

func TestNoMoreIsKeptThanMayBe(t *testing.T) {
	s := newStore(func(wire.Kept) {})
	defer s.close()
	for name, value := range map[string]int{"certificates/a/b/b.crt": largestEntry + 1, "certificates/" + strings.Repeat("a", longestEntry): 1} {
		if err := s.Store(t.Context(), name, make([]byte, value)); err == nil {
			t.Errorf("%.30s of %d bytes is kept", name, value)
		}
	}
	stored := 0
	for s.Store(t.Context(), fmt.Sprintf("certificates/a/%d", stored), make([]byte, largestEntry)) == nil {
		stored++
	}
	if want := mostKept/largestEntry - 1; stored != want { // names take some room too
		t.Errorf("%d are kept, want %d", stored, want)
	}
	s.merge(wire.Kept{Entries: map[string]wire.KeptEntry{"certificates/b": {Value: make([]byte, largestEntry), Time: time.Now()}, "locks/x": {Time: time.Now()}}})
	if n := len(s.all().Entries); n != stored {
		t.Errorf("%d are kept then", n)
	}
}

// BenchmarkCertificates is what finding a certificate among 1,000 costs.
func BenchmarkCertificates(b *testing.B) {
	k := New(Options{})
	defer k.Close()
	var keys wire.Keys
	var hosts []route.DoorHost
	for i := range 1000 {
		host := fmt.Sprintf("h%04d.example.org", i)
		keys.Keys = append(keys.Keys, keyFor(b, host, host))
		hosts = append(hosts, route.DoorHost{Name: host, Key: host})
	}
	k.Take(keys)
	k.Put(serving(hosts...), "n1")
	find := k.Certificate(443)
	b.ReportAllocs()
	for b.Loop() {
		if cert, _ := find(&tls.ClientHelloInfo{ServerName: "h0500.example.org"}); cert == nil {
			b.Fatal("it is not there")
		}
	}
}

func TestGuessesTakeTurnsAndWhatIsRememberedHasABound(t *testing.T) {
	k := New(Options{})
	defer k.Close()
	k.Take(wire.Keys{Keys: []wire.Key{{Name: "list", Users: []byte("sha:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n")}}})
	for range mostChecks {
		k.users.turns <- struct{}{}
	}
	answer := make(chan bool)
	go func() { answer <- k.Allowed("list", "sha", "pass") }()
	select {
	case <-answer:
		t.Error("more are checked at a time than may be")
	case <-time.After(50 * time.Millisecond):
	}
	<-k.users.turns
	if !<-answer {
		t.Error("whose turn it was is not let in")
	}
	<-k.users.turns
	k.Take(wire.Keys{Keys: []wire.Key{{Name: "list", Users: []byte("sha:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\nother:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n")}}})
	for i := range mostRemembered {
		k.users.right[[32]byte{1, byte(i), byte(i >> 8)}] = true
	}
	if !k.Allowed("list", "other", "pass") || len(k.users.right) > 1 {
		t.Errorf("%d are remembered", len(k.users.right))
	}
}

func TestOfMuchThatIsLackingSomeIsSaid(t *testing.T) {
	k := New(Options{})
	defer k.Close()
	var hosts []route.DoorHost
	for i := range mostLacks + 5 {
		hosts = append(hosts, route.DoorHost{Name: fmt.Sprint("h", i), Key: fmt.Sprint("default/", i)})
	}
	k.Put(serving(hosts...), "n1")
	if all := k.Lacks(); len(all) != mostLacks+1 || all[mostLacks] != "and 5 more" {
		t.Errorf("%d: %q", len(all), all[len(all)-1])
	}
}

func TestAChallengesAnswerIsNotHeardWithoutEnd(t *testing.T) {
	talker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, 4*largestChallenge)) }))
	defer talker.Close()
	heard := httptest.NewRecorder()
	if err := passOn(heard, httptest.NewRequest(http.MethodGet, "http://"+shop+challengePath+"x", nil), talker.Listener.Addr().String()); err != nil || heard.Body.Len() != largestChallenge {
		t.Errorf("%d bytes, %v", heard.Body.Len(), err)
	}
}

func TestWhatIsStoredCountsForMoreThanWhatAClockThatIsAheadHasStored(t *testing.T) {
	s := newStore(func(wire.Kept) {})
	defer s.close()
	name, now := "certificates/a/b/b.crt", time.Now()
	had := wire.KeptEntry{Value: []byte("1"), Time: now.Add(wire.MostAhead / 2)}
	s.merge(wire.Kept{Entries: map[string]wire.KeptEntry{name: had, "certificates/a/c/c.crt": {Time: now.Add(2 * wire.MostAhead)}}})
	if err := s.Store(t.Context(), name, []byte("2")); err != nil {
		t.Error(err)
	}
	all := s.all().Entries
	if e := all[name]; string(e.Value) != "2" || !e.Time.After(had.Time) || len(all) != 1 {
		t.Errorf("%+v", all)
	}
}

func TestHalfOfACertificateIsForgottenBeforeItIsIssued(t *testing.T) {
	s := newStore(func(wire.Kept) {})
	defer s.close()
	directory := "https://acme.example.org/directory"
	folder := "certificates/acme.example.org-directory/"
	whole, other := keyFor(t, "", "a"), keyFor(t, "", "b")
	entries := map[string]wire.KeptEntry{}
	for name, value := range map[string][]byte{
		"a/a.crt": whole.Chain, "a/a.key": whole.Private, "a/a.json": []byte("{}"), "b/b.crt": whole.Chain, "b/b.key": other.Private, "b/b.json": []byte("{}"), "c/c.key": other.Private,
	} {
		entries[folder+name] = wire.KeptEntry{Value: value, Time: time.Now()}
	}
	s.merge(wire.Kept{Entries: entries})
	for _, host := range []string{"a", "b", "c", "d"} {
		s.mend(directory, host)
	}
	if diff := cmp.Diff([]string{folder + "a/a.crt", folder + "a/a.json", folder + "a/a.key"}, s.names()); diff != "" {
		t.Error(diff)
	}
	size := 0
	for name, e := range s.all().Entries {
		size += len(name) + len(e.Value)
	}
	if s.size != size {
		t.Errorf("%d bytes are counted, want %d", s.size, size)
	}
}

func TestAHashThatTakesTooLongOpensNothingAndKeepsNobodyWaiting(t *testing.T) {
	k := New(Options{})
	defer k.Close()
	for _, hash := range []string{
		fmt.Sprintf("$2y$%d$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234", mostCost+1), "$2a$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234",
		fmt.Sprintf("$6$rounds=%d$salt$x", mostRounds+1), "$5$rounds=999999999$salt$x",
	} {
		k.Take(wire.Keys{Keys: []wire.Key{{Name: "list", Users: []byte("slow:" + hash + "\nsha:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n")}}})
		if k.Allowed("list", "slow", "pass") || !k.Allowed("list", "sha", "pass") || k.users.why("list") == "" {
			t.Errorf("%s: nothing is said, or somebody else is not let in", hash)
		}
	}
	for _, hash := range []string{"$2y$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234", "$5$rounds=5000$salt$x", "$apr1$salt$x"} {
		if _, err := rejectSlow(hash); err != nil {
			t.Errorf("%s: %v", hash, err)
		}
	}
}

func TestAnAccountCanBeForgottenAndACertificateCannot(t *testing.T) {
	s := newStore(func(wire.Kept) {})
	defer s.close()
	account, cert := "acme/ca/users/ann/ann.json", "certificates/ca/"+shop+"/"+shop+".crt"
	for _, name := range []string{account, cert} {
		if err := s.Store(t.Context(), name, []byte("x")); err != nil {
			t.Fatal(err)
		}
		_ = s.Delete(t.Context(), name)
	}
	if s.Exists(t.Context(), account) || !s.Exists(t.Context(), cert) || s.size != len(cert)+1 {
		t.Errorf("%q, %d bytes", s.names(), s.size)
	}
}
