package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/status"
)

var began = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// seen is a pass of a fleet of one node with these workloads.
func seen(apps ...plan.App) status.World {
	return status.World{
		Now:      began.Add(time.Second),
		History:  manifest.History{Head: manifest.Set{Commit: "a1"}, Fetched: began.Add(time.Millisecond)},
		Snapshot: live.Snapshot{Nodes: []live.Node{{Name: "n1", Known: true}}},
		Plan:     plan.Plan{Apps: apps},
	}
}

func app(name string, state plan.State) plan.App {
	return plan.App{
		ID: manifest.ID{Kind: "Deployment", Namespace: "default", Name: name}, State: state, Rev: "v1-bbbbbb", Stable: "v1-bbbbbb",
		Why: name + " has a reason",
	}
}

// routing is a fleet with a Service, whose node routes as is planned.
func routing() status.World {
	return with(seen(app("web", plan.Converged)), func(w *status.World) {
		id := manifest.ID{Kind: "Service", Namespace: "default", Name: "nobody"}
		table := func(number uint64) *route.Table {
			return &route.Table{Number: number, Services: []route.Service{{Namespace: id.Namespace, Name: id.Name, Ports: []route.Port{{Protocol: "tcp", Port: 80}}}}}
		}
		w.History.Head.Services = []manifest.Service{{Meta: manifest.Meta{ID: id}}}
		w.History.Net.Pods = netip.MustParsePrefix("10.42.0.0/16")
		w.Plan.Table, w.Plan.Services = table(0), []route.Built{{ID: id, Why: "its selector chooses no pod"}}
		w.Snapshot.Nodes[0].Side = live.Side{Version: "1", Number: 1, Serves: table(1)}
	})
}

// doored is a world in which the door of n1 serves an Ingress.
func doored(f func(*status.World)) status.World {
	return with(seen(app("web", plan.Converged)), func(w *status.World) {
		id := manifest.ID{Kind: "Ingress", Namespace: "default", Name: "web"}
		table := func(number uint64) *route.Table {
			return &route.Table{Number: number, Doors: &route.Doors{Nodes: []string{"n1"}, Ports: []route.DoorPort{
				{Port: 80, Hosts: []route.DoorHost{{Rules: []route.DoorRule{{From: id.String(), Match: route.DoorMatch{Kind: route.Prefix, Path: "/"}}}}}},
			}}}
		}
		w.History.Head.Ingresses = []manifest.Ingress{{Meta: manifest.Meta{ID: id}}}
		w.History.Net.Pods = netip.MustParsePrefix("10.42.0.0/16")
		w.Plan.Table, w.Plan.Doored = table(0), []route.Doored{{Kind: id.Kind, Namespace: id.Namespace, Name: id.Name, Ours: true, Hosts: []string{"*"}}}
		w.Snapshot.Nodes[0].Side = live.Side{Version: "1", Number: 1, Serves: table(1), Doors: []live.Door{{Pod: "door", Version: "1", Number: 1, Ports: []uint16{80}}}}
		f(w)
	})
}

func same(name string) plan.App {
	held := app(name, plan.Held)
	held.Why = "nothing is pruned"
	return held
}

func with(w status.World, f func(*status.World)) status.World {
	f(&w)
	return w
}

