package wire

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

// Table is a route.Table as it is sent, kept and shown again.
type Table struct {
	Node   string // what the one who is told is called in it
	Body   []byte // JSON of it, gzip
	Sig    string // of the controller's key over Body, over live.TableMessage, as live.Sign has it
	Digest string // of Body: what reports call it
	Number uint64
	Anew   bool `json:",omitempty"` // it is to be in force whatever number the one before has
}

// Bounds on a table: packed it fits into a line, and unpacked, and read, into memory. One of a hundred thousand endpoints has some 800,000 values.
const (
	mostPacked   = longest / 2
	mostUnpacked = 64 << 20
	mostEntries  = 1 << 20
)

// Seal signs a table for the cluster's node sides. Its Node is left to say.
func Seal(key ed25519.PrivateKey, cluster string, t *route.Table) (Table, error) {
	text, err := encode(t)
	if err != nil {
		return Table{}, err
	}
	var body bytes.Buffer
	packer := gzip.NewWriter(&body)
	if _, err := packer.Write(text); err != nil {
		return Table{}, err
	}
	if err := packer.Close(); err != nil {
		return Table{}, err
	}
	if len(text) > mostUnpacked || body.Len() > mostPacked {
		return Table{}, fmt.Errorf("a table of %d bytes, packed %d: %d and %d are the most", len(text), body.Len(), mostUnpacked, mostPacked)
	}
	if valuesOf(text) > mostEntries {
		return Table{}, fmt.Errorf("a table of more than %d values: there are too many endpoints of Services", mostEntries)
	}
	signed := live.Sign(key, map[string]string{}, live.TableMessage(cluster, body.Bytes()))
	return Table{Body: body.Bytes(), Sig: signed[live.LabelSig], Digest: digest(body.Bytes()), Number: t.Number}, nil
}

// Open is what a table says, whoever signed it. Its Number and Digest are those of its Body, else it is an error.
func Open(sealed Table) (*route.Table, error) {
	if len(sealed.Body) > mostPacked {
		return nil, fmt.Errorf("a table of %d bytes, packed: %d are the most", len(sealed.Body), mostPacked)
	}
	if sealed.Digest != digest(sealed.Body) {
		return nil, fmt.Errorf("the table is not the one that it says it is")
	}
	packed, err := gzip.NewReader(bytes.NewReader(sealed.Body))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(packed, mostUnpacked+1))
	if err != nil {
		return nil, err
	}
	if len(text) > mostUnpacked {
		return nil, fmt.Errorf("a table of more than %d bytes", mostUnpacked)
	}
	if valuesOf(text) > mostEntries {
		return nil, fmt.Errorf("a table of more than %d values", mostEntries)
	}
	t, err := decode(text)
	if err != nil {
		return nil, err
	}
	if t.Number != sealed.Number {
		return nil, fmt.Errorf("table %d says that it is number %d", sealed.Number, t.Number)
	}
	return t, nil
}

// needing is a table that nobody may route by who does not know all of what it needs. Who is older than needs finds a table in it whose number is not
// the one that it was sent under, and takes none.
type needing struct {
	Needs []string
	Table *route.Table
}

// What a table needs its reader to know: who passed over policies would let everybody speak to everybody, and over sources, in whoever comes.
const (
	needsPolicies = "policies"
	needsSources  = "sources"
)

var known = []string{needsPolicies, needsSources}

func encode(t *route.Table) ([]byte, error) {
	var needs []string
	if t.Policies != nil {
		needs = append(needs, needsPolicies)
	}
	if slices.ContainsFunc(t.Services, func(s route.Service) bool { return len(s.Sources) > 0 }) {
		needs = append(needs, needsSources)
	}
	if len(needs) == 0 {
		return json.Marshal(t)
	}
	return json.Marshal(needing{needs, t})
}

func decode(text []byte) (*route.Table, error) {
	var n needing
	if err := json.Unmarshal(text, &n); err != nil {
		return nil, err
	}
	for _, need := range n.Needs {
		if !slices.Contains(known, need) {
			return nil, fmt.Errorf("it needs a node side that knows of %s", need)
		}
	}
	if n.Table != nil {
		return n.Table, nil
	}
	t := &route.Table{}
	return t, json.Unmarshal(text, t)
}

// Signer is the public key that signed the table for the cluster, as manifest.KeyText has it; empty if none did.
func (t Table) Signer(cluster string) string {
	return live.SignerOf(map[string]string{live.LabelSig: t.Sig}, live.TableMessage(cluster, t.Body))
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
