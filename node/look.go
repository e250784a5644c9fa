package node

import (
	"context"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/health"
)

// Looks come when something may have changed, taking at most a tenth of the time of a host that is busy, and every lookEvery in any case.
const (
	lookEvery      = 30 * time.Second
	lookShare      = 9
	mostLookPause  = 5 * time.Second
	firstLookAgain = time.Second
	mostLookAgain  = lookEvery
)

// looks is how the host was looked at.
type looks struct {
	begun, done  int // their numbers; done is that of the newest that succeeded, 0 when none has
	inLook       bool
	began, ended time.Time
	fails        int
	stale        bool // an event may have changed something since began
	acted        bool // so may an action, or what is to be tended is another
}

// look begins a look when one is due.
func (s *side) look() {
	if s.inLook || s.begun > 0 && !s.until(s.lookDue()) {
		return
	}
	s.inLook, s.stale, s.acted, s.began = true, false, false, s.now
	s.begun++
	number := s.begun
	s.spawn(func(ctx context.Context) func() {
		seen, err := s.Driver.Observe(ctx)
		return func() { s.looked(number, seen, err) }
	})
}

func (s *side) lookDue() time.Time {
	switch {
	case s.fails > 0:
		return s.ended.Add(backoff(s.fails, firstLookAgain, mostLookAgain))
	case s.acted:
		return s.ended
	case s.stale:
		return s.ended.Add(min(lookShare*s.ended.Sub(s.began), mostLookPause))
	}
	return s.began.Add(lookEvery)
}

// looked takes in an answer. One that failed changes nothing.
func (s *side) looked(number int, seen live.Node, err error) {
	s.inLook, s.ended = false, time.Now()
	if err != nil {
		if s.fails++; s.fails == 1 && s.ctx.Err() == nil {
			s.Log.WithError(live.Gate{}.Error(err)).Warn("the host does not answer")
		}
		return
	}
	if s.fails > 0 {
		s.Log.Info("the host answers again")
	}
	s.fails, s.done = 0, number
	s.match(seen)
	s.judge = s.ended
	s.tellSoon()
	s.saveIn(coalesce)
}

// match finds the pods that are to be tended, and what they are made of. Those whose form is not there are left to others.
func (s *side) match(seen live.Node) {
	forms, pods, wanted, used := formsOf(seen.Files), map[string]*pod{}, s.wanted(), map[string]bool{}
	for _, p := range seen.Pods {
		name := forms[revision{p.App, p.Rev}]
		does, tended := wanted[p.Name]
		if !tended || name == "" || live.IsOwn(p.App) {
			continue
		}
		used[name] = true
		if is, ok := s.meet(p, name, seen.Files); ok {
			is.idle, pods[p.Name] = !does, is
		}
	}
	s.pods, s.before = pods, nil
	maps.DeleteFunc(s.forms, func(name string, _ manifest.Revision) bool { return !used[name] })
	maps.DeleteFunc(s.under, func(name string, e *errand) bool { return pods[name] == nil && !e.busy })
}

// wanted are the names of the pods that are to be tended, and whether anything is to be done to each.
func (s *side) wanted() map[string]bool {
	names := map[string]bool{}
	for _, t := range s.tends {
		for _, name := range t.Pods {
			names[name] = !slices.Contains(t.Idle, name)
		}
	}
	return names
}

type revision struct {
	app manifest.ID
	rev string
}

// formsOf are the names of the Files that hold forms. Of several of one revision any does, since its rev is a digest of it.
func formsOf(files []live.File) map[revision]string {
	names := map[revision]string{}
	for _, f := range files {
		app, err := manifest.ParseID(f.Labels[live.LabelApp])
		if err == nil && f.Labels[live.LabelObject] != "" && f.Labels[live.LabelReceipt] == "" {
			names[revision{app, f.Labels[live.LabelRev]}] = f.Name
		}
	}
	return names
}

// meet is a pod that was seen now, with what was known of it.
func (s *side) meet(p live.Pod, form string, files []live.File) (*pod, bool) {
	is := &pod{Pod: p, form: form}
	was := s.pods[p.Name]
	if was != nil && was.form == form && was.Gen == p.Gen && was.Try == p.Try && was.Source == p.Source {
		is.made = was.made
	} else {
		r, ok := s.formIn(form, files)
		if !ok {
			return nil, false
		}
		is.made = live.PodOf(r, p, nil)
		is.made.Form, is.made.There = form, true
	}
	for _, spec := range is.probed() {
		i := slices.IndexFunc(p.Containers, func(c live.Container) bool { return c.Name == spec.Name })
		if i < 0 {
			continue
		}
		c := s.meetContainer(was, p.Name, spec, p.Containers[i])
		if c.up || p.Containers[i].State == live.Paused || c.Ending != "" { // why it was ended is said until it is started again
			is.containers = append(is.containers, c)
		}
	}
	return is, true
}

// probed are the pod's containers that were born with probes. The form that an older podkeep wrote may have none for them: they are ready then.
func (p *pod) probed() (all []*corev1.Container) {
	for _, list := range [][]corev1.Container{p.made.Spec.InitContainers, p.made.Spec.Containers} {
		for i := range list {
			if p.Birth.Probes[list[i].Name] != "" {
				all = append(all, &list[i])
			}
		}
	}
	return all
}

// formIn parses a form, once. One that is damaged is remembered as one without a revision.
func (s *side) formIn(name string, files []live.File) (r manifest.Revision, ok bool) {
	r, known := s.forms[name]
	if !known {
		i := slices.IndexFunc(files, func(f live.File) bool { return f.Name == name })
		if r, ok = live.ParseForm(files[i].Labels); !ok {
			r = manifest.Revision{}
			s.Log.WithField("file", name).Warn("holds no form: its pods are not tended")
		}
		s.forms[name] = r
	}
	return r, r.Rev != ""
}

// meetContainer goes on with what its probes have come to, or begins with a container that is new, or was started anew. Of one that was there before
// this process is, and of which nothing was written down, its probes tell first.
func (s *side) meetContainer(was *pod, in string, spec *corev1.Container, c live.Container) *container {
	is := &container{Probing: health.Begin(*spec, c.ID, c.Started, time.Now()).Forgotten(*spec, s.born), spec: spec}
	if kept := s.before[in][c.Name]; kept.Of(c.ID, c.Started) {
		is.Probing = kept
	}
	if was != nil {
		for _, known := range was.containers {
			if known.spec.Name == c.Name && known.Of(c.ID, c.Started) {
				is = known
			}
		}
	}
	is.spec, is.up = spec, c.State == live.Running
	return is
}

func backoff(failures int, first, most time.Duration) time.Duration {
	d := first
	for i := 1; i < failures && d < most; i++ {
		d *= 2
	}
	return min(d, most)
}
