package reconciler

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/wire"
)

// No table holds certificates and passwords. A host with a door is sent those that the table names before it is sent the table, and what the ACME clients of
// other hosts' doors keep. Nothing of that is written down here: what doors had issued comes from the node sides that have it.

// doorkeeping is what hosts with a door are to have beside the table. Nobody edits it.
type doorkeeping struct {
	nodes []string   // with a door
	names []string   // of keys, sorted
	users []string   // Secrets each of whose keys is a user, sorted
	keys  []wire.Key // those of them that Git holds, sorted
	keep  []string   // those that are known by name alone
	over  []string   // those that there is no room for
	at    string     // the commit whose Secrets they are
	mark  func(keep []string) string
	kept  map[string]wire.KeptEntry
}

// keysOf are what doors are to have of the table's, made anew only where they are others than before.
func (r *Reconciler) keysOf(t *route.Table, want manifest.Set, before doorkeeping) doorkeeping {
	names, mapped := route.KeyNames(t), map[string]bool{}
	for _, i := range want.Ingresses {
		if i.Manner.UserMap {
			mapped[i.Manner.Users] = true
		}
	}
	users := slices.Sorted(maps.Keys(mapped))
	if slices.Equal(names, before.names) && slices.Equal(users, before.users) && before.mark != nil && (len(before.keep) == 0 || before.at == want.Commit) {
		return before
	}
	d := doorkeeping{names: names, users: users, at: want.Commit}
	there := map[string]manifest.Secret{}
	if len(names) > 0 {
		for _, s := range want.Secrets {
			there[route.KeyName(s)] = s
		}
	}
	for _, name := range names {
		if s, ok := there[name]; ok {
			d.keys = append(d.keys, keyFrom(name, s, mapped[s.Namespace+"/"+s.Name]))
		} else {
			d.keep = append(d.keep, name)
		}
	}
	fit := sort.Search(len(d.keys), func(i int) bool {
		_, err := wire.Keys{Keys: d.keys[:i+1]}.After(wire.Keys{})
		return err != nil
	})
	for _, k := range d.keys[fit:] {
		d.over = append(d.over, k.Name)
	}
	d.keys = d.keys[:fit]
	d.mark = marking(r.Key.Seed(), d.keys)
	return d
}

// keyFrom is a Secret as doors have it. Where each of its keys is a user, all are lines of one htpasswd.
func keyFrom(name string, s manifest.Secret, mapped bool) wire.Key {
	k := wire.Key{Name: name, Chain: s.Data["tls.crt"], Private: s.Data["tls.key"], Users: s.Data["auth"]}
	if !mapped {
		return k
	}
	var lines strings.Builder
	for _, user := range slices.Sorted(maps.Keys(s.Data)) {
		hash, _, _ := strings.Cut(strings.TrimSpace(string(s.Data[user])), "\n")
		_, _ = fmt.Fprintf(&lines, "%s:%s\n", user, hash)
	}
	k.Users = []byte(lines.String())
	return k
}

// marking gives the Mark of keys and of names that are kept beside them. Who does not have the secret learns nothing by it, not even that two passwords are one.
func marking(secret []byte, keys []wire.Key) func(keep []string) string {
	content, _ := json.Marshal(keys) // of text and bytes, which cannot fail
	sum := sha256.Sum256(content)
	return func(keep []string) string {
		mac := hmac.New(sha256.New, secret)
		_, _ = mac.Write(sum[:])
		for _, name := range keep {
			_, _ = fmt.Fprintf(mac, "%d:%s", len(name), name)
		}
		return fmt.Sprintf("%x", mac.Sum(nil))
	}
}

// doorkeep says what hosts are to have beside the table in force.
func (r *Reconciler) doorkeep(p *Pass) {
	t := r.order.says
	d := r.keysOf(t, p.History.Want(), r.order.doors)
	if d.nodes = nil; t.Doors != nil {
		d.nodes = t.Doors.Nodes
	}
	if n := len(d.over); n > 0 {
		p.Plan.Notes = append(p.Plan.Notes, fmt.Sprintf("doors do not get %d of %d certificates and passwords, %s among them, since all are more than a host takes: serve several hosts by one certificate, or leave some out",
			n, len(d.names), d.over[0]))
	}
	if why := r.gather(t, p.Time); why != "" {
		p.Plan.Notes = append(p.Plan.Notes, why)
	}
	d.kept = r.kept.Entries
	r.order.doors = d
}

