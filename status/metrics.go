package status

import (
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// Metrics counts what happens. What merely is, such as the state of a workload, is read from the newest World when
// Prometheus asks.
type Metrics struct {
	registry *prometheus.Registry
	passes   *prometheus.CounterVec
	duration prometheus.Histogram
	actions  *prometheus.CounterVec
	took     *prometheus.HistogramVec
	fetches  *prometheus.CounterVec
	fetch    prometheus.Histogram
	syncs    *prometheus.CounterVec
	states   map[manifest.ID]plan.App // as the last pass left them
}

func newMetrics(world *atomic.Pointer[World]) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		passes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podkeep_reconcile_total", Help: "Passes, by result: success or error.",
		}, []string{"result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "podkeep_reconcile_duration_seconds", Help: "How long a pass took to read, look, think and begin its actions.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}),
		actions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podkeep_actions_total", Help: "Actions that ended, by verb and result: success or error.",
		}, []string{"verb", "result"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "podkeep_action_duration_seconds", Help: "How long actions took, by verb.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 15),
		}, []string{"verb"}),
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podkeep_git_fetch_total", Help: "Fetches of the source, by result: success or error.",
		}, []string{"result"}),
		fetch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "podkeep_git_fetch_duration_seconds", Help: "How long fetches took.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}),
		syncs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "podkeep_app_sync_total", Help: "Times that a workload came to rest at a revision, by phase: Succeeded or Failed.",
		}, append(byApp, "phase")),
	}
	m.registry.MustRegister(m.passes, m.duration, m.actions, m.took, m.fetches, m.fetch, m.syncs, gauges{world},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, v := range []plan.Verb{plan.Put, plan.Run, plan.Stop, plan.Delete, plan.Pull} {
		m.actions.WithLabelValues(string(v), "success")
		m.actions.WithLabelValues(string(v), "error")
	}
	m.fetches.WithLabelValues("success")
	m.fetches.WithLabelValues("error")
	return m
}

// Build registers podkeep_build_info.
func (m *Metrics) Build(version, commit string) {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "podkeep_build_info", Help: "What runs; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "commit": commit, "go": runtime.Version()},
	})
	info.Set(1)
	m.registry.MustRegister(info)
}

func (m *Metrics) pass(w World, took time.Duration) {
	m.passes.WithLabelValues(result(w.Err)).Inc()
	m.duration.Observe(took.Seconds())
	if w.Err == nil {
		m.rests(w.Plan.Apps)
	}
}

// rests counts the workloads that came to rest since the last pass. How they stood before the first is not known. Of one that is gone nothing is
// counted any more, so that there are no more series than workloads.
func (m *Metrics) rests(apps []plan.App) {
	states := map[manifest.ID]plan.App{}
	for _, a := range apps {
		states[a.ID] = a
		was := m.states[a.ID]
		if phase, ok := phases[a.State]; ok && m.states != nil && (was.State != a.State || was.Rev != a.Rev) {
			m.syncs.WithLabelValues(a.ID.Kind, a.ID.Namespace, a.ID.Name, phase).Inc()
		}
	}
	for id := range m.states {
		if _, there := states[id]; !there {
			m.syncs.DeletePartialMatch(prometheus.Labels{"kind": id.Kind, "namespace": id.Namespace, "name": id.Name})
		}
	}
	m.states = states
}

var phases = map[plan.State]string{plan.Converged: "Succeeded", plan.Failed: "Failed"}

// Fetched counts one fetch that ended. It may be called from several goroutines.
func (m *Metrics) Fetched(took time.Duration, err error) {
	m.fetches.WithLabelValues(result(err)).Inc()
	m.fetch.Observe(took.Seconds())
}

// Did counts one action that ended. It may be called from several goroutines.
func (m *Metrics) Did(v plan.Verb, took time.Duration, err error) {
	m.actions.WithLabelValues(string(v), result(err)).Inc()
	m.took.WithLabelValues(string(v)).Observe(took.Seconds())
}

func result(err error) string {
	if err != nil {
		return "error"
	}
	return "success"
}

// gauges are read from the newest World at each scrape.
type gauges struct{ world *atomic.Pointer[World] }

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("podkeep_"+name, help, labels, nil)
}

