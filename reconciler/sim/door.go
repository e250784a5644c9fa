package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/status"
)

// offered is where doors serve Ingresses in every story, and who issues certificates.
var offered = manifest.DoorOffer{HTTP: 80, HTTPS: 443, ACME: manifest.ACME{Directory: "https://acme.example/directory"}}

// ingress leads what is asked of hosts=NAME,.. under path=PATH to port=N of the Service of=NAME; without them all that is asked to port 80 of the one of its own
// name. With acme its hosts have certificates issued.
func (o object) ingress() m {
	port := m{}
	number(port, "number", cmp.Or(o.words["port"], "80"))
	to := m{"service": m{"name": cmp.Or(o.words["of"], o.name), "port": port}}
	paths := m{"paths": []m{{"path": cmp.Or(o.words["path"], "/"), "pathType": "Prefix", "backend": to}}}
	var rules []m
	hosts := strings.Split(o.words["hosts"], ",")
	for _, host := range hosts {
		rule := m{"http": paths}
		if host != "" {
			rule["host"] = host
		}
		rules = append(rules, rule)
	}
	meta, spec := o.meta(), m{"rules": rules}
	if class := o.words["class"]; class != "" {
		spec["ingressClassName"] = class
	}
	if o.words["acme"] != "" {
		meta["annotations"] = m{"kubernetes.io/tls-acme": "true"}
		spec["tls"] = []m{{"hosts": hosts, "secretName": o.name + "-tls"}}
	}
	return m{"apiVersion": "networking.k8s.io/v1", "kind": o.kind, "metadata": meta, "spec": spec}
}

// entered is what doors serve by a table, a line for each name at a port.
func entered(t *route.Table) string {
	if t.Doors == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "    doors on %s\n", cmp.Or(strings.Join(t.Doors.Nodes, " "), "no node"))
	for _, p := range t.Doors.Ports {
		for _, h := range p.Hosts {
			var leads []string
			for _, r := range h.Rules {
				leads = append(leads, r.Match.Path+" "+leadsTo(r))
			}
			if h.Issuer != "" {
				leads = append(leads, "certificate issued by "+h.Issuer)
			}
			fmt.Fprintf(&b, "    port %d, %s: %s\n", p.Port, cmp.Or(h.Name, "any name"), strings.Join(leads, "; "))
		}
	}
	return b.String()
}

func leadsTo(r route.DoorRule) string {
	switch {
	case r.Redirect != nil:
		return cmp.Or(r.Redirect.Scheme, "elsewhere")
	case r.Status > 0:
		return fmt.Sprint(r.Status)
	}
	var all []string
	for _, to := range r.To {
		if to.Status > 0 {
			all = append(all, fmt.Sprint(to.Status))
			continue
		}
		lead := fmt.Sprintf("%s:%d", to.Service, to.Port)
		if len(r.To) > 1 {
			lead += fmt.Sprintf(" (%d)", to.Weight)
		}
		all = append(all, lead)
	}
	return strings.Join(all, " ")
}

// doors are those on each host, and what the controller said of doors last.
func (s *Sim) doors(c *controller) string {
	var b strings.Builder
	for _, host := range s.world.Hosts() {
		for _, d := range s.world.Doors(host, cluster) {
			is := fmt.Sprintf("table %d, ports %v", d.Number, d.Ports)
			switch {
			case d.Number == 0:
				is = "begins"
			case d.Leaving:
				is = fmt.Sprintf("table %d, leaves", d.Number)
			}
			fmt.Fprintf(&b, "%s  %s %s: %s\n", host, d.Pod, d.Version, strings.Join(append([]string{is}, d.Troubles...), ", "))
		}
	}
	p := c.last
	for _, n := range p.Snapshot.Nodes {
		if why := p.Plan.Doors[n.Name]; why != "" {
			fmt.Fprintf(&b, "%s lacks: %s\n", n.Name, why)
		}
	}
	for _, x := range status.Of(status.World{Now: p.Time, History: p.History, Snapshot: p.Snapshot, Plan: p.Plan, Err: p.Err}).Entries {
		fmt.Fprintf(&b, "%s at %s, in force on %d of %d nodes\n", x.ID.Short(), cmp.Or(strings.Join(x.Doored.Hosts, " "), "no name"), x.InForce, x.Nodes)
		for _, why := range slices.Concat(x.Whys, x.Lags) {
			fmt.Fprintf(&b, "  %s\n", why)
		}
	}
	return noBlank(b.String())
}

