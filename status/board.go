package status

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
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
	pages   pages
}

// pages are documents of one World, each made once however many ask for it: one of a large fleet takes much more to make than to send.
type pages struct {
	mu   sync.Mutex
	of   *World
	made map[string][]byte
}

// get is the page of that form, as make makes it.
func (p *pages) get(world *World, form string, make func() ([]byte, error)) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of != world {
		p.of, p.made = world, map[string][]byte{}
	}
	if page, there := p.made[form]; there {
		return page, nil
	}
	page, err := make()
	if err == nil {
		p.made[form] = page
	}
	return page, err
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
	switch form := form(r); form {
	case "json":
		b.document(w, world, form, compact)
	case "yaml":
		b.document(w, world, form, func(v any) ([]byte, error) { return Encode("yaml", v) })
	case "text", "wide":
		report := Of(*world)
		report.Now = b.now()
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

func (b *Board) document(w http.ResponseWriter, world *World, form string, encode func(any) ([]byte, error)) {
	page, err := b.pages.get(world, form, func() ([]byte, error) {
		list, err := discreet(List(*world))
		if err != nil {
			return nil, err
		}
		return encode(list)
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/"+form)
	_, _ = w.Write(page)
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
