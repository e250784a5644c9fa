package status

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	corev1 "k8s.io/api/core/v1"
)

// Board shows the newest World over HTTP. Show it each pass's World; it may be read at the same time.
//
//	/healthz  200 while passes happen, 503 when the last one is older than Stale
//	/metrics  Prometheus
//	/status   JSON; text for "Accept: text/plain" or ?o=text, ?o=wide; YAML for ?o=yaml. Values of environment variables are not in it
type Board struct {
	Metrics *Metrics
	now     func() time.Time
	started time.Time
	stale   time.Duration
	world   atomic.Pointer[World]
}

// NewBoard makes a board whose health needs a pass at least every stale.
func NewBoard(stale time.Duration, now func() time.Time) *Board {
	b := &Board{now: now, started: now(), stale: stale}
	b.Metrics = newMetrics(&b.world)
	return b
}

// Show makes w the newest World, of a pass that took so long.
func (b *Board) Show(w World, took time.Duration) {
	b.world.Store(&w)
	b.Metrics.pass(w, took)
}

// Handler serves the board.
func (b *Board) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", b.healthz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(b.Metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /status", b.status)
	mux.HandleFunc("GET /{$}", index)
	return mux
}

func index(w http.ResponseWriter, _ *http.Request) {
	_, _ = fmt.Fprint(w, "podkeep: /healthz /metrics /status\n")
}

func (b *Board) healthz(w http.ResponseWriter, _ *http.Request) {
	last, what := b.started, "no pass yet, running for"
	if world := b.world.Load(); world != nil {
		last, what = world.Now, "last pass began"
	}
	age := b.now().Sub(last)
	line := fmt.Sprintf("%s %s", what, Age(age))
	if world := b.world.Load(); world != nil {
		line += " ago"
	}
	if age > b.stale {
		http.Error(w, "stuck: "+line, http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ok: "+line)
}

func (b *Board) status(w http.ResponseWriter, r *http.Request) {
	world := b.world.Load()
	if world == nil {
		http.Error(w, "no pass yet", http.StatusServiceUnavailable)
		return
	}
	seen := *world
	report := Of(seen)
	report.Now = b.now()
	switch form := form(r); form {
	case "json":
		answer(w, "application/json", seen, compact)
	case "yaml":
		answer(w, "application/yaml", seen, func(v any) ([]byte, error) { return Encode("yaml", v) })
	case "text", "wide":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		report.Text(w, Look{}, form == "wide")
	default:
		http.Error(w, fmt.Sprintf("o=%s: write json, yaml, text or wide", form), http.StatusBadRequest)
	}
}

// form is what the client asks for: the query's word, else text for those who prefer it, else JSON.
func form(r *http.Request) string {
	if o := r.URL.Query().Get("o"); o != "" {
		return o
	}
	if first, _, _ := strings.Cut(r.Header.Get("Accept"), ","); strings.HasPrefix(strings.TrimSpace(first), "text/plain") {
		return "text"
	}
	return "json"
}

func answer(w http.ResponseWriter, kind string, seen World, encode func(any) ([]byte, error)) {
	list, err := discreet(List(seen))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	data, err := encode(list)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(data)
}

// notShown stands for what is not for everybody who reaches the address.
const notShown = "(not shown)"

// discreet is the list without what environment variables are set to: many a password stands there, though it should be in a Secret.
func discreet(list any) (any, error) {
	data, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	var all any
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	conceal(all)
	return all, nil
}

func conceal(of any) {
	switch of := of.(type) {
	case []any:
		for _, one := range of {
			conceal(one)
		}
	case map[string]any:
		variables, _ := of["env"].([]any)
		for _, v := range variables {
			if one, is := v.(map[string]any); is && one["value"] != nil {
				one["value"] = notShown
			}
		}
		if annotations, is := of["annotations"].(map[string]any); is {
			delete(annotations, corev1.LastAppliedConfigAnnotation)
		}
		for _, one := range of {
			conceal(one)
		}
	}
}
