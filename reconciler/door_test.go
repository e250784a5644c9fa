package reconciler

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/wire"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// gated is a table in which n1 and n2 have doors, of hosts "a=KEY" or "a=acme/a@n1", whose certificates n1 has issued.
func gated(hosts ...string) *route.Table {
	d := &route.Doors{Nodes: []string{"n1", "n2"}, Ports: []route.DoorPort{{Port: 443, TLS: true}}}
	for _, text := range hosts {
		name, key, _ := strings.Cut(text, "=")
		h := route.DoorHost{Name: name, Key: key}
		if strings.HasPrefix(key, "acme/") {
			h.Key, h.Issuer, _ = strings.Cut(key, "@")
		}
		d.Ports[0].Hosts = append(d.Ports[0].Hosts, h)
	}
	return &route.Table{Doors: d}
}

func doorSecret(name, key, value string) manifest.Secret {
	return manifest.Secret{Meta: manifest.Meta{ID: manifest.ID{Kind: "Secret", Namespace: "default", Name: name}}, Data: map[string]manifest.Bytes{key: manifest.Bytes(value)}}
}

func keeper() *Reconciler {
	return &Reconciler{Options: Options{Key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}, hosts: map[string]*worker{}}
}

func TestDoorsHaveWhatTheTableNamesAndKeepWhatGitHasNoMore(t *testing.T) {
	r, tls, users := keeper(), doorSecret("tls", "tls.crt", "chain"), doorSecret("users", "auth", "ann:x")
	each := doorSecret("each", "bob", "y\n")
	each.Data["cid"] = manifest.Bytes("z")
	want := manifest.Set{Commit: "c1", Secrets: []manifest.Secret{tls, users, each, doorSecret("other", "auth", "dan:x")},
		Ingresses: []manifest.Ingress{{Manner: manifest.Manner{Users: "default/each", UserMap: true}}}}
	table := gated("a="+route.KeyName(tls), "b=default/gone@0123", "c=acme/c@n1")
	table.Doors.Ports[0].Hosts[0].Rules = []route.DoorRule{{Users: route.KeyName(users)}, {Users: route.KeyName(each)}}
	d := r.keysOf(table, want, doorkeeping{})
	keys := []wire.Key{
		{Name: route.KeyName(each), Users: []byte("bob:y\ncid:z\n")}, {Name: route.KeyName(tls), Chain: []byte("chain")}, {Name: route.KeyName(users), Users: []byte("ann:x")},
	}
	if diff := cmp.Diff(keys, d.keys); diff != "" || !slices.Equal(d.keep, []string{"default/gone@0123"}) || len(d.over) > 0 {
		t.Errorf("%v %v\n%s", d.keep, d.over, diff)
	}
	mark := d.mark(d.keep)
	if again := r.keysOf(table, manifest.Set{Commit: "c2", Secrets: want.Secrets, Ingresses: want.Ingresses}, d); again.mark(again.keep) != mark {
		t.Error("what says the same has another mark")
	}
	if other := marking([]byte("another"), keys)(d.keep); other == mark || strings.Contains(mark, fmt.Sprint(keys)) {
		t.Error("a mark is to be made by nobody else")
	}
	big := make([]manifest.Secret, 5)
	var hosts []string
	for i := range big {
		big[i] = doorSecret(fmt.Sprint("big", i), "tls.crt", strings.Repeat("x", 2<<20-100))
		hosts = append(hosts, fmt.Sprintf("h%d=%s", i, route.KeyName(big[i])))
	}
	if d := r.keysOf(gated(hosts...), manifest.Set{Secrets: big}, doorkeeping{}); len(d.keys) != 4 || len(d.over) != 1 {
		t.Errorf("%d fit, %v do not", len(d.keys), d.over)
	}
}

