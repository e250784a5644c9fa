package podman

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/containers/podman/v4/pkg/errorhandling"
	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

func TestOfPodmansChainOfContextsTheUsefulEndIsLeft(t *testing.T) {
	for said, want := range map[string]string{
		"initializing source docker://r.test/x:2: reading manifest 2 in r.test/x: manifest unknown: manifest unknown":       "manifest unknown: manifest unknown",
		"initializing source docker://r.test/x:2: Requesting bear token: invalid status code from registry 403 (Forbidden)": "Requesting bear token: invalid status code from registry 403 (Forbidden)",
		"initializing source docker://r.test/x:2: reading manifest 2 in r.test/x: errors:\ndenied: no\nunauthorized: no\n":  "denied: no; unauthorized: no",
		"runc: runc create failed: unable to start container process: error during container init: error setting cgroup config for procHooks process: openat2 /sys/fs/cgroup/libpod_parent/libpod-0/pids.max: no such file or directory: OCI runtime attempted to invoke a command that was not found": "the host's cgroups are without pids, so that limit cannot be set: see podkeep check",
		"crun: opening file `memory.max` for writing: No such file or directory: OCI runtime attempted to invoke a command that was not found":                                                                                                                                                         "the host's cgroups are without memory, so that limit cannot be set: see podkeep check",
		"OCI runtime error: crun: the requested cgroup controller `cpu` is not available":                                                                                                                                                                                                              "the host's cgroups are without cpu, so that limit cannot be set: see podkeep check",
		"runc: openat2 /sys/fs/cgroup/memory/libpod_parent/memory.limit_in_bytes: no such file or directory":                                                                                                                                                                                           "openat2 /sys/fs/cgroup/memory/libpod_parent/memory.limit_in_bytes: no such file or directory",
		"runc: runc create failed: unable to start container process: exec: \"/x\": stat /x: no such file or directory: OCI runtime error":                                                                                                                                                             "\"/x\": stat /x: no such file or directory",
		"failed to make pod: adding pod to state: name \"p\" is in use: pod already exists":                                                                                                                                                                                                            "name \"p\" is in use: pod already exists",
		"no space left on device": "no space left on device",
	} {
		if got := plain(said); got != want {
			t.Errorf("%q became %q", said, got)
		}
	}
}

func TestAContextGivenOnTheWayIsKeptWhenPodmansNoiseGoes(t *testing.T) {
	err := fmt.Errorf("container a: %w", &errorhandling.ErrorModel{Message: "container create: no such secret", Because: "no such secret"})
	if got := clean(err); got.Error() != "container a: no such secret" || !gone(got) {
		t.Errorf("%v", got)
	}
	plain := errors.New("x")
	if clean(plain) != plain {
		t.Error("an error that is not Podman's was changed")
	}
}

func TestAnErrorSaysHowAUserGetsTheIDThatHeLacks(t *testing.T) {
	for said, want := range map[string]string{
		"runc: runc create failed: unable to start container process: unable to setup user: setgroups: invalid argument: OCI runtime error": "--add-subuids",
		"no space left on device": "",
	} {
		err := clean(&errorhandling.ErrorModel{Message: said})
		got := lacking(err).Error()
		if !strings.HasPrefix(got, err.Error()) || !strings.Contains(got, want) || want == "" && got != err.Error() {
			t.Error(got)
		}
	}
}

