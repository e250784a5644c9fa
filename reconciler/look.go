package reconciler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// host is what is known of one node: what it last said, what was begun there since, and what went wrong.
type host struct {
	node manifest.Node
	seen live.Node

	heard  time.Duration // on the stopwatch: when the first look that was not answered began; before one, when the last began that was
	mute   time.Duration // on the stopwatch: when the first look began that found it not saying how big it is, while it does not
	back   time.Duration // on the stopwatch: when the first look began that was answered after one that was not
	lapsed bool          // there was one that was not
	looks  int           // looks begun
	fails  int           // looks in a row that were not answered
	why    string        // of the last of them
	slow   bool          // the last of them was not answered in time
	pings  bool          // a ping after it was
	flying map[key]*flight
	woes   map[key]woe
	lacks  map[string]string // Files that the newest list wanted put and that are not there, and why
}

// key names what an action is about. A pod and a File may share a name.
type key struct {
	file bool
	name string
}

func keyOf(a plan.Action) key {
	return key{file: a.Verb == plan.Put || a.Verb == plan.Delete, name: a.Name}
}

// woe is a Trouble and the verb that ran into it.
type woe struct {
	plan.Verb
	live.Trouble
}

// flight is an action that was begun, until a look that began after its end has been answered.
type flight struct {
	plan.Action
	rev   string
	began time.Time

	signer, host string // of the pod, as a look will say it
	ended        bool
	err          error
	looks        int // looks begun when it ended
}

func newHost(n manifest.Node, awake time.Duration) host {
	return host{
		node: n, seen: live.Node{Name: n.Name}, heard: awake,
		flying: map[key]*flight{}, woes: map[key]woe{}, lacks: map[string]string{},
	}
}

// remembered is the host without what is under way.
func (h *host) remembered() host {
	c := newHost(h.node, h.heard)
	c.seen, c.mute, c.fails, c.why, c.slow, c.pings = h.seen, h.mute, h.fails, h.why, h.slow, h.pings
	c.back, c.lapsed = h.back, h.lapsed
	return c
}

// sameWay says whether a node is reached as before. How patient one is with it is no part of the way.
func sameWay(a, b manifest.Node) bool {
	clean := func(n manifest.Node) map[string]string {
		c := maps.Clone(n.Annotations)
		maps.DeleteFunc(c, func(k, _ string) bool { return k == "podkeep.io/silence-grace" })
		return c
	}
	return a.ProviderID == b.ProviderID && maps.Equal(clean(a), clean(b))
}

// lookBegins numbers a look.
func (h *host) lookBegins() int {
	h.looks++
	return h.looks
}

// lookEnds takes in a look's answer. What ended before the look began has been seen by it, if there was
// anything to see.
func (h *host) lookEnds(look int, began time.Duration, answer live.Node, err error) {
	if err != nil {
		if h.fails == 0 && h.seen.Known { // nobody asked between the last answer and this look
			h.heard = began
		}
		h.fails++
		h.why, h.slow, h.pings = live.Words(err.Error()), errors.Is(err, context.DeadlineExceeded), answer.Pings
		return
	}
	if h.fails > 0 {
		h.back, h.lapsed = began, true
	}
	if answer.Unsized > 0 && h.seen.Unsized == 0 {
		h.mute = began
	}
	h.seen, h.heard, h.fails, h.why, h.slow, h.pings = answer, began, 0, "", false, false
	h.seen.Name, h.seen.Known = h.node.Name, true
	maps.DeleteFunc(h.flying, func(_ key, f *flight) bool { return f.ended && f.looks < look })
	maps.DeleteFunc(h.woes, func(k key, t woe) bool { return h.flying[k] == nil && h.achieved(k, t.Verb) })
}

// achieved says whether what an action was to bring about has been seen.
func (h *host) achieved(k key, v plan.Verb) bool {
	file := func(f live.File) bool { return f.Name == k.name }
	receipt := func(r live.Receipt) bool { return r.File == k.name }
	pod := slices.IndexFunc(h.seen.Pods, func(p live.Pod) bool { return p.Name == k.name })
	there := slices.ContainsFunc(h.seen.Files, file) || slices.ContainsFunc(h.seen.Receipts, receipt)
	switch v {
	case plan.Put:
		return there
	case plan.Delete:
		return !there
	case plan.Stop:
		return pod < 0
	}
	return pod >= 0 && up(h.seen.Pods[pod])
}

// view is the node as it is thought about: what was seen last, with what was begun since laid over it.
func (h *host) view(awake time.Duration) live.Node {
	n := h.seen
	if h.fails > 0 || !n.Known {
		n.Silent, n.Why = max(awake-h.heard, 1), h.why
		n.Late, n.Slow, n.Pings = h.fails == 0, h.slow, h.pings
	} else if h.lapsed {
		n.Back = max(awake-h.back, 1)
	}
	if n.Unsized > 0 {
		n.Unsized = max(awake-h.mute, 1)
	}
	n.Pods, n.Troubles = h.overlay(), slices.Clone(n.Troubles)
	for _, t := range h.woes {
		n.Troubles = append(n.Troubles, t.Trouble)
	}
	slices.SortFunc(n.Troubles, func(a, b live.Trouble) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Rev, b.Rev), a.At.Compare(b.At))
	})
	return n
}

