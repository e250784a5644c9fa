package reconciler

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/wire"
)

// Back-off between attempts to reach a node side: each one that goes by an exec leaves processes on the host for minutes.
const (
	firstCall = time.Second
	mostCall  = time.Minute
)

// line is the stream to the node side of one host. A worker has one for as long as it lives; its methods may be called from several goroutines.
type line struct {
	now    func() time.Time
	hello  wire.Hello
	source string
	poke   func() // what was said is news

	cluster string
	tables  *tables

	mu       sync.Mutex
	kept     bool // somebody calls keep
	attacher drivers.Attacher
	there    bool                 // the last look saw the node side run
	began    time.Time            // and since when it does
	doors    map[string]time.Time // those that the last look saw run, by pod, and since when they do
	mute     map[string]time.Time // of those the ones of which the node side says nothing, and from when on
	since    time.Time            // from when on it was there and not heard; zero while it is heard
	said     *wire.Report
	version  string // whose word that is; empty while it is not heard
	why      string // of the newest attempt that failed
	serves   served
	node     string // what the host is called in the order
	order    order
	lag      time.Time                 // since when the host routes by another table than that one; zero while it does not, or a newer one has come into force since
	told     []outgoing                // the tables that it was sent since the one that is said to be in force
	asked    string                    // Digest of the table that was asked to be shown on this stream, and
	sent     string                    // of the one that was sent on it since another one came into force
	keyed    string                    // Mark of the keys that were sent last on this stream, and
	keyedAt  time.Time                 // when, and
	rekeys   time.Duration             // for how long they are not sent again
	has      map[string]wire.KeptEntry // what it keeps for its doors' ACME client, as far as it has said so or was sent it
	tend     live.Tend
	thought  bool          // tend is what is wanted; before, nobody knows
	anew     chan struct{} // has one when it was begun anew: there is no reason to wait
	changed  chan struct{} // has one when there is something to say, or to begin
	tried    chan struct{} // closed once the node side was heard or waited for, or the first attempt failed
	tries    sync.Once
}

func newLine(o Options, poke func()) *line {
	return &line{
		now: o.Now, hello: wire.Hello{Version: o.Side.Version}, poke: poke, cluster: o.Cluster, tables: &tables{},
		anew: make(chan struct{}, 1), changed: make(chan struct{}, 1), tried: make(chan struct{}),
	}
}

func (l *line) signal() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// looked says what a look has found: by which driver the node side is reached, and whether it runs.
func (l *line) looked(d drivers.Driver, n live.Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attacher, _ = d.(drivers.Attacher)
	var began time.Time
	there, doors := false, map[string]time.Time{}
	for _, p := range n.Pods {
		for _, c := range p.Containers {
			switch {
			case c.State != live.Running:
			case p.App == live.SideApp:
				there = true
				if c.Started.After(began) {
					began = c.Started
				}
			case p.App == live.DoorApp:
				doors[p.Name] = c.Started
				if !c.Started.Equal(l.doors[p.Name]) {
					delete(l.mute, p.Name)
				}
			}
		}
	}
	l.doors = doors
	l.muted()
	if there && !l.there {
		l.since = l.now()
	}
	if there && !began.Equal(l.began) {
		select {
		case l.anew <- struct{}{}:
		default:
		}
	}
	l.there, l.began = there, began
	l.signal()
}

// muted notes from when on the node side says nothing of doors that run.
func (l *line) muted() {
	mute := map[string]time.Time{}
	for pod := range l.doors {
		if l.said == nil || slices.ContainsFunc(l.said.Doors, func(d live.Door) bool { return d.Pod == pod }) {
			continue
		}
		since, was := l.mute[pod]
		if !was {
			since = l.now()
		}
		mute[pod] = since
	}
	l.mute = mute
}

// heard says that nobody need wait any more, once it is known too what the table in force says.
func (l *line) heard() {
	if s := l.serves; s.digest == "" || s.shown {
		l.tries.Do(func() { close(l.tried) })
	}
}

// await waits until the node side was heard once, or could not be, for as long as ctx and patience last: a command that looks once is to know
// what it says.
func (l *line) await(ctx context.Context) {
	l.mu.Lock()
	waits := l.kept && l.there && l.attacher != nil
	l.mu.Unlock()
	if !waits {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-l.tried:
	case <-ctx.Done():
		l.tries.Do(func() { close(l.tried) }) // it lives, and has nothing to say: no later look waits for it
	}
}

// wants says which pods of a source it is to look after.
func (l *line) wants(source string, tend live.Tend) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.source, l.tend, l.thought = source, tend, true
	l.signal()
}

// tell lays over a look what the node side says. A driver that reaches none has said what there is to say; before it is opened, what the last one
// was told by its node side of tables holds.
func (l *line) tell(n *live.Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.serves
	if l.attacher == nil && s.digest == "" {
		return
	}
	n.Side = live.Side{Version: l.version, Why: l.why, Behind: l.behind(), Told: l.mayServe(), Serves: s.says, Signer: s.signer, Number: s.number, Taken: s.taken, Net: s.net}
	if l.version == "" {
		if l.there && !l.since.IsZero() {
			n.Side.Silent = l.now().Sub(l.since)
		}
		return
	}
	n.Side.Tends, n.Side.Troubles = l.said.Tends, troublesOf(l.said)
	n.Side.Doors, n.Side.Keys = plainDoors(l.said.Doors), live.Words(l.said.Keys)
	for pod, since := range l.mute {
		if n.Side.Mute == nil {
			n.Side.Mute = map[string]time.Duration{}
		}
		n.Side.Mute[pod] = l.now().Sub(since)
	}
	if len(l.said.Probed) == 0 {
		return
	}
	n.Pods = slices.Clone(n.Pods)
	for i := range n.Pods {
		n.Pods[i].Probed = corrected(l.said.Probed[n.Pods[i].Name], n.Facts.Skew)
	}
}

