package wire

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/node/route"
)

// endless is a stream that never ends, and how much of it was taken.
type endless struct {
	text  string
	taken int
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n+len(e.text) <= len(p) {
		n += copy(p[n:], e.text)
	}
	e.taken += n
	return n, nil
}

func TestALineThatDoesNotEndIsGivenUp(t *testing.T) {
	e := &endless{text: "a"}
	err := NewReader(e).Read(&Up{})
	if err == nil || !strings.Contains(err.Error(), "a line of more than 16777216 bytes") || e.taken > longest {
		t.Errorf("%v, after %d bytes", err, e.taken)
	}
}

func TestALineOfNothingsIsNotRead(t *testing.T) {
	for begin, nothing := range map[string]string{
		`{"Report":{"InForce":[{}`: ",{}", `{"Report":{"Tends":[""`: `,""`, `{"Report":{"Probed":{"":[]`: `,"":[]`,
	} {
		line := begin + strings.Repeat(nothing, mostValues) + "\n"
		if err := NewReader(strings.NewReader(line)).Read(&Up{}); err == nil || !strings.Contains(err.Error(), "a line of more than 262144 values") {
			t.Errorf("%s…: %v", begin, err)
		}
	}
}

func TestATableOfNothingsIsNotRead(t *testing.T) {
	for begin, nothing := range map[string]string{`{"Number":7,"Services":[{}`: ",{}", `{"Number":7,"Services":[{"Sources":[""`: `,""`} {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, _ = io.WriteString(w, begin+strings.Repeat(nothing, mostEntries))
		_ = w.Close()
		_, err := Open(Table{Body: packed.Bytes(), Digest: digest(packed.Bytes()), Number: 7})
		if err == nil || err.Error() != "a table of more than 1048576 values" {
			t.Errorf("%s…: %v", begin, err)
		}
	}
}

func TestATableThatNobodyWouldReadIsNotSealed(t *testing.T) {
	big := table()
	for i := range mostEntries / 8 {
		ip := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		big.Services[0].Endpoints = append(big.Services[0].Endpoints, route.Endpoint{Pod: "p", Node: "n1", IP: ip, Ports: []uint16{80}})
	}
	if _, err := Seal(key, "c", big); err == nil || !strings.Contains(err.Error(), "a table of more than 1048576 values") {
		t.Error(err)
	}
	big.Services[0].Endpoints = big.Services[0].Endpoints[:100_000]
	s, err := Seal(key, "c", big)
	if err == nil {
		_, err = Open(s)
	}
	if err != nil {
		t.Error(err)
	}
}
