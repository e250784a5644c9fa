package status

import (
	"bytes"
	"testing"
	"time"

	argo "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/reconciler/ledger"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/reconciler/rollout"
)

func rolloutID(name string) manifest.ID {
	return manifest.ID{Kind: "Rollout", Namespace: "default", Name: name}
}

// rolloutOf is a Rollout as Git asks for it.
func rolloutOf(name string, replicas int, s manifest.Strategy, spec argo.RolloutStrategy) manifest.Workload {
	w := workload(name, revNew, replicas)
	w.ID, w.Revision.App, w.Strategy = rolloutID(name), rolloutID(name), s
	count := int32(replicas)
	w.Object = &argo.Rollout{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec:       argo.RolloutSpec{Replicas: &count, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}, Strategy: spec},
	}
	return w
}

// canaryOf goes 20, a pause without an end, 50, a pause of ten minutes.
func canaryOf(name string) manifest.Workload {
	low, half := 20, 50
	steps := []manifest.Step{{Weight: &low}, {Pause: &manifest.Pause{}}, {Weight: &half}, {Pause: &manifest.Pause{Ends: true, Duration: 10 * time.Minute}}}
	return rolloutOf(name, 4, manifest.Strategy{
		Type: manifest.Canary, MaxSurge: 1, MaxUnavailable: 1, OnFailure: manifest.OnFailureReport,
		Rollout: &manifest.Rollout{Steps: steps, CanaryService: name + "-canary", StableService: name},
	}, argo.RolloutStrategy{Canary: &argo.CanaryStrategy{Steps: []argo.CanaryStep{{SetWeight: new(int32(20))}, {Pause: &argo.RolloutPause{}}}}})
}

func blueGreenOf(name string) manifest.Workload {
	return rolloutOf(name, 2, manifest.Strategy{
		Type: manifest.BlueGreen, MaxSurge: 1, OnFailure: manifest.OnFailureReport,
		Rollout: &manifest.Rollout{ActiveService: name, PreviewService: name + "-preview", PreviewReplicas: 1, Delay: 30 * time.Second},
	}, argo.RolloutStrategy{BlueGreen: &argo.BlueGreenStrategy{ActiveService: name, PreviewService: name + "-preview"}})
}

func rolloutPod(name, rev string, slot, gen int, created time.Time) live.Pod {
	p := livePod(name, rev, slot, gen, created)
	p.App = rolloutID(name)
	p.Name = live.PodName("default", p.App, rev, slot)
	return p
}

func serviceNamed(name string) manifest.Service {
	return manifest.Service{Meta: manifest.Meta{ID: manifest.ID{Kind: "Service", Namespace: "default", Name: name}}}
}

func said(app manifest.ID, verb, rev string, gen int, ago time.Duration, why string) live.Receipt {
	return live.Receipt{App: app, Verb: verb, Rev: rev, Gen: gen, Commit: commitA, Time: noon.Add(-ago), Why: why}
}

// under is a world of one workload.
func under(w manifest.Workload, app plan.App, pods []live.Pod, receipts ...live.Receipt) World {
	app.ID, app.Commit, app.Replicas = w.ID, commitA, w.Replicas
	world := World{
		Now: noon,
		History: manifest.History{
			Cluster: "default", Source: "git.example.com/fleet", Fetched: noon.Add(-4 * time.Second),
			Head: manifest.Set{
				Commit: commitA, Time: noon.Add(-3 * time.Minute), Author: "Ann <ann@example.com>", Subject: "web: v2", Workloads: []manifest.Workload{w},
			},
		},
		Snapshot: live.Snapshot{Nodes: []live.Node{{Name: "edge-1", Known: true, Pods: pods}}},
		Plan:     plan.Plan{Commit: commitA, Apps: []plan.App{app}, Ledgers: map[manifest.ID]ledger.Ledger{w.ID: receipts}},
	}
	if r := w.Strategy.Rollout; r != nil {
		for _, name := range []string{r.StableService, r.CanaryService, r.ActiveService, r.PreviewService} {
			if name != "" {
				world.History.Head.Services = append(world.History.Head.Services, serviceNamed(name))
				world.Plan.Services = append(world.Plan.Services, route.Built{ID: serviceNamed(name).ID})
			}
		}
	}
	return world
}