// entries: a door is begun only where one is to be, one of a higher version beside a lower one on one host alone until it has served somewhere, and none where
// there are two. None goes while its host is to serve at a port that no other one has.
func (j judge) entries() error {
	t, rises := j.p.Plan.Table, []string{}
	for _, a := range j.p.Plan.Actions {
		if a.App != live.DoorApp {
			continue
		}
		n := node(j.p.Snapshot, a.Node)
		there := slices.ContainsFunc(n.Pods, func(p live.Pod) bool { return p.Name == a.Name })
		switch wanted := t != nil && t.Doors != nil && slices.Contains(t.Doors.Nodes, a.Node); {
		case a.Verb == plan.Run && !wanted:
			return fmt.Errorf("doors: %s begins on %s, and no door is wanted there", a.Name, a.Node)
		case a.Verb == plan.Run && !there && !n.Side.Heard():
			return fmt.Errorf("doors: %s begins on %s, whose node side is not heard", a.Name, a.Node)
		case a.Verb == plan.Run && !there && doorsOf(n) > 1:
			return fmt.Errorf("doors: %s begins on %s, which has two", a.Name, a.Node)
		case a.Verb == plan.Run && slices.ContainsFunc(n.Pods, func(p live.Pod) bool {
			return p.App == live.DoorApp && p.Side < j.p.History.Side.Version && !p.Stopping
		}):
			rises = append(rises, a.Node)
		case a.Verb == plan.Stop:
			if err := j.leaves(a, n, wanted); err != nil {
				return err
			}
		}
	}
	serves := slices.ContainsFunc(j.p.Snapshot.Nodes, func(n live.Node) bool {
		return slices.ContainsFunc(n.Side.Doors, func(d live.Door) bool { return d.Version == j.p.History.Side.Version && len(d.Ports) > 0 })
	})
	if len(rises) > 1 && !serves {
		return fmt.Errorf("doors: version %s, which serves nowhere, is tried on %s at once", j.p.History.Side.Version, strings.Join(rises, " and "))
	}
	return nil
}

// doorsOf is how many doors a node has, those that are being stopped too.
func doorsOf(n live.Node) (count int) {
	for _, p := range n.Pods {
		if p.App == live.DoorApp {
			count++
		}
	}
	return count
}

// leaves: a door that goes leaves its ports to another one, where its host is to serve, or has served, at some of them.
func (j judge) leaves(a plan.Action, n live.Node, wanted bool) error {
	i := slices.IndexFunc(n.Side.Doors, func(d live.Door) bool { return d.Pod == a.Name })
	if i < 0 {
		return nil
	}
	if still := n.Side.Serves != nil && n.Side.Serves.Doors != nil && slices.Contains(n.Side.Serves.Doors.Nodes, a.Node); !wanted && !(still && j.answers(j.host(a.Node))) {
		return nil
	}
	for _, port := range n.Side.Doors[i].Ports {
		if !slices.ContainsFunc(n.Side.Doors, func(d live.Door) bool { return d.Pod != a.Name && slices.Contains(d.Ports, port) }) {
			return fmt.Errorf("doors: %s on %s goes, and nobody else has port %d", a.Name, a.Node, port)
		}
	}
	return nil
}

// entered: once all is still, each host that is to have a door and whose node side is heard has one that serves as that does, and no other host has one.
func (s *Sim) entered(p reconciler.Pass) error {
	t := p.Plan.Table
	if t == nil {
		return nil
	}
	var errs []error
	for _, n := range p.Snapshot.Nodes {
		for pod, mute := range n.Side.Mute {
			if !silent(n) && p.Plan.Held[n.Name] == "" && mute >= 6*time.Minute {
				errs = append(errs, fmt.Errorf("doors: all is still, and %s on %s, not heard for %s, is not begun anew", pod, n.Name, mute))
			}
		}
		if silent(n) || !n.Side.Heard() || n.Side.Behind > 0 || n.Side.Serves == nil || p.Plan.Held[n.Name] != "" || p.Plan.Doors[n.Name] != "" {
			continue
		}
		wanted := t.Doors != nil && slices.Contains(t.Doors.Nodes, n.Name)
		switch {
		case slices.ContainsFunc(n.Pods, func(q live.Pod) bool { return q.App == live.DoorApp && q.Source != p.History.Source }): // left alone, or taken over
		case !wanted && len(n.Side.Doors) > 0:
			errs = append(errs, fmt.Errorf("doors: all is still, and %s has a door that nobody wants", n.Name))
		case wanted && len(n.Side.Doors) != 1:
			errs = append(errs, fmt.Errorf("doors: all is still, and %s has %d doors", n.Name, len(n.Side.Doors)))
		case wanted:
			for _, port := range t.Doors.Ports {
				if d := n.Side.Doors[0]; d.Number != n.Side.Number || !slices.Contains(d.Ports, port.Port) {
					errs = append(errs, fmt.Errorf("doors: all is still, and the door of %s serves table %d at %v", n.Name, d.Number, d.Ports))
				}
			}
		}
	}
	return errors.Join(errs...)
}
