package door

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics counts by what the table names. What left the table is told no more, so that there are never more series than rules.
type metrics struct {
	door       *Door
	handler    http.Handler
	handshakes atomic.Int64 // that failed
	retries    atomic.Int64
	mu         sync.Mutex
	stats      map[statKey]*stat
	times      map[string]*times
}

type statKey struct{ rule, service string }

// stat counts the answers of a rule from a Service.
type stat struct {
	mu    sync.Mutex
	codes map[int]uint64
}

// add counts a status; those that nobody knows count as the first of their hundred.
func (s *stat) add(code int) {
	if code == 0 {
		code = statusGone
	}
	if http.StatusText(code) == "" && code != statusGone {
		code -= code % 100
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code]++
}

// buckets are those of the histogram, in seconds.
var buckets = [...]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// times is a rule's histogram.
type times struct {
	nanos   atomic.Int64
	buckets [len(buckets) + 1]atomic.Uint64
}

func (t *times) add(took time.Duration) {
	i, seconds := 0, took.Seconds()
	for i < len(buckets) && seconds > buckets[i] {
		i++
	}
	t.buckets[i].Add(1)
	t.nanos.Add(int64(took))
}

var (
	requestsDesc = prometheus.NewDesc("podkeep_door_requests_total", "Requests that were answered, by status, by whose the rule is, and by Service.", []string{"code", "rule", "service"}, nil)
	secondsDesc  = prometheus.NewDesc("podkeep_door_request_duration_seconds", "How long answers took, by whose the rule is.", []string{"rule"}, nil)
	connsDesc    = prometheus.NewDesc("podkeep_door_connections", "Connections of clients.", nil, nil)
	underDesc    = prometheus.NewDesc("podkeep_door_requests", "Requests under way, WebSockets among them.", nil, nil)
	retriesDesc  = prometheus.NewDesc("podkeep_door_retries_total", "Second and further attempts.", nil, nil)
	tlsDesc      = prometheus.NewDesc("podkeep_door_tls_errors_total", "TLS handshakes that failed.", nil, nil)
)

func (m *metrics) begin(d *Door) {
	m.door, m.stats, m.times = d, map[statKey]*stat{}, map[string]*times{}
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// meter gives a rule what counts it, as it was before where it was there.
func (d *Door) meter(n *table, r *rule) {
	d.metrics.mu.Lock()
	defer d.metrics.mu.Unlock()
	r.stat = keepOne(n.stats, d.metrics.stats, statKey{r.From, ""}, newStat)
	r.times = keepOne(n.times, d.metrics.times, r.From, func() *times { return &times{} })
	for _, b := range r.backends {
		b.stat = keepOne(n.stats, d.metrics.stats, statKey{r.From, b.Namespace + "/" + b.Service}, newStat)
	}
}

func newStat() *stat { return &stat{codes: map[int]uint64{}} }

func keepOne[K comparable, V any](next, last map[K]V, key K, make func() V) V {
	v, ok := next[key]
	if ok {
		return v
	}
	if v, ok = last[key]; !ok {
		v = make()
	}
	next[key] = v
	return v
}

// keep forgets what the table does not name.
func (m *metrics) keep(n *table) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats, m.times = n.stats, n.times
}

// Describe is prometheus.Collector's.
func (m *metrics) Describe(all chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{requestsDesc, secondsDesc, connsDesc, underDesc, retriesDesc, tlsDesc} {
		all <- d
	}
}

// Collect is prometheus.Collector's.
func (m *metrics) Collect(all chan<- prometheus.Metric) {
	m.door.mu.Lock()
	conns := len(m.door.conns)
	m.door.mu.Unlock()
	all <- prometheus.MustNewConstMetric(connsDesc, prometheus.GaugeValue, float64(conns))
	all <- prometheus.MustNewConstMetric(underDesc, prometheus.GaugeValue, float64(m.door.under.Load()))
	all <- prometheus.MustNewConstMetric(retriesDesc, prometheus.CounterValue, float64(m.retries.Load()))
	all <- prometheus.MustNewConstMetric(tlsDesc, prometheus.CounterValue, float64(m.handshakes.Load()))
	m.mu.Lock()
	stats, durations := m.stats, m.times
	m.mu.Unlock()
	for key, s := range stats {
		s.mu.Lock()
		codes := maps.Clone(s.codes)
		s.mu.Unlock()
		for code, n := range codes {
			all <- prometheus.MustNewConstMetric(requestsDesc, prometheus.CounterValue, float64(n), strconv.Itoa(code), key.rule, key.service)
		}
	}
	for rule, t := range durations {
		sums, count := map[float64]uint64{}, uint64(0)
		for i := range t.buckets {
			if count += t.buckets[i].Load(); i < len(buckets) {
				sums[buckets[i]] = count
			}
		}
		all <- prometheus.MustNewConstHistogram(secondsDesc, count, time.Duration(t.nanos.Load()).Seconds(), sums, rule)
	}
}