// waitsForAPerson is a canary at its pause without an end.
func waitsForAPerson() World {
	w := canaryOf("web")
	world := under(w, plan.App{
		State: plan.Paused, Why: "step 2 of 4, pause: 1 of 1 at 4c1f09, 1 available; a person decides", Rev: revNew, Stable: revOld, Updated: 1, Ready: 5, Available: 5, Total: 5,
		Rollout: &plan.Rollout{
			Phase: rollout.Paused, Gen: 2,
			Progress: rollout.Progress{Step: 1, Weight: 20, Pause: rollout.PauseCanaryStep, Since: noon.Add(-90 * time.Second), Decide: []string{"promote", "promote-full", "abort", "pause"}},
			Serve:    map[string]string{"web": revOld, "web-canary": revNew},
			Pods: []plan.RolloutPods{
				{Rev: revOld, Gen: 1, Want: 4, Have: 4, Ready: 4, Avail: 4, Commit: commitB}, {Rev: revNew, Gen: 2, Want: 1, Have: 1, Ready: 1, Avail: 1, Commit: commitA},
			},
		},
	}, []live.Pod{
		rolloutPod("web", revNew, 0, 2, noon.Add(-2*time.Minute)), rolloutPod("web", revOld, 0, 1, noon.Add(-26*time.Hour)),
		rolloutPod("web", revOld, 1, 1, noon.Add(-26*time.Hour)), rolloutPod("web", revOld, 2, 1, noon.Add(-26*time.Hour)),
		rolloutPod("web", revOld, 3, 1, noon.Add(-26*time.Hour)),
	}, said(w.ID, live.Promoted, revOld, 1, 26*time.Hour, "4 of 4 available"), said(w.ID, live.Began, revNew, 2, 3*time.Minute, "4c1f09 at 3f2a1bc"),
		said(w.ID, live.Stepped, revNew, 2, 90*time.Second, "1 of 4 steps done"))
	world.History.Decisions = []manifest.Decision{{
		Time: noon.Add(-5 * time.Second), Verb: "promote", App: w.ID, Rev: revNew, Step: 1, Who: "Bob <bob@example.com>", Why: "figures are good", Note: commitA,
	}}
	return world
}

// waitsForTheClock is a canary at its pause of ten minutes.
func waitsForTheClock() World {
	world := waitsForAPerson()
	app := &world.Plan.Apps[0]
	app.State, app.Why = plan.Progressing, "step 4 of 4, pause 10m0s: 2 of 2 at 4c1f09, 2 available"
	app.Rollout.Phase, app.Rollout.Step, app.Rollout.Weight, app.Rollout.Until = rollout.Rolling, 3, 50, noon.Add(510*time.Second)
	world.History.Decisions = nil
	return world
}

// sharesRequests is the same with doors that share requests out, of which stable pods do not bear all that is theirs, and one is of another class.
func sharesRequests() World {
	world := waitsForTheClock()
	r := world.History.Head.Workloads[0].Strategy.Rollout
	r.Shares = []manifest.ID{{Kind: "Ingress", Namespace: "default", Name: "web"}, {Kind: "HTTPRoute", Namespace: "default", Name: "web"}}
	world.Plan.Apps[0].Rollout.Share = 67
	web := manifest.Meta{ID: r.Shares[0]}
	world.History.Head.Ingresses = []manifest.Ingress{{Meta: web, Object: &networkingv1.Ingress{}}}
	world.Plan.Doored = []route.Doored{{Kind: "Ingress", Namespace: "default", Name: "web", Why: []string{"it is of class nginx, which is another controller's: write ingressClassName: podkeep"}}}
	return world
}

// wasAborted is a canary that somebody did not like.
func wasAborted() World {
	world := waitsForAPerson()
	id, app := world.Plan.Apps[0].ID, &world.Plan.Apps[0]
	why := "aborted by Bob: errors rise"
	app.State, app.Why, app.Updated, app.Total = plan.Failed, "4c1f09 was "+why+"; held until a commit changes it, or a retry decision", 0, 4
	app.Ready, app.Available = 4, 4
	app.Rollout.Phase, app.Rollout.Failed = rollout.Back, why
	app.Rollout.Progress = rollout.Progress{Aborted: true, Decide: []string{"retry", "promote-full"}}
	app.Rollout.Serve = map[string]string{"web": revOld, "web-canary": revOld}
	app.Rollout.Pods = app.Rollout.Pods[:1]
	world.Snapshot.Nodes[0].Pods = world.Snapshot.Nodes[0].Pods[1:]
	failed := said(id, live.Failed, revNew, 2, 30*time.Second, why)
	failed.Steps = "aborted"
	world.Plan.Ledgers[id] = append(world.Plan.Ledgers[id], failed)
	world.History.Decisions = nil
	return world
}

