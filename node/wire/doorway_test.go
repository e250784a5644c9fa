package wire

import (
	"bytes"
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
	all, news, err := own.With(others)
	want := Kept{Entries: map[string]KeptEntry{"a": {[]byte("1"), at}, "b": {[]byte("2"), at.Add(1)}, "c": {[]byte("2"), at}}}
	if diff := cmp.Diff(want, all); diff != "" || !news || err != nil {
		t.Error(diff, news, err)
	}
	if _, news, err := all.With(own); news || err != nil {
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
		if all, news, err := own.With(others); err == nil || news || len(all.Entries) != 1 {
			t.Errorf("%s: %d entries", claim, len(all.Entries))
		}
	}
	if _, news, err := own.With(Kept{Entries: map[string]KeptEntry{"b": {Value: make([]byte, mostKept-3)}}}); err != nil || !news {
		t.Error(err)
	}
}
