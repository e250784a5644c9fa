// Package sim tells stories: the real reconciler against fake hosts, a Git repository in memory and a clock that only
// the story moves. After every line the laws of the house are checked, see laws.go. A story is a text; a # begins a
// comment. Its lines:
//
//	fleet n1 n2 [WORD=..]        hosts, and Nodes in the first commit (in a later line: hosts alone)
//	commit ID ITEM; ITEM ..      a commit on the branch's head. An item is
//	    [KIND/]NAME WORD ..        the object, with these words on top of what it said before. Kinds: pod rs rc ro job
//	                               node ns cm pvc svc eps netpol ing, none is a Deployment. Words: see object.go: image=v1 replicas=4 paused ..
//	    signers KEY ..             keys that Git trusts, by their names in the story
//	    remove [KIND/]NAME · break FILE · blank FILE · damage FILE "TEXT" · mend FILE · revert ID · allow-prune
//	force-push ID                the branch goes back to ID, later commits are gone
//	fetch down|up                fetches fail, or work again
//	checkout ID                  the branch goes to ID; what is not behind it stays, for pin
//	stale|fresh                  the controller does not fetch for now, or does again (and follows the branch)
//	pin ID                       the controller's branch is another one, at ID
//	decide VERB NAME [DURATION] [step=N]  a person's decision in Git notes, whose clock is ahead by so much; of the step that
//	                             the rollout is at, or of another
//	pass                         one pass of the controller
//	settle [DURATION]            passes, with the clock going to each Wake and event, until nothing is waited for (or so
//	                             long)
//	tick DURATION                time goes by, nobody looks
//	as KEY                       the controller signs with this key from here on; the first one is called own
//	kill [after N]               the controller dies, now or right after its N-th write from here, and another starts
//	on NAME COMMAND              pass, settle, kill, as, stale, fresh by another controller of the same cluster
//	in SOURCE COMMAND            the same in another repository on the same hosts, with commits and names of its own, and by
//	                             the controller that follows it, which has a key of its own
//	partition|heal NODE          the network goes, comes back
//	die|return|wipe NODE         the power goes, comes back; the disk is emptied
//	reboot NODE [podman=5]       the power goes and comes back at once; Podman 5 shows what ran as exited
//	replace HOST                 another machine takes its place (as wipe)
//	address NAME HOST            at=NAME leads to HOST from now on; to no host if there is none of that name
//	clone FROM TO                a host is given a copy of another's disk
//	skew NODE DURATION           the node's clock is ahead by so much
//	fail NODE CALL [N]           the next N calls fail (list run stop put delete pull)
//	deaf NODE CALL [N]           the next N calls do their work and time out
//	lose NODE claim NAME         the volume of a claim is removed from the node by hand
//	restore NODE claim NAME      a volume of the claim is made there by hand, from a backup
//	mend NODE                    calls work again
//	side VERSION|none|never      the node side that all controllers offer from here on
//	net [RANGE]                  pods are in the cluster's own network, and Services are served; they may have addresses outside in that range
//	users NODE                   the Podman of a host is a user's own, which has no part in the cluster's network
//	table NODE late|prompt       what the node side of a host is told to route by does not come into force, or does again
//	door NODE frozen|prompt      the doors that run on a host do nothing new, or go on
//	listen NODE [PORT ..]        the host itself listens at these ports, such as 80/tcp, and no others
//	side NODE deaf|heard         nobody hears the node side of a host, or it is heard again
//	crash|rm NAME SLOT           a pod's container dies; a person removes a pod
//	erase PREFIX [NODE ..]       a person removes Files
//	foreign NODE NAME [app=KIND/NS/NAME] [slot=] [source=] [cluster=] | [ip=]   somebody else's pod
//	adopt SOURCE                 a person says that what another source made is taken over
//	forge NODE receipt|form|pod NAME [WORD=..]   what root on a host may write: see forge.go
//	repeat N LINE; LINE          again and again
//	pods · receipts · files · volumes · tables · doors · services · policies · status · problems      print
//
// The TEXT of a damaged file is quoted as in Go, with \x20 and \x3b for the second of two blanks and for a semicolon.
//
// go test ./reconciler/sim -every 1 -seeds 500 kills at each write of each story and tells 500 made-up ones; -seed tells
// one of them.
//
// A line followed by ---- expects the output that stands between it and the next blank line. NAME of a pod is its
// workload's name. The same lines that a story expects are what `podkeep plan` prints.
package sim

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/fake"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler"
)