func TestKeysAreSentBeforeTheTableAndOnlyToHostsWithADoor(t *testing.T) {
	r, secret := keeper(), doorSecret("tls", "tls.crt", "chain")
	next := order{opened: opened{says: gated("a=" + route.KeyName(secret))}}
	next.Digest, next.Number, next.says.Number = "new", 4, 4
	next.doors = r.keysOf(next.says, manifest.Set{Secrets: []manifest.Secret{secret}}, doorkeeping{})
	next.doors.nodes = next.says.Doors.Nodes
	next.doors.kept = map[string]wire.KeptEntry{"certificates/ca/a/a.crt": {Value: []byte("x"), Time: time.Unix(9, 0)}}
	old := gated("a=default/tls@old")
	old.Number = 3
	for _, c := range []struct {
		claim, node, has  string
		serves            *route.Table
		lines, keys, keep string
	}{
		{"one that has none", "n1", "", nil, "keys kept table", "1", ""},
		{"what its door serves by stays until the table is another one", "n1", "before", old, "keys kept table", "1", "default/tls@old"},
		{"one that has them", "n2", next.doors.mark(nil), nil, "kept table", "", ""},
		{"one without a door", "n3", "", nil, "table", "", ""},
		{"one without a door any more", "n3", "before", nil, "keys table", "0", ""},
	} {
		l := newLine(Options{Now: time.Now}, func() {})
		l.said = &wire.Report{Keys: c.has}
		l.serves.opened.says = c.serves
		l.routes(c.node, next)
		var lines []string
		keys, keep := "", ""
		for _, down := range apart(l.due()) {
			switch {
			case down.Keys != nil:
				lines, keys, keep = append(lines, "keys"), fmt.Sprint(len(down.Keys.Keys)), strings.Join(down.Keys.Keep, " ")
				if (down.Keys.Mark == "") != (c.keys == "0") {
					t.Errorf("%s: mark %q", c.claim, down.Keys.Mark)
				}
			case down.Kept != nil:
				lines = append(lines, "kept")
			case down.Table != nil:
				lines = append(lines, "table")
			}
		}
		if got := strings.Join(lines, " "); got != c.lines || keys != c.keys || keep != c.keep {
			t.Errorf("%s: %s, %s keys, keep %q", c.claim, got, keys, keep)
		}
		if more := l.due(); more != (wire.Down{}) {
			t.Errorf("%s: said again: %+v", c.claim, more)
		}
	}
}

func TestKeysAreSentAgainEverMoreSeldomToOneThatDoesNotSayThatItHasThem(t *testing.T) {
	r, secret, now := keeper(), doorSecret("tls", "tls.crt", "chain"), time.Unix(0, 0)
	next := order{opened: opened{says: gated("a=" + route.KeyName(secret))}}
	next.doors = r.keysOf(next.says, manifest.Set{Secrets: []manifest.Secret{secret}}, doorkeeping{})
	next.doors.nodes = next.says.Doors.Nodes
	l := newLine(Options{Now: func() time.Time { return now }}, func() {})
	l.said = &wire.Report{}
	l.routes("n1", next)
	sent := 0
	for range 24 * 3600 {
		if now = now.Add(time.Second); l.due().Keys != nil {
			sent++
		}
	}
	if most := int(24*time.Hour/rekeyed) + 8; sent < 10 || sent > most {
		t.Errorf("they are sent %d times within a day, want %d at most", sent, most)
	}
	l.said = &wire.Report{Keys: next.doors.mark(nil)}
	if l.due().Keys != nil {
		t.Error("it says that it has them, and is sent them")
	}
	l.said = &wire.Report{}
	l.lost(nil)
	l.said = &wire.Report{}
	if l.due().Keys == nil {
		t.Error("on the next stream they are not sent at once")
	}
}

func TestPasswordsAreReadAsTheIngressSaysNow(t *testing.T) {
	r, secret := keeper(), doorSecret("users", "ann", "hash")
	table := gated("a")
	table.Doors.Ports[0].Hosts[0].Rules = []route.DoorRule{{Users: route.KeyName(secret)}}
	asks := func(each bool) manifest.Set {
		return manifest.Set{Secrets: []manifest.Secret{secret}, Ingresses: []manifest.Ingress{{Manner: manifest.Manner{Users: "default/users", UserMap: each}}}}
	}
	before := r.keysOf(table, asks(false), doorkeeping{})
	if after := r.keysOf(table, asks(true), before); string(after.keys[0].Users) != "ann:hash\n" || after.mark(nil) == before.mark(nil) {
		t.Errorf("%q", after.keys[0].Users)
	}
}

func TestWhatOneDoorHadIssuedIsHandedToTheOthers(t *testing.T) {
	r := keeper()
	r.order.says = gated("a=acme/a@n1")
	for _, node := range r.order.says.Doors.Nodes {
		r.hosts[node] = &worker{line: newLine(Options{Now: time.Now}, func() {})}
	}
	const cert = "certificates/ca/a/a.crt"
	r.hosts["n1"].line.keeps(wire.Kept{Entries: map[string]wire.KeptEntry{cert: {Value: []byte("x"), Time: time.Unix(1, 0)}}})
	r.doorkeep(&Pass{Time: time.Unix(2, 0)})
	for node, want := range map[string]bool{"n1": false, "n2": true} {
		l := r.hosts[node].line
		l.routes(node, r.order)
		if k := l.unkept(); (k != nil) != want || want && k.Entries[cert].Value == nil {
			t.Errorf("%s is handed %v", node, k)
		}
	}
}

