package status

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/reconciler/plan"
)

// clock is a time that tests move.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func get(t *testing.T, b *Board, path string, header ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestHealthIsThatPassesHappen(t *testing.T) {
	c := &clock{noon}
	b := NewBoard(2*time.Minute, c.now)
	for _, step := range []struct {
		name  string
		after time.Duration
		pass  bool
		code  int
		body  string
	}{
		{"just begun", 0, false, 200, "ok: no pass yet, running for 0s\n"},
		{"never a pass", 3 * time.Minute, false, 503, "stuck: no pass yet, running for 3m\n"},
		{"a pass", 0, true, 200, "ok: last pass began 0s ago\n"},
		{"within the limit", time.Minute, false, 200, "ok: last pass began 1m ago\n"},
		{"beyond it", 2 * time.Minute, false, 503, "stuck: last pass began 3m ago\n"},
	} {
		c.Time = c.Add(step.after)
		if step.pass {
			w := fleet()
			w.Now = c.Time
			b.Show(w, time.Millisecond)
		}
		if code, body := get(t, b, "/healthz"); code != step.code || body != step.body {
			t.Errorf("%s: %d %q, want %d %q", step.name, code, body, step.code, step.body)
		}
	}
}

func TestStatusIsServedInTheFormAskedFor(t *testing.T) {
	b := NewBoard(time.Minute, (&clock{noon}).now)
	if code, _ := get(t, b, "/status"); code != http.StatusServiceUnavailable {
		t.Errorf("before the first pass: %d", code)
	}
	b.Show(fleet(), time.Millisecond)
	_, body := get(t, b, "/status")
	var list struct{ Kind string }
	if err := json.Unmarshal([]byte(body), &list); err != nil || list.Kind != "List" {
		t.Errorf("JSON is a %q, %v", list.Kind, err)
	}
	for _, c := range []struct {
		path, accept string
		code         int
		want         string
	}{
		{"/status", "text/plain", 200, "cluster default from git.example.com/fleet"},
		{"/status?o=text", "", 200, "NAME    READY"},
		{"/status?o=wide", "", 200, "RESTARTS"},
		{"/status?o=yaml", "", 200, "apiVersion: v1\nitems:\n"},
		{"/status?o=jsonn", "", 400, "o=jsonn: write json, yaml, text or wide"},
		{"/", "", 200, "/healthz /metrics /status"},
		{"/nowhere", "", 404, ""},
	} {
		if code, body := get(t, b, c.path, "Accept", c.accept); code != c.code || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d, want %d; want %q in\n%s", c.path, code, c.code, c.want, body)
		}
	}
}

func TestWhatVariablesAreSetToIsNotServed(t *testing.T) {
	w := fleet()
	app := &w.History.Head.Workloads[0]
	app.Revision.Spec.Containers = append([]corev1.Container{}, app.Revision.Spec.Containers...)
	app.Revision.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "PASSWORD", Value: "canary"}}
	b := NewBoard(time.Minute, (&clock{noon}).now)
	b.Show(w, time.Millisecond)
	for _, path := range []string{"/status", "/status?o=yaml", "/status?o=wide"} {
		_, body := get(t, b, path)
		if strings.Contains(body, "canary") {
			t.Errorf("%s shows the value", path)
		}
		if path != "/status?o=wide" && !strings.Contains(body, "PASSWORD") {
			t.Errorf("%s does not show the name", path)
		}
	}
}

func TestMetricsSayHowTheFleetStands(t *testing.T) {
	b := NewBoard(time.Minute, (&clock{noon}).now)
	b.Metrics.Build("v1", "abc")
	if _, body := get(t, b, "/metrics"); strings.Contains(body, "podkeep_apps{") {
		t.Error("states of workloads before the first pass")
	}
	b.Show(fleet(), 20*time.Millisecond)
	b.Show(outage(), 20*time.Millisecond)
	b.Show(fleet(), 20*time.Millisecond)
	woken := fleet()
	for i := range woken.Plan.Apps {
		woken.Plan.Apps[i].State = plan.Converged
	}
	b.Show(woken, 20*time.Millisecond)
	b.Show(fleet(), 20*time.Millisecond)
	b.Metrics.Fetched(time.Second, nil)
	b.Metrics.Fetched(time.Second, errors.New("away"))
	b.Metrics.Did(plan.Run, time.Second, nil)
	b.Metrics.Did(plan.Run, time.Second, errors.New("denied"))
	_, body := get(t, b, "/metrics")
	for _, want := range []string{
		`podkeep_reconcile_total{result="success"} 4`,
		`podkeep_reconcile_total{result="error"} 1`,
		`podkeep_reconcile_duration_seconds_count 5`,
		`podkeep_actions_total{result="success",verb="run"} 1`,
		`podkeep_actions_total{result="error",verb="run"} 1`,
		`podkeep_actions_total{result="error",verb="stop"} 0`,
		`podkeep_apps{state="Converged"} 1`,
		`podkeep_apps{state="Held"} 0`,
		`podkeep_app_replicas_ready{kind="Deployment",name="api",namespace="default"} 3`,
		`podkeep_app_container_restarts{kind="Deployment",name="broken",namespace="default"} 5`,
		`podkeep_node_up{node="edge-1"} 1`,
		`podkeep_node_up{node="edge-4"} 0`,
		`podkeep_node_silent_seconds{node="edge-3"} 12`,
		`podkeep_source_fetch_ok 1`,
		`podkeep_manifest_problems 1`,
		`podkeep_git_fetch_total{result="success"} 1`,
		`podkeep_git_fetch_total{result="error"} 1`,
		`podkeep_git_fetch_duration_seconds_count 2`,
		`podkeep_app_sync_total{kind="Deployment",name="night",namespace="default",phase="Succeeded"} 1`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
	if !strings.Contains(body, "podkeep_build_info") {
		t.Error("podkeep_build_info is missing")
	}
}

// sink is who asks, and keeps the page itself.
type sink struct {
	http.ResponseWriter
	page []byte
}

func (s *sink) Write(p []byte) (int, error) { s.page = p; return len(p), nil }

func TestAPageIsMadeOnceForAllWhoAskUntilTheNextPass(t *testing.T) {
	b := NewBoard(time.Minute, (&clock{noon}).now)
	b.Show(fleet(), 0)
	ask := func(path string) []byte {
		s := &sink{ResponseWriter: httptest.NewRecorder()}
		b.Handler().ServeHTTP(s, httptest.NewRequest("GET", path, nil))
		return s.page
	}
	first := ask("/status")
	for range 10 {
		if again := ask("/status"); &again[0] != &first[0] {
			t.Fatal("it is made anew")
		}
	}
	if yaml := ask("/status?o=yaml"); bytes.Equal(yaml, first) || len(b.pages.made) != 2 {
		t.Errorf("%d pages, %.20s", len(b.pages.made), yaml)
	}
	b.Show(fleet(), 0)
	if next := ask("/status"); &next[0] == &first[0] || len(b.pages.made) != 1 {
		t.Error("a page is shown of the pass before")
	}
}
