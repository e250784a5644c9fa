package wire

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
)

// DoorUp is what a door says to the node side of its host, at live.DoorSocket. Door comes first, and whenever it has changed. An empty one is a sign of life.
type DoorUp struct {
	Door *live.Door `json:",omitempty"`
	Took string     `json:",omitempty"` // with Door: Digest of the newest table that it was given and serves by, or does not for a reason among Door.Troubles
	Kept *Kept      `json:",omitempty"` // when its ACME client has written something: all of it
}

// DoorDown is what the node side says to a door. An empty one is a sign of life.
type DoorDown struct {
	Keys  *Keys  `json:",omitempty"` // all that there are, before the table that names them
	Kept  *Kept  `json:",omitempty"` // all of it
	Table *Table `json:",omitempty"` // by which it is to serve, whoever signed it
}

// Bounds on what a node side keeps for doors, in bytes with names: each fits into a line.
const (
	mostKeys = 8 << 20
	mostKept = 4 << 20
)

// After is what there is once k has followed before: what k brings, and what it says is to be kept. err: that is too much.
func (k Keys) After(before Keys) (now Keys, err error) {
	had := map[string]Key{}
	for _, key := range before.Keys {
		had[key.Name] = key
	}
	now.Mark = k.Mark
	now.Keys = append(now.Keys, k.Keys...)
	brought := map[string]bool{}
	for _, key := range k.Keys {
		brought[key.Name] = true
	}
	for _, name := range k.Keep {
		if key, there := had[name]; there && !brought[name] {
			brought[name] = true
			now.Keys = append(now.Keys, key)
		}
	}
	size := 0
	for _, key := range now.Keys {
		size += len(key.Name) + len(key.Chain) + len(key.Private) + len(key.Users)
	}
	if size > mostKeys {
		return Keys{}, fmt.Errorf("certificates and passwords for doors of more than %d bytes", mostKeys)
	}
	return now, nil
}

// MostAhead is how far others' clocks may be ahead: what is said to be of later is of no use, since nothing would ever follow it. longestOver is for how long a
// certificate is kept that has ended, so that those of hosts that are gone do not pile up.
const (
	MostAhead   = 24 * 60 * time.Minute
	longestOver = 30 * 24 * 60 * time.Minute
)

// Useful is k without what is of no use: what is said to be of the future, and what belongs to a certificate that has ended long ago.
func (k Kept) Useful(now time.Time) Kept {
	over := map[string]bool{} // folders, of one host each
	for name, e := range k.Entries {
		if folder, is := strings.CutSuffix(name, ".crt"); is && strings.HasPrefix(name, "certificates/") {
			end, known := endOf(e.Value)
			over[folder[:strings.LastIndexByte(folder, '/')]] = known && end.Before(now.Add(-longestOver))
		}
	}
	all := Kept{Entries: maps.Clone(k.Entries)}
	maps.DeleteFunc(all.Entries, func(name string, e KeptEntry) bool {
		return e.Time.Sub(now) > MostAhead || over[name[:max(0, strings.LastIndexByte(name, '/'))]]
	})
	return all
}

// endOf is when a certificate ends, of its chain in PEM.
func endOf(chain []byte) (end time.Time, known bool) {
	block, _ := pem.Decode(chain)
	if block == nil {
		return end, false
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return end, false
	}
	return leaf.NotAfter, true
}

// With is what is useful of k, with what others have that it lacks, or newer, and whether they have any. err: all of it would be too much.
func (k Kept) With(others Kept, now time.Time) (all Kept, news bool, err error) {
	all = k.Useful(now)
	for name, theirs := range others.Useful(now).Entries {
		if own, there := all.Entries[name]; there && !theirs.Time.After(own.Time) {
			continue
		}
		if all.Entries == nil {
			all.Entries = map[string]KeptEntry{}
		}
		all.Entries[name], news = theirs, true
	}
	size := 0
	for name, e := range all.Entries {
		size += len(name) + len(e.Value)
	}
	if size > mostKept {
		return k, false, fmt.Errorf("accounts and certificates of the doors' ACME clients of more than %d bytes", mostKept)
	}
	return all, news, nil
}
