package status

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

var webID = manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}

// formed is a revision whose image is named like it, with a secret in each place that can hold one.
func formed(rev, secret string) manifest.Revision {
	file := corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: secret}}
	return manifest.Revision{App: webID, Rev: rev, Files: []string{secret}, Spec: corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "init", Env: []corev1.EnvVar{{Name: "KEY", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &file}}}}},
		Containers:     []corev1.Container{{Name: "app", Image: rev}},
		Volumes: []corev1.Volume{{Name: "keys", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			Items: []corev1.KeyToPath{{Key: secret, Path: "key"}}}}}},
		ImagePullSecrets: []corev1.LocalObjectReference{{Name: secret}},
	}}
}

// running is a node with so many pods of a revision, whose form lies there.
func running(name string, r manifest.Revision, pods int) live.Node {
	n := live.Node{Name: name, Known: true, Files: []live.File{{Signer: signer, Name: live.RevFile(r.App, r.Rev, ""), Labels: live.FormLabels(r, "", "fleet")}}}
	for slot := range pods {
		n.Pods = append(n.Pods, live.Pod{Name: r.Rev, Source: "fleet", App: r.App, Slot: slot, Rev: r.Rev, Gen: 1})
	}
	return n
}

func asking(r manifest.Revision, replicas int, nodes ...live.Node) World {
	w := World{Now: noon, Snapshot: live.Snapshot{Nodes: nodes}}
	w.Plan.Ledgers = ledgers(w.Snapshot)
	w.History.Source = "fleet"
	w.History.Head = manifest.Set{Commit: "c2", Workloads: []manifest.Workload{{Meta: manifest.Meta{ID: webID}, Replicas: replicas, Revision: r}}}
	return w
}

func TestADiffSaysOfASecretOnlyWhetherItChanged(t *testing.T) {
	value := func(name, text string) []manifest.File {
		return []manifest.File{{Name: name, Data: manifest.Bytes(text)}}
	}
	for _, c := range []struct {
		name      string
		then, now []manifest.File // the content, where Git has it
		want      string
	}{
		{"it changed", value("sec-aaaaaa-0", "hunter2"), value("sec-bbbbbb-0", "hunter3"), changed},
		{"the revision alone changed", value("sec-aaaaaa-0", "hunter2"), value("sec-bbbbbb-0", "hunter2"), ""},
		{"what runs is only on a node", nil, value("sec-bbbbbb-0", "hunter2"), unsure},
	} {
		t.Run(c.name, func(t *testing.T) {
			one := formed("v1-aaaaaa", "sec-aaaaaa-0")
			w := asking(formed("v1-bbbbbb", "sec-bbbbbb-0"), 1, running("n1", one, 1))
			w.History.Head.Workloads[0].Config = c.now
			if c.then != nil {
				w.History.At = map[string]manifest.Set{"c1": {Workloads: []manifest.Workload{{Meta: manifest.Meta{ID: webID}, Revision: one, Config: c.then}}}}
			}
			d := DiffOf(w)
			if len(d.List) != 1 || d.List[0].Change != Changed {
				t.Fatalf("%+v", d.List)
			}
			text := d.List[0].Diff
			said := 0
			if c.want != "" {
				said = strings.Count(text, c.want)
			}
			if strings.Contains(text, "sec-") || strings.Contains(text, "hunter") || c.want != "" && said != 3 || strings.Count(text, "\n+ ") != 1+said {
				t.Error(text)
			}
		})
	}
}

func TestADiffComparesWithWhatRuns(t *testing.T) {
	one, two := formed("v1-aaaaaa", "sec-1111"), formed("v1-bbbbbb", "sec-1111")
	done := running("n1", one, 0)
	done.Receipts = []live.Receipt{{App: webID, Verb: live.Promoted, Rev: one.Rev, Gen: 1, Source: "fleet", Signer: signer}}
	silent := live.Node{Name: "n2", Why: "no route"}
	both := running("n1", one, 2)
	both.Pods = append(both.Pods, live.Pod{Name: "new", Source: "fleet", App: webID, Slot: 0, Rev: two.Rev, Gen: 2})
	foreign := running("n1", one, 1)
	foreign.Pods[0].Source = "another"
	for _, c := range []struct {
		name         string
		world        World
		change, from string
		note         string
	}{
		{"nothing differs", asking(one, 2, running("n1", one, 2)), "", "", ""},
		{"nothing is asked for, nothing runs", asking(one, 0, live.Node{Name: "n1", Known: true}), "", "", ""},
		{"it never ran", asking(one, 1, live.Node{Name: "n1", Known: true}), Added, "", ""},
		{"there are fewer pods", asking(one, 3, running("n1", one, 2)), Changed, one.Rev, ""},
		{"the others may run where nobody can look", asking(one, 3, running("n1", one, 2), silent), "", "", ""},
		{"another revision runs, some of it where nobody can look", asking(two, 3, running("n1", one, 2), silent), Changed, one.Rev, "2 of 3 pods are seen; the others may run on n2"},
		{"all its pods are gone", asking(one, 2, done), Changed, one.Rev, ""},
		{"a rollout is under way", asking(two, 2, both), Changed, one.Rev, "1 of 3 pods are at bbbbbb already"},
		{"another source's pods are not ours", asking(one, 1, foreign), Added, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := DiffOf(c.world)
			if c.change == "" {
				if len(d.List) > 0 {
					t.Errorf("%+v", d.List)
				}
				return
			}
			if len(d.List) != 1 || d.List[0].Change != c.change || d.List[0].From != c.from || d.List[0].Note != c.note || d.List[0].Diff == "" {
				t.Errorf("%+v", d.List)
			}
		})
	}
}
