package status

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/podkeep/podkeep/node/route"
)

// lead is a rule of a door's, and by which port and name requests come to it.
type lead struct {
	port uint16
	tls  bool
	host *route.DoorHost
	rule *route.DoorRule
}

// leadsOf are those of doors by whose they are, kind/namespace/name, in the order of the table.
func leadsOf(doors *route.Doors) map[string][]lead {
	all := map[string][]lead{}
	if doors == nil {
		return all
	}
	for _, p := range doors.Ports {
		for i := range p.Hosts {
			h := &p.Hosts[i]
			for j := range h.Rules {
				r := &h.Rules[j]
				all[r.From] = append(all[r.From], lead{p.Port, p.TLS, h, r})
			}
		}
	}
	return all
}

func (l lead) equal(o lead) bool {
	return l.port == o.port && l.tls == o.tls && l.host.Name == o.host.Name && l.host.Deep == o.host.Deep &&
		l.host.Key == o.host.Key && l.host.Issuer == o.host.Issuer && reflect.DeepEqual(l.rule, o.rule)
}

// nameOf is the name of a host as people write it.
func nameOf(host string) string { return cmp.Or(host, "*") }

// requests are those that it is about: "https://shop.example.org/api".
func (l lead) requests() string {
	scheme, usual := "http", uint16(80)
	if l.tls {
		scheme, usual = "https", 443
	}
	at := scheme + "://" + nameOf(l.host.Name)
	if l.port != usual {
		at += ":" + strconv.Itoa(int(l.port))
	}
	m := l.rule.Match
	at += m.Path
	switch m.Kind {
	case route.Exact:
		at += " exactly"
	case route.Regexp:
		at += " (regexp)"
	}
	var with []string
	for _, v := range m.Headers {
		with = append(with, v.Name+": "+v.Value)
	}
	for _, v := range m.Query {
		with = append(with, "?"+v.Name+"="+v.Value)
	}
	if len(with) > 0 {
		at += " with " + strings.Join(with, ", ")
	}
	return strings.Join(notEmpty(m.Method, at), " ")
}

// to is what answers them: "service web:80", "308 to https", "503".
func (l lead) to(namespace string) string {
	switch r := *l.rule; {
	case r.Redirect != nil:
		return fmt.Sprintf("%d to %s", r.Redirect.Code, target(*r.Redirect))
	case r.Status != 0:
		return strings.Join(notEmpty(strconv.Itoa(r.Status), r.Why), ": ")
	}
	var all []string
	for _, b := range l.rule.To {
		text := fmt.Sprintf("%s:%d", serviceOf(b, namespace), b.Port)
		if b.Status != 0 {
			text = strings.Join(notEmpty(strconv.Itoa(b.Status), l.rule.Why), ": ")
		}
		if len(l.rule.To) > 1 {
			text += fmt.Sprintf(" (weight %d)", b.Weight)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// serviceOf is a backend's Service as one calls it in a namespace.
func serviceOf(b route.DoorBackend, namespace string) string {
	if b.Namespace != namespace {
		return "service " + b.Namespace + "/" + b.Service
	}
	return "service " + b.Service
}

// line is what it is about, and what answers that.
func (l lead) line(namespace string) string { return l.requests() + " → " + l.to(namespace) }

// target is where a redirect leads, as far as that is not where the request came to.
func target(r route.DoorRedirect) string {
	if r.Whole != "" {
		return r.Whole
	}
	at := r.Host
	if r.Port != 0 {
		at += ":" + strconv.Itoa(int(r.Port))
	}
	if r.Path != nil {
		at += r.Path.Path
	}
	switch {
	case at == "":
		return cmp.Or(r.Scheme, "itself")
	case r.Scheme != "":
		return r.Scheme + "://" + at
	}
	return at
}

// otherwise is what becomes of requests to an object that has these leads and is to have the others; empty when nothing does.
func otherwise(had, has []lead, namespace string) string {
	switch {
	case len(had) == 0 && len(has) == 0:
		return ""
	case len(had) == 0:
		return "comes: " + fewLeads(has, namespace)
	case len(has) == 0:
		return "goes: " + fewLeads(had, namespace)
	}
	var all, handled []string
	was, is := byRequests(had), byRequests(has)
	for _, l := range has {
		switch o, there := was[l.requests()]; {
		case !there:
			all = append(all, l.line(namespace)+" is new")
		case o.to(namespace) != l.to(namespace):
			all = append(all, l.line(namespace)+" in place of "+o.to(namespace))
		case !reflect.DeepEqual(o.rule, l.rule):
			handled = append(handled, l.requests()+" is handled otherwise")
		case o.host.Key != l.host.Key:
			handled = append(handled, fmt.Sprintf("%s has certificate %s in place of %s", nameOf(l.host.Name), dash(l.host.Key), dash(o.host.Key)))
		}
	}
	for _, l := range had {
		if _, there := is[l.requests()]; !there {
			all = append(all, l.line(namespace)+" goes")
		}
	}
	return firstOf(distinct(append(all, handled...)), "; ")
}

// byRequests are leads by what they are about; of several the first counts, as it does at a door.
func byRequests(leads []lead) map[string]lead {
	all := map[string]lead{}
	for _, l := range leads {
		if _, there := all[l.requests()]; !there {
			all[l.requests()] = l
		}
	}
	return all
}

// fewLeads are what the first few are about, and lead to.
func fewLeads(leads []lead, namespace string) string {
	var all []string
	for _, l := range leads {
		all = append(all, l.line(namespace))
	}
	return firstOf(distinct(all), ", ")
}

// distinct are the texts without those that were there before.
func distinct(all []string) (once []string) {
	for _, s := range all {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}

// firstOf are the first few, and how many more there are.
func firstOf(all []string, between string) string {
	if more := len(all) - shown; more > 0 {
		all = append(all[:shown:shown], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(all, between)
}
