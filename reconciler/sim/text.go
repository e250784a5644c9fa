package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// text is a pass as a golden shows it.
func (s *Sim) text(p reconciler.Pass) string {
	out := p.Plan.String()
	if p.Err != nil {
		out = "error  " + p.Err.Error() + "\n" + out
	}
	return noBlank(out)
}

// noBlank drops empty lines, which would end a golden.
func noBlank(s string) string {
	var out strings.Builder
	for _, l := range strings.Split(s, "\n") {
		if l = strings.TrimRight(l, " "); l != "" {
			out.WriteString(l + "\n")
		}
	}
	return out.String()
}

// pods prints what is on every host, whether it answers or not.
func (s *Sim) pods() string {
	var out strings.Builder
	for _, host := range s.world.Hosts() {
		for _, p := range s.world.Truth(host, cluster).Pods {
			fmt.Fprintf(&out, "%-3s %-20s %s\n", host, p.Name, strings.TrimSuffix(state(p, s.now)+", "+p.Birth.IP, ", "))
		}
	}
	return out.String()
}

// state is a pod's containers in a word each.
func state(p live.Pod, now moment) string {
	var words []string
	if ready(p, now) {
		words = append(words, "ready")
	}
	for _, c := range p.Containers {
		_, tag, _ := strings.Cut(c.Image, ":")
		word := tag + " " + c.State
		if c.Ended() {
			word += fmt.Sprintf("(%d)", c.Exit)
		}
		words = append(words, word)
	}
	if len(p.Containers) < len(p.Expect) {
		words = append(words, fmt.Sprintf("%d of %d containers", len(p.Containers), len(p.Expect)))
	}
	return strings.Join(words, ", ")
}

// receipts prints each receipt with the nodes that hold it.
func (s *Sim) receipts() string {
	where := map[string][]string{}
	for _, host := range s.world.Hosts() {
		for _, r := range s.world.Truth(host, cluster).Receipts {
			key := fmt.Sprintf("%s gen %d %s %s (%s)", r.App.Short(), r.Gen, r.Verb, live.ShortRev(r.Rev), r.Commit)
			where[key] = append(where[key], host)
		}
	}
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(where)) {
		fmt.Fprintf(&out, "%s on %s\n", key, strings.Join(where[key], " "))
	}
	return out.String()
}

func (s *Sim) files() string {
	var out strings.Builder
	for _, host := range s.world.Hosts() {
		for _, f := range s.world.Truth(host, cluster).Files {
			fmt.Fprintf(&out, "%-3s %s\n", host, f.Name)
		}
	}
	return out.String()
}

func (s *Sim) volumes() string {
	var out strings.Builder
	for _, host := range s.world.Hosts() {
		for _, claim := range s.world.Truth(host, cluster).Volumes {
			fmt.Fprintf(&out, "%-3s %s\n", host, claim)
		}
	}
	return out.String()
}

// problems are what the controller would say of HEAD now. It looks, and changes nothing.
func (s *Sim) problems(c *controller) (string, error) {
	dry := s.dry(c)
	defer dry.rec.Close()
	p := dry.rec.Pass(context.Background())
	var out strings.Builder
	for _, problem := range p.History.Problems() {
		out.WriteString(problem.Error() + "\n")
	}
	return out.String(), p.Err
}

// status is what the controller would say now. It looks, and changes nothing.
func (s *Sim) status(c *controller) (string, error) {
	dry := s.dry(c)
	defer dry.rec.Close()
	p := dry.rec.Pass(context.Background())
	var out strings.Builder
	for _, a := range p.Plan.Apps {
		fmt.Fprintf(&out, "%s %s %d/%d ready, %d available, %d updated, %d in all: %s\n",
			a.ID.Short(), a.State, a.Ready, a.Replicas, a.Available, a.Updated, a.Total, a.Why)
		if a.ID.Kind == "Rollout" && a.Rollout != nil {
			out.WriteString(s.stands(*a.Rollout))
		}
		for _, w := range a.Waits {
			fmt.Fprintf(&out, "  %s\n", w)
		}
	}
	return noBlank(out.String()), p.Err
}

// stands is how far a rollout is, in a line for each thing that there is to say.
func (s *Sim) stands(r plan.Rollout) string {
	var out strings.Builder
	if r.Pause != "" {
		fmt.Fprintf(&out, "  %s since +%v", r.Pause, r.Since.Sub(epoch))
		if !r.Until.IsZero() {
			fmt.Fprintf(&out, " until +%v", r.Until.Sub(epoch))
		}
		out.WriteString("\n")
	}
	if r.Fast != "" {
		fmt.Fprintf(&out, "  fast: %s\n", r.Fast)
	}
	if len(r.Decide) > 0 {
		fmt.Fprintf(&out, "  step %d, decide: %s\n", r.Step, strings.Join(r.Decide, " "))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Serve)) {
		fmt.Fprintf(&out, "  %s leads to %s\n", name, live.ShortRev(r.Serve[name]))
	}
	for _, rev := range slices.Sorted(maps.Keys(r.Keeps)) {
		until := "for ever"
		if at := r.Keeps[rev]; !at.IsZero() {
			until = fmt.Sprintf("until +%v", at.Sub(epoch))
		}
		fmt.Fprintf(&out, "  %s stays %s\n", live.ShortRev(rev), until)
	}
	return out.String()
}
