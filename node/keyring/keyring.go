// Package keyring has a door's certificates and passwords: those that it is given, and those that it has issued by ACME for hosts of which it is the issuer.
// What the ACME client keeps is handed up, and what others have is taken in, so that every door can serve every host.
package keyring

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/wire"
)

// Options are what a Keyring is made of.
type Options struct {
	Log *logrus.Logger
	// Changed is given all that the ACME client keeps whenever it has written some of it. It is called by one goroutine at a time, and nothing waits for it.
	Changed func(wire.Kept)
}

// Keyring is safe for use by several goroutines.
type Keyring struct {
	Options
	users *users
	store *store
	shown atomic.Pointer[view]

	mu     sync.Mutex
	table  *route.Table
	node   string
	pairs  map[string]pair // by the name of the key
	issued map[string]pair // by host: what the store held last that could be read
	client *client         // nil while this node issues nothing
	beside sync.WaitGroup  // clients that end
}

// pair is a certificate with its private key, or why there is none.
type pair struct {
	cert   *tls.Certificate
	digest string // of what it was read from
	why    string
}

// New has nothing yet.
func New(o Options) *Keyring {
	k := &Keyring{Options: o, pairs: map[string]pair{}, issued: map[string]pair{}, users: newUsers()}
	k.store = newStore(k.stored)
	k.shown.Store(&view{})
	return k
}

// Put says under which names which ports are served, and what this node is to have issued. What is there is served at once.
func (k *Keyring) Put(t *route.Table, node string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.table, k.node = t, node
	k.refresh()
	k.issue()
}

// Take says which certificates and passwords there are. Those that are not among them are there no more.
func (k *Keyring) Take(keys wire.Keys) {
	k.mu.Lock()
	defer k.mu.Unlock()
	pairs, lists := map[string]pair{}, map[string][]byte{}
	for _, key := range keys.Keys {
		if len(key.Users) > 0 {
			lists[key.Name] = key.Users
			continue
		}
		pairs[key.Name] = read(k.pairs[key.Name], key.Chain, key.Private)
	}
	k.pairs = pairs
	k.users.take(lists)
	k.refresh()
}

// Keep takes in what the ACME clients of other doors keep.
func (k *Keyring) Keep(kept wire.Kept) {
	k.store.merge(kept)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refresh()
}

// stored is called when the ACME client has written something.
func (k *Keyring) stored(kept wire.Kept) {
	k.mu.Lock()
	k.refresh()
	k.mu.Unlock()
	if k.Changed != nil {
		k.Changed(kept)
	}
}

// Close ends what it has begun.
func (k *Keyring) Close() {
	k.mu.Lock()
	c := k.client
	k.client = nil
	k.mu.Unlock()
	if c != nil {
		c.close()
	}
	k.beside.Wait()
	k.store.close()
}

// read parses a pair, unless it is the one that was parsed before.
func read(before pair, chain, private []byte) pair {
	digest := string(chain) + "\x00" + string(private)
	if before.digest == digest {
		return before
	}
	cert, err := tls.X509KeyPair(chain, private)
	if err != nil {
		return pair{digest: digest, why: "it cannot be read"} // what is wrong is said where the table is made
	}
	return pair{cert: &cert, digest: digest}
}

// view is what handshakes go by. Nobody edits it.
type view struct {
	table   *route.Table
	ports   map[uint16]*served
	issuers map[string]string // by host: the node whose door has its certificate issued
}

type served struct {
	exact, near map[string]*tls.Certificate // by name; near are wildcards of one label, by what follows "*."
	deep        []suffix                    // longest first
	all         *tls.Certificate            // every other name's
}

type suffix struct {
	name string // what follows "*"
	cert *tls.Certificate
}

// refresh makes the view anew.
func (k *Keyring) refresh() {
	v := &view{table: k.table, ports: map[uint16]*served{}, issuers: map[string]string{}}
	for _, p := range k.doors().Ports {
		if !p.TLS {
			continue
		}
		s := &served{exact: map[string]*tls.Certificate{}, near: map[string]*tls.Certificate{}}
		for _, h := range p.Hosts {
			cert := k.pairOf(h).cert
			if host, issued := strings.CutPrefix(h.Key, acmePrefix); issued {
				v.issuers[host] = h.Issuer
			}
			switch rest, wild := strings.CutPrefix(h.Name, "*"); {
			case h.Name == "":
				s.all = cert
			case !wild:
				s.exact[h.Name] = cert
			case h.Deep:
				s.deep = append(s.deep, suffix{rest, cert})
			default:
				s.near[rest] = cert
			}
		}
		slices.SortStableFunc(s.deep, func(a, b suffix) int { return len(b.name) - len(a.name) })
		v.ports[p.Port] = s
	}
	k.shown.Store(v)
}