func TestWhatOnlyRootsPodmanGivesIsToldApart(t *testing.T) {
	yes, no := true, false
	for name, c := range map[string]struct {
		of   *corev1.SecurityContext
		want string
	}{
		"nothing":           {nil, ""},
		"not privileged":    {&corev1.SecurityContext{Privileged: &no}, ""},
		"privileged":        {&corev1.SecurityContext{Privileged: &yes}, "container b: securityContext.privileged"},
		"the pod's network": {&corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}}}, ""},
		"the host's clock":  {&corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN", "SYS_TIME"}}}, "container b: securityContext.capabilities.add SYS_TIME"},
	} {
		spec := corev1.PodSpec{InitContainers: []corev1.Container{{Name: "a"}}, Containers: []corev1.Container{{Name: "b", SecurityContext: c.of}}}
		if got := rootsAlone(spec); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestTheHostsClockIsKnownToASecondAndMovesOnlyWhenContradicted(t *testing.T) {
	var c clock
	now := time.Date(2026, 3, 1, 14, 0, 0, 600e6, time.UTC)
	tell := func(ahead time.Duration) {
		c.saw(now.Add(ahead).Truncate(time.Second).Format(http.TimeFormat), now, now.Add(time.Millisecond))
		now = now.Add(370 * time.Millisecond)
	}
	tell(300 * time.Millisecond)
	if c.skew() != 0 {
		t.Errorf("0.3 s became %v", c.skew())
	}
	for range 100 {
		tell(5 * time.Minute)
	}
	settled := c.skew()
	if off := (settled - 5*time.Minute).Abs(); off > time.Second {
		t.Errorf("off by %v", off)
	}
	for range 100 {
		tell(5 * time.Minute)
	}
	if c.skew() != settled {
		t.Errorf("%v became %v", settled, c.skew())
	}
	c.saw("nonsense", now, now)
	if c.skew() != settled {
		t.Error("a Date that is none moved it")
	}
}

func TestASecretsNameFitsAndIsTheFilesAlone(t *testing.T) {
	d := &Driver{cluster: "prod"}
	if got := d.secretName("config-1"); got != "podkeep-prod-config-1" {
		t.Error(got)
	}
	long := strings.Repeat("n", 100)
	a, b := d.secretName(long+"a"), d.secretName(long+"b")
	if a == b || len(a) > maxName || !strings.HasPrefix(a, "podkeep-prod-") {
		t.Error(a, b)
	}
}

func TestAFullNameHasNoMoreLettersThanAHostsName(t *testing.T) {
	yes := true
	for domain, want := range map[string]string{
		"cluster.local":               "",
		"kubernetes.corporation.test": "db-primary.databases.production-eu.svc.kubernetes.corporation.test has 66 letters",
	} {
		pod := manifest.Pod{Namespace: "production-eu", Net: manifest.PodNet{Domain: domain}}
		pod.Spec.Hostname, pod.Spec.Subdomain, pod.Spec.SetHostnameAsFQDN = "db-primary", "databases", &yes
		b, err := newBuilder(&Driver{}, pod)
		if err != nil {
			t.Fatal(err)
		}
		spec, err := b.podSpec()
		if want == "" && (err != nil || spec.Hostname != "db-primary.databases.production-eu.svc."+domain) || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%s: %s, %v", domain, spec.Hostname, err)
		}
	}
}

func TestRoomIsTheManifestsElsePodmansLessATenthAndTheNodeSide(t *testing.T) {
	d := &Driver{}
	d.node.Capacity = &manifest.Resources{MilliCPU: 1, Memory: 2}
	if got := d.room(live.Facts{CPUs: 4, Memory: 10 << 30}); got != *d.node.Capacity {
		t.Errorf("%+v", got)
	}
	d.node.Capacity = nil
	if got := d.room(live.Facts{CPUs: 4, Memory: 10 << 30}); got.MilliCPU != 3500 || got.Memory != 9<<30-64<<20 {
		t.Errorf("%+v", got)
	}
	if got := d.room(live.Facts{}); got.MilliCPU != 0 || got.Memory != 0 {
		t.Errorf("%+v", got)
	}
}

func TestAProviderIDThatLeadsNowhereIsRefusedWithWhatToWrite(t *testing.T) {
	for _, id := range []string{"", "podman+unix://host/x", "podman+unix:", "podman+ssh:///x", "docker://x", "::"} {
		_, err := New(node(id), Options{})
		if err == nil || !strings.HasPrefix(err.Error(), "n1: spec.providerID") {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func node(id string) manifest.Node {
	n := manifest.Node{ProviderID: id}
	n.Name = "n1"
	return n
}