var (
	byApp       = []string{"kind", "namespace", "name"}
	lastPass    = gauge("reconcile_last_timestamp_seconds", "When the last pass began.")
	fetched     = gauge("source_last_fetch_timestamp_seconds", "When the last good fetch began; 0 when there was none.")
	fetchOK     = gauge("source_fetch_ok", "Whether the newest fetch and load succeeded.")
	head        = gauge("source_head_info", "The commit asked for; always 1.", "commit")
	problems    = gauge("manifest_problems", "What HEAD asks for and is refused.")
	pending     = gauge("plan_actions", "Actions in the last plan.")
	appInfo     = gauge("app_info", "How a workload stands, in podkeep's word and in Argo CD's; always 1.", append(byApp, "state", "sync_status", "health_status", "rev", "commit")...)
	appReplicas = gauge("app_replicas", "Pods asked for.", byApp...)
	appReady    = gauge("app_replicas_ready", "Pods ready.", byApp...)
	appUpdated  = gauge("app_replicas_updated", "Pods of the revision asked for.", byApp...)
	apps        = gauge("apps", "Workloads, by state.", "state")
	nodeUp      = gauge("node_up", "Whether the node answered the last look that ended.", "node")
	nodeLate    = gauge("node_late_seconds", "How long the node has not answered a look, while none has failed; else 0.", "node")
	nodeSilent  = gauge("node_silent_seconds", "How long the node has not answered, once a look has failed; else 0.", "node")
	nodePods    = gauge("node_pods", "Our pods on the node, as last seen.", "node")
	nodeSide    = gauge("node_side_up", "Whether the node side on the node is heard.", "node")
	nodeBehind  = gauge("node_table_behind_seconds", "For how long the node has routed by another table than it is told to; else 0.", "node")
	guarded     = gauge("networkpolicy_pods", "Pods that a NetworkPolicy is about, by state: selected by it, and of these held, which are those that are held to it now.", "namespace", "networkpolicy", "state")
	doorServes  = gauge("door_up", "Whether the door of a node that is to have one serves, at all ports that it is to have.", "node")
	doorNodes   = gauge("door_nodes", "Nodes whose door is to serve an Ingress, Gateway or HTTPRoute, of those that answer, by state: wanted, and of these serving, which are those whose door does as it says.", append(byApp, "state")...)
	nodeCrowded = gauge("node_conntrack_full", "Whether the node's conntrack is full, as its node side says: no new connection of it and its pods begins.", "node")
	endpoints   = gauge("service_endpoints", "Pods behind a Service, or addresses that are written down for it, by state: selected, and of these ready, which are those that requests are sent to.", "namespace", "service", "state")
	receipts    = gauge("receipts", "Transitions that are written down on the nodes, by verb; of several copies one counts.", "verb")
	rollInfo    = gauge("rollout_info", "How a Rollout stands, in Argo Rollouts' word, and why it waits; always 1.", append(byApp, "strategy", "phase", "pause")...)
	rollDone    = gauge("rollout_steps_done", "Steps of a canary that are done.", byApp...)
	rollSteps   = gauge("rollout_steps", "Steps that a canary has.", byApp...)
	rollWeight  = gauge("rollout_weight", "Of 100, what a canary is to have now.", byApp...)
	restarts    = gauge("app_container_restarts", "Restarts of the containers that exist.", byApp...)
)

// Describe sends nothing: what there is to say depends on the fleet.
func (g gauges) Describe(chan<- *prometheus.Desc) {}

// Collect sends what the newest World says; nothing before the first pass.
func (g gauges) Collect(out chan<- prometheus.Metric) {
	w := g.world.Load()
	if w == nil {
		return
	}
	send := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	send(lastPass, unix(w.Now))
	send(fetched, unix(w.History.Fetched))
	send(fetchOK, truth(w.History.Err == ""))
	r := Of(*w)
	send(problems, float64(len(r.Problems)))
	send(pending, float64(len(w.Plan.Actions)))
	if w.History.Head.Commit != "" {
		send(head, 1, w.History.Head.Commit)
	}
	collectApps(r.Workloads, send)
	collectRollouts(r, send)
	for _, x := range r.Services {
		if x.External != "" {
			continue
		}
		send(endpoints, float64(x.Selected), x.Namespace, x.Name, "selected")
		send(endpoints, float64(x.Sent), x.Namespace, x.Name, "ready")
	}
	for _, x := range r.Policies {
		send(guarded, float64(len(x.Pods)), x.Namespace, x.Name, "selected")
		send(guarded, float64(len(x.Pods)-len(x.Open)), x.Namespace, x.Name, "held")
	}
	collectDoors(*w, r.Entries, send)
	for _, n := range w.Snapshot.Nodes {
		collectNode(n, send)
	}
	for verb, n := range written(w.Plan) {
		send(receipts, float64(n), verb)
	}
}

