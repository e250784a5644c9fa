package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/node"
)

// execs is how many commands are run one after the other, in each way in turn.
const execs = 10

// commands has one command run in a container of n1, as the node side does it and through Podman's API, in turn.
func (f *fleet) commands(ctx context.Context, runs int) ([]row, error) {
	pod, err := f.apis[0].probed(ctx)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var ours, theirs []time.Duration
	for range runs {
		said, err := f.nest.Output(ctx, "n1", self, "-exec", pod.id)
		if err != nil {
			return nil, err
		}
		var took []time.Duration
		if err := json.Unmarshal([]byte(said), &took); err != nil {
			return nil, fmt.Errorf("%w: %s", err, said)
		}
		ours = append(ours, took...)
		for range execs {
			began := time.Now()
			if err := f.apis[0].exec(ctx, pod.id, probeCommand); err != nil {
				return nil, err
			}
			theirs = append(theirs, time.Since(began))
		}
	}
	ratio := quotient(median(ours), median(theirs))
	return []row{{"an exec probe", spread(ours), "Podman's exec: " + spread(theirs), ratio, "<= 1.00", ratio <= 1}}, nil
}

var probeCommand = []string{"/app", "started"}

// probeOnce is what this program does on a node: it runs the command as the node side there does, and prints how long each run took.
func probeOnce(ctx context.Context, container string) error {
	p, took := node.NewProber(), []time.Duration{}
	for range execs {
		began := time.Now()
		a := p.Run(ctx, node.Target{ID: container}, &corev1.Probe{TimeoutSeconds: 60, ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: probeCommand}}})
		if !a.OK {
			return errors.New(a.Why)
		}
		took = append(took, time.Since(began))
	}
	return json.NewEncoder(os.Stdout).Encode(took)
}

// exec runs a command in a container, and waits for its end.
func (a *api) exec(ctx context.Context, container string, command []string) error {
	var made struct{ ID string }
	body := encode(map[string]any{"Cmd": command, "AttachStdout": true, "AttachStderr": true})
	if err := a.do(ctx, http.MethodPost, "/v4.0.0/libpod/containers/"+container+"/exec", body, &made); err != nil {
		return err
	}
	if err := a.do(ctx, http.MethodPost, "/v4.0.0/libpod/exec/"+made.ID+"/start", encode(map[string]any{"Detach": false}), nil); err != nil {
		return err
	}
	var end struct {
		Running  bool
		ExitCode int
	}
	err := a.do(ctx, http.MethodGet, "/v4.0.0/libpod/exec/"+made.ID+"/json", nil, &end)
	if err == nil && (end.Running || end.ExitCode != 0) {
		err = fmt.Errorf("exec: running %v, code %d", end.Running, end.ExitCode)
	}
	return err
}