func (k *Keyring) doors() route.Doors {
	if k.table == nil || k.table.Doors == nil {
		return route.Doors{}
	}
	return *k.table.Doors
}

// pairOf is a host's. Of an issued one that cannot be read, as while its files are written one by one, the one before stays.
func (k *Keyring) pairOf(h route.DoorHost) pair {
	name, issued := strings.CutPrefix(h.Key, acmePrefix)
	if !issued {
		return k.pairs[h.Key]
	}
	d := k.doors()
	if d.ACME == nil {
		return pair{}
	}
	chain, private := k.store.certificate(d.ACME.Directory, name)
	if chain == nil || private == nil {
		return k.issued[name]
	}
	if p := read(k.issued[name], bytes.Clone(chain), private); p.cert != nil {
		k.issued[name] = p
	}
	return k.issued[name]
}

// acmePrefix begins the names of keys that are issued.
const acmePrefix = "acme/"

// Certificate answers handshakes at a port. Where there is none it gives none, and the client is told that the name is not known.
func (k *Keyring) Certificate(port uint16) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		s := k.shown.Load().ports[port]
		if s == nil {
			return nil, nil
		}
		return s.find(strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")), nil
	}
}

func (s *served) find(name string) *tls.Certificate {
	if name == "" {
		return s.all
	}
	if cert, ok := s.exact[name]; ok {
		return cert
	}
	if dot := strings.IndexByte(name, '.'); dot > 0 {
		if cert, ok := s.near[name[dot:]]; ok {
			return cert
		}
	}
	for _, d := range s.deep {
		if len(name) > len(d.name) && strings.HasSuffix(name, d.name) {
			return d.cert
		}
	}
	return s.all
}

// soonOver is how long before its end a certificate that nobody renews is spoken of; one that is issued should have been renewed long before its last week.
const (
	soonOver  = 14 * 24 * time.Hour
	lateToDo  = 7 * 24 * time.Hour
	mostLacks = 100
)

// Lacks is what the table names and is not there or is no good, each as "KEY: why" with the name of a key; sorted, and of much of that some.
func (k *Keyring) Lacks() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []string
	for _, p := range k.doors().Ports {
		for _, h := range p.Hosts {
			if why := k.lack(h); p.TLS && why != "" {
				all = append(all, live.Words(h.Key+": "+why))
			}
		}
	}
	for _, name := range route.KeyNames(k.table) {
		if why := k.users.why(name); why != "" {
			all = append(all, name+": "+why)
		}
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) > mostLacks {
		all = append(all[:mostLacks], fmt.Sprintf("and %d more", len(all)-mostLacks))
	}
	return all
}

// lack is what is wrong with a host's certificate; empty where nothing is, or none is named.
func (k *Keyring) lack(h route.DoorHost) string {
	p, issued, margin := k.pairOf(h), strings.HasPrefix(h.Key, acmePrefix), soonOver
	switch {
	case h.Key == "":
		return ""
	case issued && p.cert == nil && h.Issuer == k.node:
		return "there is no certificate yet: " + k.client.why(h.Name)
	case issued && p.cert == nil:
		return "there is no certificate yet: " + h.Issuer + " has it issued"
	case p.cert == nil:
		return cmp.Or(p.why, "it is not here yet")
	case issued:
		margin = lateToDo
		if d := k.doors(); h.Issuer == k.node && d.ACME != nil {
			if chain, _ := k.store.certificate(d.ACME.Directory, h.Name); chain == nil {
				return "the certificate is another issuer's still: " + k.client.why(h.Name)
			}
		}
	}
	end := p.cert.Leaf.NotAfter
	switch left := time.Until(end); {
	case left <= 0:
		return "it ended on " + end.Format(time.DateOnly)
	case left >= margin || left >= lifetime(p.cert)/2:
		return ""
	case issued && h.Issuer == k.node:
		return fmt.Sprintf("it ends on %s, and is not renewed: %s", end.Format(time.DateOnly), k.client.why(h.Name))
	}
	return "it ends on " + end.Format(time.DateOnly)
}

func lifetime(c *tls.Certificate) time.Duration { return c.Leaf.NotAfter.Sub(c.Leaf.NotBefore) }