func TestSyncEndsWhenNothingMovesAnyMore(t *testing.T) {
	rejected := app("api", plan.Failed)
	rejected.Stable = "v1-aaaaaa"
	stopping := []live.Node{{Name: "n1", Known: true, Pods: []live.Pod{{App: rejected.ID, Rev: rejected.Rev, Stopping: true}}}}
	first := app("api", plan.Failed)
	first.Stable, first.Updated = "", 1
	restart := plan.Action{Node: "n1", Verb: plan.Run, Name: "api-bbbbbb-0", App: first.ID, Why: "restarts"}
	for _, c := range []struct {
		name  string
		world status.World
		done  bool
		code  int
		why   string
	}{
		{"nothing is asked for", seen(), true, 0, "converged at a1"},
		{"all is well", seen(app("web", plan.Converged)), true, 0, "converged at a1"},
		{"what is suspended does not count", seen(app("web", plan.Suspended)), true, 0, "converged at a1, 1 suspended,"},
		{"one moves", seen(app("api", plan.Progressing), app("web", plan.Converged)), false, 0, "api: api has a reason"},
		{"a prune is under way", seen(app("web", plan.Pruning)), false, 0, "web: web has a reason"},
		{"files are still written", with(seen(app("web", plan.Converged)), func(w *status.World) {
			w.Plan.Actions = []plan.Action{{Node: "n1", Verb: plan.Put, Name: "cfg-1", Why: "is missing"}}
		}), false, 0, "n1 put cfg-1: is missing"},
		{"a node side is being started", with(seen(rejected), func(w *status.World) {
			w.Snapshot.Nodes[0].Pods = []live.Pod{{Name: "podkeep-node-1", App: live.SideApp, Asked: true}}
		}), false, 0, "n1 podkeep-node-1: is being started"},
		{"a node side is being stopped", with(seen(app("web", plan.Converged)), func(w *status.World) {
			w.Snapshot.Nodes[0].Pods = []live.Pod{{Name: "podkeep-node-1", App: live.SideApp, Stopping: true}}
		}), false, 0, "n1 podkeep-node-1: is being stopped"},
		{"a node side runs", with(seen(app("web", plan.Converged)), func(w *status.World) {
			w.Snapshot.Nodes[0].Pods = []live.Pod{{Name: "podkeep-node-1", App: live.SideApp}}
		}), true, 0, "converged at a1"},
		{"no Service, and a node routes by an older table", with(routing(), func(w *status.World) {
			w.Plan.Table.Services, w.Plan.Services, w.Snapshot.Nodes[0].Side.Serves = nil, nil, nil
		}), true, 0, "converged at a1"},
		{"requests go where they are to", routing(), true, 0, "service/nobody: its selector chooses no pod\nconverged at a1"},
		{"a table under another number says the same", with(routing(), func(w *status.World) { w.Snapshot.Nodes[0].Side.Serves.Number = 9 }),
			true, 0, "service/nobody: its selector chooses no pod\nconverged at a1"},
		{"a node routes by an older table", with(routing(), func(w *status.World) { w.Snapshot.Nodes[0].Side.Serves.Services = nil }),
			false, 0, "n1 does not send requests to Services as planned yet"},
		{"a node has been told of a newer one", with(routing(), func(w *status.World) { w.Snapshot.Nodes[0].Side.Behind = time.Second }),
			false, 0, "n1 does not send requests to Services as planned yet"},
		{"a node has no part in the cluster's network", with(routing(), func(w *status.World) {
			w.Snapshot.Nodes[0].Side.Serves, w.Snapshot.Nodes[0].Side.Net.None = nil, "a user's own Podman has no network that other hosts reach"
		}), true, 0, "service/nobody: its selector chooses no pod; no node serves it yet\nconverged at a1"},
		{"a node holds no policies yet", with(routing(), func(w *status.World) {
			w.Plan.Table.Services, w.Plan.Services, w.Snapshot.Nodes[0].Side.Serves = nil, nil, nil
			w.Plan.Table.Policies = &route.Policies{}
		}), false, 0, "n1 does not hold NetworkPolicies, and send requests to Services, as planned yet"},
		{"a node fails to route", with(routing(), func(w *status.World) {
			w.Snapshot.Nodes[0].Side.Behind, w.Snapshot.Nodes[0].Side.Net.Troubles = time.Second, []string{"table 2 is not in force: no nft"}
		}), false, 0, "n1 does not send requests to Services as planned yet: table 2 is not in force: no nft"},
		{"a node goes on to fail", with(routing(), func(w *status.World) {
			w.Snapshot.Nodes[0].Side.Behind, w.Snapshot.Nodes[0].Side.Net.Troubles = time.Minute, []string{"table 2 is not in force: no nft"}
		}), true, 1, "converged, but n1 does not send requests to Services as planned yet: table 2 is not in force: no nft"},
		{"a node side is not heard", with(routing(), func(w *status.World) {
			w.Snapshot.Nodes[0].Side.Version, w.Snapshot.Nodes[0].Side.Behind = "", time.Hour
		}),
			true, 0, "service/nobody: its selector chooses no pod\nconverged at a1"},
		{"a door serves", doored(func(*status.World) {}), true, 0, "converged at a1"},
		{"a door is not there yet", doored(func(w *status.World) {
			w.Snapshot.Nodes[0].Side.Doors, w.Plan.Doors = nil, map[string]string{"n1": "its door is being started"}
		}), false, 0, "n1 serves no Ingresses and Gateways yet: its door is being started"},
		{"a door has an older table", doored(func(w *status.World) { w.Snapshot.Nodes[0].Side.Serves.Doors = &route.Doors{Nodes: []string{"n1"}} }),
			false, 0, "n1 does not serve Ingresses and Gateways, and send requests to Services, as planned yet"},
		{"a door does not start", doored(func(w *status.World) {
			w.Snapshot.Nodes[0].Side.Doors, w.Plan.Doors = nil, map[string]string{"n1": "no such image"}
			w.Plan.Actions = []plan.Action{{Node: "n1", Verb: plan.Run, Name: "door", App: live.DoorApp}}
			w.Snapshot.Nodes[0].Troubles = []live.Trouble{{Name: "door", Why: "no such image", Count: 2}}
		}), true, 1, "converged, but n1 serves no Ingresses and Gateways: no such image"},
		{"a host has a door's port", doored(func(w *status.World) {
			w.Snapshot.Nodes[0].Side.Doors[0].Ports, w.Snapshot.Nodes[0].Side.Doors[0].Troubles = nil, []string{"port 80: the host has it already"}
		}), true, 0, "ingress/web: port 80 on n1: the host has it already\nconverged at a1"},
		{"what doors serve is not known yet", doored(func(w *status.World) {
			w.Plan.Table, w.Plan.Unrouted, w.Plan.Wake = nil, "hosts are still to say by which table they route", began.Add(time.Minute)
		}), false, 0, "services: hosts are still to say by which table they route"},
		{"it is not known yet who routes by what", with(routing(), func(w *status.World) {
			w.Plan.Table, w.Plan.Unrouted, w.Plan.Wake = nil, "hosts are still to say by which table they route", began.Add(time.Minute)
		}), false, 0, "services: hosts are still to say by which table they route"},
		{"nobody routes", with(routing(), func(w *status.World) {
			w.Plan.Table, w.Plan.Unrouted, w.History.Net = nil, "there is no node side", manifest.Net{}
			w.Snapshot.Nodes[0].Side = live.Side{}
		}), true, 0, "service/nobody: not served: there is no node side\nconverged at a1"},
		{"rejected, stable is back", seen(rejected, app("web", plan.Converged)), true, 1, "failed: api: api has a reason"},
		{"rejected, and the rest not there yet", seen(rejected, app("web", plan.Progressing)), false, 0, "web: web has a reason"},
		{"rejected, and its last pod being stopped", with(seen(rejected), func(w *status.World) { w.Snapshot.Nodes = stopping }), false, 0, "api: api has a reason"},
		{"rejected, with nothing to go back to", with(seen(first), func(w *status.World) {
			w.Plan.Actions = []plan.Action{restart}
		}), true, 1, "failed: api: api has a reason"},
		{"paused", seen(app("api", plan.Paused), app("web", plan.Converged)), true, 4, "a decision is awaited: api: api has a reason"},
		{"paused, and still scaling", with(seen(app("api", plan.Paused)), func(w *status.World) {
			w.Plan.Actions = []plan.Action{restart}
		}), false, 0, "api: api has a reason"},
		{"held until someone decides", seen(app("api", plan.Held)), true, 4, "a decision is awaited: api: api has a reason"},
		{"held until a fetch", with(seen(app("api", plan.Held)), func(w *status.World) { w.Plan.Fetch = began.Add(time.Second) }),
			false, 0, "api: api has a reason"},
		{"held until a time", with(seen(app("api", plan.Held)), func(w *status.World) { w.Plan.Wake = began.Add(time.Minute) }),
			false, 0, "api: api has a reason"},
		{"held until hosts are back that fell silent", with(seen(app("api", plan.Held)), func(w *status.World) { w.Plan.Apps[0].Awaits = []string{"n2", "n3"} }),
			false, 0, "api: api has a reason"},
		{"one reason is told once", seen(same("a"), same("b"), app("c", plan.Held)), true, 4,
			"a decision is awaited: a, b: nothing is pruned; c: c has a reason"},
		{"failed beats paused", seen(rejected, app("web", plan.Paused)), true, 1, "failed: api: api has a reason"},
		{"a field without effect yet fails nothing", with(seen(app("web", plan.Converged)), func(w *status.World) {
			w.History.Head.Problems = []manifest.Problem{{Field: "spec.priority", Text: "priorities are not followed yet", Notice: true}}
		}), true, 0, "converged at a1"},
		{"what does not load fails at the end", with(seen(app("web", plan.Converged)), func(w *status.World) {
			w.History.Head.Problems = []manifest.Problem{{Origin: manifest.Origin{File: "a.yaml", Line: 3}, Text: "no kind"}}
		}), true, 1, "converged but for what is refused:\na.yaml:3: no kind"},
		{"a fetch from before proves nothing", with(seen(app("web", plan.Converged)), func(w *status.World) {
			w.History.Fetched = began.Add(-time.Second)
		}), false, 0, "the source has not been read yet"},
		{"the source is out of reach", with(seen(), func(w *status.World) {
			w.History = manifest.History{Err: "fleet.git: connection refused"}
		}), true, 1, "fleet.git: connection refused"},
		{"the source fails after it was read", with(seen(app("web", plan.Converged)), func(w *status.World) {
			w.History.Err = "fleet.git: connection refused"
		}), true, 0, "converged at a1"},
		{"no node is known, for a file is in error", with(seen(), func(w *status.World) {
			w.History.Err, w.Snapshot.Nodes = "no Node is known", nil
		}), true, 1, "no Node is known"},
		{"no node answers", with(seen(app("web", plan.Progressing)), func(w *status.World) {
			w.Snapshot.Nodes = []live.Node{{Name: "n1", Why: "no route to host"}}
		}), true, 1, "n1: no route to host"},
		{"no node answers in time", with(seen(app("web", plan.Progressing)), func(w *status.World) {
			w.Snapshot.Nodes = []live.Node{{Name: "n1", Why: "no route to host"}, {Name: "n2", Why: "no answer for 3s", Slow: true}}
		}), false, 1, "none of 2 nodes answers; n1: no route to host"},
		{"a node has not been asked yet", with(seen(app("web", plan.Progressing)), func(w *status.World) {
			w.Snapshot.Nodes = []live.Node{{Name: "n1"}}
		}), false, 0, "web: web has a reason"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judge(c.world, began, false)
			if got != (outcome{c.done, c.code, c.why}) {
				t.Errorf("%+v, want %+v", got, outcome{c.done, c.code, c.why})
			}
		})
	}
}

