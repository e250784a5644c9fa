package wire

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestKeysThatAreToBeKeptStayAndAllOthersGo(t *testing.T) {
	before := Keys{Mark: "1", Keys: []Key{{Name: "a", Users: []byte("old")}, {Name: "b", Users: []byte("b")}, {Name: "c"}}}
	now, err := Keys{Mark: "2", Keys: []Key{{Name: "a", Users: []byte("new")}}, Keep: []string{"a", "b", "b", "gone"}}.After(before)
	want := Keys{Mark: "2", Keys: []Key{{Name: "a", Users: []byte("new")}, {Name: "b", Users: []byte("b")}}}
	if diff := cmp.Diff(want, now); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestKeysForDoorsHaveABoundAndFitIntoALine(t *testing.T) {
	noise := make([]byte, mostKeys-1)
	rand.New(rand.NewSource(1)).Read(noise)
	most, err := Keys{Mark: "1", Keys: []Key{{Name: "a", Chain: noise}}}.After(Keys{})
	if err != nil {
		t.Fatal(err)
	}
	var line bytes.Buffer
	var down DoorDown
	if err := Write(&line, DoorDown{Keys: &most}); err != nil {
		t.Fatal(err)
	}
	if err := NewReader(&line).Read(&down); err != nil || !bytes.Equal(down.Keys.Keys[0].Chain, noise) {
		t.Error(err)
	}
	_, err = Keys{Mark: "2", Keys: []Key{{Name: "b"}}, Keep: []string{"a"}}.After(most)
	if err == nil || err.Error() != "certificates and passwords for doors of more than 8388608 bytes" {
		t.Error(err)
	}
}

func TestOfTwoEntriesThatAreKeptTheLaterCounts(t *testing.T) {
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	own := Kept{Entries: map[string]KeptEntry{"a": {[]byte("1"), at}, "b": {[]byte("1"), at}}}
	others := Kept{Entries: map[string]KeptEntry{"a": {[]byte("2"), at}, "b": {[]byte("2"), at.Add(1)}, "c": {[]byte("2"), at}}}
	all, news, err := own.With(others, at)
	want := Kept{Entries: map[string]KeptEntry{"a": {[]byte("1"), at}, "b": {[]byte("2"), at.Add(1)}, "c": {[]byte("2"), at}}}
	if diff := cmp.Diff(want, all); diff != "" || !news || err != nil {
		t.Error(diff, news, err)
	}
	if _, news, err := all.With(own, at); news || err != nil {
		t.Error("what is older is news")
	}
	if len(own.Entries) != 2 {
		t.Error("its own were changed")
	}
}

func TestWhatIsKeptOfAnACMEClientHasABound(t *testing.T) {
	own := Kept{Entries: map[string]KeptEntry{"a": {Value: []byte("1")}}}
	for claim, others := range map[string]Kept{
		"a value":  {Entries: map[string]KeptEntry{"b": {Value: make([]byte, mostKept)}}},
		"its name": {Entries: map[string]KeptEntry{strings.Repeat("b", mostKept): {}}},
	} {
		if all, news, err := own.With(others, time.Time{}); err == nil || news || len(all.Entries) != 1 {
			t.Errorf("%s: %d entries", claim, len(all.Entries))
		}
	}
	if _, news, err := own.With(Kept{Entries: map[string]KeptEntry{"b": {Value: make([]byte, mostKept-3)}}}, time.Time{}); err != nil || !news {
		t.Error(err)
	}
}

func certificateUntil(t *testing.T, end time.Time) []byte {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.AddDate(0, 0, -90), NotAfter: end}
	cert, err := x509.CreateCertificate(nil, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
}

func TestWhatIsOfNoUseIsNotKept(t *testing.T) {
	now := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	triple := func(host string, chain []byte) map[string]KeptEntry {
		return map[string]KeptEntry{
			"certificates/ca/" + host + "/" + host + ".crt": {chain, now.AddDate(0, -3, 0)}, "certificates/ca/" + host + "/" + host + ".key": {[]byte("key"), now.AddDate(0, -3, 0)},
		}
	}
	for _, c := range []struct {
		claim string
		kept  map[string]KeptEntry
		stays bool
	}{
		{"a certificate that holds", triple("a", certificateUntil(t, now.AddDate(0, 0, 1))), true},
		{"one that has ended lately, and may be renewed yet", triple("a", certificateUntil(t, now.Add(-longestOver+time.Minute))), true},
		{"one that has ended long ago, with its key", triple("a", certificateUntil(t, now.Add(-longestOver-time.Minute))), false},
		{"what cannot be read may be of a later version", triple("a", []byte("?")), true},
		{"an account", map[string]KeptEntry{"acme/ca/users/a/a.json": {[]byte("1"), now.AddDate(-9, 0, 0)}}, true},
		{"what another clock says that is ahead", map[string]KeptEntry{"acme/ca/users/a/a.json": {[]byte("1"), now.Add(MostAhead)}}, true},
		{"what is of the future, after which nothing would ever come", map[string]KeptEntry{"acme/ca/users/a/a.json": {[]byte("1"), now.Add(MostAhead + 1)}}, false},
	} {
		own, others := Kept{Entries: c.kept}, Kept{Entries: map[string]KeptEntry{"acme/ca/users/b/b.json": {[]byte("1"), now}}}
		for how, all := range map[string]func() (Kept, bool, error){
			"there":  func() (Kept, bool, error) { return own.With(others, now) },
			"coming": func() (Kept, bool, error) { return others.With(own, now) },
		} {
			want := 1
			if c.stays {
				want += len(c.kept)
			}
			kept, news, err := all()
			if err != nil || len(kept.Entries) != want || how == "coming" && news != c.stays {
				t.Errorf("%s, %s: there are %d, want %d; news: %t, %v", c.claim, how, len(kept.Entries), want, news, err)
			}
		}
	}
}

func TestWhatIsOfTheFutureGivesWay(t *testing.T) {
	now := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	own := Kept{Entries: map[string]KeptEntry{"a": {[]byte("forged"), now.AddDate(50, 0, 0)}}}
	all, news, err := own.With(Kept{Entries: map[string]KeptEntry{"a": {[]byte("renewed"), now}}}, now)
	if got := string(all.Entries["a"].Value); got != "renewed" || !news || err != nil {
		t.Error(got, news, err)
	}
}