const cluster = "default"

// epoch is when every story begins.
var epoch = time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)

// Sim is one story being told.
type Sim struct {
	now         time.Time
	world       *fake.World
	repo        *repo
	others      map[string]*repo // other sources, by name
	controllers map[string]*controller
	keys        map[string]ed25519.PrivateKey
	random      io.Reader
	fuse        *fake.Fuse // burns with every controller's writes
	dice        *rand.Rand // for the laws alone: it never changes what happens
	nodes       []object   // of the first commit
	care        care
	passes      int
	began       map[live.Transition]bool // rollouts
	acted       map[string]int           // which decision ended a step of which rollout, with the number of the receipt that says so
	offer       manifest.SideOffer       // of every controller
	net         manifest.Net
	sided       bool // there may be node sides
}

// care is how much is checked.
type care int

const (
	full   care = iota // every law, after every line
	bounds             // only what passes do to the world
	none
)

// controller is a reconciler and what it stands on.
type controller struct {
	source *clone
	rec    *reconciler.Reconciler
	world  *fake.World
	fuse   *fake.Fuse
	last   reconciler.Pass
	key    string // which of the Sim's it signs with; "" is the first
}

// New is a world without hosts or commits, with one controller to come.
func New() *Sim {
	s := &Sim{now: epoch, controllers: map[string]*controller{}, dice: rand.New(rand.NewPCG(1, 2)), random: rand.NewChaCha8([32]byte{1})}
	s.keys = map[string]ed25519.PrivateKey{}
	clock := func() time.Time { return s.now }
	s.world, s.repo, s.fuse = fake.New(clock), newRepo("sim", clock), &fake.Fuse{Left: never}
	s.others, s.began, s.acted = map[string]*repo{}, map[live.Transition]bool{}, map[string]int{}
	return s
}

// key is the key of that name, the same in every story. The first controller's is called own.
func (s *Sim) key(name string) ed25519.PrivateKey {
	name = strings.TrimPrefix(name, "own")
	if s.keys[name] == nil {
		seed := sha256.Sum256([]byte(name))
		s.keys[name] = ed25519.NewKeyFromSeed(seed[:])
	}
	return s.keys[name]
}

func (s *Sim) keyText(name string) string {
	return manifest.KeyText(s.key(name).Public().(ed25519.PublicKey))
}

const never = 1 << 40

// controller finds the named controller, or starts it.
func (s *Sim) controller(name string) *controller {
	c := s.controllers[name]
	if c == nil {
		c = &controller{source: &clone{repo: s.repo}, world: s.world, fuse: s.fuse}
		if s.others[name] != nil {
			c.key = name
		}
		s.controllers[name] = c
		s.start(c)
	}
	return c
}

// start begins a new life of the controller: all it knew is gone.
func (s *Sim) start(c *controller) {
	if c.rec != nil {
		c.rec.Close()
	}
	c.source.known, c.source.fetched = "", time.Time{}
	c.rec = reconciler.New(reconciler.Options{
		Source: c.source,
		Open: func(_ context.Context, n manifest.Node) (drivers.Driver, error) {
			return c.world.Open(hostOf(n), cluster, c.fuse), nil
		},
		Cluster: cluster,
		Side:    s.offer,
		Net:     s.net,
		Doors:   offered,
		Image:   archive,
		Now:     func() time.Time { return s.now },
		Serial:  true,
		Key:     s.key(c.key),
		Random:  s.random,
		Log:     quiet(),
	})
}

