package plan

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// The cluster's own network: each node has a range, and each pod born there an address of it. The table in force says which node has which
// range, and addresses are written on pods, so nothing of it is remembered.

// network is what is known of it.
type network struct {
	on     bool
	ranges map[string]netip.Prefix // by node
	before *route.Table            // the newest that is in force anywhere and believed; where none is, that was sent
	served []*route.Table          // all that are
	taken  map[netip.Addr]bool     // by pods, here or in a table that is in force
	named  map[*route.Table]map[endpoint]bool

	policed map[netip.Addr]endpoint // the pods of which policies in force say something, by address
	born    map[endpoint]live.Pod   // that are told to run now
}

// endpoint is a pod on a node.
type endpoint struct{ node, pod string }

// ranged is how many bits of an address the range of a Node that names none leaves to its pods.
const ranged = 8

// addNet gives ranges to nodes, and says to which no pod can be joined yet.
func (w *world) addNet() {
	w.net = network{ranges: map[string]netip.Prefix{}, taken: map[netip.Addr]bool{}, named: map[*route.Table]map[endpoint]bool{},
		policed: map[netip.Addr]endpoint{}, born: map[endpoint]live.Pod{}}
	if !w.h.Net.Pods.IsValid() || w.h.Side.Refused {
		return
	}
	w.net.on = true
	for _, n := range w.nodes {
		t := n.Side.Serves
		if t == nil || !w.trusts(n.Side.Signer) || slices.Contains(w.net.served, t) {
			continue
		}
		w.net.served = append(w.net.served, t)
		if w.net.before == nil || t.Number > w.net.before.Number {
			w.net.before = t
		}
	}
	if w.net.before == nil {
		w.net.before = w.sent()
	}
	w.giveRanges()
	w.takeAddresses()
	for _, n := range w.nodes {
		if n.host != nil && !n.apart() && !n.joins(w.net.ranges[n.Name]) {
			n.host.Netless = true
			if due := w.netDue(n, deaf); w.now.Before(due) {
				n.joining = true
				w.wake(due)
			}
			if due := w.netDue(n, joining); w.now.Before(due) {
				n.host.Joining = true
				w.wake(due)
			}
		}
		w.shut(n)
	}
}

// sent is the newest table that a node was told to serve; nil if there is none. Where no other one is in force, as after a restart of the only node side, it is the
// one to go on from: it alone says who was served first, and what is served on of objects that are suspended or broken.
func (w *world) sent() (newest *route.Table) {
	for _, n := range w.nodes {
		for _, t := range n.Side.Told {
			if newest == nil || t.Number > newest.Number {
				newest = t
			}
		}
	}
	return newest
}

// apart says whether the node has no part in the network, and will have none.
func (n *node) apart() bool { return n.unserved != "" || n.Side.Net.None != "" }

// joins says whether pods may be started in that range on the node.
func (n *node) joins(r netip.Prefix) bool { return r.IsValid() && n.Side.Net.Range == r }

// joining is for how long pods wait for a node that has just been given a node side, rather than go to others.
const joining = 30 * time.Second

// netDue is until when the network of a node may yet come by itself, if that takes so long at the most once its node side is there.
func (w *world) netDue(n *node, takes time.Duration) (due time.Time) {
	if len(n.sides) == 0 && n.sideTrouble(w.sidePod(n).Name) == "" {
		return w.now.Add(takes - w.watched)
	}
	if len(n.sides) > 0 && n.sides[0].Side < w.h.Side.Version && w.h.Side.Images[n.Facts.Arch] != "" && n.sideTrouble(w.sidePod(n).Name) == "" {
		return w.now.Add(takes) // one that brings the network follows
	}
	for _, side := range n.sides {
		if at := side.Created.Add(takes); at.After(due) {
			due = at
		}
	}
	return due
}

// giveRanges says which range each node has: the one that it had, for as long as pods have addresses of it; else the one that its manifest names; else
// the one that it had; else the one in which its pods are; else one that nobody has.
func (w *world) giveRanges() {
	var taken []netip.Prefix
	give := func(n *node, r netip.Prefix) {
		if _, has := w.net.ranges[n.Name]; has || !r.IsValid() || slices.ContainsFunc(taken, r.Overlaps) {
			return
		}
		w.net.ranges[n.Name] = r
		taken = append(taken, r)
	}
	for _, from := range []func(*node) netip.Prefix{w.kept, (*node).wanted, w.had, w.inhabited} {
		for _, n := range w.nodes {
			give(n, from(n))
		}
	}
	for _, n := range w.nodes {
		if _, has := w.net.ranges[n.Name]; has || n.gone {
			continue
		}
		r, left := w.unused(n.Name, taken)
		if give(n, r); left < 3 {
			w.note(fmt.Sprintf("%s has room for %d more nodes: begin podkeep with a larger --cluster-cidr, or write podCIDR on Nodes", w.h.Net.Pods, left))
		}
	}
}

// kept is the range that it had, while pods of ours have addresses of it.
func (w *world) kept(n *node) netip.Prefix {
	had := w.had(n)
	if !slices.ContainsFunc(n.Pods, func(p live.Pod) bool {
		ip, err := netip.ParseAddr(p.Birth.IP)
		return err == nil && had.Contains(ip) && w.ours(p.Source) && w.trusts(p.Signer)
	}) {
		return netip.Prefix{}
	}
	if asks := n.wanted(); asks.IsValid() && asks != had {
		w.note(fmt.Sprintf("%s keeps %s while pods there have addresses of it: drain it, and %s comes", n.Name, had, asks))
	}
	return had
}

func (n *node) wanted() netip.Prefix {
	r, err := netip.ParsePrefix(n.want.PodCIDR)
	if err != nil {
		return netip.Prefix{}
	}
	return r.Masked()
}

// had is the range that the table in force gives the host, under whatever name; or that name, unless the host that had it is another of the nodes.
func (w *world) had(n *node) netip.Prefix {
	if w.net.before == nil {
		return netip.Prefix{}
	}
	for _, was := range w.net.before.Nodes {
		if was.Host != "" && was.Host == n.id {
			return was.Range
		}
	}
	was, _ := w.net.before.Node(n.Name)
	if slices.ContainsFunc(w.nodes, func(other *node) bool { return other != n && other.id != "" && other.id == was.Host }) {
		return netip.Prefix{}
	}
	return was.Range
}

// inhabited is the range in which pods on the node have their addresses.
func (w *world) inhabited(n *node) netip.Prefix {
	for _, p := range n.Pods {
		if ip, err := netip.ParseAddr(p.Birth.IP); err == nil && w.ours(p.Source) && w.trusts(p.Signer) && w.h.Net.Pods.Contains(ip) {
			r, _ := ip.Prefix(32 - ranged)
			return r
		}
	}
	return netip.Prefix{}
}

// unused is a range that nobody has, and how many more there are. Which one follows from the name, so that a node which nobody knows any more gets
// the same again.
func (w *world) unused(name string, taken []netip.Prefix) (r netip.Prefix, left int) {
	all := w.h.Net.Pods.Masked()
	if all.Bits() > 32-ranged {
		return netip.Prefix{}, 0
	}
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(name))
	size := uint32(1) << (32 - ranged - all.Bits())
	for i := range size {
		at := netip.PrefixFrom(route.At(all, (sum.Sum32()%size+i)%size<<ranged), 32-ranged)
		switch {
		case slices.ContainsFunc(taken, at.Overlaps):
		case !r.IsValid():
			r = at
		default:
			left++
		}
	}
	return r, left
}

// takeAddresses finds out which addresses somebody has, or may be sent something for.
func (w *world) takeAddresses() {
	for _, n := range w.nodes {
		for _, p := range n.Pods {
			for _, text := range []string{p.Birth.IP, p.IP} {
				if ip, err := netip.ParseAddr(text); err == nil {
					w.net.taken[ip] = true
				}
			}
		}
	}
	for _, t := range w.net.served {
		for _, s := range t.Services {
			for _, e := range s.Endpoints {
				w.net.taken[e.IP] = true
			}
		}
		if t.Policies != nil {
			for _, k := range t.Policies.Known {
				w.net.policed[k.IP] = endpoint{k.Node, k.Pod}
			}
		}
	}
}

