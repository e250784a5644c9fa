package kernel

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// timeouts is the name of what our table says of how long conntrack keeps a connection that we send to a pod. Other times need another name, for what is
// there is never made anew.
const timeouts = "timeouts-2"

const (
	// mostOpening is for how many seconds that is when nobody has answered yet. By default it is 120, and a client's second attempt, a second later, would be
	// taken for the first, and be sent where that was, though the pod may have been taken away since; after this it is sent by what the table says then.
	mostOpening = 1
	// mostClosing is for how many when nothing but the last acknowledgement is missing, which a pod that is there sends within a round trip. By default it is
	// 30: when a pod is gone before its client closes, the acknowledgement never comes. The client gives up within seconds, and whoever connects from its
	// port after that would be taken for the old connection, and be sent to the pod that is gone.
	mostClosing = 2
	// mostClosed is for how many when both have closed. By default it is 120, and a few thousand connections a second fill conntrack by then. It is kept at all
	// for what is late on its way; a port that is used again before that begins anew.
	mostClosed = 10
)

// keeps is for how long: otherwise what the host says when the table is made.
func keeps() *expr.CtTimeout {
	all := expr.CtStatePolicyTimeout{expr.CtStateTCPSYNSENT: mostOpening, expr.CtStateTCPLASTACK: mostClosing, expr.CtStateTCPTIMEWAIT: mostClosed}
	for state, name := range map[uint16]string{
		expr.CtStateTCPSYNRECV: "syn_recv", expr.CtStateTCPESTABLISHED: "established", expr.CtStateTCPFINWAIT: "fin_wait",
		expr.CtStateTCPCLOSEWAIT: "close_wait", expr.CtStateTCPCLOSE: "close",
		expr.CtStateTCPSYNSENT2: "syn_sent", expr.CtStateTCPRETRANS: "max_retrans", expr.CtStateTCPUNACK: "unacknowledged",
	} {
		text, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_" + name)
		seconds, odd := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
		if err == nil && odd == nil {
			all[state] = uint32(seconds)
		}
	}
	return &expr.CtTimeout{L3Proto: unix.NFPROTO_IPV4, L4Proto: unix.IPPROTO_TCP, Policy: all}
}

// shared is held while timeouts are put into a message or taken out of one, and while sets are made: package nftables does that by variables that all
// links share.
var shared sync.Mutex

// addTimeouts is for who holds shared.
func (l *link) addTimeouts(into *nftables.Table) {
	l.AddObj(&nftables.NamedObj{Table: into, Name: timeouts, Type: nftables.ObjTypeCtTimeout, Obj: keeps()})
}

// objects are what our table has beside chains and sets.
func (l *link) objects() ([]nftables.Obj, error) {
	shared.Lock()
	defer shared.Unlock()
	return l.GetNamedObjects(l.table)
}

var errUntimed = errors.New("the kernel is without CONFIG_NF_CONNTRACK_TIMEOUT:" +
	" some connections to a Service fail that are sent to a pod that was just taken away")

// offers makes timeouts, and a rule that goes by them.
func (l *link) offers() error {
	return l.tries(rulesOf(chainTimed, facts{}), func(scratch *nftables.Table) {
		shared.Lock()
		defer shared.Unlock()
		l.addTimeouts(scratch)
	})
}

// hears makes a rule that asks for sockets.
func (l *link) hears() error { return l.tries([]rule{hasSocket()}, func(*nftables.Table) {}) }

// tries makes rules, and what they need, in a table that is gone again in the same transaction.
func (l *link) tries(rules []rule, needs func(*nftables.Table)) error {
	scratch := &nftables.Table{Name: l.table.Name + ".try", Family: l.table.Family}
	chain := &nftables.Chain{Table: scratch, Name: chainTimed}
	l.AddTable(scratch)
	needs(scratch)
	l.AddChain(chain)
	for _, r := range rules {
		l.AddRule(&nftables.Rule{Table: scratch, Chain: chain, Exprs: r})
	}
	l.DelTable(scratch)
	return l.Flush()
}