func (h *host) overlay() []live.Pod {
	if len(h.flying) == 0 {
		return h.seen.Pods
	}
	pods := slices.Clone(h.seen.Pods)
	for _, f := range h.flying {
		i := slices.IndexFunc(pods, func(p live.Pod) bool { return p.Name == f.Name })
		switch {
		case f.Verb == plan.Stop && i >= 0:
			pods[i].Stopping = true
		case f.Verb == plan.Run && i >= 0:
			pods[i].Asked = !up(pods[i])
		case f.Verb == plan.Run:
			pods = append(pods, asked(f))
		}
	}
	slices.SortFunc(pods, func(a, b live.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods
}

// up says whether everything that the pod is made of was seen running, or, of init containers, ended well.
func up(p live.Pod) bool {
	well := 0
	for _, c := range p.Containers {
		init := slices.Contains(p.Init, live.Init{Name: c.Name})
		if c.State == live.Running && !init || c.Ended() && c.Exit == 0 && init {
			well++
		}
	}
	return well == len(p.Containers) && well >= len(p.Expect)
}

// asked is the pod that a flight will have made.
func asked(f *flight) live.Pod {
	p, err := live.ParsePod(f.Name, f.Pod.Labels)
	if err != nil {
		p = live.Pod{Name: f.Name, App: f.App}
	}
	p.Asked, p.Created, p.Signer, p.Host = true, f.began, f.signer, f.host
	return p
}

// begins writes down that an action is under way.
func (h *host) begins(a plan.Action, now time.Time) {
	f := &flight{Action: a, rev: h.rev(a), began: now}
	if a.Pod != nil {
		f.signer, f.host = live.PodSigner(live.HostsOf(h.seen.Files), a.Name, a.Pod.Labels)
	}
	h.flying[keyOf(a)] = f
}

// ends writes down how it went.
func (h *host) ends(a plan.Action, err error, now time.Time) {
	if f := h.flying[keyOf(a)]; f != nil {
		f.ended, f.err, f.looks = true, err, h.looks
	}
	if err == nil {
		delete(h.woes, keyOf(a))
		return
	}
	h.suffers(a, err, now)
}

// Back-off between attempts of one action.
const (
	firstAgain = time.Second
	mostAgain  = time.Minute
)

// suffers counts a failed attempt. Another revision starts counting anew.
func (h *host) suffers(a plan.Action, err error, now time.Time) {
	t := h.woes[keyOf(a)]
	if rev := h.rev(a); t.Rev != rev {
		t = woe{Trouble: live.Trouble{Rev: rev}}
	}
	t.Verb, t.Name, t.Why, t.At = a.Verb, a.Name, live.Words(err.Error()), now
	t.Count++
	if errors.Is(err, live.ErrTaken) {
		t.Taken++
	}
	t.Next = now.Add(backoff(t.Count, firstAgain, mostAgain))
	h.woes[keyOf(a)] = t
	if a.Verb == plan.Put {
		h.lacks[a.Name] = t.Why
	}
}

// rev is the revision that an action is about, or "".
func (h *host) rev(a plan.Action) string {
	switch {
	case a.Pod != nil:
		return a.Pod.Labels[live.LabelRev]
	case a.File != nil:
		return a.File.Labels[live.LabelRev]
	}
	for _, p := range h.seen.Pods {
		if a.Verb == plan.Stop && p.Name == a.Name {
			return p.Rev
		}
	}
	return ""
}

// forget drops troubles that nobody has run into again for long after they might have, and begins a new list of Files
// that lack. A trouble outlives the plan that it made avoid this node, or the next plan would come straight back.
func (h *host) forget(now time.Time) {
	maps.DeleteFunc(h.woes, func(k key, t woe) bool { return h.flying[k] == nil && now.After(t.Next.Add(mostAgain)) })
	clear(h.lacks)
}

// refuses says why an action is not begun now, or "". An action under way is not begun twice, one that
// failed waits for its time, and one that worked waits to be seen.
func (h *host) refuses(a plan.Action, now time.Time) string {
	if h.flying[keyOf(a)] != nil {
		return "is under way"
	}
	if t, ok := h.woes[keyOf(a)]; ok && t.Rev == h.rev(a) && now.Before(t.Next) {
		return t.Why
	}
	return ""
}

// lacking says which File of a pod could not be put, and why; name is "" when none lacks.
func (h *host) lacking(a plan.Action) (name, why string) {
	if a.Verb != plan.Run || len(h.lacks) == 0 {
		return "", ""
	}
	for _, name := range files(*a.Pod) {
		if why, ok := h.lacks[name]; ok {
			return name, why
		}
	}
	if form := a.Pod.Form; h.lacks[form] != "" {
		return form, h.lacks[form]
	}
	return "", ""
}

// files are the names of the Files that a pod's spec names, repeats and all.
func files(p manifest.Pod) (names []string) {
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				names = append(names, e.ValueFrom.SecretKeyRef.Name)
			}
		}
	}
	for _, v := range p.Spec.Volumes {
		if v.Secret != nil {
			for _, item := range v.Secret.Items {
				names = append(names, item.Key)
			}
		}
	}
	for _, s := range p.Spec.ImagePullSecrets {
		names = append(names, s.Name)
	}
	return names
}

// within calls f with a deadline. An error that the deadline caused says so.
func within(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := f(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %v: %w", limit, err)
	}
	return err
}