func collectDoors(w World, list []Entry, send func(*prometheus.Desc, float64, ...string)) {
	for _, x := range list {
		if len(x.ports) > 0 {
			send(doorNodes, float64(x.Nodes), x.Kind, x.Namespace, x.Name, "wanted")
			send(doorNodes, float64(x.InForce), x.Kind, x.Namespace, x.Name, "serving")
		}
	}
	doors := w.table().Doors
	for _, n := range w.Snapshot.Nodes {
		if doorWanted(doors, n.Name) {
			door, why := w.door(n)
			lacks := slices.ContainsFunc(doors.Ports, func(p route.DoorPort) bool { return !slices.Contains(door.Ports, p.Port) })
			send(doorServes, truth(why == "" && !lacks && !quiet(n)), n.Name)
		}
	}
}

// written counts what is written down by verb.
func written(p plan.Plan) map[string]int {
	counts := map[string]int{live.Began: 0, live.Stepped: 0, live.Switched: 0, live.Halted: 0, live.Resumed: 0, live.Promoted: 0, live.Failed: 0, live.Done: 0}
	for _, l := range p.Ledgers {
		for _, r := range l {
			counts[r.Verb]++
		}
	}
	return counts
}

func collectApps(list []Workload, send func(*prometheus.Desc, float64, ...string)) {
	states := map[plan.State]int{}
	for _, w := range list {
		states[w.State]++
		id := []string{w.ID.Kind, w.ID.Namespace, w.ID.Name}
		send(appInfo, 1, append(id, string(w.State), synced(w), healthy(w), w.Rev, w.Commit)...)
		send(appReplicas, float64(w.Replicas), id...)
		send(appReady, float64(w.Ready), id...)
		send(appUpdated, float64(w.Updated), id...)
		sum := 0
		for _, p := range w.Pods {
			sum += p.Restarts
		}
		send(restarts, float64(sum), id...)
	}
	for _, s := range allStates {
		send(apps, float64(states[s]), string(s))
	}
}

func collectRollouts(r Report, send func(*prometheus.Desc, float64, ...string)) {
	for _, w := range r.Workloads {
		if w.strategy().Rollout == nil {
			continue
		}
		id := []string{w.ID.Kind, w.ID.Namespace, w.ID.Name}
		phase, _ := w.phase(r.Now)
		send(rollInfo, 1, append(slices.Clone(id), w.strategy().Type, string(phase), w.way().Pause)...)
		if w.canary() {
			send(rollDone, float64(w.done()), id...)
			send(rollSteps, float64(len(w.steps())), id...)
			send(rollWeight, float64(w.weight()), id...)
		}
	}
}

var allStates = []plan.State{
	plan.Converged, plan.Progressing, plan.Suspended, plan.Paused, plan.Held, plan.Failed, plan.Pruning,
}

// synced is Argo CD's word for whether the fleet has what Git asks for.
func synced(w Workload) string {
	if w.State == plan.Converged || len(w.Suspended) == 0 && w.Updated >= w.Replicas && w.Updated == w.Total {
		return "Synced"
	}
	return "OutOfSync"
}

// healthy is Argo CD's word for how it does.
func healthy(w Workload) string {
	switch {
	case w.State == plan.Converged:
		return "Healthy"
	case w.State == plan.Suspended || w.State == plan.Paused:
		return "Suspended"
	case w.State == plan.Failed || w.State == plan.Held:
		return "Degraded"
	case w.Total == 0:
		return "Missing"
	}
	return "Progressing"
}

func collectNode(n live.Node, send func(*prometheus.Desc, float64, ...string)) {
	late, silent := time.Duration(0), n.Silent
	if n.Late {
		late, silent = n.Silent, 0
	}
	send(nodeUp, truth(n.Known && silent == 0), n.Name)
	send(nodeLate, late.Seconds(), n.Name)
	send(nodeSilent, silent.Seconds(), n.Name)
	send(nodePods, float64(len(n.WithoutSide())), n.Name)
	send(nodeSide, truth(n.Side.Heard()), n.Name)
	send(nodeBehind, n.Side.Behind.Seconds(), n.Name)
	send(nodeCrowded, truth(n.Side.Net.Crowded), n.Name)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
