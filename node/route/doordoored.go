package route

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/manifest"
)

// Kinds of what doors serve, as Doored has them.
const (
	kindGateway      = "Gateway"
	kindGatewayClass = "GatewayClass"
	kindHTTPRoute    = "HTTPRoute"
	kindIngress      = "Ingress"
)

// of is what is said of an object.
func (b *doorBuild) of(kind string, m *manifest.Meta) *Doored {
	d := &Doored{Kind: kind, Namespace: m.Namespace, Name: m.Name}
	if had := b.said[d.from()]; had != nil {
		return had
	}
	b.said[d.from()] = d
	return d
}

// from is what rules call it, and id what people do.
func (d *Doored) from() string { return d.Kind + "/" + d.Namespace + "/" + d.Name }
func (d *Doored) id() string   { return d.Kind + " " + d.Namespace + "/" + d.Name }

// say notes once what is not served as it asks.
func (d *Doored) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	switch {
	case slices.Contains(d.Why, text) || len(d.Why) > mostDoorReasons:
	case len(d.Why) == mostDoorReasons:
		d.Why = append(d.Why, "there is more: mend those first")
	default:
		d.Why = append(d.Why, text)
	}
}

// unserved has all that is ours say that nobody serves it.
func (b *doorBuild) unserved() {
	for _, d := range b.said {
		if d.Ours {
			d.say("nobody serves it: podkeep was begun without ports for doors")
			if d.Kind == kindGateway {
				d.Conditions = []DoorCondition{denied("Accepted", "Pending", d.Why[0]), denied("Programmed", "Pending", d.Why[0])}
			}
		}
	}
}

// allSaid is what is said of all, in order.
func (b *doorBuild) allSaid() (all []Doored) {
	var addresses []netip.Addr
	for _, name := range b.Nodes {
		if n, ok := b.t.Node(name); ok && n.Address.IsValid() {
			addresses = append(addresses, n.Address)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b.said)) {
		d := *b.said[key]
		if d.Ours && (d.Kind == kindIngress || d.Kind == kindGateway) {
			d.Addresses = addresses
			if len(b.Nodes) == 0 && len(b.ports) > 0 {
				d.say("no host has a door: label a Node %s, or remove the labels that say \"false\"", manifest.DoorLabel)
			}
		}
		d.Hosts, d.Secure = unique(d.Hosts), unique(d.Secure)
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, o Doored) int { return cmp.Or(cmp.Compare(a.Kind, o.Kind), byObject(&a, &o)) })
	return all
}

func unique(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

func granted(kind, reason string) DoorCondition {
	return DoorCondition{Type: kind, Status: "True", Reason: reason}
}

func denied(kind, reason, message string) DoorCondition {
	return DoorCondition{Type: kind, Status: "False", Reason: reason, Message: message}
}

// verdict is the condition of that type: True where nothing is against it.
func verdict(kind, good, reason, against string) DoorCondition {
	if reason == "" {
		return granted(kind, good)
	}
	return denied(kind, reason, against)
}

// named is a name of a list, for people.
func named(names []string) string { return strings.Join(names, ", ") }