// Bounds on what is taken of what hosts say that their doors' ACME clients keep.
const (
	longestKept     = 64 << 10 // bytes of one entry
	longestKeptName = 1 << 10
	mostAccounts    = 32 // entries of accounts
	mostKeptOfHost  = 16 // entries of one host name
)

// remember notes who has certificates issued by a table that is in force and believed: the first of a controller's life is by another one, and what its issuers
// keep is heard later than it.
func (r *Reconciler) remember(before *route.Table) {
	if before == nil {
		return
	}
	if r.issued == nil {
		r.issued = map[string][]string{}
	}
	for host, node := range issuersOf(before) {
		if !slices.Contains(r.issued[host], node) {
			r.issued[host] = append(r.issued[host], node)
		}
	}
}

// gather joins what the doors' ACME clients keep, as far as a host is believed: of names whose certificates it has issued, and of accounts, of which those that
// are known are others only by the word of one that issues. What is older than what is known counts for nothing. Who had a name's certificates issued by a table
// before is believed about those that are not known once the issuers of this one have had their say.
func (r *Reconciler) gather(t *route.Table, now time.Time) (why string) {
	issuers := issuersOf(t)
	why = r.gatherFrom(issuers, now, func(host, node string, _ bool) bool { return issuers[host] == node })
	maps.DeleteFunc(r.issued, func(host string, nodes []string) bool {
		return issuers[host] == "" || slices.Equal(nodes, []string{issuers[host]})
	})
	if len(r.issued) == 0 {
		return why
	}
	former := r.gatherFrom(issuers, now, func(host, node string, known bool) bool { return !known && slices.Contains(r.issued[host], node) })
	return cmp.Or(why, former)
}

// gatherFrom takes what hosts keep of the certificates about which they are believed, and of accounts.
func (r *Reconciler) gatherFrom(issuers map[string]string, now time.Time, believed func(host, node string, known bool) bool) (why string) {
	held := map[string]int{}
	for path := range r.kept.Entries {
		held[issuedFor(path)]++
	}
	for _, name := range slices.Sorted(maps.Keys(r.hosts)) {
		news, issues := map[string]wire.KeptEntry{}, slices.Contains(slices.Collect(maps.Values(issuers)), name)
		for path, e := range r.hosts[name].line.keepsNow() {
			had, known := r.kept.Entries[path]
			host := issuedFor(path)
			switch {
			case len(path) > longestKeptName, len(e.Value) > longestKept, known && !e.Time.After(had.Time), e.Time.Sub(now) > wire.MostAhead:
			case host != "" && believed(host, name, known) && (known || held[host] < mostKeptOfHost),
				isAccount(path) && (known && issues || !known && len(issuers) > 0 && held[host] < mostAccounts):
				news[path] = e
				if !known {
					held[host]++
				}
			}
		}
		if len(news) == 0 {
			continue
		}
		all, _, err := r.kept.With(wire.Kept{Entries: news}, now)
		if err != nil { // what is of no host any more goes first
			all.Entries = maps.Clone(all.Entries)
			maps.DeleteFunc(all.Entries, func(path string, _ wire.KeptEntry) bool {
				host := issuedFor(path)
				return host != "" && issuers[host] == ""
			})
			all, _, err = all.With(wire.Kept{Entries: news}, now)
		}
		if r.kept = all; err != nil {
			why = fmt.Sprintf("what the door of %s had issued is not given to others: %v", name, err)
		}
	}
	return why
}

// issuersOf are the nodes whose doors have certificates issued, by host name.
func issuersOf(t *route.Table) map[string]string {
	issuers := map[string]string{}
	if t.Doors != nil {
		for _, p := range t.Doors.Ports {
			for _, h := range p.Hosts {
				if h.Issuer != "" {
					issuers[h.Name] = h.Issuer
				}
			}
		}
	}
	return issuers
}