func TestANewControllerHandsOnWhatTheTableBeforeHadIssued(t *testing.T) {
	const cert = "certificates/ca/a/a.crt"
	at := func(s int64) map[string]wire.KeptEntry {
		return map[string]wire.KeptEntry{cert: {Value: []byte(fmt.Sprint(s)), Time: time.Unix(s, 0)}}
	}
	before, next := gated("a=acme/a@n1"), gated("a=acme/a@n2")
	next.Doors.Nodes = []string{"n2"}
	for _, c := range []struct {
		claim string
		first *route.Table                           // what the first pass sees in force
		keeps []map[string]map[string]wire.KeptEntry // what hosts are heard to keep before each pass that has a table
		want  int64                                  // since when what n2 is handed is, 0 for nothing
	}{
		{"from who issued by the table before", before, []map[string]map[string]wire.KeptEntry{{"n1": at(1)}}, 1},
		{"though he is heard later than that his table was in force", before, []map[string]map[string]wire.KeptEntry{{}, {"n1": at(1)}}, 1},
		{"not from somebody else", before, []map[string]map[string]wire.KeptEntry{{"n3": at(1)}}, 0},
		{"not from whom no table that is believed names", nil, []map[string]map[string]wire.KeptEntry{{"n1": at(1)}}, 0},
		{"nor is one renewed by whoever issues no more", before, []map[string]map[string]wire.KeptEntry{{"n1": at(1)}, {"n1": at(5)}}, 1},
		{"the word of who issues now goes first", before, []map[string]map[string]wire.KeptEntry{{"n1": at(5), "n2": at(1)}}, 0},
		{"a name that had none issued before", gated("b=acme/b@n1"), []map[string]map[string]wire.KeptEntry{{"n1": at(1)}}, 0},
	} {
		r := keeper()
		for _, node := range []string{"n1", "n2", "n3"} {
			r.hosts[node] = &worker{line: newLine(Options{Now: time.Now}, func() {})}
		}
		r.route(&Pass{Plan: plan.Plan{Before: c.first}})
		for i, keeps := range c.keeps {
			for node, entries := range keeps {
				r.hosts[node].line.keeps(wire.Kept{Entries: entries})
			}
			r.route(&Pass{Time: time.Unix(10, 0), Plan: plan.Plan{Before: []*route.Table{c.first, next}[min(i, 1)], Table: next}})
		}
		got := int64(0)
		if k := r.hosts["n2"].line.unkept(); k != nil {
			got = k.Entries[cert].Time.Unix()
		}
		if got != c.want {
			t.Errorf("%s: n2 is handed that of %d, want %d", c.claim, got, c.want)
		}
	}
}