// isPreviewed is a blue-green whose new pod waits to be promoted.
func isPreviewed() World {
	w := blueGreenOf("shop")
	stepped := said(w.ID, live.Stepped, revNew, 2, time.Minute, "the preview is available")
	stepped.Steps = "1@" + w.Strategy.StepsDigest()
	return under(w, plan.App{
		State: plan.Paused, Why: "1 of 1 at 4c1f09, 1 available; a person decides when it serves", Rev: revNew, Stable: revOld, Updated: 1, Ready: 3, Available: 3, Total: 3,
		Rollout: &plan.Rollout{
			Phase: rollout.Paused, Gen: 2,
			Progress: rollout.Progress{Step: 1, Pause: rollout.PauseBlueGreen, Since: noon.Add(-time.Minute), Decide: []string{"promote", "promote-full", "abort"}},
			Serve:    map[string]string{"shop": revOld, "shop-preview": revNew},
			Pods: []plan.RolloutPods{
				{Rev: revOld, Gen: 1, Want: 2, Have: 2, Ready: 2, Avail: 2, Commit: commitB}, {Rev: revNew, Gen: 2, Want: 1, Have: 1, Ready: 1, Avail: 1, Commit: commitA},
			},
		},
	}, []live.Pod{
		rolloutPod("shop", revNew, 0, 2, noon.Add(-2*time.Minute)), rolloutPod("shop", revOld, 0, 1, noon.Add(-26*time.Hour)),
		rolloutPod("shop", revOld, 1, 1, noon.Add(-26*time.Hour)),
	}, said(w.ID, live.Promoted, revOld, 1, 26*time.Hour, "2 of 2 available"), said(w.ID, live.Began, revNew, 2, 3*time.Minute, "4c1f09 at 3f2a1bc"), stepped)
}

// wasSwitched is the same a little later: promoted, with the old pods still there.
func wasSwitched() World {
	world := isPreviewed()
	id, app := world.Plan.Apps[0].ID, &world.Plan.Apps[0]
	app.State, app.Why, app.Stable, app.Updated, app.Ready, app.Available, app.Total = plan.Progressing, "", revNew, 2, 4, 4, 4
	app.Rollout.Phase, app.Rollout.Progress = rollout.Steady, rollout.Progress{Step: 2, Keeps: map[string]time.Time{revOld: noon.Add(25 * time.Second)}, Decide: []string{"pause"}}
	app.Rollout.Serve = map[string]string{"shop": revNew, "shop-preview": revNew}
	app.Rollout.Pods[1] = plan.RolloutPods{Rev: revNew, Gen: 2, Want: 2, Have: 2, Ready: 2, Avail: 2, Commit: commitA}
	world.Snapshot.Nodes[0].Pods = append(world.Snapshot.Nodes[0].Pods, rolloutPod("shop", revNew, 1, 2, noon.Add(-10*time.Second)))
	world.Plan.Ledgers[id] = append(world.Plan.Ledgers[id], said(id, live.Switched, revNew, 2, 5*time.Second, "promoted by Ann"), said(id, live.Promoted, revNew, 2, 5*time.Second, "2 of 2 available"))
	return world
}

// byAnother is a Rollout over a Deployment.
func byAnother() World {
	world := waitsForAPerson()
	w := &world.History.Head.Workloads[0]
	over := w.Object.(*argo.Rollout)
	over.Spec.Selector, over.Spec.WorkloadRef = nil, &argo.ObjectRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "site"}
	strategy := w.Strategy
	*w = workload("site", revNew, 4)
	w.Strategy, w.By = strategy, &manifest.By{Meta: manifest.Meta{ID: rolloutID("web")}, Object: over}
	world.Plan.Ledgers = map[manifest.ID]ledger.Ledger{w.ID: world.Plan.Ledgers[rolloutID("web")]}
	world.Plan.Apps[0].ID, world.History.Decisions = w.ID, nil
	for i := range world.Snapshot.Nodes[0].Pods {
		p := &world.Snapshot.Nodes[0].Pods[i]
		*p = livePod("site", p.Rev, p.Slot, p.Gen, p.Created)
	}
	return world
}

var rolloutWorlds = map[string]World{
	"waits-for-a-person": waitsForAPerson(), "waits-for-the-clock": waitsForTheClock(), "aborted": wasAborted(), "previewed": isPreviewed(),
	"switched": wasSwitched(), "shared": sharesRequests(), "by-another": byAnother(),
}

func TestARolloutIsWrittenAsTheGoldensSay(t *testing.T) {
	for name, world := range rolloutWorlds {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			r := Of(world)
			r.Text(&b, Look{Width: 120}, false)
			b.WriteString("\n--- followed on a terminal\n")
			r.Rollout(&b, Look{Width: 120})
			b.WriteString("\n--- followed by lines\n")
			for _, f := range r.RolloutFacts() {
				b.WriteString(f.Line + "\n")
			}
			golden(t, "rollout-"+name+".txt", b.Bytes())
		})
	}
}

func TestARolloutHasArgosStatus(t *testing.T) {
	for name, world := range rolloutWorlds {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			for _, item := range List(world).Items {
				if o, ok := item.Object.(*argo.Rollout); ok {
					data, err := yaml.Marshal(o)
					if err != nil {
						t.Fatal(err)
					}
					b.Write(data)
				}
			}
			golden(t, "rollout-"+name+".yaml", b.Bytes())
		})
	}
}
