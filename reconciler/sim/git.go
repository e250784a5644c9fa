package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podkeep/podkeep/manifest"
)

// git are the commands that change the repository.
func (s *Sim) git(verb string, args []string) (bool, error) {
	switch verb {
	case "fleet":
		return true, s.fleet(args)
	case "commit":
		return true, s.commit(args)
	case "force-push":
		return true, s.repo.force(one(args))
	case "checkout":
		if s.repo.commits[one(args)] == nil {
			return true, fmt.Errorf("%w: no commit %s", errNothing, one(args))
		}
		s.repo.head = one(args)
		return true, nil
	case "fetch":
		s.repo.down = one(args) == "down"
		return true, nil
	case "decide":
		return true, s.decide(args)
	}
	return false, nil
}

func (s *Sim) fleet(args []string) error {
	var names, said []string
	for _, a := range args {
		if strings.Contains(a, "=") {
			said = append(said, a)
			continue
		}
		names = append(names, a)
	}
	for _, name := range names {
		s.world.Add(name, manifest.Resources{MilliCPU: 4000, Memory: 8 << 30})
		node, _ := newObject("node/" + name)
		node.file = "nodes.yaml"
		node, err := node.say(said)
		if err != nil {
			return err
		}
		s.nodes = append(s.nodes, node)
	}
	return nil
}

func (s *Sim) commit(args []string) error {
	id := one(args)
	c := s.repo.draft(id)
	if c.parent == "" {
		for _, n := range s.nodes {
			c.objects["node/"+n.name] = n
		}
	}
	for _, item := range strings.Split(strings.Join(args[1:], " "), ";") {
		if err := s.item(c, strings.Fields(item)); err != nil {
			return fmt.Errorf("commit %s: %w", id, err)
		}
	}
	if was := s.repo.commits[c.parent]; was != nil {
		c.writeAnew(was)
	}
	return s.repo.add(c)
}

// writeAnew has a file that was broken before hold what it should again where an object comes into it.
func (c *commit) writeAnew(was *commit) {
	for key, o := range c.objects {
		text, broken := was.broken[o.file]
		if broken && was.objects[key].file != o.file && c.broken[o.file] == text {
			delete(c.broken, o.file)
		}
	}
}

func (s *Sim) item(c *commit, words []string) error {
	if len(words) == 0 {
		return nil
	}
	key := words[0]
	switch arg := one(words[1:]); key {
	case "signers":
		c.signers = nil
		for _, name := range words[1:] {
			c.signers = append(c.signers, s.keyText(name))
		}
		return nil
	case "remove":
		if _, ok := c.objects[arg]; !ok {
			return fmt.Errorf("%w: no %s", errNothing, arg)
		}
		delete(c.objects, arg)
		return nil
	case "break":
		c.broken[arg] = "apiVersion: apps/v1\nkind: [Deployment\n"
		return nil
	case "blank":
		c.broken[arg] = ""
		return nil
	case "damage":
		text, err := strconv.Unquote(strings.Join(words[min(2, len(words)):], " "))
		c.broken[arg] = text
		return err
	case "mend":
		delete(c.broken, arg)
		return nil
	case "revert":
		return s.repo.revert(c, arg)
	case "allow-prune":
		c.message += "\n\nAllow-Prune: yes\n"
		return nil
	}
	o, ok := c.objects[key]
	if !ok {
		var err error
		if o, err = newObject(key); err != nil {
			return err
		}
	}
	o, err := o.say(words[1:])
	c.objects[key] = o
	return err
}

// decide writes a person's decision about what the head asks for.
func (s *Sim) decide(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("decide VERB NAME [DURATION] [step=N]")
	}
	at, step := s.now, -1
	for _, arg := range args[2:] {
		if n, ok := strings.CutPrefix(arg, "step="); ok {
			var err error
			if step, err = strconv.Atoi(n); err != nil {
				return err
			}
			continue
		}
		ahead, err := time.ParseDuration(arg)
		if err != nil {
			return err
		}
		at = at.Add(ahead)
	}
	set, err := s.repo.load(s.repo.head)
	if err != nil {
		return err
	}
	if claim, ok := strings.CutPrefix(args[1], "pvc/"); ok {
		s.repo.decisions = append(s.repo.decisions, manifest.Decision{
			Time: at, Verb: args[0], App: manifest.ClaimID("default", claim), Rev: "-", Who: "sim", Note: s.repo.head,
		})
		return nil
	}
	i := slices.IndexFunc(set.Workloads, func(w manifest.Workload) bool { return w.Name == args[1] })
	if i < 0 {
		return fmt.Errorf("%w: no workload %s", errNothing, args[1])
	}
	w := set.Workloads[i]
	d := manifest.Decision{Time: at, Verb: args[0], App: w.ID, Rev: w.Revision.Rev, Who: "sim", Note: s.repo.head}
	if d.Verb == "promote" || d.Verb == "skip" {
		if d.Step = step; step < 0 {
			d.Step = s.stepOf(w.ID)
		}
	}
	s.repo.decisions = append(s.repo.decisions, d)
	return nil
}

// stepOf is how many steps of a workload's rollout are done, as a controller sees it that begins now.
func (s *Sim) stepOf(id manifest.ID) int {
	for _, name := range slices.Sorted(maps.Keys(s.controllers)) {
		d := s.dry(s.controllers[name])
		defer d.rec.Close()
		for _, a := range d.rec.Pass(context.Background()).Plan.Apps {
			if a.ID == id && a.Rollout != nil {
				return a.Rollout.Step
			}
		}
	}
	return 0
}