// issuedFor is the host name that an entry is of: certificates/CA/HOST/HOST.crt, .key and .json. Empty where it is of none.
func issuedFor(path string) string {
	parts := strings.Split(path, "/")
	if len(parts) == 4 && parts[0] == "certificates" && slices.Contains([]string{".crt", ".key", ".json"}, strings.TrimPrefix(parts[3], parts[2])) {
		return parts[2]
	}
	return ""
}

// isAccount says whether an entry is of an account: acme/CA/users/WHO/FILE.
func isAccount(path string) bool {
	parts := strings.Split(path, "/")
	return len(parts) == 5 && parts[0] == "acme" && parts[2] == "users"
}

// keeps takes in what a node side says that it keeps.
func (l *line) keeps(k wire.Kept) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.has = k.Entries
	l.signal()
	l.poke()
}

// keepsNow is what it has, as far as is known. Nobody edits it.
func (l *line) keepsNow() map[string]wire.KeptEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.has
}

// rekeyed is how often those are sent again at the least that a node side does not say it has.
const rekeyed = 10 * time.Minute

// unkeyed are the certificates and passwords to be sent: none while those that it has are the ones that it is to have. What a table names that the host may still
// go by, it keeps.
func (l *line) unkeyed() *wire.Keys {
	d := l.order.doors
	if d.mark == nil {
		return nil
	}
	var k wire.Keys
	if slices.Contains(d.nodes, l.node) {
		k.Keys, k.Keep = d.keys, slices.Clone(d.keep)
	}
	for _, t := range append(l.mayServe(), l.serves.says) {
		if t != nil && t != l.order.says && t.Doors != nil && slices.Contains(t.Doors.Nodes, l.node) {
			k.Keep = append(k.Keep, without(route.KeyNames(t), k.Keys)...)
		}
	}
	slices.Sort(k.Keep)
	if k.Keep = slices.Compact(k.Keep); len(k.Keys)+len(k.Keep) > 0 {
		k.Mark = d.mark(k.Keep)
	}
	if l.keyed != k.Mark || l.keyedAt.IsZero() {
		l.keyed, l.keyedAt, l.rekeys = k.Mark, time.Time{}, renumber
	}
	if k.Mark == l.said.Keys || l.now().Sub(l.keyedAt) < l.rekeys {
		return nil
	}
	if !l.keyedAt.IsZero() { // it may never say that it has them, as one that is older than doors
		l.rekeys = min(2*l.rekeys, rekeyed)
	}
	l.keyedAt = l.now()
	return &k
}

// without are the names that are not among keys, which are sorted.
func without(names []string, keys []wire.Key) []string {
	return slices.DeleteFunc(names, func(name string) bool {
		_, there := slices.BinarySearchFunc(keys, name, func(k wire.Key, name string) int { return strings.Compare(k.Name, name) })
		return there
	})
}

// unkept is what others have that a host with a door lacks, or has an older one of.
func (l *line) unkept() *wire.Kept {
	if !slices.Contains(l.order.doors.nodes, l.node) {
		return nil
	}
	news := map[string]wire.KeptEntry{}
	for path, e := range l.order.doors.kept {
		if own, there := l.has[path]; !there || e.Time.After(own.Time) {
			news[path] = e
		}
	}
	if len(news) == 0 {
		return nil
	}
	has := maps.Clone(l.has)
	if has == nil {
		has = map[string]wire.KeptEntry{}
	}
	maps.Copy(has, news)
	l.has = has
	return &wire.Kept{Entries: news}
}

// plainDoors are what a node side says of doors, as it may be shown.
func plainDoors(said []live.Door) []live.Door {
	all := slices.Clone(said)
	for i, d := range all {
		all[i].Pod, all[i].Version, all[i].Troubles = live.Words(d.Pod), live.Words(d.Version), nil
		for _, why := range d.Troubles {
			all[i].Troubles = append(all[i].Troubles, live.Words(why))
		}
	}
	return all
}
