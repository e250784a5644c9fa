package manifest

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// A golden shows manifests, the revision that they become, and its pod web-1.
func TestARevisionHoldsNoReferences(t *testing.T) {
	const path = "testdata/render.txtar"
	golden, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range golden.Files {
		text, want, _ := strings.Cut(string(c.Data), "====\n")
		w := set("a1b2c3d4", "x.yaml", text).Workloads[0]
		w.Revision.Rev = "v1-0"
		pod := w.Revision.Pod("web-1", nil, nil)
		got := asYAML(t, w.Revision.Spec) + "====\n" + asYAML(t, pod.Spec)
		if host := pod.Hostname(); host != "web-1" {
			got += "# hostname: " + host + "\n"
		}
		for _, x := range pod.Texts {
			got += fmt.Sprintf("# %s/%s %04o: %q\n", x.Volume, x.Path, x.Mode, string(x.Data))
		}
		for _, f := range w.Config {
			got += fmt.Sprintf("# %s: %q\n", f.Name, string(f.Data))
		}
		golden.Files[i].Data = []byte(text + "====\n" + got)
		if got != want && !*update {
			t.Errorf("%s: got\n%s", c.Name, got)
		}
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(golden), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func asYAML(t *testing.T, v any) string {
	t.Helper()
	text, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestARevisionSurvivesJSON(t *testing.T) {
	for _, manifests := range []string{rich, everything} {
		w := set("a1b2c3d4", "x.yaml", manifests).Workloads[0]
		text, err := json.Marshal(w.Revision)
		if err != nil {
			t.Fatal(err)
		}
		var back Revision
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		got, want := back.Pod("web-1", nil, nil), w.Revision.Pod("web-1", nil, nil)
		if asYAML(t, got) != asYAML(t, want) || len(got.Texts) != len(want.Texts) {
			t.Error("a pod of a stored revision is another one")
		}
	}
}

func TestAPodIsMadeWithoutTouchingItsRevision(t *testing.T) {
	r := load(t, "x.yaml", rich).Workloads[0].Revision
	before := asYAML(t, r)
	r.Pod("web-1", nil, nil)
	if asYAML(t, r) != before {
		t.Error("the revision changed")
	}
}

func TestAHostnameHasNoUnderscore(t *testing.T) {
	if got := (Revision{}).Pod("blue__job_web-abcdef-0", nil, nil).Hostname(); got != "blue-job-web-abcdef-0" {
		t.Error(got)
	}
}

func TestAHostnameFits(t *testing.T) {
	name := strings.Repeat("a", 62) + "-" + strings.Repeat("b", 9)
	if got := (Revision{}).Pod(name, nil, nil).Hostname(); got != strings.Repeat("a", 62) {
		t.Error(got)
	}
}

func TestAFullNameIsInTheClustersDomain(t *testing.T) {
	full, long := true, strings.Repeat("a", 60)
	for claim, c := range map[string]struct {
		spec               corev1.PodSpec
		name, domain, want string
	}{
		"as it is written":               {corev1.PodSpec{Hostname: "db", Subdomain: "data"}, "web-0", "k8s.example", "db.data.shop.svc.k8s.example"},
		"by the pod's name":              {corev1.PodSpec{Subdomain: "data"}, "web-0", "k8s.example", "web-0.data.shop.svc.k8s.example"},
		"where none is set":              {corev1.PodSpec{Subdomain: "data"}, "web-0", "", "web-0.data.shop.svc.cluster.local"},
		"without a subdomain":            {corev1.PodSpec{Hostname: "db"}, "web-0", "k8s.example", "db"},
		"one that podkeep makes fits":    {corev1.PodSpec{Subdomain: "data"}, long, "k8s.example", long[:64-len(".data.shop.svc.k8s.example")] + ".data.shop.svc.k8s.example"},
		"but one that is written is not": {corev1.PodSpec{Hostname: long, Subdomain: "data"}, "web-0", "x", long + ".data.shop.svc.x"},
		"nor has it no letter":           {corev1.PodSpec{Subdomain: "data"}, "web-0", long, "w.data.shop.svc." + long},
	} {
		c.spec.SetHostnameAsFQDN = &full
		p := Revision{App: ID{"Pod", "shop", "web"}, Spec: c.spec}.Pod(c.name, nil, nil)
		if p.Net.Domain = c.domain; p.Hostname() != c.want {
			t.Errorf("%s: %s, not %s", claim, p.Hostname(), c.want)
		}
	}
}

func TestReferencesExpandAsInKubernetes(t *testing.T) {
	of := func(name string) (string, bool) { return "<" + name + ">", name != "GONE" }
	for text, want := range map[string]string{
		"":            "",
		"plain":       "plain",
		"$(A)":        "<A>",
		"a$(A)b$(B)c": "a<A>b<B>c",
		"$$(A)":       "$(A)",
		"$$$(A)":      "$<A>",
		"$$$$(A)":     "$$(A)",
		"$(GONE)":     "$(GONE)",
		"$A ${A} $":   "$A ${A} $",
		"$(A":         "$(A",
		"$(A $(B)":    "$(A $(B)"[:0] + "<A $(B>",
		"$()":         "<>",
		"$":           "$",
		"$$":          "$",
		"a$$":         "a$",
	} {
		if got := expand(text, of); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		if got := expand(literal(text), of); got != text {
			t.Errorf("%s: literal gives %s", text, got)
		}
	}
}

func TestImagesAreExpandedAsInKubernetes(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("0a", 32)
	for image, want := range map[string]string{
		"nginx":                       "docker.io/library/nginx:latest Always",
		"nginx:1.27":                  "docker.io/library/nginx:1.27 IfNotPresent",
		"nginx:latest":                "docker.io/library/nginx:latest Always",
		"nginx" + digest:              "docker.io/library/nginx" + digest + " IfNotPresent",
		"nginx:1.27" + digest:         "docker.io/library/nginx" + digest + " IfNotPresent",
		"team/app:v1":                 "docker.io/team/app:v1 IfNotPresent",
		"docker.io/nginx":             "docker.io/library/nginx:latest Always",
		"index.docker.io/library/a:1": "docker.io/library/a:1 IfNotPresent",
		"localhost/x":                 "localhost/x:latest Always",
		"localhost:5000/x:1":          "localhost:5000/x:1 IfNotPresent",
		"registry:5000/x":             "registry:5000/x:latest Always",
		"quay.io/a/b/c:1":             "quay.io/a/b/c:1 IfNotPresent",
		"[::1]:5000/x:1":              "[::1]:5000/x:1 IfNotPresent",
		"a__b/c--d/e.f_g:1":           "docker.io/a__b/c--d/e.f_g:1 IfNotPresent",
		"nginx@sha256:1":              "has a digest that is not one, such as sha256: and 64 digits",
		"nginx:a b":                   "has a tag that is not one",
		"a//b":                        "is not the name of an image; names are lower case, such as registry:5000/team/app:v1",
	} {
		got, why := ExpandImage(image)
		if why == "" {
			got += " " + string(pullPolicy(image))
		}
		if got+why != want {
			t.Errorf("%s: %s%s, want %s", image, got, why, want)
		}
	}
}

func TestSurgeRoundsUpAndUnavailableDown(t *testing.T) {
	for _, c := range []struct {
		spec string
		want Strategy
	}{
		{"replicas: 10", Strategy{Type: "RollingUpdate", MaxSurge: 3, MaxUnavailable: 2}},
		{"replicas: 1", Strategy{Type: "RollingUpdate", MaxSurge: 1}},
		{"replicas: 0", Strategy{Type: "RollingUpdate", MaxUnavailable: 1}},
		{"replicas: 3\n  strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 10%}}", Strategy{Type: "RollingUpdate", MaxUnavailable: 1}},
		{"replicas: 3\n  strategy: {rollingUpdate: {maxSurge: 2, maxUnavailable: 0}}", Strategy{Type: "RollingUpdate", MaxSurge: 2, Firm: true}},
		{"replicas: 3\n  strategy: {rollingUpdate: {maxSurge: 200%, maxUnavailable: 100%}}", Strategy{Type: "RollingUpdate", MaxSurge: 6, MaxUnavailable: 3}},
		{"replicas: 3\n  strategy: {type: Recreate}", Strategy{Type: "Recreate", MaxUnavailable: 3}},
		{"minReadySeconds: 5\n  paused: true", Strategy{Type: "RollingUpdate", MaxSurge: 1, MinReady: 5 * time.Second, Paused: true}},
	} {
		c.want.Deadline, c.want.OnFailure = 600*time.Second, OnFailureRollback
		text := strings.Replace(deployment("web", "nginx"), "spec:\n", "spec:\n  "+c.spec+"\n", 1)
		if got := load(t, "x.yaml", text).Workloads[0].Strategy; got != c.want {
			t.Errorf("%s: got %+v", c.spec, got)
		}
	}
}

func TestTheDeadlineCanBeNone(t *testing.T) {
	for spec, want := range map[string]time.Duration{"7": 7 * time.Second, "2147483647": 0} {
		text := strings.Replace(deployment("web", "nginx"), "spec:\n", "spec:\n  progressDeadlineSeconds: "+spec+"\n", 1)
		if got := load(t, "x.yaml", text).Workloads[0].Strategy.Deadline; got != want {
			t.Errorf("%s: got %v", spec, got)
		}
	}
}
