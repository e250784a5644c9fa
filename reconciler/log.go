package reconciler

import (
	"time"

	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// voice says what was done, in one line for each action, and what has changed, in one line for each change.
type voice struct {
	log    *logrus.Logger
	phases map[manifest.ID]phase
	hosts  map[string]string // what was said of each
	err    string
}

type phase struct {
	state plan.State
	why   string
}

func (v *voice) node(name string) *logrus.Entry { return v.log.WithField("node", name) }

func (v *voice) action(a plan.Action, rev string) *logrus.Entry {
	e := v.node(a.Node).WithField("why", a.Why)
	if a.App != (manifest.ID{}) {
		e = e.WithField("app", a.App.Short())
	}
	if rev != "" {
		e = e.WithField("rev", live.ShortRev(rev))
	}
	return e
}

func (v *voice) did(a plan.Action, rev string, took time.Duration, err error) {
	e := v.action(a, rev).WithField("took", took.Round(time.Millisecond).String())
	if err != nil {
		e.WithError(err).Warn(string(a.Verb) + " " + live.Words(a.Name))
		return
	}
	e.Info(string(a.Verb) + " " + live.Words(a.Name))
}

func (v *voice) introduced(node string, err error) {
	e := v.node(node).WithField("why", "nothing there says who the host is")
	if err != nil {
		e.WithError(err).Warn("put " + live.HostFile)
		return
	}
	e.Info("put " + live.HostFile)
}

func (v *voice) skipped(a plan.Action, rev, why string) {
	v.action(a, rev).WithField("error", why).Warn(string(a.Verb) + " " + live.Words(a.Name) + " is put off")
}

func (v *voice) pulled(node string, app manifest.ID, image string, took time.Duration, err error) {
	e := v.node(node).WithFields(logrus.Fields{"app": app.Short(), "took": took.Round(time.Millisecond).String()})
	if err != nil {
		e.WithError(err).Warn("pull " + image)
		return
	}
	e.Info("pull " + image)
}

// pass says how the world of this pass differs from that of the one before.
func (v *voice) pass(p Pass) {
	v.read(p)
	if p.Err != nil {
		return
	}
	v.nodes(p.Snapshot)
	v.apps(p.Plan.Apps)
}

func (v *voice) read(p Pass) {
	err := p.History.Err
	if err == "" && p.Err != nil {
		err = p.Err.Error()
	}
	if err == v.err {
		return
	}
	v.err = err
	if err == "" {
		v.log.Info("the source can be read again")
		return
	}
	v.log.WithField("why", err).Warn("the source cannot be read")
}

// nodes warns of a node once a look at it has failed.
func (v *voice) nodes(s live.Snapshot) {
	now := map[string]string{}
	for _, n := range s.Nodes {
		msg, level, e := "node answers", logrus.InfoLevel, v.node(n.Name)
		switch {
		case n.Late:
			msg, e = "node is late", e.WithField("why", n.Why)
		case n.Silent > 0:
			msg, level, e = "node is silent", logrus.WarnLevel, e.WithField("why", n.Why)
		}
		if now[n.Name] = msg; v.hosts[n.Name] != msg {
			e.Log(level, msg)
		}
	}
	v.hosts = now
}

func (v *voice) apps(apps []plan.App) {
	now := map[manifest.ID]phase{}
	for _, a := range apps {
		now[a.ID] = phase{a.State, a.Why}
		if v.phases[a.ID] != now[a.ID] {
			v.log.WithFields(logrus.Fields{"app": a.ID.Short(), "rev": live.ShortRev(a.Rev), "why": a.Why}).
				Info(a.ID.Short() + " is " + string(a.State))
		}
	}
	v.phases = now
}