// hostOf is the host that a Node's providerID leads to.
func hostOf(n manifest.Node) string {
	u, err := url.Parse(n.ProviderID)
	if err != nil {
		return n.Name
	}
	return u.Hostname()
}

func quiet() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// Do does one line and checks the laws. The output is what a golden shows.
func (s *Sim) Do(text string) (out string, err error) {
	out, err = s.command("", strings.Fields(text))
	if err != nil {
		return out, err
	}
	if _, err := s.sides(); err != nil {
		return out, err
	}
	return out, s.checkDry()
}

func (s *Sim) command(who string, words []string) (string, error) {
	if len(words) == 0 {
		return "", nil
	}
	verb, args := words[0], words[1:]
	switch verb {
	case "repeat":
		return s.repeat(args)
	case "in":
		return s.in(one(args), args[min(1, len(args)):])
	}
	for _, group := range []func(string, []string) (bool, error){s.git, s.fault, s.byHand} {
		if done, err := group(verb, args); done || err != nil {
			return "", err
		}
	}
	return s.act(who, verb, args)
}

// in does a command in another repository.
func (s *Sim) in(source string, words []string) (string, error) {
	home := s.repo
	defer func() { s.repo = home }()
	if s.others[source] == nil {
		s.others[source] = newRepo(source, home.now)
	}
	s.repo = s.others[source]
	return s.command(source, words)
}

// act is what controllers do, and what prints.
func (s *Sim) act(who, verb string, args []string) (string, error) {
	c := s.controller(who)
	switch verb {
	case "on":
		return s.command(args[0], args[1:])
	case "pass":
		p, err := s.pass(c)
		return s.text(p), err
	case "settle":
		return s.settle(c, args)
	case "as":
		c.key = strings.TrimPrefix(one(args), "own")
		s.key(c.key)
		s.start(c)
	case "stale", "fresh", "pin":
		c.source.stale, c.source.pinned = verb == "stale", one(args)
	case "kill":
		return "", s.kill(c, args)
	case "tick":
		d, err := time.ParseDuration(one(args))
		if err != nil {
			return "", err
		}
		return "", s.goTo(s.now.Add(d))
	case "side":
		return "", s.side(args)
	case "net":
		return "", s.joins(args)
	case "tables":
		return s.tables(), nil
	case "policies":
		return s.policies(c)
	case "services":
		return s.services(c)
	case "doors":
		return s.doors(c), nil
	case "pods":
		return s.pods(), nil
	case "receipts":
		return s.receipts(), nil
	case "files":
		return s.files(), nil
	case "volumes":
		return s.volumes(), nil
	case "status":
		return s.status(c)
	case "problems":
		return s.problems(c)
	default:
		return "", fmt.Errorf("what is %q?", verb)
	}
	return "", nil
}

