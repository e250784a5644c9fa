package plan

import (
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// doorPod is a door that runs.
func doorPod(version string) live.Pod {
	return live.Pod{
		Name: "door-" + version, Cluster: "default", Source: source, App: live.DoorApp, Side: version, Restart: "Always", Expect: []string{live.DoorContainer},
		Created: noon.Add(-time.Hour), Containers: []live.Container{{Name: live.DoorContainer, State: live.Running, Started: noon.Add(-time.Hour)}},
	}
}

// doors are nodes with doors beside heard node sides of version 1, as "n1=1@80,2" has it: a door of version 1, which listens at 80, and one of version 2, which is
// not heard. "n1=1@" is one without ports, and "n1=1@80-" one that leaves.
func doors(all ...string) live.Snapshot {
	var sided []string
	for _, text := range all {
		name, _, _ := strings.Cut(text, "=")
		sided = append(sided, name+"=1+")
	}
	s := sides(sided...)
	s.Watched = time.Hour
	for i, text := range all {
		n := &s.Nodes[i]
		_, list, _ := strings.Cut(text, "=")
		for each := range strings.SplitSeq(list, ",") {
			version, at, heard := strings.Cut(each, "@")
			if version == "" {
				continue
			}
			n.Pods = append(n.Pods, doorPod(version))
			port, leaving := strings.CutSuffix(at, "-")
			if d := (live.Door{Pod: "door-" + version, Version: version, Number: 3, Leaving: leaving}); heard {
				if number, err := strconv.ParseUint(port, 10, 16); err == nil {
					d.Ports = []uint16{uint16(number)}
				}
				n.Side.Doors = append(n.Side.Doors, d)
			}
		}
	}
	return s
}

// doored is a history of nodes with an Ingress.
func doored(t *testing.T, names ...string) manifest.History {
	h := sideful(commit(t, "a1", nodes(names...)), "1")
	h.Net = manifest.Net{Pods: netip.MustParsePrefix("10.42.0.0/16"), Virtual: netip.MustParsePrefix("10.43.0.0/16")}
	h.Doors = manifest.DoorOffer{HTTP: 80, HTTPS: 443}
	port := networkingv1.ServiceBackendPort{Number: 80}
	h.Head.Ingresses = []manifest.Ingress{{
		Meta: manifest.Meta{ID: manifest.ID{Kind: "Ingress", Namespace: "default", Name: "web"}},
		Object: &networkingv1.Ingress{Spec: networkingv1.IngressSpec{
			DefaultBackend: &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "web", Port: port}},
		}},
	}}
	return h
}

