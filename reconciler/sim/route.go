package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/status"
)

// network is what the cluster of a story has, once it says net.
var network = manifest.Net{Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16"), Domain: "cluster.local"}

// joins has pods be in the cluster's own network from here on.
func (s *Sim) joins(args []string) error {
	s.net = network
	for _, text := range args {
		r, err := netip.ParsePrefix(text)
		if err != nil {
			return err
		}
		s.net.Outside = append(s.net.Outside, r)
	}
	s.killAll()
	return nil
}

// tellTable has the node sides hear by which table to route, those that do not route as it says. Each that hears it is a write, at which the controller
// may die.
func (s *Sim) tellTable(c *controller, p reconciler.Pass) {
	t := p.Plan.Table
	if t == nil {
		return
	}
	trusted := p.History.Trusted()
	for _, n := range p.Snapshot.Nodes {
		believed := trusted[n.Side.Signer]
		if silent(n) || s.fuse.Left <= 0 || n.Side.Serves != nil && believed && content(n.Side.Serves) == content(t) {
			continue
		}
		for _, is := range slices.Concat(p.History.Want().Nodes, p.History.Gone) {
			if is.Name == n.Name {
				writes := c.world.Writes()
				c.world.Route(c.world.At(hostOf(is)), cluster, n.Name, t, s.keyText(c.key), n.Side.Number >= t.Number && !believed)
				s.fuse.Left -= c.world.Writes() - writes
			}
		}
	}
}

// content is what a table says, whatever its number.
func content(t *route.Table) string {
	plain := *t
	plain.Number = 0
	out, err := json.Marshal(plain)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// tables is by what each host routes.
func (s *Sim) tables() string {
	var b strings.Builder
	for _, host := range s.world.Hosts() {
		t, behind := s.world.Routes(host, cluster), s.world.Behind(host, cluster)
		if t == nil {
			fmt.Fprintf(&b, "%s  nothing\n", host)
			continue
		}
		late := ""
		if behind > 0 {
			late = ", and was told of a newer one"
		}
		for _, p := range s.world.Keeps(host, cluster) {
			late += ", keeps " + p.String()
		}
		fmt.Fprintf(&b, "%s  table %d, %v%s\n", host, t.Number, s.world.Range(host, cluster), late)
		for _, v := range t.Services {
			var ends []string
			for _, e := range v.Endpoints {
				ends = append(ends, cmp.Or(e.Pod, e.IP.String())+"@"+e.Node)
			}
			if v.External != "" {
				ends = append(ends, v.External)
			}
			fmt.Fprintf(&b, "    %s/%s %v%s: %s\n", v.Namespace, v.Name, v.IP, outside(v), strings.Join(ends, " "))
		}
		b.WriteString(held(t) + entered(t))
	}
	return b.String()
}

// held is which pods a table's policies hold, and what they allow them.
func held(t *route.Table) string {
	if t.Policies == nil {
		return ""
	}
	var b strings.Builder
	for _, p := range t.Policies.Each {
		fmt.Fprintf(&b, "    policy %s/%s: %s; %s\n", p.Namespace, p.Name, strings.Join(podsOf(t, p), " "), cmp.Or(strings.Join(p.Allows, "; "), "nothing"))
	}
	return b.String()
}

// podsOf are the names of the pods that a policy holds.
func podsOf(t *route.Table, p route.Policy) (all []string) {
	for _, k := range t.Policies.Known {
		if slices.Contains(t.Policies.Groups[p.Pods].IPs, k.IP) {
			all = append(all, k.Pod+"@"+k.Node)
		}
	}
	return all
}

// policies is what the controller would say now of NetworkPolicies, as status has it. It looks, and changes nothing.
func (s *Sim) policies(c *controller) (string, error) {
	dry := s.dry(c)
	defer dry.rec.Close()
	p := dry.rec.Pass(context.Background())
	var b strings.Builder
	for _, x := range status.Of(status.World{Now: p.Time, History: p.History, Snapshot: p.Snapshot, Plan: p.Plan, Err: p.Err}).Policies {
		fmt.Fprintf(&b, "%s holds %d of %d pods, on %d of %d nodes\n", x.ID.Short(), len(x.Pods)-len(x.Open), len(x.Pods), x.InForce, x.Nodes)
		for _, why := range x.Whys {
			fmt.Fprintf(&b, "  %s\n", why)
		}
	}
	return noBlank(b.String()), p.Err
}

// outside is where a Service is reached beside its own address: hosts:80, 203.0.113.7:80.
func outside(v route.Service) (text string) {
	for _, p := range v.Ports {
		if p.Hosts {
			text += fmt.Sprintf(" hosts:%d", p.Port)
		}
		for _, ip := range p.Outside {
			text += fmt.Sprintf(" %s:%d", ip, p.Port)
		}
	}
	return text
}

// services is what the controller would say of Services now.
func (s *Sim) services(c *controller) (string, error) {
	dry := s.dry(c)
	defer dry.rec.Close()
	p := dry.rec.Pass(context.Background())
	var b strings.Builder
	for _, v := range p.Plan.Services {
		fmt.Fprintf(&b, "%s/%s %d/%d  %s\n", v.ID.Namespace, v.ID.Name, v.Sent, v.Selected, v.Why)
	}
	if why := p.Plan.Unrouted; why != "" {
		fmt.Fprintf(&b, "no table: %s\n", why)
	}
	return noBlank(b.String()), p.Err
}

// guarded: the policies of a table hold each pod that they select, those too that are about to be born.
func (j judge) guarded() error {
	t := j.p.Plan.Table
	if t == nil {
		return nil
	}
	for _, asked := range j.want.NetworkPolicies {
		p := t.Policy(asked.Namespace, asked.Name)
		if p == nil {
			return fmt.Errorf("policies: %s is asked for, and in no table", asked.ID)
		}
		holds := t.Policies.Groups[p.Pods].IPs
		for _, n := range j.p.Snapshot.Nodes {
			if silent(n) && !j.frozen[n.Name] || j.p.Plan.Held[n.Name] != "" {
				continue
			}
			at, _ := t.Node(n.Name)
			for _, pod := range n.Pods {
				ip, err := netip.ParseAddr(pod.Birth.IP)
				if err == nil && at.Range.IsValid() && at.Range.Contains(ip) && pod.App.Namespace == asked.Namespace && asked.Pods.Matches(labels.Set(pod.Birth.Labels)) &&
					j.trusted[pod.Signer] && !forged(pod) && !slices.Contains(holds, ip) {
					return fmt.Errorf("policies: %s does not hold %s on %s", asked.ID, pod.Name, n.Name)
				}
			}
		}
	}
	if t.Policies == nil {
		return nil
	}
	for _, a := range j.p.Plan.Actions {
		if a.Verb != plan.Run || !a.Pod.Net.IP.IsValid() {
			continue
		}
		there := slices.ContainsFunc(node(j.p.Snapshot, a.Node).Pods, func(p live.Pod) bool { return p.Name == a.Name })
		if by := node(j.p.Snapshot, a.Node).Side.Serves; !there && (by == nil || by.Policies == nil) {
			return fmt.Errorf("policies: %s is born on %s, which holds none yet", a.Name, a.Node)
		}
		if !slices.ContainsFunc(t.Policies.Known, func(k route.Known) bool { return k.IP == a.Pod.Net.IP && k.Pod == a.Name }) {
			return fmt.Errorf("policies: %s is born on %s, and its table does not know it", a.Name, a.Node)
		}
	}
	return nil
}

// nodeAt is what the Node that leads to a host is called.
func (j judge) nodeAt(host string) string {
	for _, n := range slices.Concat(j.want.Nodes, j.p.History.Gone) {
		if j.s.world.At(hostOf(n)) == host {
			return n.Name
		}
	}
	return host
}

// unsent: no pod is told to stop to which some host still sends requests, unless that host has not been heard for its grace, or has not done for as
// long what it was told.
func (j judge) unsent(after view, when string) error {
	for _, n := range after.hosts {
		for _, p := range j.before.host(n.Name).Pods {
			i := slices.IndexFunc(n.Pods, func(q live.Pod) bool { return q.Name == p.Name })
			if p.Stopping || i >= 0 && !n.Pods[i].Stopping || live.IsOwn(p.App) || forged(p) {
				continue
			}
			for _, by := range after.hosts {
				if j.sends(by.Name, j.nodeAt(n.Name), p.Name) && j.answers(by.Name) {
					return fmt.Errorf("traffic: %s %s on %s stops, and %s sends requests to it", when, p.Name, n.Name, by.Name)
				}
			}
		}
	}
	return nil
}

// sends says whether a host routes by a table that names the pod.
func (j judge) sends(host, node, pod string) bool {
	t := j.before.Routes(host, cluster)
	return t != nil && slices.ContainsFunc(t.Services, func(v route.Service) bool {
		return slices.ContainsFunc(v.Endpoints, func(e route.Endpoint) bool { return e.Node == node && e.Pod == pod })
	})
}

// answers says whether a host is one whose word is waited for.
func (j judge) answers(host string) bool {
	seen := j.seen(host)
	grace := max(j.grace(seen.Name), 1)
	behind := j.before.Behind(host, cluster)
	return seen.Name != "" && seen.Silent < grace && seen.Side.Silent < grace && behind < grace
}

func (j judge) grace(name string) (d time.Duration) {
	for _, n := range slices.Concat(j.want.Nodes, j.p.History.Gone) {
		if n.Name == name {
			return n.Grace
		}
	}
	return 0
}

// apart: no two pods have one address, but on a host and on a copy of its disk, and no two Services have.
func (j judge) apart(after view, when string) error {
	has, at, ips := map[string]live.Pod{}, map[string]string{}, map[netip.Addr]string{}
	for _, n := range after.hosts {
		if seen := j.seen(n.Name); seen.Name == "" || j.p.Plan.Held[seen.Name] != "" {
			continue
		}
		for _, p := range n.Pods {
			if p.Birth.IP == "" || forged(p) || !j.trusted[p.Signer] {
				continue
			}
			if other, taken := has[p.Birth.IP]; taken && (at[other.Name] == n.Name || other.Host != p.Host) {
				return fmt.Errorf("traffic: %s %s and %s have the address %s", when, other.Name, p.Name, p.Birth.IP)
			}
			has[p.Birth.IP], at[p.Name] = p, n.Name
		}
		t := after.Routes(n.Name, cluster)
		if t == nil {
			continue
		}
		for _, v := range t.Services {
			key := v.Namespace + "/" + v.Name
			if other := ips[v.IP]; v.IP.IsValid() && other != "" && other != key {
				return fmt.Errorf("traffic: %s %s is served for %s and for %s", when, v.IP, other, key)
			}
			ips[v.IP] = key
		}
	}
	return j.inherits(after, has, when)
}

// inherits: no pod has an address of which a table in force says what holds for another one.
func (j judge) inherits(after view, has map[string]live.Pod, when string) error {
	for _, n := range after.hosts {
		t := after.Routes(n.Name, cluster)
		if t == nil || t.Policies == nil {
			continue
		}
		for _, k := range t.Policies.Known {
			if p, taken := has[k.IP.String()]; taken && p.Name != k.Pod {
				return fmt.Errorf("policies: %s %s has the address %v, of which %s is told what holds for %s", when, p.Name, k.IP, n.Name, k.Pod)
			}
		}
	}
	return nil
}

// routes: a table sends requests to pods that are there, that are ready unless none is or all are asked for, and that are not to stop.
func (j judge) routes() error {
	t := j.p.Plan.Table
	if t == nil {
		return nil
	}
	errs := []error{j.alone(t)}
	for _, v := range t.Services {
		well, ill := 0, ""
		for _, e := range v.Endpoints {
			n := node(j.p.Snapshot, e.Node)
			i := slices.IndexFunc(n.Pods, func(p live.Pod) bool { return p.Name == e.Pod })
			switch {
			case e.Pod == "":
				if !j.written(v, e.IP) {
					errs = append(errs, fmt.Errorf("traffic: %s sends to %s, which nobody wrote down", v.Name, e.IP))
				}
				continue
			case !n.Known:
				continue
			case i < 0:
				errs = append(errs, fmt.Errorf("traffic: %s sends to %s, which is not on %s", v.Name, e.Pod, e.Node))
				continue
			case n.Pods[i].Stopping || slices.ContainsFunc(j.p.Plan.Actions, func(a plan.Action) bool { return a.Verb == plan.Stop && a.Node == e.Node && a.Name == e.Pod }):
				errs = append(errs, fmt.Errorf("traffic: %s sends to %s on %s, which stops", v.Name, e.Pod, e.Node))
			}
			if ready(n.Pods[i], j.p.Time) && !silent(n) {
				well++
			} else if down(n.Pods[i]) {
				ill = e.Pod
			}
		}
		if ill != "" && well > 0 && !j.publishes(v) {
			errs = append(errs, fmt.Errorf("traffic: %s sends to %s, which does not run, and others are ready", v.Name, ill))
		}
	}
	return errors.Join(errs...)
}

// alone: no two Services have one port of hosts, or one port at one address outside; and no address outside is anybody's but a node's or of the range.
func (j judge) alone(t *route.Table) error {
	at := map[string]string{}
	for _, v := range t.Services {
		for _, p := range v.Ports {
			places := []string{}
			if p.Hosts {
				places = append(places, "all hosts")
			}
			for _, ip := range p.Outside {
				places = append(places, ip.String())
				named := slices.ContainsFunc(j.s.net.Outside, func(r netip.Prefix) bool { return r.Contains(ip) })
				if !named && !slices.ContainsFunc(t.Nodes, func(n route.Node) bool { return n.Address == ip }) {
					return fmt.Errorf("traffic: %s has %s, which is nobody's to give", v.Name, ip)
				}
			}
			for _, place := range places {
				key := fmt.Sprintf("%d/%s at %s", p.Port, p.Protocol, place)
				if at[key] != "" {
					return fmt.Errorf("traffic: %s is %s's and %s's", key, at[key], v.Name)
				}
				at[key] = v.Name
			}
		}
	}
	return nil
}

func down(p live.Pod) bool {
	return slices.ContainsFunc(p.Containers, func(c live.Container) bool { return c.State != live.Running && !(c.Ended() && c.Exit == 0) })
}

func (j judge) publishes(v route.Service) bool {
	return slices.ContainsFunc(j.want.Services, func(s manifest.Service) bool {
		return s.Name == v.Name && s.Namespace == v.Namespace && s.PublishNotReady
	})
}

// written says whether somebody wrote the address down for a Service.
func (j judge) written(v route.Service, ip netip.Addr) bool {
	return slices.ContainsFunc(j.want.Services, func(s manifest.Service) bool {
		return s.Name == v.Name && s.Namespace == v.Namespace && slices.ContainsFunc(s.Fixed, func(f manifest.Fixed) bool { return f.IP == ip })
	})
}

// served: once all is still, each host whose node side is heard routes as the plan has it.
func (s *Sim) served(p reconciler.Pass) error {
	if p.Plan.Table == nil {
		return nil
	}
	for _, n := range p.Snapshot.Nodes {
		t := p.Plan.Table
		if len(n.Side.Net.Troubles) > 0 || silent(n) || !n.Side.Heard() || n.Side.Behind > 0 || n.Side.Serves == nil {
			continue
		}
		if content(t) != content(n.Side.Serves) {
			return fmt.Errorf("traffic: all is still, and %s routes by\n%s\nand not by\n%s", n.Name, content(n.Side.Serves), content(t))
		}
	}
	return nil
}
