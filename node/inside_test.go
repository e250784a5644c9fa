package node

import (
	"strings"
	"testing"
	"time"
)

// asked is a pod whose readiness and liveness probes go where spec says.
func asked(pod, probe string) string {
	return `{` + pod + `containers: [{name: app, image: "app:v1",
  readinessProbe: {httpGet: {port: 80, path: /app/readiness` + probe + `}, periodSeconds: 1},
  livenessProbe: {httpGet: {port: 80, path: /app/liveness` + probe + `}, periodSeconds: 1}}]}`
}

func TestWhatCannotBeAskedFromAmongAUsersPodsIsRefusedAndSaysWhatToWrite(t *testing.T) {
	for name, c := range map[string]struct {
		ip, pod, probe, want string
	}{
		"a pod":                       {"10.88.0.2", "", "", ""},
		"a pod by its address":        {"10.88.0.2", "", ", host: 10.88.0.2", ""},
		"a pod on the host's network": {"", "hostNetwork: true, ", "", "leave hostNetwork out"},
		"the host itself":             {"", "hostNetwork: true, ", ", host: 127.0.0.1", "leave hostNetwork out"},
		"a host outside":              {"10.88.0.2", "", ", host: 192.0.2.7", "leave host out"},
		"the node side itself":        {"10.88.0.2", "", ", host: localhost", "leave host out"},
		"a pod in no network of ours": {"", "", "", "(podkeep restart)"},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				s.inside, s.ip = true, c.ip
				web := s.has("web", asked(c.pod, c.probe))
				s.begins()
				k := s.connects()
				k.tends(web)
				s.passes(time.Minute)
				is, failed := k.probed(web, "app"), k.report().Failed[web.Name]
				if is.Ready != (c.want == "") || !strings.HasSuffix(is.Why, c.want) || !strings.HasSuffix(failed, c.want) || strings.Contains(failed, "liveness") != (c.want != "") {
					t.Errorf("%+v, %q", is, failed)
				}
				if ran := s.ran("app/liveness") + s.ran("app/readiness"); (ran > 0) != (c.want == "") {
					t.Errorf("%d runs", ran)
				}
				if n := s.restarts(web, "app"); n != 0 {
					t.Errorf("%d restarts of what nobody asked", n)
				}
			})
		})
	}
}

func TestAProbeThatCannotBeRunIsTriedAgainAfterAPause(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		web := s.has("web", asked("", ""))
		s.says["app/readiness"] = Answer{Void: true, Why: "the host's OCI runtime cannot be run"}
		s.toldOnce(web)
		s.begins()
		s.passes(time.Minute)
		if ran := s.ran("app/readiness"); ran < 30 || ran > 70 {
			t.Errorf("%d runs in a minute", ran)
		}
	})
}