func TestOnlyWhoIssuesACertificateIsBelievedAboutIt(t *testing.T) {
	r := keeper()
	at := func(s int64) wire.KeptEntry {
		return wire.KeptEntry{Value: []byte(fmt.Sprint(s)), Time: time.Unix(s, 0)}
	}
	table := gated("a=acme/a@n1", "b=acme/b@n2", "c=default/c@0123")
	say := func(node string, entries map[string]wire.KeptEntry) {
		if r.hosts[node] == nil {
			r.hosts[node] = &worker{line: newLine(Options{Now: time.Now}, func() {})}
		}
		r.hosts[node].line.keeps(wire.Kept{Entries: entries})
		if why := r.gather(table, time.Unix(10, 0)); why != "" {
			t.Error(why)
		}
	}
	cert, account := "certificates/ca/a/a.crt", "acme/ca/users/ann/ann.json"
	for _, c := range []struct {
		claim, node, path string
		entry, want       wire.KeptEntry
	}{
		{"another's is not taken from somebody else", "n2", cert, at(9), wire.KeptEntry{}},
		{"from its issuer it is", "n1", cert, at(5), at(5)},
		{"what is older counts for nothing", "n1", cert, at(4), at(5)},
		{"what is newer does", "n1", cert, at(6), at(6)},
		{"nor may somebody else renew it", "n2", cert, at(9), at(6)},
		{"nor its issuer say that it is of the future, so that nobody renews it", "n1", cert, at(1 << 40), at(6)},
		{"an account is taken from anybody", "n3", account, at(5), at(5)},
		{"but is not replaced by one who issues nothing", "n3", account, at(9), at(5)},
		{"but by one who issues", "n2", account, at(7), at(7)},
		{"a host whose certificate is in Git has none issued", "n1", "certificates/ca/c/c.crt", at(9), wire.KeptEntry{}},
		{"a name that is none", "n1", "certificates/ca/../a/a.crt", at(9), wire.KeptEntry{}},
		{"a file of another name", "n1", "certificates/ca/a/b.crt", at(9), wire.KeptEntry{}},
		{"a lock", "n1", "locks/a", at(9), wire.KeptEntry{}},
		{"a name that is too long", "n1", "acme/ca/users/" + strings.Repeat("x", longestKeptName) + "/a.json", at(9), wire.KeptEntry{}},
		{"what is too large", "n1", "certificates/ca/a/a.key", wire.KeptEntry{Value: make([]byte, longestKept+1), Time: time.Unix(9, 0)}, wire.KeptEntry{}},
	} {
		say(c.node, map[string]wire.KeptEntry{c.path: c.entry})
		if diff := cmp.Diff(c.want, r.kept.Entries[c.path]); diff != "" {
			t.Errorf("%s\n%s", c.claim, diff)
		}
	}
	many := map[string]wire.KeptEntry{}
	for i := range 100 {
		many[fmt.Sprintf("acme/ca/users/%d/a.json", i)], many[fmt.Sprintf("certificates/ca%d/a/a.key", i)] = at(9), at(9)
	}
	say("n1", many)
	held := map[string]int{}
	for path := range r.kept.Entries {
		held[issuedFor(path)]++
	}
	if held[""] != mostAccounts || held["a"] != mostKeptOfHost {
		t.Errorf("of one host there are %v", held)
	}
}

func TestWhatIsSaidOfDoorsIsLaidOverALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{served: says(wire.Report{Keys: "m1", Doors: []live.Door{{Pod: "door-1", Version: "1", Number: 3, Ports: []uint16{80}, Troubles: []string{"\x1b[31mred"}}}}, make(chan wire.Tend, 9))}
		l, _ := listening(t, f)
		l.looked(f, sided)
		l.await(t.Context())
		s := told(l).Side
		if diff := cmp.Diff([]live.Door{{Pod: "door-1", Version: "1", Number: 3, Ports: []uint16{80}, Troubles: []string{"red"}}}, s.Doors); diff != "" || s.Keys != "m1" {
			t.Errorf("%s %s", s.Keys, diff)
		}
	})
}

func TestADoorThatRunsAndIsNotHeardIsMute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(Options{Now: time.Now}, func() {})
		began := time.Now()
		look := func(state string) {
			n := sided
			n.Pods = append(slices.Clone(n.Pods), live.Pod{Name: "door-1", App: live.DoorApp, Containers: []live.Container{{State: state, Started: began}}})
			l.looked(&far{}, n)
		}
		of := func(doors ...live.Door) *wire.Report { return &wire.Report{Doors: doors} }
		for _, c := range []struct {
			claim string
			then  func()
			want  map[string]time.Duration
		}{
			{"nothing is known yet", func() { look(live.Running) }, nil},
			{"it is heard", func() { l.reported("1", of(live.Door{Pod: "door-1"})) }, nil},
			{"no more", func() { l.reported("1", of()) }, map[string]time.Duration{"door-1": time.Minute}},
			{"nor is another one", func() { l.reported("1", of(live.Door{Pod: "door-2"})); look(live.Running) }, map[string]time.Duration{"door-1": 2 * time.Minute}},
			{"it has been begun anew", func() { began = time.Now(); look(live.Running) }, map[string]time.Duration{"door-1": time.Minute}},
			{"the node side is not heard", func() { l.lost(nil) }, nil},
			{"and is", func() { l.reported("1", of()) }, map[string]time.Duration{"door-1": time.Minute}},
			{"somebody has paused it", func() { look(live.Paused) }, nil},
			{"and goes on", func() { look(live.Running) }, map[string]time.Duration{"door-1": time.Minute}},
			{"it is heard again", func() { l.reported("1", of(live.Door{Pod: "door-1"})) }, nil},
		} {
			c.then()
			time.Sleep(time.Minute)
			if diff := cmp.Diff(c.want, told(l).Side.Mute); diff != "" {
				t.Errorf("%s: %s", c.claim, diff)
			}
		}
	})
}