// troublesOf is what a node side says that it could not do.
func troublesOf(said *wire.Report) (all []string) {
	if said.Trouble != "" {
		all = append(all, "its node side keeps nothing: "+live.Words(said.Trouble))
	}
	for _, pod := range slices.Sorted(maps.Keys(said.Failed)) {
		all = append(all, live.Words(pod+": "+said.Failed[pod]))
	}
	return all
}

// corrected are verdicts on this process' clock.
func corrected(all []live.Probed, skew time.Duration) []live.Probed {
	all = slices.Clone(all)
	for i := range all {
		all[i].Since = all[i].Since.Add(-skew)
	}
	return all
}

// keep keeps the stream up, while there is somebody to speak with, until ctx ends.
func (l *line) keep(ctx context.Context) {
	for failures := 1; ; failures++ {
		if !l.begin(ctx) {
			return
		}
		began := time.Now()
		err := l.talk(ctx)
		l.lost(err)
		if time.Since(began) > mostCall {
			failures = 0
		}
		select {
		case <-time.After(backoff(failures, firstCall, mostCall)):
		case <-l.anew:
			failures = 0
		case <-ctx.Done():
			return
		}
	}
}

// begin waits until there is a node side to speak with. It is false when ctx has ended.
func (l *line) begin(ctx context.Context) bool {
	for {
		l.mu.Lock()
		ready := l.there && l.attacher != nil
		l.mu.Unlock()
		if ready {
			return true
		}
		select {
		case <-l.changed:
		case <-ctx.Done():
			return false
		}
	}
}

// lost takes in that the node side is not heard any more.
func (l *line) lost(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	heard := l.version != ""
	l.version, l.said, l.asked, l.sent, l.keyed, l.has = "", nil, "", "", "", nil
	l.keyedAt = time.Time{}
	l.muted()
	l.why = ""
	if err != nil {
		l.why = live.Words(err.Error())
	}
	if heard {
		l.since = l.now()
		l.poke()
	}
	l.tries.Do(func() { close(l.tried) })
}

// talk says and hears until one of the two is gone.
func (l *line) talk(ctx context.Context) error {
	l.mu.Lock()
	attacher := l.attacher
	l.mu.Unlock()
	var stream io.ReadWriteCloser
	if err := within(ctx, wire.Deaf, func(ctx context.Context) (err error) {
		stream, err = attacher.Attach(ctx)
		return err
	}); err != nil {
		return live.Gate{}.Error(err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	deaf := time.AfterFunc(wire.Deaf, func() { cancel(errors.New("it says nothing")) })
	var join sync.WaitGroup
	join.Go(func() { cancel(l.hear(stream, func() { deaf.Reset(wire.Deaf) })) })
	join.Go(func() { cancel(l.speak(ctx, stream)) })
	<-ctx.Done()
	deaf.Stop()
	_ = stream.Close()
	join.Wait()
	return context.Cause(ctx)
}

// hear takes in what the node side says, until the stream ends.
func (l *line) hear(stream io.Reader, alive func()) error {
	lines, version := wire.NewReader(stream), ""
	for {
		var up wire.Up
		if err := lines.Read(&up); err != nil {
			return err
		}
		alive()
		if up.Hello != nil {
			version = up.Hello.Version
		}
		if up.Report != nil && version != "" {
			l.reported(version, up.Report)
		}
		if up.Table != nil {
			l.showed(*up.Table)
		}
		if up.Kept != nil {
			l.keeps(*up.Kept)
		}
	}
}

func (l *line) reported(version string, said *wire.Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.version, l.said, l.why, l.since = version, said, "", time.Time{}
	l.muted()
	l.serving(said)
	l.heard()
	l.signal()
	l.poke()
}

// speak says what is to be tended and by what to route whenever something else is in force, and that somebody is there.
func (l *line) speak(ctx context.Context, stream io.Writer) error {
	if err := wire.Write(stream, wire.Down{Hello: &l.hello}); err != nil {
		return err
	}
	beat := time.NewTicker(wire.Beat)
	defer beat.Stop()
	for {
		select {
		case <-l.changed:
			for _, down := range apart(l.due()) {
				if err := wire.Write(stream, down); err != nil {
					return err
				}
			}
		case <-beat.C:
			if err := wire.Write(stream, wire.Down{}); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// apart is what there is to say as lines: each fits into one, and keys come before the table that names them.
func apart(down wire.Down) (lines []wire.Down) {
	for _, line := range []wire.Down{{Keys: down.Keys}, {Kept: down.Kept}, {Tend: down.Tend, Table: down.Table, Show: down.Show}} {
		if line != (wire.Down{}) {
			lines = append(lines, line)
		}
	}
	return lines
}

// due is what there is to say to one that has said what is in force.
func (l *line) due() (down wire.Down) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.said == nil {
		return wire.Down{}
	}
	down.Keys, down.Kept = l.unkeyed(), l.unkept()
	down.Tend, down.Table = l.unsaid(), l.unrouted()
	if s := l.serves; s.digest != "" && !s.shown && l.asked != s.digest {
		l.asked, down.Show = s.digest, true
	}
	return down
}

// unsaid is what is to be tended, if that is not what is in force.
func (l *line) unsaid() *wire.Tend {
	if !l.thought {
		return nil
	}
	for _, t := range l.said.InForce {
		if t.Source == l.source && t.Equal(l.tend) {
			return nil
		}
	}
	return &wire.Tend{Source: l.source, Tend: l.tend}
}
