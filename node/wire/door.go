package wire

import "time"

// Keys are certificates and passwords for doors, which no table holds. A node side keeps them on its volume, so that its door has them when no controller
// is there.
type Keys struct {
	Mark string   // of all of them: what reports call them
	Keys []Key    // sorted by name
	Keep []string // names of further ones that it has from before, and is to keep; all others go. Sorted
}

// Key is a certificate with its private key, or passwords.
type Key struct {
	Name    string // as route.DoorHost.Key and route.DoorRule.Users call it
	Chain   []byte `json:",omitempty"` // PEM, leaf first
	Private []byte `json:",omitempty"` // PEM
	Users   []byte `json:",omitempty"` // htpasswd, a line a user
}

// Kept is what the doors' ACME client keeps: accounts, certificates. Of two entries of one name the later counts. Each node side has all of it on its volume,
// hands it up when it has something newer, and is sent down what others have.
type Kept struct {
	Entries map[string]KeptEntry
}

// KeptEntry is a file of the ACME client's.
type KeptEntry struct {
	Value []byte
	Time  time.Time
}
