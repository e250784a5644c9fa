package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
)

// deployment is the example's, as the controller's status has it.
func (d *demo) deployment(ctx context.Context) (*appsv1.Deployment, error) {
	found := &appsv1.Deployment{}
	ok := false
	err := d.objects(ctx, "Deployment", func(data []byte) error { ok = true; return json.Unmarshal(data, found) })
	if err == nil && !ok {
		err = errors.New("no Deployment yet")
	}
	return found, err
}

// objects gives each object of a kind in the controller's status.
func (d *demo) objects(ctx context.Context, kind string, each func([]byte) error) error {
	data, err := d.get(ctx, "/status")
	if err != nil {
		return err
	}
	var list struct{ Items []json.RawMessage }
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	for _, item := range list.Items {
		var head struct{ Kind string }
		if err := json.Unmarshal(item, &head); err != nil {
			return err
		}
		if head.Kind != kind {
			continue
		}
		if err := each(item); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) farewell() {
	d.say("\n%s  %s\n\n", d.bold("That is it."), d.dim(d.elapsed()))
	d.say(`The fleet and its controller (log: %[1]s/controller.log) run on. To try next:

  cd %[1]s; alias podkeep=%[2]s
  podkeep status --config podkeep.yaml -o wide
  curl %[6]s            # the Service, on any node
  podkeep dev kill n2 --name %[4]s            # its pods move after 30 s
  podkeep dev heal n2 --name %[4]s            # it comes back, and what is too many goes
  podkeep dev exec n1 --name %[4]s -- podman pod rm -fa    # put back at once
  (cd work && sed -i s/hello:v1/hello:v2/ deployment.yaml && git commit -am v2 && git push)
  podkeep rollout rollout/hello --config podkeep.yaml     # it waits for you
  podkeep promote rollout/hello --config podkeep.yaml
  curl -s 'http://%[3]s/status?o=wide'

  %[5]s
`, d.fleet.Dir, d.self, d.listen, d.name, d.goodbye(), d.doors[0])
}

// goodbye is the command that removes what the demo made.
func (d *demo) goodbye() string {
	if d.name == "demo" {
		return "make demo-down                             # leaves no trace"
	}
	return "podkeep dev down --name " + d.name
}

func (d *demo) whatRemains() string {
	if d.fleet == nil {
		return ""
	}
	return "The fleet is left as it is, for a look; its controller's log is " + d.file("controller.log") +
		". Remove all of it with: podkeep dev down --name " + d.name
}

func (d *demo) say(format string, args ...any) { _, _ = fmt.Fprintf(d.out, format, args...) }

// shown prints a command as a person would type it.
func (d *demo) shown(command string) { d.say("%s\n", d.bold("$ "+command)) }

func (d *demo) elapsed() string { return fmt.Sprintf("%.1fs", time.Since(d.began).Seconds()) }

func (d *demo) bold(s string) string { return d.paint("1;36", s) }
func (d *demo) dim(s string) string  { return d.paint("2", s) }

func (d *demo) paint(code, s string) string {
	if !d.color {
		return s
	}
	return "\033[" + code + "m" + s + "\033[0m"
}

func indent(text, prefix string) string {
	return prefix + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+prefix)
}
