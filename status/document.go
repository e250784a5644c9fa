package status

import (
	"time"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// Document is a Preview for programs. Its keys are stable; new ones may come.
type Document struct {
	Cluster   string     `json:"cluster"`
	Source    string     `json:"source"`
	Commit    string     `json:"commit"`
	Changes   bool       `json:"changes"`
	Summary   string     `json:"summary"`
	Actions   []Act      `json:"actions"`            // deletions first, each with deletion: true
	Traffic   []Move     `json:"traffic,omitempty"`  // what becomes of requests to Services
	Policies  []Ruling   `json:"policies,omitempty"` // what becomes of NetworkPolicies
	Doors     []Opening  `json:"doors,omitempty"`    // what becomes of doors, and of what they serve
	Workloads []Standing `json:"workloads"`
	Problems  []Fault    `json:"problems"`
	Notices   []Fault    `json:"notices,omitempty"`
	Notes     []string   `json:"notes"`
	Errors    []string   `json:"errors"`
	Wake      *time.Time `json:"wake,omitempty"`
}

// Act is one action.
type Act struct {
	Node     string `json:"node"`
	Verb     string `json:"verb"`
	Name     string `json:"name"`
	App      string `json:"app,omitempty"` // kind/namespace/name
	Why      string `json:"why"`
	Deletion bool   `json:"deletion,omitempty"`
}

// Standing is how one workload stands.
type Standing struct {
	App       string   `json:"app"` // kind/namespace/name
	State     string   `json:"state"`
	Why       string   `json:"why,omitempty"`
	Rev       string   `json:"rev,omitempty"`
	Stable    string   `json:"stable,omitempty"`
	Commit    string   `json:"commit,omitempty"`
	Replicas  int      `json:"replicas"`
	Updated   int      `json:"updated"`
	Ready     int      `json:"ready"`
	Available int      `json:"available"`
	Total     int      `json:"total"`
	Held      []Act    `json:"held,omitempty"`
	Intended  int      `json:"intended"` // starts, stops and pulls that are wanted now
	Admitted  int      `json:"admitted"` // of them, those that are done now
	Lost      int      `json:"lost"`     // pods on nodes that are given up
	Waits     []string `json:"waits,omitempty"`
}

// Fault is one object that does not load.
type Fault struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Object string `json:"object,omitempty"`
	Field  string `json:"field,omitempty"`
	Text   string `json:"text"`
}

// Document puts the preview for programs.
func (p Preview) Document() Document {
	d := Document{
		Cluster: p.Report.Cluster, Source: p.Report.Source, Commit: p.Report.Head.Commit,
		Changes: p.Changes(), Summary: p.Summary(),
		Actions:   append(acts(p.Deletions, true), acts(p.Actions, false)...),
		Traffic:   p.Moves,
		Policies:  p.Rulings,
		Doors:     p.Openings,
		Workloads: []Standing{}, Problems: []Fault{},
		Notes: append([]string{}, p.Report.Notes...), Errors: append([]string{}, p.Report.Errors...),
	}
	if !p.Wake.IsZero() {
		d.Wake = &p.Wake
	}
	for _, w := range p.Report.Workloads {
		d.Workloads = append(d.Workloads, standing(w.App))
	}
	for _, f := range p.Report.Problems {
		d.Problems = append(d.Problems, fault(f))
	}
	for _, f := range p.Report.Notices {
		d.Notices = append(d.Notices, fault(f))
	}
	return d
}

func acts(actions []plan.Action, deletion bool) []Act {
	list := []Act{}
	for _, a := range actions {
		act := Act{Node: a.Node, Verb: string(a.Verb), Name: a.Name, Why: a.Why, Deletion: deletion}
		if a.App != (manifest.ID{}) {
			act.App = a.App.String()
		}
		list = append(list, act)
	}
	return list
}

func standing(a plan.App) Standing {
	return Standing{
		App: a.ID.String(), State: string(a.State), Why: a.Why, Rev: a.Rev, Stable: a.Stable, Commit: a.Commit,
		Replicas: a.Replicas, Updated: a.Updated, Ready: a.Ready, Available: a.Available, Total: a.Total,
		Intended: a.Intended, Admitted: a.Admitted, Lost: a.Lost,
		Held: acts(a.Suspended, false), Waits: a.Waits,
	}
}

func fault(p manifest.Problem) Fault {
	return Fault{File: p.File, Line: p.Line, Object: p.Object, Field: p.Field, Text: p.Text}
}
