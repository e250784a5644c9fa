package status

// DiffDocument is Differences for programs. Its keys are stable; new ones may come.
type DiffDocument struct {
	Cluster   string         `json:"cluster"`
	Source    string         `json:"source"`
	Commit    string         `json:"commit"`
	Different bool           `json:"different"`
	Objects   []DiffOfObject `json:"objects"`
	Traffic   []Move         `json:"traffic,omitempty"`  // what becomes of requests to Services
	Policies  []Ruling       `json:"policies,omitempty"` // what becomes of NetworkPolicies
	Doors     []Opening      `json:"doors,omitempty"`    // what becomes of doors, and of what they serve
	Problems  []Fault        `json:"problems"`
	Notes     []string       `json:"notes"`
	Errors    []string       `json:"errors"`
}

// DiffOfObject is one Difference.
type DiffOfObject struct {
	App    string `json:"app"` // kind/namespace/name
	Change string `json:"change"`
	State  string `json:"state,omitempty"`
	Why    string `json:"why,omitempty"`
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
	Note   string `json:"note,omitempty"`
	Diff   string `json:"diff,omitempty"`
}

// Document puts the differences for programs.
func (d Differences) Document() DiffDocument {
	r := d.Report
	doc := DiffDocument{
		Cluster: r.Cluster, Source: r.Source, Commit: r.Head.Commit, Different: d.Any(), Objects: []DiffOfObject{}, Traffic: d.Moves, Policies: d.Rulings, Doors: d.Openings,
		Problems: []Fault{}, Notes: append([]string{}, r.Notes...), Errors: append([]string{}, r.Errors...),
	}
	for _, x := range d.List {
		doc.Objects = append(doc.Objects, DiffOfObject{
			App: x.App.String(), Change: x.Change, State: x.State, Why: x.Why, From: x.From, To: x.To, Note: x.Note, Diff: x.Diff,
		})
	}
	for _, p := range r.Problems {
		doc.Problems = append(doc.Problems, fault(p))
	}
	return doc
}
