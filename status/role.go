package status

import (
	"slices"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// The Services that a Rollout may name, each of which leads to one revision alone.
const (
	canaryService  = "canaryService"
	stableService  = "stableService"
	activeService  = "activeService"
	previewService = "previewService"
)

var roles = []string{stableService, canaryService, activeService, previewService}

// service is the name of the Service that a Rollout gives a role; empty where none is named.
func (w Workload) service(role string) string {
	r := w.strategy().Rollout
	if r == nil {
		return ""
	}
	return map[string]string{
		canaryService: r.CanaryService, stableService: r.StableService, activeService: r.ActiveService, previewService: r.PreviewService,
	}[role]
}

// leads is the revision that the Service in a role leads to; empty where there is none, or none yet.
func (w Workload) leads(role string) string {
	if name := w.service(role); name != "" {
		return w.way().Serve[name]
	}
	return ""
}

// led says of each Service that a Rollout has made it lead to pods of one revision alone, and which.
func (r Report) led() {
	for _, w := range r.Workloads {
		for _, role := range roles {
			rev := w.leads(role)
			i := slices.IndexFunc(r.Services, func(x Service) bool {
				return x.ID == manifest.ID{Kind: "Service", Namespace: w.ID.Namespace, Name: w.service(role)}
			})
			if rev != "" && i >= 0 {
				r.Services[i].Leads = "leads to " + live.ShortRev(rev) + " alone: " + role + " of " + words(w.called())
			}
		}
	}
}
