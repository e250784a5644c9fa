package status

import "time"

// PastDocument is a Past for programs. Its keys are stable; new ones may come.
type PastDocument struct {
	Cluster   string            `json:"cluster"`
	Source    string            `json:"source"`
	Commits   []CommitDocument  `json:"commits"`
	Elsewhere []RolloutDocument `json:"elsewhere"`
	Silent    []string          `json:"silent"`
	More      bool              `json:"more"`
	Errors    []string          `json:"errors"`
}

// CommitDocument is a Commit.
type CommitDocument struct {
	Commit    string             `json:"commit"`
	Parent    string             `json:"parent,omitempty"`
	Time      *time.Time         `json:"time,omitempty"`
	Author    string             `json:"author,omitempty"`
	Subject   string             `json:"subject,omitempty"`
	Changes   []AskDocument      `json:"changes"`
	Rollouts  []RolloutDocument  `json:"rollouts"`
	Decisions []DecisionDocument `json:"decisions"`
}

// DecisionDocument is a manifest.Decision.
type DecisionDocument struct {
	App  string    `json:"app"` // kind/namespace/name
	Verb string    `json:"verb"`
	Rev  string    `json:"rev"`
	Step int       `json:"step"`
	Time time.Time `json:"time"`
	Who  string    `json:"who"`
	Why  string    `json:"why,omitempty"`
}

// AskDocument is an Ask.
type AskDocument struct {
	App  string `json:"app"` // kind/namespace/name
	What string `json:"what"`
	Rev  string `json:"rev"`
}

// RolloutDocument is a Rollout.
type RolloutDocument struct {
	App    string          `json:"app"` // kind/namespace/name
	Rev    string          `json:"rev"`
	Gen    int             `json:"gen"`
	Commit string          `json:"commit"`
	Events []EventDocument `json:"events"`
	Pods   []string        `json:"pods"` // "NAME on NODE"
	// Mirrored says that events are what was mirrored into Git: no host has them any more.
	Mirrored bool `json:"mirrored,omitempty"`
}

// EventDocument is a receipt.
type EventDocument struct {
	Verb string    `json:"verb"`
	Time time.Time `json:"time"`
	Why  string    `json:"why,omitempty"`
}

// Document puts the past for programs.
func (p Past) Document() PastDocument {
	d := PastDocument{
		Cluster: p.Report.Cluster, Source: p.Report.Source, Commits: []CommitDocument{}, Elsewhere: rolloutDocuments(p.Elsewhere),
		Silent: append([]string{}, p.Silent...), More: p.More, Errors: append([]string{}, p.Report.Errors...),
	}
	for _, c := range p.Commits {
		one := CommitDocument{
			Commit: c.Commit, Parent: c.Parent, Author: c.Author, Subject: c.Subject, Changes: []AskDocument{},
			Rollouts: rolloutDocuments(c.Rollouts), Decisions: []DecisionDocument{},
		}
		if !c.Time.IsZero() {
			one.Time = &c.Time
		}
		for _, a := range c.Asks {
			one.Changes = append(one.Changes, AskDocument{a.App.String(), a.What, a.Rev})
		}
		for _, x := range c.Decisions {
			one.Decisions = append(one.Decisions, DecisionDocument{x.App.String(), x.Verb, x.Rev, x.Step, x.Time, x.Who, x.Why})
		}
		d.Commits = append(d.Commits, one)
	}
	return d
}

func rolloutDocuments(list []Rollout) []RolloutDocument {
	all := []RolloutDocument{}
	for _, r := range list {
		one := RolloutDocument{
			App: r.App.String(), Rev: r.Rev, Gen: r.Gen, Commit: r.Commit, Events: []EventDocument{}, Pods: append([]string{}, r.Pods...), Mirrored: r.Mirrored,
		}
		for _, x := range r.Receipts {
			one.Events = append(one.Events, EventDocument{x.Verb, x.Time, x.Why})
		}
		all = append(all, one)
	}
	return all
}
