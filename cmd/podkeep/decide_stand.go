package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/sources"
	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/status"
)

// footing is how a workload stands, as far as anybody could say. The zero value is that nobody could.
type footing struct {
	from   string   // who says so
	rev    string   // what is asked for, as they have it
	decide []string // the verbs that would do something now
	step   int      // how many steps are done
	now    string   // what is so, for people
	newer  string   // a commit that the fleet is at, and that HEAD does not descend from
}

// refuses says why a decision would do nothing; nil where it would, or where nobody knows.
func (s footing) refuses(d manifest.Decision, head string) error {
	name := words(d.App)
	switch {
	case s.from == "":
		return nil
	case s.newer != "":
		return fmt.Errorf("nothing was decided: %s of %s began at %s, which %s does not descend from: this is an older clone, or another branch; git pull, or say which with --branch",
			"the newest rollout", name, status.ShortCommit(s.newer), status.ShortCommit(head))
	case s.rev != d.Rev:
		return fmt.Errorf("nothing was decided: %s asks for %s of %s, and %s has %s: one of them is older; git pull, or try again when that is read",
			status.ShortCommit(head), live.ShortRev(d.Rev), name, s.from, live.ShortRev(s.rev))
	case s.does(d.Verb):
		return nil
	}
	what := "would do nothing"
	if d.Verb == "abort" {
		what = "there is nothing to abort"
	}
	line := fmt.Sprintf("nothing was decided: %s %s: %s: %s", d.Verb, name, what, s.now)
	if len(s.decide) > 0 {
		line += "; what would do something: " + strings.Join(s.decide, ", ")
	}
	return fmt.Errorf("%s (as %s says)", line, s.from)
}

// does says whether a verb would do something: to promote ends a person's pause as well, and to promote fully is to promote.
func (s footing) does(verb string) bool {
	ways := map[string][]string{"promote": {"promote", "resume"}, "promote-full": {"promote-full", "promote", "resume"}}[verb]
	return slices.ContainsFunc(append(ways, verb), func(v string) bool { return slices.Contains(s.decide, v) })
}

// witnesses are asked how workloads stand. silent is why those who could not be asked say nothing.
type witnesses struct {
	world  *status.World
	items  []item
	events []live.Receipt
	silent []string
}

// witnesses finds who can be asked: the hosts, else the controller, else what it mirrored into Git.
func (o *decideOptions) witnesses(ctx context.Context, source sources.Source, w status.World) (known witnesses) {
	err := unreachable(w)
	if err == nil && len(w.Snapshot.Nodes) > 0 {
		known.world = &w
		return known
	}
	if err != nil {
		why, _, _ := strings.Cut(err.Error(), "\n")
		known.silent = append(known.silent, why)
	}
	if o.controller != "" {
		if known.items, err = itemsOf(ctx, strings.TrimSuffix(o.controller, "/")+"/status"); err == nil {
			return known
		}
		known.silent = append(known.silent, err.Error())
	}
	fleet, ok := source.(sources.Mirror)
	if !ok {
		return known
	}
	if known.events, err = fleet.Mirrored(ctx, o.cluster, w.History.Head.Commit); err != nil {
		known.silent = append(known.silent, err.Error())
	} else if len(known.events) == 0 {
		known.silent = append(known.silent, "there is nothing in "+string(git.FleetRef))
	}
	return known
}

func (k witnesses) footing(s subject) footing {
	switch {
	case k.world != nil:
		return footingOf(*k.world, s)
	case k.items != nil:
		return k.reported(s)
	}
	return mirrored(k.events, s)
}

// footingOf is what the hosts say.
func footingOf(w status.World, s subject) footing {
	known := footing{from: "the fleet", rev: s.rev}
	for _, c := range w.Plan.Claims {
		if c.ID == s.id {
			known.now = "its data is not lost"
			if c.Lost {
				known.decide = []string{"retry"}
			}
			return known
		}
	}
	at := slices.IndexFunc(w.Plan.Apps, func(a plan.App) bool { return a.ID == s.id })
	if at < 0 {
		known.now = "nothing is planned for it"
		return known
	}
	app := w.Plan.Apps[at]
	known.rev, known.now = app.Rev, strings.Join(notEmpty(string(app.State), app.Why), ": ")
	switch {
	case app.Rollout != nil:
		known.decide, known.step = app.Rollout.Decide, app.Rollout.Step
	case app.State == plan.Failed:
		known.decide = []string{"retry"}
	}
	top := w.Plan.Ledgers[s.id].Top()
	if top == nil || top.Commit == w.History.Head.Commit {
		return known
	}
	if is, told := w.History.Ancestor[top.Commit]; told && !is {
		known.newer = top.Commit
	}
	return known
}

func notEmpty(all ...string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// item is an object of a controller's answer.
type item struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
}

// mostAnswer bounds a controller's answer, in bytes.
const mostAnswer = 64 << 20

// itemsOf asks a controller.
func itemsOf(ctx context.Context, url string) (all []item, err error) {
	ctx, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("--controller: %w", err)
	}
	ask.Header.Set("Accept", "application/json")
	answer, err := http.DefaultClient.Do(ask)
	if err != nil {
		return nil, fmt.Errorf("no controller answers: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	list := struct {
		Items []item `json:"items"`
	}{Items: []item{}}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, answer.Status)
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, mostAnswer)).Decode(&list); err != nil {
		return nil, fmt.Errorf("%s: is no answer of a controller: %w", url, err)
	}
	return list.Items, nil
}

// reported is what the controller says.
func (k witnesses) reported(s subject) footing {
	for _, i := range k.items {
		if (manifest.ID{Kind: i.Kind, Namespace: i.Metadata.Namespace, Name: i.Metadata.Name}) != s.id {
			continue
		}
		said := i.Metadata.Annotations
		decide, told := said[status.AnnotationDecide]
		if !told {
			return footing{}
		}
		known := footing{from: "the controller", rev: said[live.LabelRev], decide: strings.Fields(decide)}
		known.now = strings.Join(notEmpty(said[status.AnnotationState], said[status.AnnotationWhy]), ": ")
		known.step, _ = strconv.Atoi(said[status.AnnotationStep])
		return known
	}
	return footing{}
}

// mirrored is what the fleet's notes say of a revision, where they have it. They may be late, so they refuse only what is over.
func mirrored(events []live.Receipt, s subject) (known footing) {
	var last *live.Receipt
	step := 0
	for i := range events {
		e := &events[i]
		if e.App != s.id || last != nil && e.Gen < last.Gen {
			continue
		}
		if last == nil || e.Gen > last.Gen {
			step = 0
		}
		if e.Verb == live.Stepped {
			step = e.Step
		}
		last = e
	}
	if last == nil || last.Rev != s.rev {
		return footing{}
	}
	known = footing{from: string(git.FleetRef), rev: s.rev, step: step}
	known.now = fmt.Sprintf("%s %s: %s", last.Verb, last.Time.Format(time.RFC3339), last.Why)
	switch last.Verb {
	case live.Promoted:
		known.decide = []string{"pause", "resume"}
	case live.Failed:
		known.decide = []string{"retry", "promote-full"}
	default:
		known.decide = []string{"promote", "promote-full", "skip", "abort", "pause", "resume"}
	}
	return known
}