func TestEveryHostThatServesGetsADoor(t *testing.T) {
	labelled := func(value string, at ...int) func(*manifest.History, *live.Snapshot) {
		return func(h *manifest.History, _ *live.Snapshot) {
			for _, i := range at {
				h.Head.Nodes[i].Labels = map[string]string{manifest.DoorLabel: value}
			}
		}
	}
	rises := func(h *manifest.History, s *live.Snapshot) {
		h.Side.Version = "2"
		for i := range s.Nodes {
			s.Nodes[i].Pods[0], s.Nodes[i].Side.Version = sidePod("2"), "2"
		}
	}
	both := func(changes ...func(*manifest.History, *live.Snapshot)) func(*manifest.History, *live.Snapshot) {
		return func(h *manifest.History, s *live.Snapshot) {
			for _, change := range changes {
				change(h, s)
			}
		}
	}
	stopping := func(at int) func(*manifest.History, *live.Snapshot) {
		return func(_ *manifest.History, s *live.Snapshot) { s.Nodes[0].Pods[at].Stopping = true }
	}
	unasked := func(h *manifest.History, _ *live.Snapshot) { h.Head.Ingresses = nil }
	served := func(number uint64, names ...string) func(*manifest.History, *live.Snapshot) {
		return func(h *manifest.History, s *live.Snapshot) {
			h.Head.Ingresses = nil
			t := &route.Table{Number: number, Doors: &route.Doors{Nodes: names}}
			for i := range s.Nodes {
				s.Nodes[i].Side.Serves, s.Nodes[i].Side.Number, s.Nodes[i].Side.Taken, s.Nodes[i].Side.Signer = t, number, number, key
			}
		}
	}
	exited := func(at time.Time) func(*manifest.History, *live.Snapshot) {
		return func(_ *manifest.History, s *live.Snapshot) {
			s.Nodes[0].Pods[1].Containers[0] = live.Container{Name: live.DoorContainer, State: live.Exited, Started: noon.Add(-time.Hour), Finished: at}
		}
	}
	mute := func(pod string, long time.Duration) func(*manifest.History, *live.Snapshot) {
		return func(_ *manifest.History, s *live.Snapshot) {
			s.Nodes[0].Side.Mute = map[string]time.Duration{pod: long}
		}
	}
	for _, c := range []struct {
		claim  string
		have   live.Snapshot
		change func(*manifest.History, *live.Snapshot)
		want   []string
		lacks  map[string]string
	}{
		{"all where none is chosen", doors("n1", "n2=1@80"), nil, []string{"n1 run"}, map[string]string{"n1": "there is no door yet"}},
		{"those that are chosen", doors("n1", "n2"), labelled("", 1), []string{"n2 run"}, map[string]string{"n2": "there is no door yet"}},
		{"all but those that are to have none", doors("n1", "n2"), labelled("false", 1), []string{"n1 run"}, map[string]string{"n1": "there is no door yet"}},
		{"none while nothing is served", doors("n1"), unasked, nil, nil},
		{"none while no port is offered", doors("n1"), func(h *manifest.History, _ *live.Snapshot) { h.Doors = manifest.DoorOffer{} }, nil, nil},
		{"none on a user's own Podman", doors("n1", "n2=1@80"), func(_ *manifest.History, s *live.Snapshot) { s.Nodes[0].Facts.Rootless = true },
			nil, map[string]string{"n1": "its Podman is a user's own, which gives no door ports that others reach: use root's"}},
		{"none before its node side is of that version", doors("n1"), func(h *manifest.History, s *live.Snapshot) {
			s.Nodes[0].Side.Version, s.Nodes[0].Pods[0] = "0", sidePod("0")
			h.Side.Images = nil
		}, nil, map[string]string{"n1": "there is no door yet; the new one follows the new node side"}},
		{"what keeps it from starting is said", doors("n1"), func(h *manifest.History, s *live.Snapshot) {
			name := Make(*h, *s, noon).Actions[0].Name
			s.Nodes[0].Troubles = []live.Trouble{{Name: name, Why: "no space left"}}
		}, []string{"n1 run"}, map[string]string{"n1": "there is no door yet; its door does not start: no space left"}},
		{"nothing is done about one that serves", doors("n1=1@80"), nil, nil, nil},
		{"one that is not heard is waited for", doors("n1=1"), nil, nil, map[string]string{"n1": "its door is not heard yet"}},
		{"not for ever", doors("n1=1"), mute("door-1", deaf), []string{"n1 stop door-1"}, map[string]string{"n1": "its door is not heard yet"}},
		{"but for minutes", doors("n1=1"), mute("door-1", deaf-1), nil, map[string]string{"n1": "its door is not heard yet"}},
		{"nor is a lower one, which may have the ports", doors("n1=1,2@"), mute("door-1", deaf), []string{"n1 stop door-1"},
			map[string]string{"n1": "version 2 is to follow 1: its door does not listen at 80"}},
		{"one without a port is no door", doors("n1=1@"), nil, nil, map[string]string{"n1": "its door does not listen at 80"}},
		{"a silent host is left alone", doors("n1"), func(_ *manifest.History, s *live.Snapshot) { s.Nodes[0].Silent = time.Second }, nil, nil},
		{"one that exited is Podman's to start again", doors("n1=1"), exited(noon.Add(1 - restarting)), nil, map[string]string{"n1": "its door has ended: container door exited with 0"}},
		{"and if that does not, it is made anew", doors("n1=1"), exited(noon.Add(-restarting)), []string{"n1 stop door-1"}, map[string]string{"n1": "its door has ended: container door exited with 0"}},
		{"a higher one comes beside it, on one host first", doors("n1=1@80", "n2=1@80"), rises, []string{"n1 run"},
			map[string]string{"n2": "version 2 follows 1 once it serves on n1"}},
		{"on one whose door serves, where one does", doors("n1=1@", "n2=1@80"), rises, []string{"n2 run"},
			map[string]string{"n1": "its door does not listen at 80; version 2 follows 1 once it serves on n2"}},
		{"a host that never had a lower one holds nobody up", doors("n1=2@", "n2=1@80"), rises, []string{"n2 run"}, map[string]string{"n1": "its door does not listen at 80"}},
		{"and while it has no ports there, nothing goes", doors("n1=1@80,2@", "n2=1@80"), rises, nil,
			map[string]string{"n1": "version 2 is to follow 1: its door does not listen at 80", "n2": "version 2 follows 1 once it serves on n1"}},
		{"it goes once the other has its ports", doors("n1=1@80-,2@80", "n2=1@80"), rises, []string{"n2 run", "n1 stop door-1"}, nil},
		{"nor where it has some of them alone", doors("n1=1@80,2@443"), rises, nil, map[string]string{"n1": "version 2 is to follow 1: its door does not listen at 80"}},
		{"one that has handed over nothing goes too: the host's own programs have the ports", doors("n1=1@-,2@"), rises, []string{"n1 stop door-1"},
			map[string]string{"n1": "version 2 is to follow 1: its door does not listen at 80"}},
		{"or that has ended, in whatever way", doors("n1=1,2@"), both(rises, exited(noon)), []string{"n1 stop door-1"},
			map[string]string{"n1": "version 2 is to follow 1: its door does not listen at 80"}},
		{"not before the other one has a table", doors("n1=1@80-,2"), rises, nil, map[string]string{"n1": "version 2 is to follow 1: its door is not heard yet"}},
		{"nor where that one leaves as well", doors("n1=1@-,2@-"), rises, nil, map[string]string{"n1": "version 2 is to follow 1: its door does not listen at 80"}},
		{"no third one is begun: the one of the two that came to nothing goes first", doors("n1=0@80,1@"), rises, []string{"n1 stop door-1"},
			map[string]string{"n1": "its door does not listen at 80; version 2 follows once one of the two that are here has ended"}},
		{"whether or not it is heard", doors("n1=0@80,1"), rises, []string{"n1 stop door-1"},
			map[string]string{"n1": "its door is not heard yet; version 2 follows once one of the two that are here has ended"}},
		{"or the one that has been followed", doors("n1=0@80-,1@80"), rises, []string{"n1 stop door-0"},
			map[string]string{"n1": "version 2 follows once one of the two that are here has ended"}},
		{"and has ended", doors("n1=0@80-,1@80"), both(rises, stopping(1)), nil, map[string]string{"n1": "version 2 follows once one of the two that are here has ended"}},
		{"none of two that serve at ports of their own", doors("n1=0@443,1@80"), rises, nil,
			map[string]string{"n1": "version 2 follows once one of the two that are here has ended"}},
		{"a lower one replaces nothing", doors("n1=2@80"), nil, nil, nil},
		{"one that is chosen no more goes", doors("n1=1@80", "n2=1@80"), labelled("", 1), []string{"n1 stop door-1"}, nil},
		{"all go with the last that is served, once no table names them", doors("n1=1@80"), served(3), []string{"n1 stop door-1"}, nil},
		{"and not before", doors("n1=1@80"), served(3, "n1"), nil, nil},
		{"where no node side is wanted they go first", doors("n1=1@80"), func(h *manifest.History, _ *live.Snapshot) { h.Side = manifest.SideOffer{Refused: true} },
			[]string{"n1 stop door-1"}, map[string]string{"n1": "no node side is wanted on hosts (--node-side=never)"}},
	} {
		var names []string
		for _, n := range c.have.Nodes {
			names = append(names, n.Name)
		}
		h := doored(t, names...)
		if c.change != nil {
			c.change(&h, &c.have)
		}
		plan := Make(h, c.have, noon)
		var got []string
		for _, a := range plan.Actions {
			if a.App != live.DoorApp || a.Why == "" {
				t.Errorf("%s: %+v", c.claim, a)
			}
			line, _, _ := strings.Cut(strings.Join([]string{a.Node, string(a.Verb), a.Name}, " "), " podkeep-door-")
			got = append(got, line)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s\n%s", c.claim, diff)
		}
		if len(c.lacks) != len(plan.Doors) || len(c.lacks) > 0 && cmp.Diff(c.lacks, plan.Doors) != "" {
			t.Errorf("%s: %v", c.claim, plan.Doors)
		}
	}
}

func TestALostNodesCertificatesAreIssuedElsewhere(t *testing.T) {
	h, have := doored(t, "n1", "n2"), doors("n1=1@80", "n2=1@80")
	for silent, want := range map[time.Duration][]string{0: {"n1", "n2"}, time.Second: {"n1", "n2"}, defaultGrace: {"n1"}} {
		have.Nodes[1].Silent = silent
		if got := Make(h, have, noon).Table.Doors.Nodes; cmp.Diff(want, got) != "" {
			t.Errorf("silent for %s: %v", silent, got)
		}
	}
}

// After a restart of the only node side no table is in force, until the one that was sent last is again: what is served of a suspended Ingress is in that alone.
func TestWhereNoTableIsInForceTheNextGoesOnFromTheOneThatWasSent(t *testing.T) {
	h, have := doored(t, "n1"), doors("n1=1@80")
	before := Make(h, have, noon).Table
	before.Number = 5
	h.Head.Ingresses[0].Suspended = true
	side := &have.Nodes[0].Side
	side.Serves, side.Number, side.Taken = nil, 0, before.Number
	for sent, want := range map[*route.Table][]route.DoorPort{nil: nil, before: before.Doors.Ports} {
		side.Told = nil
		if sent != nil {
			side.Told = []*route.Table{{Number: before.Number - 1}, sent}
		}
		p := Make(h, have, noon)
		if diff := cmp.Diff(want, p.Table.Doors.Ports); diff != "" {
			t.Errorf("sent before: %v: (-want +got)\n%s", sent != nil, diff)
		}
		if p.Before != nil {
			t.Error("one that nobody serves is said to be in force")
		}
	}
}

// A kind that is new counts too.
func TestACommitWithAnObjectOfAnyKindIsNotEmpty(t *testing.T) {
	set := reflect.ValueOf(&manifest.Set{}).Elem()
	for i := range set.NumField() {
		field := set.Type().Field(i)
		if !field.IsExported() || field.Type.Kind() != reflect.Slice || slices.Contains([]string{"Nodes", "Signers", "Files", "Problems"}, field.Name) {
			continue
		}
		set.Field(i).Set(reflect.MakeSlice(field.Type, 1, 1))
		if empty(set.Interface().(manifest.Set)) {
			t.Errorf("one with %s is", field.Name)
		}
		set.Field(i).SetZero()
	}
	if !empty(manifest.Set{Nodes: []manifest.Node{{}}}) || empty(manifest.Set{Nodes: []manifest.Node{{Meta: manifest.Meta{Origin: manifest.Origin{File: "nodes.yaml"}}}}}) {
		t.Error("the local machine counts, or a Node does not")
	}
}
