package sim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podkeep/podkeep/drivers/fake"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
)

// errNothing is what comes of a command whose object is not there.
var errNothing = errors.New("nothing is done")

// fault are the commands by which things go wrong.
func (s *Sim) fault(verb string, args []string) (bool, error) {
	node := one(args)
	switch verb {
	case "partition":
		s.world.Cut(node, true)
	case "heal":
		s.world.Cut(node, false)
	case "die":
		s.world.Die(node)
	case "return":
		s.world.Return(node)
	case "reboot":
		podman := 4
		if slices.Contains(args[1:], "podman=5") {
			podman = 5
		}
		s.world.Reboot(node, podman)
	case "wipe", "replace":
		s.world.Wipe(node)
	case "address":
		s.world.Address(node, one(args[1:]))
	case "clone":
		if len(args) != 2 {
			return true, fmt.Errorf("clone FROM TO")
		}
		s.world.Clone(args[0], args[1])
	case "mend":
		s.world.Mend(node)
	case "users":
		s.world.Users(node)
	case "table":
		s.world.Late(node, one(args[1:]) == "late")
		s.world.Older(node, one(args[1:]) == "older")
	case "door":
		s.world.Freeze(node, one(args[1:]) == "frozen")
	case "listen":
		return true, s.listen(node, args[min(1, len(args)):])
	case "lose", "restore":
		if len(args) != 3 || args[1] != "claim" {
			return true, fmt.Errorf("%s NODE claim NAME", verb)
		}
		if verb == "lose" {
			s.world.Drop(node, cluster, "default/"+args[2])
		} else {
			s.world.Restore(node, cluster, "default/"+args[2])
		}
	case "skew":
		d, err := time.ParseDuration(one(args[1:]))
		s.world.Skew(node, d)
		return true, err
	case "fail", "deaf":
		return true, s.fail(verb, args)
	default:
		return false, nil
	}
	return true, nil
}

// listen has a host listen at ports itself, each as 80/tcp.
func (s *Sim) listen(node string, texts []string) error {
	var ports []route.HostPort
	for _, text := range texts {
		var p route.HostPort
		if err := p.UnmarshalText([]byte(text)); err != nil {
			return err
		}
		ports = append(ports, p)
	}
	s.world.Listen(node, ports...)
	return nil
}

func (s *Sim) fail(verb string, args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("%s NODE CALL [N]", verb)
	}
	times := 1
	if len(args) > 2 {
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		times = n
	}
	if verb == "deaf" {
		s.world.Lose(args[0], fake.Call(args[1]), times)
		return nil
	}
	s.world.Fail(args[0], fake.Call(args[1]), times)
	return nil
}

// byHand are the commands by which people meddle.
func (s *Sim) byHand(verb string, args []string) (bool, error) {
	switch verb {
	case "crash", "rm":
		name, err := s.podOf(args)
		if err != nil {
			return true, err
		}
		if verb == "crash" && s.world.Crash(name) != nil {
			return true, fmt.Errorf("%w: nothing of %s runs", errNothing, name)
		} else if verb == "crash" {
			return true, nil
		}
		return true, s.world.Remove(name)
	case "erase":
		return true, s.erase(one(args), args[min(1, len(args)):])
	case "foreign":
		return true, s.foreign(args)
	case "adopt":
		return true, s.adopt(one(args))
	case "forge":
		return true, s.forge(args)
	}
	return false, nil
}

// podOf finds the pod of a workload's slot; of several, the first by node and name.
func (s *Sim) podOf(args []string) (string, error) {
	if len(args) != 2 {
		return "", fmt.Errorf("NAME SLOT")
	}
	for _, host := range s.world.Hosts() {
		for _, p := range s.world.Truth(host, cluster).Pods {
			if p.App.Name == args[0] && strconv.Itoa(p.Slot) == args[1] {
				return p.Name, nil
			}
		}
	}
	return "", fmt.Errorf("%w: no pod of %s has slot %s", errNothing, args[0], args[1])
}

func (s *Sim) erase(prefix string, from []string) error {
	if len(from) == 0 {
		from = s.world.Hosts()
	}
	for _, host := range from {
		n := s.world.Truth(host, cluster)
		for _, f := range n.Files {
			if strings.HasPrefix(f.Name, prefix) {
				_ = s.world.Erase(f.Name, host)
			}
		}
		for _, r := range n.Receipts {
			if strings.HasPrefix(r.File, prefix) {
				_ = s.world.Erase(r.File, host)
			}
		}
	}
	return nil
}

func (s *Sim) foreign(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("foreign NODE NAME")
	}
	said := pairs(strings.ReplaceAll(strings.Join(args[2:], ","), "=", ":"))
	var labels map[string]string
	if said["app"] != "" {
		app, err := manifest.ParseID(said["app"])
		if err != nil {
			return err
		}
		slot, _ := strconv.Atoi(said["slot"])
		labels = live.PodLabels(live.Pod{
			Cluster: said["cluster"], Source: said["source"], App: app, Slot: slot, Gen: 1,
			Rev: "v1-f0f0f0f0f0f0", Commit: "x9", Expect: []string{"main"}, Restart: "Always",
		})
	}
	if said["ip"] != "" {
		labels = map[string]string{live.LabelIP: said["ip"]}
	}
	s.world.Foreign(args[0], args[1], labels)
	return nil
}
