package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

const elsewhere = "git.example.com/old"

// theirs is a pod as another source's, that a trusted key signed.
func theirs(p live.Pod) live.Pod {
	p.Source, p.Signer = elsewhere, key
	return p
}

func TestNoTableTakesRequestsFromWhatAnotherSourceHas(t *testing.T) {
	head := commit(t, "a1", nodes("n1", "n2"), deployment("web", 1, ""))
	mine, other, shop := running(head, "web", 0), theirs(running(head, "web", 1)), theirs(running(head, "web", 2))
	other.Name, shop.Name, mine.Signer = "other-0", "shop-0", key
	table := func(pods ...string) *route.Table {
		s := route.Service{Namespace: "default", Name: "web"}
		for _, p := range pods {
			s.Endpoints = append(s.Endpoints, route.Endpoint{Node: "n2", Pod: p})
		}
		return &route.Table{Number: 3, Services: []route.Service{s}}
	}
	opens := func(from string) *route.Table {
		t := table()
		t.Doors = &route.Doors{Nodes: []string{"n2"}, Ports: []route.DoorPort{{Port: 80, Hosts: []route.DoorHost{{Rules: []route.DoorRule{{From: from}}}}}}}
		return t
	}
	open := opens("Ingress/default/theirs")
	both := table(mine.Name)
	both.Doors = open.Doors
	signedBy := func(signer string) func(*live.Snapshot) {
		return func(s *live.Snapshot) {
			for i, p := range s.Nodes[1].Pods {
				if p.Source == elsewhere {
					s.Nodes[1].Pods[i].Signer = signer
				}
			}
		}
	}
	const why, adopts, trusts = "hosts send requests to what source " + elsewhere + " has on n2, and would not by a table of this source: ",
		"podkeep adopt " + elsewhere + " takes it over", "podkeep trust OTHER and podkeep adopt " + elsewhere + " take it over"
	for _, c := range []struct {
		claim  string
		serves *route.Table
		signer string
		change func(*live.Snapshot)
		want   string
	}{
		{"a table that names a pod of it", table(other.Name), key, nil, why + adopts},
		{"beside others", table("gone-0", other.Name, shop.Name), key, nil, why + adopts},
		{"or has its door serve", open, key, nil, why + adopts},
		{"nor one by which it serves what is asked for here: it may be ours", opens("Ingress/default/web"), key, nil, ""},
		{"one that names none", table(), key, nil, ""},
		{"nor one that names ours: it was made for us", both, key, nil, ""},
		{"nor one by which its door is not to serve", table("gone-0"), key, nil, ""},
		{"a pod of it that is on a lost host has none to lose", table(other.Name), key, func(s *live.Snapshot) { s.Nodes[1].Silent = time.Hour }, ""},
		{"one that was taken over is ours", table(other.Name), key, func(s *live.Snapshot) { s.Nodes[0].Receipts = []live.Receipt{adopted(elsewhere)} }, ""},
		{"whose key is not trusted, of a table that is believed: a host may say so of itself", table(other.Name), key, signedBy(otherKey), ""},
		{"whose key is not trusted, nor that of the table, while none is believed", table(other.Name), otherKey, signedBy(otherKey), why + strings.ReplaceAll(trusts, "OTHER", live.ShortKey(otherKey))},
		{"not while one is", table(other.Name), otherKey, func(s *live.Snapshot) {
			s.Nodes[0].Side.Serves, s.Nodes[0].Side.Number, s.Nodes[0].Side.Signer = table(), 2, key
		}, ""},
		{"what nobody signed nobody can take over", table(other.Name), otherKey, signedBy(""), ""},
	} {
		h, have := doored(t, "n1", "n2"), sides("n1=1+", "n2=1+")
		have.Watched = time.Hour
		have.Nodes[1].Pods = append(have.Nodes[1].Pods, mine, other, shop, theirs(doorPod("1")))
		have.Nodes[1].Side.Serves, have.Nodes[1].Side.Number, have.Nodes[1].Side.Signer = c.serves, 3, c.signer
		if c.change != nil {
			c.change(&have)
		}
		p := Make(h, have, noon)
		noted := slices.Contains(p.Notes, "hosts route as before: "+c.want)
		if p.Unrouted != c.want || (p.Table == nil) != (c.want != "") || p.Yields != (c.want != "") || noted != (c.want != "") {
			t.Errorf("%s: %q, table %v\n%v", c.claim, p.Unrouted, p.Table, p.Notes)
		}
		h.Head.Ingresses = nil
		if p := Make(h, have, noon); c.want != "" && slices.Contains(p.Notes, "hosts route as before: "+c.want) {
			t.Errorf("%s: nothing is asked for, and there is a note", c.claim)
		}
	}
}

func TestAnotherSourcesDoorIsLeftAlone(t *testing.T) {
	const why = "a door of source " + elsewhere + " is there: podkeep adopt " + elsewhere + " takes it over"
	alien := func(at int) func(*manifest.History, *live.Snapshot) {
		return func(_ *manifest.History, s *live.Snapshot) { s.Nodes[0].Pods[at] = theirs(s.Nodes[0].Pods[at]) }
	}
	unasked := func(h *manifest.History, s *live.Snapshot) { alien(1)(h, s); h.Head.Ingresses = nil }
	for _, c := range []struct {
		claim  string
		have   live.Snapshot
		change func(*manifest.History, *live.Snapshot)
		want   []string
		lacks  map[string]string
	}{
		{"where one is wanted none is begun beside it", doors("n1=1@80", "n2"), alien(1), []string{"n2 run"}, map[string]string{"n1": why, "n2": "there is no door yet"}},
		{"whatever its version", doors("n1=0@80"), alien(1), nil, map[string]string{"n1": why}},
		{"nor is it stopped where none is", doors("n1=1@80"), unasked, nil, nil},
		{"nor where it is not heard", doors("n1=1"), func(h *manifest.History, s *live.Snapshot) {
			alien(1)(h, s)
			s.Nodes[0].Side.Mute = map[string]time.Duration{"door-1": deaf}
		}, nil, map[string]string{"n1": why}},
		{"nor for one of ours", doors("n1=0@80-,1@80"), alien(1), nil, nil},
		{"and that one is not followed beside it", doors("n1=0@80,2@80"), func(h *manifest.History, s *live.Snapshot) {
			alien(2)(h, s)
			h.Side.Version, s.Nodes[0].Pods[0], s.Nodes[0].Side.Version = "1", sidePod("1"), "1"
		}, nil, map[string]string{"n1": why}},
		{"it is ours once it was taken over", doors("n1=1@80"), func(h *manifest.History, s *live.Snapshot) {
			unasked(h, s)
			s.Nodes[0].Receipts = []live.Receipt{adopted(elsewhere)}
		}, []string{"n1 stop door-1"}, nil},
	} {
		var names []string
		for _, n := range c.have.Nodes {
			names = append(names, n.Name)
		}
		h := doored(t, names...)
		c.change(&h, &c.have)
		plan := Make(h, c.have, noon)
		var got []string
		for _, a := range plan.Actions {
			if a.App == live.DoorApp {
				line, _, _ := strings.Cut(strings.Join([]string{a.Node, string(a.Verb), a.Name}, " "), " podkeep-door-")
				got = append(got, line)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s\n%s", c.claim, diff)
		}
		if len(c.lacks) != len(plan.Doors) || len(c.lacks) > 0 && cmp.Diff(c.lacks, plan.Doors) != "" {
			t.Errorf("%s: %v", c.claim, plan.Doors)
		}
	}
}
