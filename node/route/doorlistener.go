package route

import (
	"cmp"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
)

type (
	grantFrom = gatewayv1beta1.ReferenceGrantFrom
	grantTo   = gatewayv1beta1.ReferenceGrantTo
)

// isWild says whether a listener's host, or a route's, is for all names that end as it does.
func isWild(host string) bool { return strings.HasPrefix(host, "*.") }

// covers says whether a host is for all names that another one is for. None is for all.
func covers(wide, host string) bool {
	switch {
	case wide == "" || wide == host:
		return true
	case !isWild(wide) || host == "":
		return false
	}
	return strings.HasSuffix(strings.TrimPrefix(host, "*"), wide[1:]) && host != wide[2:]
}

// shared is the host of which both a listener and a route are.
func shared(listener, route string) (host string, ok bool) {
	switch {
	case covers(listener, route):
		return route, true
	case covers(route, listener):
		return listener, true
	}
	return "", false
}

// isolated says whether requests for a host come by another listener of the same Gateway and port, which is for fewer names.
func (l *listener) isolated(host string) bool {
	for _, o := range l.of.listeners {
		if o != l && o.refused == "" && o.Port == l.Port && o.host != l.host && covers(l.host, o.host) && covers(o.host, host) {
			return true
		}
	}
	return false
}

// allows says whether the listener lets routes of a namespace attach.
func (b *doorBuild) allows(l *listener, namespace string) bool {
	from, selector := gatewayv1.NamespacesFromSame, (*metav1.LabelSelector)(nil)
	if a := l.AllowedRoutes; a != nil && a.Namespaces != nil {
		if a.Namespaces.From != nil {
			from = *a.Namespaces.From
		}
		selector = a.Namespaces.Selector
	}
	switch from {
	case gatewayv1.NamespacesFromAll:
		return true
	case gatewayv1.NamespacesFromSame:
		return namespace == l.of.Namespace
	case gatewayv1.NamespacesFromSelector:
		chosen, err := metav1.LabelSelectorAsSelector(selector)
		has := labels.Set{}
		for k, v := range b.spaces[namespace] {
			has[k] = v
		}
		has["kubernetes.io/metadata.name"] = namespace
		return err == nil && chosen.Matches(has)
	}
	return false
}

// unservedListener is why the listener is not served, with the condition's reason; the zero reason where it is.
func (b *doorBuild) unservedListener(l *listener) reason {
	port := fmt.Sprintf("port %d of hosts ", l.Port)
	switch {
	case l.refused != "":
		return reason{"UnsupportedProtocol", l.refused}
	case l.conflict == "ProtocolConflict":
		return reason{l.conflict, fmt.Sprintf("another listener has port %d with another protocol: have one port for each", l.Port)}
	case l.conflict != "":
		return reason{l.conflict, fmt.Sprintf("another listener has port %d and host name %s too: have one for both", l.Port, cmp.Or(l.host, "*"))}
	}
	if p := b.ports[uint16(l.Port)]; p != nil && p.why != "" {
		return reason{"PortUnavailable", port + p.why + ": choose another one"}
	}
	if why := b.open(uint16(l.Port), l.tls()); why != "" {
		return reason{"ProtocolConflict", port + why + ": choose another one"}
	}
	return reason{}
}

// tellGateways says what came of Gateways and their listeners.
func (b *doorBuild) tellGateways(all []*gateway) {
	for _, g := range all {
		accepted, programmed, amiss := 0, 0, ""
		for _, l := range g.listeners {
			ok, inTable := b.tellListener(l)
			if ok {
				accepted++
			} else {
				amiss += ", " + string(l.Name)
			}
			if inTable {
				programmed++
			}
		}
		against := reason{}
		if amiss != "" {
			against = reason{"ListenersNotValid", "not served: " + strings.TrimPrefix(amiss, ", ")}
		}
		took := verdict("Accepted", "Accepted", against.reason, against.message)
		if accepted > 0 {
			took.Status = "True"
		}
		made := granted("Programmed", "Programmed")
		switch {
		case programmed > 0:
		case len(b.Nodes) == 0:
			made = denied("Programmed", "NoResources", "no host has a door")
		default:
			made = denied("Programmed", "Invalid", "none of its listeners is served")
		}
		g.d.Conditions = []DoorCondition{took, made}
	}
}

// tellListener says what came of a listener: whether it is accepted, and whether it is in the table.
func (b *doorBuild) tellListener(l *listener) (accepted, programmed bool) {
	d := l.of.d
	against := b.unservedListener(l)
	accepted = against.reason == ""
	conflict := reason{}
	if strings.HasSuffix(against.reason, "Conflict") {
		conflict = against
	}
	if !accepted {
		d.say("listener %s: %s", l.Name, against.message)
	}
	if l.refs.reason != "" {
		d.say("listener %s: %s", l.Name, l.refs.message)
	}
	keyed := !l.tls() || l.key(l.host) != ""
	programmed = accepted && keyed && len(b.Nodes) > 0
	conflicted := granted("Conflicted", conflict.reason)
	if conflicted.Message = conflict.message; conflict.reason == "" {
		conflicted = denied("Conflicted", "NoConflicts", "")
	}
	made := granted("Programmed", "Programmed")
	switch {
	case accepted && keyed && !programmed:
		made = denied("Programmed", "Pending", "no host has a door")
	case !programmed:
		made = denied("Programmed", "Invalid", cmp.Or(against.message, l.refs.message))
	default:
		d.Hosts = append(d.Hosts, cmp.Or(l.host, "*"))
		if l.tls() {
			d.Secure = append(d.Secure, cmp.Or(l.host, "*"))
		}
	}
	kinds := append([]string{}, l.kinds...)
	d.Listeners = append(d.Listeners, DooredListener{Name: string(l.Name), Kinds: kinds, Attached: len(l.attached), Conditions: []DoorCondition{
		verdict("Accepted", "Accepted", against.reason, against.message), conflicted,
		verdict("ResolvedRefs", "ResolvedRefs", l.refs.reason, l.refs.message), made,
	}})
	return accepted, programmed
}
