package sim

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/reconciler/health"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// side is what all controllers offer hosts from here on, or what becomes of one host's.
func (s *Sim) side(args []string) error {
	switch {
	case len(args) == 2 && (args[1] == "deaf" || args[1] == "heard"):
		s.world.Deaf(args[0], args[1] == "deaf")
		return nil
	case len(args) != 1:
		return fmt.Errorf("side VERSION|none|never, or NODE deaf|heard")
	}
	switch version := args[0]; version {
	case "none":
		s.offer = manifest.SideOffer{}
	case "never":
		s.offer = manifest.SideOffer{Refused: true}
	default:
		s.offer = manifest.SideOffer{Version: version, Images: map[string]string{"amd64": "localhost/podkeep-node:" + version}}
	}
	s.sided = true
	s.killAll()
	return nil
}

// archive is one of an image of that name.
func archive(name string) (io.ReadCloser, error) {
	index, err := json.Marshal([]map[string][]string{{"RepoTags": {name}}})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	files := tar.NewWriter(&out)
	if err := files.WriteHeader(&tar.Header{Name: "manifest.json", Mode: 0o644, Size: int64(len(index))}); err != nil {
		return nil, err
	}
	if _, err := files.Write(index); err != nil {
		return nil, err
	}
	return io.NopCloser(&out), files.Close()
}

// tell has the node sides hear which pods to look after.
func (s *Sim) tell(c *controller, p reconciler.Pass) {
	for name, tend := range p.Plan.Tend {
		for _, n := range slices.Concat(p.History.Want().Nodes, p.History.Gone) {
			if n.Name == name {
				c.world.Tend(c.world.At(hostOf(n)), cluster, c.source.Name(), tend)
			}
		}
	}
	s.tellTable(c, p)
}

// sides plays the node sides: each starts again what ended of what it tends, whoever is there. It gives the time at which one has more to do.
func (s *Sim) sides() (wake time.Time, err error) {
	if !s.sided {
		return time.Time{}, nil
	}
	for _, host := range s.world.Hosts() {
		for _, p := range s.world.Tended(host, cluster) {
			v := health.Of(p, s.now)
			if wake.IsZero() || !v.Wake.IsZero() && v.Wake.Before(wake) {
				wake = v.Wake
			}
			if !v.Run || len(p.Containers) < len(p.Expect) {
				continue
			}
			form, err := s.formOn(host, p)
			if err != nil {
				return wake, err
			}
			if s.world.Local(host, cluster).Run(context.Background(), live.PodOf(form, p, v.Attempt)) != nil {
				wake = s.now.Add(again) // or before
			}
		}
	}
	return wake, nil
}

func (s *Sim) formOn(host string, p live.Pod) (manifest.Revision, error) {
	for _, f := range s.world.Truth(host, cluster).Files {
		if r, ok := live.ParseForm(f.Labels); ok && r.App == p.App && r.Rev == p.Rev {
			return r, nil
		}
	}
	return manifest.Revision{}, fmt.Errorf("%s on %s has no form", p.Name, host)
}

// again is when a node side tries once more what failed.
const again = 10 * time.Second

// goTo lets the clock go to a time, with the node sides at work.
func (s *Sim) goTo(to time.Time) error {
	for s.sided {
		wake, err := s.sides()
		if err != nil {
			return err
		}
		if at := s.world.Coming(); wake.IsZero() || !at.IsZero() && at.Before(wake) {
			wake = at
		}
		if !wake.After(s.now) || !wake.Before(to) {
			break
		}
		s.now = wake
	}
	s.now = to
	_, err := s.sides()
	return err
}

// owned: what a node side starts again nobody else does; and what is up and may be ready, for all that is known, is not stopped while the node
// side is not heard, unless it is asked for no more.
func (j judge) owned() error {
	for _, a := range j.p.Plan.Actions {
		n := node(j.p.Snapshot, a.Node)
		i := slices.IndexFunc(n.Pods, func(p live.Pod) bool { return p.Name == a.Name })
		if i < 0 || len(n.Pods[i].Containers) < len(n.Pods[i].Expect) {
			continue
		}
		if a.Verb == plan.Run && slices.Contains(n.Side.Tends, a.Name) {
			return fmt.Errorf("one owner: %s on %s is started again by its node side", a.Name, a.Node)
		}
		asked := slices.ContainsFunc(j.want.Workloads, func(w manifest.Workload) bool { return w.ID == a.App && w.Job == nil && w.Replicas > 0 })
		if a.Verb == plan.Stop && asked && n.SidePod() != nil && !n.Side.Heard() && !j.p.History.Side.Refused && mayBeReady(n.Pods[i]) {
			return fmt.Errorf("law 7, silence: %s on %s is stopped, and its node side is not heard", a.Name, a.Node)
		}
	}
	return nil
}

// mayBeReady says whether only its probes could say that a pod is not ready.
func mayBeReady(p live.Pod) bool {
	return len(p.Birth.Probes) > 0 && !slices.ContainsFunc(p.Containers, func(c live.Container) bool { return c.State != live.Running && !(c.Ended() && c.Exit == 0) })
}