func TestWhoSaysHowLongWaitsForWhatTimeMayMend(t *testing.T) {
	unread := func(h manifest.History) status.World {
		return with(seen(), func(w *status.World) { w.History, w.Snapshot.Nodes = h, nil })
	}
	for _, c := range []struct {
		name          string
		world         status.World
		once, patient bool // whether it is over, without and with a time to wait
	}{
		{"the source is out of reach", unread(manifest.History{Err: "fleet.git: connection refused"}), true, false},
		{"it refuses the password", unread(manifest.History{Err: "fleet.git: 401", Lasting: true}), true, true},
		{"no node answers", with(seen(), func(w *status.World) {
			w.Snapshot.Nodes = []live.Node{{Name: "n1", Why: "connection refused"}}
		}), true, false},
		{"no node answers, and the source does no more", with(seen(), func(w *status.World) {
			w.History.Err, w.History.Lasting = "fleet.git: 401", true
			w.Snapshot.Nodes = []live.Node{{Name: "n1", Why: "connection refused"}}
		}), true, false},
		{"all is well", seen(app("web", plan.Converged)), true, true},
	} {
		if got := judge(c.world, began, false).done; got != c.once {
			t.Errorf("%s: over at once: %v", c.name, got)
		}
		if got := judge(c.world, began, true).done; got != c.patient {
			t.Errorf("%s: over for one who is patient: %v", c.name, got)
		}
	}
}

func TestAMissingSocketIsToldHowToMend(t *testing.T) {
	w := seen()
	w.Snapshot.Nodes = []live.Node{{Name: "here", Why: "dial unix /run/podman/podman.sock: connect: no such file or directory"}}
	if err := unreachable(w); !strings.Contains(err.Error(), "systemctl enable --now podman.socket") ||
		!strings.Contains(err.Error(), "this machine is the fleet") {
		t.Error(err)
	}
	w.Snapshot.Nodes = append(w.Snapshot.Nodes, live.Node{Name: "far", Why: "no route to host"})
	if err := unreachable(w); !strings.HasPrefix(err.Error(), "none of 2 nodes answers; here: dial unix") {
		t.Error(err)
	}
}
