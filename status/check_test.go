package status_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/status"
)

func TestWhatANodeSaysIsJudged(t *testing.T) {
	well := live.Checkup{
		Podman: "5.4.2", OS: "debian 13", Cgroups: "v2", Controllers: []string{"cpu", "memory", "pids"}, Runtime: "crun", Runs: "1.21", Network: "netavark", Events: "journald",
		Storage: "overlay", Disk: "/home/keeper", Outside: []string{"pasta"}, SubUIDs: 65536, SubGIDs: 65536, User: "keeper",
		Size: 100 << 30, Free: 50 << 30, Locks: 2000, LowPort: 1024, Socket: "enabled", Restart: "enabled",
	}
	web := manifest.Workload{Meta: manifest.Meta{ID: manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}}}
	web.Revision.Spec.Containers = []corev1.Container{{Image: "web:1", Ports: []corev1.ContainerPort{{HostPort: 80}}}}
	web.Revision.Spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: new(int64(60000))}
	asked := manifest.Set{Workloads: []manifest.Workload{web}}
	for _, c := range []struct {
		name  string
		ill   func(*live.Checkup)
		what  string
		level status.Level
	}{
		{"nothing is wrong", func(*live.Checkup) {}, "", status.Fine},
		{"an old Podman", func(u *live.Checkup) { u.Podman = "3.4.4" }, "podman", status.Bad},
		{"a Podman that swaps limits", func(u *live.Checkup) { u.Podman = "4.3.1" }, "podman", status.Warning},
		{"a Podman whose answers are strange", func(u *live.Checkup) { u.Podman = "5.0.3" }, "podman", status.Warning},
		{"a version that is none", func(u *live.Checkup) { u.Podman = "next" }, "podman", status.Unsure},
		{"hybrid cgroups with crun", func(u *live.Checkup) { u.Cgroups = "v1" }, "runtime", status.Warning},
		{"v1 without rights", func(u *live.Checkup) { u.Cgroups, u.Runtime, u.Rootless, u.LowPort = "v1", "runc", true, 80 }, "cgroups", status.Warning},
		{"no CPU controller", func(u *live.Checkup) { u.Controllers, u.Rootless, u.LowPort = nil, true, 80 }, "cgroups", status.Warning},
		{"no memory controller", func(u *live.Checkup) { u.Controllers, u.Rootless, u.LowPort = []string{"cpu"}, true, 80 }, "cgroups", status.Warning},
		{"a user who has all", func(u *live.Checkup) { u.Rootless, u.LowPort = true, 80 }, "", status.Fine},
		{"a user without a way out", func(u *live.Checkup) { u.Rootless, u.LowPort, u.Outside = true, 80, nil }, "network", status.Bad},
		{"a home below /var/lib", func(u *live.Checkup) { u.Rootless, u.LowPort, u.Disk = true, 80, "/var/lib/keeper" }, "", status.Fine},
		{"a user without ids", func(u *live.Checkup) { u.Rootless, u.LowPort, u.SubUIDs = true, 80, 0 }, "sub-ids", status.Bad},
		{"a user with few ids", func(u *live.Checkup) { u.Rootless, u.LowPort, u.SubGIDs = true, 80, 60001 }, "sub-ids", status.Warning},
		{"ids of which nothing is known", func(u *live.Checkup) { u.Rootless, u.LowPort, u.SubGIDs = true, 80, -1 }, "sub-ids", status.Unsure},
		{"storage that copies", func(u *live.Checkup) { u.Storage = "vfs" }, "storage", status.Warning},
		{"version 2 without memory", func(u *live.Checkup) { u.Controllers = []string{"cpu", "pids"} }, "cgroups", status.Warning},
		{"version 2 without controllers", func(u *live.Checkup) { u.Controllers = nil }, "cgroups", status.Bad},
		{"version 1", func(u *live.Checkup) { u.Cgroups, u.Runtime, u.Controllers = "v1", "runc", nil }, "", status.Fine},
		{"a runtime that is too old for its Podman", func(u *live.Checkup) { u.Podman, u.Runs = "5.8.2", "1.8.1" }, "runtime", status.Bad},
		{"an old runtime with an old Podman", func(u *live.Checkup) { u.Runs = "1.8.1" }, "", status.Fine},
		{"a Podman that was not tried", func(u *live.Checkup) { u.Podman = "6.0.0" }, "podman", status.Warning},
		{"the old network", func(u *live.Checkup) { u.Network = "cni" }, "network", status.Warning},
		{"no events", func(u *live.Checkup) { u.Events = "none" }, "events", status.Warning},
		{"a socket that does not come back", func(u *live.Checkup) { u.Socket = "disabled" }, "reboot", status.Warning},
		{"a node side that does not come back by itself", func(u *live.Checkup) { u.Restart = "disabled" }, "reboot", status.Warning},
		{"a node side of which nothing is known", func(u *live.Checkup) { u.Restart = "" }, "", status.Fine},
		{"a socket of which nothing is known", func(u *live.Checkup) { u.Socket = "" }, "reboot", status.Unsure},
		{"a user who does not linger", func(u *live.Checkup) { u.Rootless, u.Lingers, u.LowPort = true, "no", 80 }, "reboot", status.Warning},
		{"a clock that is off", func(u *live.Checkup) { u.Skew = -time.Minute }, "clock", status.Warning},
		{"a clock that is a little off", func(u *live.Checkup) { u.Skew = 2 * time.Second }, "", status.Fine},
		{"a disk that fills", func(u *live.Checkup) { u.Free = 10 << 30 }, "disk", status.Warning},
		{"a disk that is full", func(u *live.Checkup) { u.Free = 1 << 30 }, "disk", status.Bad},
		{"a port that a user may not have", func(u *live.Checkup) { u.Rootless = true }, "low ports", status.Bad},
		{"few locks", func(u *live.Checkup) { u.Locks = 12 }, "locks", status.Warning},
		{"an image whose own check nobody runs", func(u *live.Checkup) { u.Checked = []string{"web:1"} }, "health checks", status.Warning},
		{"an image with a check that nobody asks for", func(u *live.Checkup) { u.Checked = []string{"db:1"} }, "", status.Fine},
		{"locks of which nothing is known", func(u *live.Checkup) { u.Locks = -1 }, "locks", status.Unsure},
	} {
		t.Run(c.name, func(t *testing.T) {
			up := well
			c.ill(&up)
			found := status.CheckNode(status.Examined{Node: "n1", Checkup: up}, asked)
			if found.Worst() != c.level {
				t.Errorf("%s: %+v", found.Worst(), found)
			}
			for _, f := range found {
				if (f.Level != status.Fine) != (f.What == c.what) || (f.Level == status.Fine) != (f.Mend == "") {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

func TestAPortOnTheHostsNetworkIsOneThatAUserMayNotHaveEither(t *testing.T) {
	dns := manifest.Workload{Meta: manifest.Meta{ID: manifest.ID{Kind: "DaemonSet", Namespace: "default", Name: "dns"}}}
	dns.Revision.Spec = corev1.PodSpec{HostNetwork: true, Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{ContainerPort: 53}}}}}
	up := live.Checkup{Podman: "4.3.1", Rootless: true, LowPort: 1024, User: "keeper"}
	for _, f := range status.CheckNode(status.Examined{Node: "n1", Checkup: up}, manifest.Set{Workloads: []manifest.Workload{dns}}) {
		if f.What == "low ports" && (f.Level != status.Bad || !strings.Contains(f.Text, "dns wants port 53") || !strings.HasSuffix(f.Mend, "=53")) {
			t.Errorf("%+v", f)
		}
	}
}

func TestAHomeThatPodman4HidesFromItselfIsNamed(t *testing.T) {
	up := live.Checkup{Podman: "4.9.3", Network: "netavark", Outside: []string{"slirp4netns"}, Rootless: true, Disk: "/var/lib/keeper/.local/share/containers/storage"}
	for _, f := range status.CheckNode(status.Examined{Node: "n1", Checkup: up}, manifest.Set{}) {
		if f.What == "network" && f.Level == status.Warning && strings.Contains(f.Mend, "/var/lib/cni") {
			return
		}
	}
	t.Error("it is not")
}

func TestWhatIsWrongWithTheRepositoryIsToldApart(t *testing.T) {
	broken := manifest.Set{Commit: "a1b2c3d4", Problems: []manifest.Problem{{Origin: manifest.Origin{File: "web.yaml", Line: 5}, Text: "is not YAML: something"}}}
	for err, want := range map[string]string{
		"no Node is known, and one may be in it: " + broken.Problems[0].Error(): "nodes",
		"dial tcp 192.0.2.1:443: connection refused":                            "reach",
	} {
		found := status.CheckRepository(status.World{History: manifest.History{Head: broken, Err: err}})
		if f := found[0]; f.What != want || f.Level != status.Bad || f.Text != err || f.Mend == "" {
			t.Errorf("%+v, want one of %s", f, want)
		}
	}
}

func TestANodeThatDoesNotAnswerIsOneFinding(t *testing.T) {
	found := status.CheckNode(status.Examined{Node: "n1", Err: errors.New("no route to host")}, manifest.Set{})
	if len(found) != 1 || found.Worst() != status.Bad {
		t.Errorf("%+v", found)
	}
}

func TestACheckSaysWhatANodeSideSaysOfTheNetwork(t *testing.T) {
	for _, c := range []struct {
		net   live.Net
		level status.Level
		says  string
	}{
		{live.Net{}, "", ""},
		{live.Net{Range: netip.MustParsePrefix("10.42.1.0/24")}, status.Fine, "10.42.1.0/24"},
		{live.Net{Range: netip.MustParsePrefix("10.42.1.0/24"), Troubles: []string{"br_netfilter is not loaded"}}, status.Warning, "br_netfilter is not loaded"},
		{live.Net{None: "a user's own Podman"}, status.Warning, "there is none: a user's own Podman"},
	} {
		var level status.Level
		says := ""
		for _, f := range status.CheckNode(status.Examined{Node: "n1", Net: c.net}, manifest.Set{}) {
			if f.What == "pod network" {
				level, says = f.Level, f.Text
			}
		}
		if level != c.level || says != c.says {
			t.Errorf("%+v: %s %q", c.net, level, says)
		}
	}
}

func TestAHostThatIsAnotherIsNamed(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	record := live.File{Name: live.HostFile, Labels: live.Host{ID: "0011", Way: "root@192.0.2.1:22", Time: now.Add(-time.Hour)}.Labels("c")}
	for _, c := range []struct {
		name  string
		files []live.File
		plan  plan.Plan
		level status.Level
		text  string
	}{
		{"it is new", nil, plan.Plan{}, status.Fine, "nothing there says which host it is"},
		{"it is known", []live.File{record}, plan.Plan{}, status.Fine, "written down 1h ago"},
		{"it was another", []live.File{record}, plan.Plan{Claims: []plan.Claim{{Node: "n1", Lost: true, Why: "claim data was on n1 before"}, {Node: "n2", Lost: true, Why: "elsewhere"}}},
			status.Warning, "written down 1h ago; claim data was on n1 before"},
		{"it has its data", []live.File{record}, plan.Plan{Claims: []plan.Claim{{Node: "n1", Made: true}}}, status.Fine, "written down 1h ago"},
		{"it is a copy", []live.File{record}, plan.Plan{Held: map[string]string{"n1": "it shows the identity of n2"}}, status.Bad, "it shows the identity of n2"},
	} {
		f := status.CheckIdentity(status.World{Now: now, Plan: c.plan}, live.Node{Name: "n1", Files: c.files})
		if f.Where != "n1" || f.What != "identity" || f.Level != c.level || !strings.HasPrefix(f.Text, c.text) || (f.Level == status.Fine) != (f.Mend == "") {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}