// join gives a pod that is to be born on a node its address there.
func (w *world) join(n *node, p live.Pod, spec corev1.PodSpec) live.Pod {
	if spec.HostNetwork || !w.net.on || n.host == nil || n.host.Netless || n.apart() {
		return p
	}
	key := p.Name
	if times := n.taken(p.Name); times > 0 {
		key = fmt.Sprintf("%s %d", p.Name, times)
	}
	const low = 2 // the first is the node's own
	ip, ok := route.Free(w.net.ranges[n.Name], low, key, func(ip netip.Addr) bool {
		return w.net.taken[ip] || w.lingers(ip, endpoint{n.Name, p.Name})
	})
	if ok {
		w.net.taken[ip] = true
		p.Birth.IP, p.Birth.Network = ip.String(), manifest.NetworkOwn
	}
	return p
}

// taken is how often a pod's start failed on the node because something else has its address.
func (n *node) taken(pod string) (times int) {
	for _, t := range n.Troubles {
		if t.Name == pod {
			times = max(times, t.Taken)
		}
	}
	return times
}

// rejoin gives a pod another address that never ran because its own was taken.
func (w *world) rejoin(p *pod, spec corev1.PodSpec) live.Pod {
	if ran(p.Pod) || p.node.taken(p.Name) == 0 {
		return p.Pod
	}
	return w.join(p.node, p.Pod, spec)
}

// netOf is a pod's place in the network.
func (w *world) netOf(n *node, p live.Pod, spec corev1.PodSpec) manifest.PodNet {
	ip, err := netip.ParseAddr(p.Birth.IP)
	r := w.net.ranges[n.Name]
	if err != nil && !(spec.HostNetwork && manifest.NeedsNetwork(spec) && w.net.on && n.joins(r)) {
		return manifest.PodNet{Domain: w.h.Net.Domain}
	}
	return manifest.PodNet{IP: ip, DNS: route.Node{Range: r}.Gateway(), Domain: w.h.Net.Domain}
}

// layout is the version of how pods that are born on the node now are joined to networks.
func (w *world) layout(n *node) int {
	if w.net.on && !n.apart() && n.joins(w.net.ranges[n.Name]) {
		return manifest.NetworkOwn
	}
	return manifest.NetworkLayout
}

// routeNodes are the nodes as the table has them.
func (w *world) routeNodes() (all []route.Node) {
	for _, n := range w.nodes {
		if !n.gone || n.reach != answers || w.occupied(n) {
			_, excluded := n.want.Labels[corev1.LabelNodeExcludeBalancers]
			all = append(all, route.Node{
				Name: n.Name, Host: n.id, Address: w.address(n), Range: w.net.ranges[n.Name], Zone: n.want.Labels[corev1.LabelTopologyZone], Excluded: excluded,
			})
		}
	}
	return all
}

// reachedBy are the ports of hosts by which they are reached over SSH.
func (w *world) reachedBy() (ports []uint16) {
	for _, n := range w.nodes {
		if u, err := url.Parse(n.want.ProviderID); err == nil {
			if port, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
				ports = append(ports, uint16(port))
			}
		}
	}
	return ports
}

// routesStill says whether the node side of a node that leaves is still to take away what it routes by: it does so once no table names the node.
func (w *world) routesStill(n *node) bool {
	if !n.Side.Heard() || max(n.Side.Number, n.Side.Taken) == 0 || n.Side.Behind >= n.grace() {
		return false
	}
	if n.Side.Serves != nil && n.Side.Behind == 0 {
		if _, named := n.Side.Serves.Node(n.Name); !named {
			return false
		}
	}
	w.wake(w.now.Add(n.grace() - n.Side.Behind))
	return true
}

// address is where other nodes reach it: as its manifest says, or the host itself.
func (w *world) address(n *node) netip.Addr {
	if ip, err := netip.ParseAddr(n.want.Annotations[manifest.AnnotationAddress]); err == nil {
		return ip
	}
	if u, err := url.Parse(n.want.ProviderID); err == nil {
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !ip.IsLoopback() {
			return ip
		}
	}
	if n.Side.Net.Address.IsValid() || w.net.before == nil {
		return n.Side.Net.Address
	}
	was, _ := w.net.before.Node(n.Name)
	return was.Address
}
