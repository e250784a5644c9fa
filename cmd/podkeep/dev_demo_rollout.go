package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/status"
)

// canaryRollout puts a canary's steps over the example's Deployment.
const canaryRollout = `apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: hello}
spec:
  replicas: 3
  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: hello}
  strategy:
    canary:
      steps: [{setWeight: 33}, {pause: {}}]
`

// sidesRollout has the new pods come beside the old ones, with a Service of their own to be looked at.
const sidesRollout = `apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: hello}
spec:
  replicas: 3
  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: hello}
  strategy:
    blueGreen:
      activeService: hello
      previewService: hello-preview
      autoPromotionEnabled: false
      scaleDownDelaySeconds: 600
---
apiVersion: v1
kind: Service
metadata: {name: hello-preview}
spec:
  type: NodePort
  selector: {app: hello}
  ports: [{port: 80, targetPort: 8080, nodePort: 30089}]
`

// greets changes what hello says, and pushes it.
func (d *demo) greets(ctx context.Context, old, with string) (commit string, err error) {
	if err := d.edit("config.yaml", "greeting: "+old, "greeting: "+with); err != nil {
		return "", err
	}
	d.shown(fmt.Sprintf("sed -i 's/greeting: %s/greeting: %s/' config.yaml", old, with))
	return d.push(ctx, "say "+with)
}

// strategy writes the example's Rollout.
func (d *demo) strategy(text string) error {
	d.say("%s\n\n", indent(text, "rollout.yaml  "))
	return os.WriteFile(d.file("work", "rollout.yaml"), []byte(text), 0o644)
}

// asks pushes another greeting, and shows how its rollout waits for a person.
func (d *demo) asks(ctx context.Context, was, is string) (commit string, err error) {
	if commit, err = d.greets(ctx, was, is); err != nil {
		return "", err
	}
	if err := d.stands(ctx, commit, "Paused"); err != nil {
		return "", err
	}
	return commit, d.podkeep(ctx, "rollout", "rollout/hello", "--once")
}

// promotes has it go on to its end.
func (d *demo) promotes(ctx context.Context, commit, why string) error {
	if err := d.podkeep(ctx, "promote", "rollout/hello", "-m", why); err != nil {
		return err
	}
	if err := d.stands(ctx, commit, "Converged"); err != nil {
		return err
	}
	return d.podkeep(ctx, "status")
}

func (d *demo) canary(ctx context.Context) error {
	if err := d.strategy(canaryRollout); err != nil {
		return err
	}
	commit, err := d.asks(ctx, "good morning", "good day")
	if err != nil {
		return err
	}
	return d.promotes(ctx, commit, "they like it")
}

func (d *demo) aborted(ctx context.Context) error {
	commit, err := d.greets(ctx, "good day", "good grief")
	if err != nil {
		return err
	}
	if err := d.stands(ctx, commit, "Paused"); err != nil {
		return err
	}
	if err := d.podkeep(ctx, "abort", "rollout/hello", "-m", "nobody laughed"); err != nil {
		return err
	}
	if err := d.stands(ctx, commit, "Failed"); err != nil {
		return err
	}
	if err := d.podkeep(ctx, "status"); err != nil {
		return err
	}
	d.shown("git revert --no-edit HEAD && git push")
	if commit, err = d.reverts(ctx); err != nil {
		return err
	}
	return d.stands(ctx, commit, "Converged")
}

func (d *demo) sides(ctx context.Context) error {
	if err := d.strategy(sidesRollout); err != nil {
		return err
	}
	commit, err := d.asks(ctx, "good day", "good evening")
	if err != nil {
		return err
	}
	d.say("The preview Service leads to the new pods alone, the other one to the old ones.\n\n")
	if err := d.curlsPreview(ctx, "good evening"); err != nil {
		return err
	}
	if err := d.curl(ctx); err != nil {
		return err
	}
	return d.promotes(ctx, commit, "it is late")
}

// curlsPreview asks the preview Service on each node, once it answers there as it should.
func (d *demo) curlsPreview(ctx context.Context, greeting string) error {
	for _, n := range d.fleet.Nodes {
		door := fmt.Sprintf("http://%s:30089", n.Address)
		err := d.waitFor(ctx, "the preview to say "+greeting, func() (bool, string) {
			body, err := fetch(ctx, door)
			if err != nil {
				return false, err.Error()
			}
			return strings.HasPrefix(string(body), greeting), string(body)
		})
		if err != nil {
			return err
		}
		d.shown("curl " + door)
		body, err := fetch(ctx, door)
		if err != nil {
			return err
		}
		d.say("%s", body)
	}
	return nil
}

func (d *demo) switchedBack(ctx context.Context) error {
	d.shown("git revert --no-edit HEAD && git push")
	commit, err := d.reverts(ctx)
	if err != nil {
		return err
	}
	if err := d.stands(ctx, commit, "Converged"); err != nil {
		return err
	}
	if err := d.curl(ctx); err != nil {
		return err
	}
	return d.podkeep(ctx, "history")
}

func (d *demo) reverts(ctx context.Context) (commit string, err error) {
	if err := d.git(ctx, d.file("work"), "revert", "--no-edit", "HEAD"); err != nil {
		return "", err
	}
	return d.pushed(ctx)
}

// stands follows the Rollout until it is in a state at the commit, and prints each change of mind.
func (d *demo) stands(ctx context.Context, commit, state string) error {
	last := ""
	return d.waitFor(ctx, "hello to be "+state, func() (bool, string) {
		is, err := d.rollout(ctx)
		if err != nil {
			return false, err.Error()
		}
		if at := is[live.LabelCommit]; at != commit {
			return false, "the controller is still at " + at
		}
		if why := is[status.AnnotationWhy]; why != last {
			d.say("  %s  %s\n", d.dim(d.elapsed()), why)
			last = why
		}
		return is[status.AnnotationState] == state, is[status.AnnotationState] + ": " + last
	})
}

// rollout is what the controller's status says of the example's Rollout in annotations.
func (d *demo) rollout(ctx context.Context) (is map[string]string, err error) {
	err = d.objects(ctx, "Rollout", func(data []byte) error {
		var o metav1.PartialObjectMetadata
		err := json.Unmarshal(data, &o)
		is = o.Annotations
		return err
	})
	if err == nil && is == nil {
		err = errors.New("no Rollout yet")
	}
	return is, err
}
