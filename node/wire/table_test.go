package wire

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

var (
	seed  = sha256.Sum256([]byte("controller"))
	key   = ed25519.NewKeyFromSeed(seed[:])
	whose = manifest.KeyText(key.Public().(ed25519.PublicKey))
)

func table() *route.Table {
	return &route.Table{
		Number: 7, Pods: netip.MustParsePrefix("10.42.0.0/16"), Domain: "cluster.local",
		Nodes: []route.Node{{Name: "n1", Range: netip.MustParsePrefix("10.42.1.0/24")}},
		Services: []route.Service{{
			Namespace: "default", Name: "web", IP: netip.MustParseAddr("10.43.0.1"), Ports: []route.Port{{Protocol: "tcp", Port: 80}},
			Endpoints: []route.Endpoint{{Pod: "web-0", Node: "n1", IP: netip.MustParseAddr("10.42.1.2"), Ports: []uint16{8080}}},
		}},
	}
}

func sealed(t *testing.T) Table {
	t.Helper()
	s, err := Seal(key, "c", table())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatIsSealedIsOpenedAgainAndSaysWhoSignedIt(t *testing.T) {
	s := sealed(t)
	got, err := Open(s)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(table(), got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Error(diff)
	}
	if s.Number != 7 || s.Signer("c") != whose {
		t.Errorf("number %d, signed by %q", s.Number, s.Signer("c"))
	}
	if again := sealed(t); again.Digest != s.Digest {
		t.Error("the same table has two digests")
	}
	if who := s.Signer("other"); who != "" {
		t.Errorf("for another cluster it is signed by %q", who)
	}
}

func TestATableThatWasTamperedWithIsNotOpenedOrIsNotSigned(t *testing.T) {
	packed := func(text []byte) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(text)
		_ = w.Close()
		return b.Bytes()
	}
	other := func(s Table, body []byte) Table { s.Body, s.Digest = body, digest(body); return s }
	s := sealed(t)
	if who := other(s, packed([]byte(`{"Number":7}`))).Signer("c"); who != "" {
		t.Errorf("another body is signed by %q", who)
	}
	for claim, bad := range map[string]Table{
		"another number":     {Body: s.Body, Digest: s.Digest, Number: 8},
		"another digest":     {Body: s.Body, Digest: digest(nil), Number: 7},
		"nothing":            {Digest: digest(nil)},
		"not packed":         other(s, []byte(`{"Number":7}`)),
		"cut off":            other(s, s.Body[:len(s.Body)/2]),
		"no table":           other(s, packed([]byte(`[7]`))),
		"no address":         other(s, packed([]byte(`{"Number":7,"Services":[{"IP":"x"}]}`))),
		"too much to unpack": other(s, packed(append([]byte(`{"Number":7}`), bytes.Repeat([]byte(" "), mostUnpacked)...))),
		"too much":           other(s, make([]byte, mostPacked+1)),
	} {
		if got, err := Open(bad); err == nil {
			t.Errorf("%s: %+v", claim, got)
		}
	}
}

func TestWhatATableNeedsIsTakenByNobodyWhoDoesNotKnowIt(t *testing.T) {
	policed, sourced := table(), table()
	policed.Policies = &route.Policies{Known: []route.Known{{Node: "n1", Pod: "web-0", IP: netip.MustParseAddr("10.42.1.2")}}}
	sourced.Services[0].Sources = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for name, sent := range map[string]*route.Table{"policies": policed, "sources": sourced} {
		s, err := Seal(key, "c", sent)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Open(s)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(sent, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
			t.Error(diff)
		}
		packed, _ := gzip.NewReader(bytes.NewReader(s.Body))
		older := struct{ Number uint64 }{} // as a node side reads it that is older: the number has to be the one that it was sent under
		if err := json.NewDecoder(packed).Decode(&older); err != nil || older.Number == s.Number {
			t.Errorf("%s: number %d, %v: it would be taken", name, older.Number, err)
		}
	}
	text := []byte(`{"Needs":["policies","wings"],"Table":{"Number":7}}`)
	if _, err := decode(text); err == nil || err.Error() != "it needs a node side that knows of wings" {
		t.Error(err)
	}
}

func TestTheLargestTableFitsIntoALine(t *testing.T) {
	body := make([]byte, mostPacked)
	rand.New(rand.NewSource(1)).Read(body)
	var line bytes.Buffer
	if err := Write(&line, Down{Table: &Table{Node: "n1", Body: body, Digest: digest(body)}}); err != nil {
		t.Fatal(err)
	}
	var down Down
	if err := NewReader(&line).Read(&down); err != nil || !bytes.Equal(down.Table.Body, body) {
		t.Error(err)
	}
}

// What doors serve at most, as route bounds it, leaves room for endpoints.
func TestATableOfAsManyDoorsAsThereMayBeIsSealed(t *testing.T) {
	big, port := table(), route.DoorPort{Port: 80}
	for h := range 10_000 {
		host := route.DoorHost{Name: fmt.Sprintf("h%05d.example.org", h), Key: "default/tls@0123456789ab"}
		for r := range 2 {
			host.Rules = append(host.Rules, route.DoorRule{
				From: "Ingress/default/web", Match: route.DoorMatch{Kind: route.Prefix, Path: fmt.Sprintf("/%d", r)}, To: []route.DoorBackend{{Namespace: "default", Service: "web", Port: 80, Weight: 1}},
			})
		}
		port.Hosts = append(port.Hosts, host)
	}
	big.Doors = &route.Doors{Nodes: []string{"n1"}, Ports: []route.DoorPort{port}}
	s, err := Seal(key, "c", big)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Open(s); err != nil || !got.Same(big) {
		t.Error(err)
	}
	text, _ := encode(big)
	if n := valuesOf(text); n > mostEntries*3/4 {
		t.Errorf("%d values of %d", n, mostEntries)
	}
}

func TestATableThatWouldNotFitIsNotSealed(t *testing.T) {
	noise := make([]byte, mostPacked)
	rand.New(rand.NewSource(1)).Read(noise)
	big := &route.Table{Domain: hex.EncodeToString(noise)}
	if s, err := Seal(key, "c", big); err == nil {
		t.Errorf("%d bytes", len(s.Body))
	}
}
