package reconciler

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/wire"
)

// Tables are numbered and sealed here, on their way to the node sides. No number but what the node sides say is remembered beyond a controller's life.

// mostNumber is the highest that anybody's table may have and be followed by another one.
const mostNumber = 1 << 62

// renumber is how often a table is given a new number at the most because another controller's has overtaken it: the two may not agree.
const renumber = 10 * time.Second

// opened is a table that was sealed or opened here. Nobody edits it.
type opened struct {
	says    *route.Table
	content string // the same for tables that say the same, whatever their numbers
}

// number is 0 while there is none.
func (o opened) number() uint64 {
	if o.says == nil {
		return 0
	}
	return o.says.Number
}

func contentOf(t *route.Table) string {
	plain := *t
	plain.Number = 0
	text, err := json.Marshal(plain)
	return fmt.Sprintf("%x %v", sha256.Sum256(text), err)
}

// order is the table by which hosts are to route, and whose tables are as good as its own if they say the same.
type order struct {
	wire.Table
	opened
	trusted map[string]bool
	doors   doorkeeping
}

// route numbers the plan's table, seals it if it is another one than before, and hands it to the lines.
func (r *Reconciler) route(p *Pass) {
	r.remember(p.Plan.Before)
	if p.Plan.Yields {
		r.withdraw()
	}
	if p.Plan.Table == nil {
		return
	}
	want := order{opened: opened{p.Plan.Table, contentOf(p.Plan.Table)}, trusted: p.History.Trusted()}
	fresh := r.order.content != want.content
	if fresh || r.overtaken(p.Snapshot, want) && p.Time.Sub(r.renumbered) >= renumber {
		if !fresh {
			r.renumbered = p.Time
		}
		if err := r.seal(want, p.Snapshot); err != nil {
			p.Plan.Notes = append(p.Plan.Notes, fmt.Sprintf("hosts route as before: %v", err))
			return
		}
	}
	r.order.trusted = want.trusted
	r.doorkeep(p)
	p.Plan.Table = r.order.says
	for name, w := range r.hosts {
		w.line.routes(name, r.order)
	}
}

// withdraw has no host sent a table of ours any more: not even one that goes by somebody's who is not believed.
func (r *Reconciler) withdraw() {
	r.order = order{}
	for name, w := range r.hosts {
		w.line.routes(name, r.order)
	}
}

// seal gives a table the number that follows all that node sides have said, and ours.
func (r *Reconciler) seal(want order, have live.Snapshot) (err error) {
	t := *want.says
	t.Number = r.order.number()
	for _, n := range have.Nodes {
		if said := max(n.Side.Number, n.Side.Taken); said <= mostNumber {
			t.Number = max(t.Number, said)
		}
	}
	t.Number++
	want.says = &t
	if want.Table, err = wire.Seal(r.Key, r.Cluster, &t); err != nil {
		return err
	}
	r.tables.add(want.Digest, want.opened, r.signer())
	want.doors = r.order.doors
	r.order = want
	return nil
}

// overtaken says whether a node routes by somebody's table that is believed, says something else, and has no lower a number than ours; or took one of a higher
// that has not come into force for long. Ours was made before that node was heard, so it is not put in the place of what is on its way.
func (r *Reconciler) overtaken(have live.Snapshot, want order) bool {
	return slices.ContainsFunc(have.Nodes, func(n live.Node) bool {
		s := n.Side
		if s.Heard() && s.Taken > r.order.number() && s.Taken <= mostNumber && s.Taken > s.Number && s.Behind >= renumber {
			return true
		}
		return s.Serves != nil && s.Serves != r.order.says && s.Number >= r.order.number() && s.Number <= mostNumber &&
			want.trusted[s.Signer] && contentOf(s.Serves) != want.content
	})
}

// tables are those that were sealed or opened lately, so that nodes that route by the same one share its copy. The zero value has none.
type tables struct {
	mu     sync.Mutex
	recent []table // the newest last
}

type table struct {
	digest, signer string // signer is empty unless it was sealed here
	opened
}

// mostTables is how many are remembered.
const mostTables = 16

func (t *tables) add(digest string, o opened, signer string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(table{digest, signer, o})
}

func (t *tables) put(e table) {
	t.recent = append(t.recent, e)
	t.recent = t.recent[max(0, len(t.recent)-mostTables):]
}

func (t *tables) find(digest string) (e table, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.found(digest)
}

func (t *tables) found(digest string) (e table, ok bool) {
	i := slices.IndexFunc(t.recent, func(e table) bool { return e.digest == digest })
	if i < 0 {
		return table{}, false
	}
	e = t.recent[i]
	t.recent = append(slices.Delete(t.recent, i, i+1), e)
	return e, true
}

// open is what a table says that was shown.
func (t *tables) open(shown wire.Table) (opened, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.found(shown.Digest); ok {
		return e.opened, nil
	}
	says, err := wire.Open(shown)
	if err != nil {
		return opened{}, err
	}
	o := opened{says, contentOf(says)}
	t.put(table{digest: shown.Digest, opened: o})
	return o, nil
}

