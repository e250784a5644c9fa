package sim

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// forge writes on a host what its root may write there:
//
//	forge NODE receipt NAME verb= [gen=1] [rev=]
//	forge NODE form NAME rev=
//	forge NODE pod NAME [slot=0] [gen=1] [rev=]
//
// NAME is a workload of the branch's head, or any KIND/NS/NAME, and rev, by default its revision there, may be any word. With key= that key signs it, else
// nobody does; with source= it is another source's.
func (s *Sim) forge(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("forge NODE receipt|form|pod NAME [WORD=..]")
	}
	if !s.world.Answers(args[0]) {
		return fmt.Errorf("%w: %s does not answer", errNothing, args[0])
	}
	set, err := s.repo.load(s.repo.head)
	if err != nil {
		return err
	}
	f := forgery{Sim: s, node: args[0], said: pairs(strings.ReplaceAll(strings.Join(args[3:], ","), "=", ":"))}
	if i := slices.IndexFunc(set.Workloads, func(w manifest.Workload) bool { return w.Name == args[2] }); i >= 0 {
		f.wl = set.Workloads[i]
	} else if f.wl.ID, err = manifest.ParseID(args[2]); err != nil {
		return fmt.Errorf("%w: no workload, and %w", errNothing, err)
	}
	f.rev = cmp.Or(f.said["rev"], f.wl.Revision.Rev)
	if f.gen = 1; f.said["gen"] != "" {
		f.gen, _ = strconv.Atoi(f.said["gen"])
	}
	switch args[1] {
	case "receipt":
		r := live.Receipt{App: f.wl.ID, Verb: f.said["verb"], Rev: f.rev, Gen: f.gen, Commit: s.repo.head, Time: s.now, Why: "forged", Source: f.source()}
		return f.file(r.Name(f.signer()), r.Labels(cluster))
	case "form":
		return f.form()
	case "pod":
		return f.pod()
	}
	return fmt.Errorf("what is a forged %q?", args[1])
}

// forgery is one of them.
type forgery struct {
	*Sim
	node string
	wl   manifest.Workload
	said map[string]string
	rev  string
	gen  int
}

func (f forgery) source() string { return cmp.Or(f.said["source"], "sim") }

func (f forgery) signer() string {
	if f.said["key"] == "" {
		return ""
	}
	return f.keyText(f.said["key"])
}

func (f forgery) file(name string, labels map[string]string) error {
	if key := f.said["key"]; key != "" {
		labels = live.Sign(f.key(key), labels, live.FileMessage(name, labels))
	}
	err := f.world.Open(f.node, cluster, nil).Put(context.Background(), manifest.File{Name: name, Labels: labels, Data: manifest.Bytes("forged")})
	if err != nil {
		return fmt.Errorf("%w: %s: %w", errNothing, f.node, err)
	}
	return nil
}

// form is of the workload, with the host's root mounted.
func (f forgery) form() error {
	r := f.wl.Revision
	r.Rev, r.Spec = f.rev, *r.Spec.DeepCopy()
	r.Spec.HostPID = true
	return f.file(live.RevFile(f.wl.ID, f.rev, f.signer()), live.FormLabels(r, cluster, f.source()))
}

func (f forgery) pod() error {
	slot, _ := strconv.Atoi(f.said["slot"])
	p := live.Pod{
		Name: live.PodName(cluster, f.wl.ID, f.rev, slot), Cluster: cluster, Source: f.source(), App: f.wl.ID, Slot: slot, Gen: f.gen, Rev: f.rev,
		Commit: f.repo.head, Expect: []string{"main"}, Restart: cmp.Or(string(f.wl.Revision.Spec.RestartPolicy), "Always"), Birth: live.BirthOf(f.wl.Revision),
	}
	if f.wl.Job != nil {
		p.Name += "-0"
	}
	labels := live.PodLabels(p)
	if key := f.said["key"]; key != "" {
		hosts := live.HostsOf(f.world.Truth(f.node, cluster).Files)
		if len(hosts) == 0 {
			return fmt.Errorf("%w: %s has no identity yet", errNothing, f.node)
		}
		labels = live.Sign(f.key(key), labels, live.PodMessage(hosts[0], p.Name, labels))
	}
	f.world.Foreign(f.node, p.Name, labels)
	return nil
}

// adopt writes on every host that answers, as podkeep adopt does, that another source is taken over.
func (s *Sim) adopt(of string) error {
	r := live.Receipt{App: plan.SourceID, Verb: live.Adopted, Gen: 1, Of: of, Source: s.repo.name, Commit: s.repo.head, Time: s.now, Why: "podkeep adopt"}
	for _, host := range s.world.Hosts() {
		f := forgery{Sim: s, node: host, said: map[string]string{"key": "own"}}
		if err := f.file(r.Name(f.signer()), r.Labels(cluster)); s.world.Answers(host) && err != nil {
			return err
		}
	}
	return nil
}
