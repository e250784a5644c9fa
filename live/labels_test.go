package live

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/manifest"
)

func TestWhatWasWrittenAtBirthIsReadBack(t *testing.T) {
	web := manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}
	for what, p := range map[string]Pod{
		"little": {App: web, Rev: "v1-a"},
		"everything": {
			Cluster: "c", Source: "s", App: web, Slot: 3, Rev: "v1-abcdef", Gen: 4, Commit: "c0ffee", Expect: []string{"a", "b", "c"},
			Init: []Init{{Name: "a"}, {Name: "b", Sidecar: true}}, Try: 2, Restart: "Always", Ports: []string{"192.0.2.1:80/tcp", "[::1]:53/udp"}, Keep: true,
			Room: manifest.Resources{MilliCPU: 100, Memory: 1 << 30},
			Birth: Birth{
				Labels: map[string]string{"app": "web", "example.com/tier": "front", "empty": ""}, Priority: -10,
				Ports: map[string]string{"http": "8080/tcp", "dns": "53/udp"}, Hostname: "web-0", Subdomain: "nodes",
				Probes: map[string]string{"a": "startup+liveness", "b": "readiness"}, IP: "10.42.1.7", Network: 3,
			},
		},
	} {
		p.Name = "any"
		back, err := ParsePod(p.Name, PodLabels(p))
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if d := cmp.Diff(p, back); d != "" {
			t.Errorf("%s: (-written +read)\n%s", what, d)
		}
	}
}

func TestAReceiptIsReadBack(t *testing.T) {
	r := Receipt{
		App: manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}, Verb: Promoted, Rev: "v1-abcdef", Gen: 3, Commit: "c0ffee", Step: 2,
		Steps: "s", Time: time.Date(2026, 3, 1, 14, 0, 0, 5, time.UTC), Why: "all is well", Node: "n1", Host: "0011", Of: "other",
		Before: []string{"v1-z", "v1-a"}, Answers: []string{"01", "02"}, Source: "s",
	}
	back, ok := ParseReceipt(r.Labels("c"))
	if d := cmp.Diff(r, back); !ok || d != "" {
		t.Errorf("(-written +read)\n%s", d)
	}
}

func TestNoTwoTransitionsShareAName(t *testing.T) {
	base := Receipt{App: manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}, Verb: Began, Rev: "v1-abcdef0", Gen: 1, Source: "s"}
	change := func(f func(*Receipt)) Receipt { r := base; f(&r); return r }
	app := func(kind, namespace, name string) func(*Receipt) {
		return func(r *Receipt) { r.App = manifest.ID{Kind: kind, Namespace: namespace, Name: name} }
	}
	long := "a-name-that-is-longer-than-what-a-file-shows-of-it"
	names := map[string]string{}
	add := func(what, name string) {
		if was, ok := names[name]; ok {
			t.Errorf("%s and %s are both %s", was, what, name)
		}
		names[name] = what
	}
	for _, signer := range []string{"", "ssh-ed25519 A", "ssh-ed25519 B"} {
		for what, r := range map[string]Receipt{
			"itself": base, "gen": change(func(r *Receipt) { r.Gen = 11 }), "verb": change(func(r *Receipt) { r.Verb = Failed }),
			"rev of the same six digits": change(func(r *Receipt) { r.Rev = "v1-abcdef1" }), "no rev": change(func(r *Receipt) { r.Rev = "" }),
			"step": change(func(r *Receipt) { r.Step = 1 }), "source": change(func(r *Receipt) { r.Source = "t" }),
			"host": change(func(r *Receipt) { r.Host = "x" }), "of": change(func(r *Receipt) { r.Of = "x" }),
			"kind": change(app("Job", "default", "web")), "name": change(app("Deployment", "default", "wed")),
			"a-b/c": change(app("Deployment", "a-b", "c")), "a/b-c": change(app("Deployment", "a", "b-c")),
			"long 1": change(app("Deployment", "default", long+"1")), "long 2": change(app("Deployment", "default", long+"2")),
		} {
			add(fmt.Sprintf("receipt %s by %q", what, signer), r.Name(signer))
			if r.Same(base) != (what == "itself") {
				t.Errorf("%s: Same is %v", what, r.Same(base))
			}
		}
		for _, c := range [][3]string{{"a-b", "c", "v1-abcdef0"}, {"a", "b-c", "v1-abcdef0"}, {"a", "b-c", "v1-abcdef1"}, {"a", long + "1", "v1-a"}, {"a", long + "2", "v1-a"}} {
			add(fmt.Sprintf("form %v by %q", c, signer), RevFile(manifest.ID{Kind: "Deployment", Namespace: c[0], Name: c[1]}, c[2], signer))
		}
	}
	for _, other := range []Receipt{change(func(r *Receipt) { r.Why, r.Commit, r.Node = "x", "y", "z" }), change(func(r *Receipt) { r.Time = r.Time.Add(1) })} {
		if !other.Same(base) {
			t.Errorf("one transition has two names: %s, %s", other.Name(""), base.Name(""))
		}
	}
}

func TestNoTwoWorkloadsShareAPodsName(t *testing.T) {
	names := map[string]string{}
	for _, cluster := range []string{"default", "a", "a-b"} {
		for _, app := range []manifest.ID{
			{Kind: "Deployment", Namespace: "default", Name: "c"}, {Kind: "Deployment", Namespace: "a-b", Name: "c"},
			{Kind: "Deployment", Namespace: "a", Name: "b-c"}, {Kind: "Deployment", Namespace: "default", Name: "a-b-c"},
			{Kind: "Job", Namespace: "default", Name: "c"}, {Kind: "Deployment", Namespace: "default", Name: "job-c"},
			{Kind: "Job", Namespace: "a-b", Name: "c"}, {Kind: "Job", Namespace: "a", Name: "b-c"},
			{Kind: "ReplicaSet", Namespace: "a", Name: "c"}, {Kind: "Deployment", Namespace: "job", Name: "c"},
		} {
			name, what := PodName(cluster, app, "v1-abcdef0", 1), cluster+" "+app.String()
			if was, ok := names[name]; ok {
				t.Errorf("%s and %s are both %s", was, what, name)
			}
			names[name] = what
		}
	}
}

func TestNamesThatAreJoinedDoNotMeet(t *testing.T) {
	pod := func(namespace, name string) string {
		return PodName("c", manifest.ID{Kind: "Deployment", Namespace: namespace, Name: name}, "v1-abcdef", 0)
	}
	taken := map[string]bool{}
	for _, name := range []string{
		pod("a-b", "c"), pod("a", "b-c"), pod("default", "a-b-c"), PodVolume(pod("a", "b"), "0-c"), PodVolume(pod("a", "b"), "c"), PodVolume(pod("a", "b")+"-0", "c"),
		ClaimVolume("c", "a-b", "c"), ClaimVolume("c", "a", "b-c"), ClaimVolume("c-a", "b", "c"), ClaimVolume("c-claim", "a", "b-c"), ClaimVolume("c", "claim-a", "b-c"),
	} {
		if taken[name] {
			t.Errorf("two things are called %s", name)
		}
		taken[name] = true
	}
}