// served is what a node side last said of its table, and stays so while it is not heard.
type served struct {
	number, taken uint64
	digest        string
	net           live.Net
	shown         bool // it is known what the table says and who signed it, or that nobody did
	opened
	signer string
}

// serving takes in what a report says of tables.
func (l *line) serving(said *wire.Report) {
	if s := l.serves; s.digest != said.Digest || s.number != said.Number {
		l.serves, l.sent, l.lag = served{number: said.Number, digest: said.Digest}, "", time.Time{}
		if e, ok := l.tables.find(said.Digest); ok && e.signer != "" {
			l.serves.is(e.opened, e.signer)
		}
	}
	l.serves.taken, l.serves.net = said.Taken, plainNet(said.Net)
	l.untell(said)
}

// outgoing is a table that a node side was sent, and since when another one follows it; zero for the newest.
type outgoing struct {
	says *route.Table
	over time.Time
}

// mostPending is for how long a node side may still put a table in force that it was given another one after: it works at one for a minute at most, and
// then goes on with the newest. So those that a host which fails at each of them was sent are not kept for ever.
const mostPending = 2 * time.Minute

// mayServe are the tables that may come into force at any time: those that were sent, and the one that is to be.
func (l *line) mayServe() (all []*route.Table) {
	for _, t := range l.told {
		all = append(all, t.says)
	}
	if next := l.order.says; next != nil && l.order.Digest != l.serves.digest && l.serves.net.None == "" && !slices.Contains(all, next) {
		all = append(all, next)
	}
	return all
}

// untell forgets the tables that can come into force no more: what is in force is newer, the host has no network, or the node side has had the time to take
// another one, or to refuse this.
func (l *line) untell(said *wire.Report) {
	l.told = slices.DeleteFunc(l.told, func(t outgoing) bool {
		late := !t.over.IsZero() && l.now().Sub(t.over) > mostPending
		return said.Net.None != "" || t.says.Number <= said.Number || late && t.says.Number != said.Taken
	})
}

// tells writes down that a table is sent, once.
func (l *line) tells(t *route.Table) {
	l.untell(l.said)
	if last := len(l.told) - 1; last >= 0 {
		if l.told[last].says == t {
			return
		}
		l.told[last].over = l.now()
	}
	l.told = append(l.told, outgoing{says: t})
}

// is takes in what is in force. What has another number than was said is not it.
func (s *served) is(o opened, signer string) {
	s.shown = true
	if o.number() == s.number {
		s.opened, s.signer = o, signer
	}
}

// plainNet is what a node side says of its network, as it may be shown.
func plainNet(n live.Net) live.Net {
	troubles, paths := n.Troubles, n.Paths
	n.Troubles, n.Paths = nil, nil
	for _, why := range troubles {
		n.Troubles = append(n.Troubles, live.Words(why))
	}
	for node, how := range paths {
		if n.Paths == nil {
			n.Paths = map[string]string{}
		}
		n.Paths[node] = live.Words(how)
	}
	return n
}

// showed takes in a table that was shown. It counts for the one that was said to be in force last.
func (l *line) showed(t wire.Table) {
	signer := t.Signer(l.cluster)
	var o opened
	if signer != "" {
		o, _ = l.tables.open(t)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.Digest != l.serves.digest {
		return
	}
	l.serves.is(o, signer)
	l.heard()
	l.signal()
	l.poke()
}

// known is what the node side was last heard to route by.
func (l *line) known() served {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.serves
}

// routes says by which table the host is to route, and what it is called there.
func (l *line) routes(node string, o order) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.node, l.order = node, o
	l.behind()
	l.signal()
}

// behind is for how long the host has not routed by the table that it is to route by.
func (l *line) behind() time.Duration {
	s, want := l.serves, l.order
	if want.Digest == "" && len(l.told) == 0 || want.Digest == s.digest || want.trusted[s.signer] && s.content == want.content {
		l.lag = time.Time{}
		return 0
	}
	if l.lag.IsZero() {
		l.lag = l.now()
	}
	return max(l.now().Sub(l.lag), time.Nanosecond)
}

// unrouted is the table to be sent: none while the one in force says the same, and is believed.
func (l *line) unrouted() *wire.Table {
	s, want := l.serves, l.order
	believed := want.trusted[s.signer]
	if want.Digest == "" || want.Digest == s.digest || l.sent == want.Digest || believed && s.content == want.content {
		return nil
	}
	t := want.Table
	t.Node, t.Anew = l.node, l.anewer(believed)
	if !t.Anew && max(s.number, s.taken) >= t.Number {
		return nil // another controller's: ours has its turn under a higher number
	}
	l.sent = t.Digest
	l.tells(want.says)
	return &t
}

// anewer says whether the number of what a host has is not to count: nobody may have such a one, or nobody who is believed has given it.
func (l *line) anewer(believed bool) bool {
	s, number := l.serves, l.order.number()
	return max(s.number, s.taken) > mostNumber || s.number >= number && s.shown && !believed
}