func one(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func (s *Sim) repeat(args []string) (string, error) {
	n, err := strconv.Atoi(one(args))
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for range n {
		for _, text := range strings.Split(strings.Join(args[1:], " "), ";") {
			o, err := s.Do(text)
			out.WriteString(o)
			if err != nil {
				return out.String(), fmt.Errorf("%s: %w", strings.TrimSpace(text), err)
			}
		}
	}
	return out.String(), nil
}

func (s *Sim) kill(c *controller, args []string) error {
	if len(args) == 2 {
		n, err := strconv.Atoi(args[1])
		s.fuse.Left = n
		return err
	}
	s.start(c)
	return nil
}

// pass makes one pass and judges it. A controller that dies in it is replaced, and the new one makes the pass.
func (s *Sim) pass(c *controller) (reconciler.Pass, error) {
	before := s.before()
	p := c.rec.Pass(context.Background())
	c.last = p
	s.passes++
	s.count(p)
	err := s.judge(c, before, p)
	if s.fuse.Left > 0 {
		s.tell(c, p)
		_, wrong := s.sides()
		return p, errors.Join(err, wrong)
	}
	s.fuse.Left = never
	s.start(c)
	q, again := s.pass(c)
	return q, errors.Join(err, again)
}

// before is the world to compare with, or nothing when nobody will.
func (s *Sim) before() *fake.World {
	if s.care == none {
		return nil
	}
	return s.world.Copy()
}

// count takes down which rollouts begin.
func (s *Sim) count(p reconciler.Pass) {
	for _, a := range p.Plan.Actions {
		if a.File == nil {
			continue
		}
		if r, ok := live.ParseReceipt(a.File.Labels); ok && r.Verb == live.Began {
			s.began[r.Transition()] = true
		}
	}
}

// rounds bounds a settle: more passes than that without an end are a loop.
const rounds = 200

// resync is how often the loop makes a pass and fetches though nothing calls for it.
const resync = 30 * time.Second

// settle makes passes until nothing is done and nothing is waited for, not even a resync later. It prints each plan
// with actions.
func (s *Sim) settle(c *controller, args []string) (string, error) {
	begin, limit, bounded := s.now, 40*time.Minute, len(args) > 0
	if bounded {
		d, err := time.ParseDuration(args[0])
		if err != nil {
			return "", err
		}
		limit = d
	}
	var out strings.Builder
	quiet := false // nothing was waited for
	for range rounds {
		writes := s.world.Writes()
		p, err := s.pass(c)
		if len(p.Plan.Actions) > 0 {
			fmt.Fprintf(&out, "+%v\n%s", s.now.Sub(begin), s.text(p))
		}
		if err != nil {
			return out.String(), err
		}
		next, err := s.next(p, s.world.Writes() != writes)
		switch {
		case err != nil:
			return out.String(), err
		case quiet && next.IsZero():
			return out.String(), s.still(c, p)
		case next.IsZero():
			quiet, next = true, s.now.Add(resync)
		case quiet && calm(p):
			return out.String(), fmt.Errorf("law 2, still: nothing was waited for, and after a resync there is more to do:\n%s", s.text(p))
		default:
			quiet = false
		}
		if next.Sub(begin) > limit {
			if bounded {
				return out.String(), s.goTo(begin.Add(limit))
			}
			return out.String(), s.still(c, p)
		}
		if err := s.goTo(next); err != nil {
			return out.String(), err
		}
	}
	text := out.String()
	last := text[max(0, len(text)-1500):]
	return text, fmt.Errorf("law 2, still: no end after %d passes, the last of which were:\n%s", rounds, last)
}

// next is when to go on after a pass: at once if it changed something, else at its Wake, or when an event pokes. Zero means
// never.
func (s *Sim) next(p reconciler.Pass, wrote bool) (time.Time, error) {
	wake, event := p.Plan.Wake, s.world.Next()
	if again := s.again(p); !again.IsZero() && again.Before(wake) {
		wake = again
	}
	switch {
	case wrote:
		return s.now, nil
	case event.After(s.now) && (wake.IsZero() || event.Before(wake)):
		return event, nil
	case wake.After(s.now):
		return wake, nil
	case len(p.Plan.Actions) > 0:
		return s.again(p), nil
	case !wake.IsZero():
		return wake, fmt.Errorf("law 2, still: nothing to do, and Wake %v is not after now %v", clock(wake), clock(s.now))
	}
	return time.Time{}, nil
}

// again is when the first of the plan's actions is tried again. Of one that failed in this very pass, the next one knows when.
func (s *Sim) again(p reconciler.Pass) (first time.Time) {
	for _, a := range p.Plan.Actions {
		at := s.now.Add(time.Second)
		for _, t := range node(p.Snapshot, a.Node).Troubles {
			if t.Name == a.Name && t.Next.After(at) {
				at = t.Next
			}
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }
