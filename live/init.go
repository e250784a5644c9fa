package live

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Init is an init container: it runs to its end before the next one starts. A Sidecar (restartPolicy: Always) only has to
// be running, and is stopped when all containers of a pod that is to end have ended.
type Init struct {
	Name    string
	Sidecar bool
}

// InitOf are a spec's init containers.
func InitOf(spec corev1.PodSpec) (init []Init) {
	for _, c := range spec.InitContainers {
		init = append(init, Init{
			Name: c.Name, Sidecar: c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways,
		})
	}
	return init
}

// Ended says whether the container ran to an end of its own, or of somebody's will: it has an exit code.
func (c Container) Ended() bool {
	return (c.State == Exited || c.State == Stopped) && !c.Felled()
}

// Felled says whether the container was running when its host went down, and was not started since: it has come to no end, whatever
// exit code stands there. Podman 4 shows it as created, with the time of its start; Podman 5 as exited, at no time. One that ended before it
// started has ended: its host's clock was set back.
func (c Container) Felled() bool {
	switch c.State {
	case Created:
		return !c.Started.IsZero()
	case Exited, Stopped:
		return !c.Started.IsZero() && c.Finished.IsZero()
	}
	return false
}

// waits says whether the container exists and is to be started as it is.
func (c Container) waits() bool { return c.State == Created || c.Felled() }

// Due are the containers that exist, were never started in their newest attempt or were felled in it, and whose turn it is: one init
// container at a time, in order, then all the others. It is the kubelet's order.
func Due(init []Init, have []Container) []string {
	state := map[string]Container{}
	for _, c := range have {
		state[c.Name] = c
	}
	first := map[string]bool{}
	for _, i := range init {
		first[i.Name] = true
		switch c := state[i.Name]; {
		case c.waits():
			return []string{i.Name}
		case i.Sidecar && c.State == Running:
		case !i.Sidecar && c.Ended() && c.Exit == 0:
		default:
			return nil
		}
	}
	var due []string
	for _, c := range have {
		if c.waits() && !first[c.Name] {
			due = append(due, c.Name)
		}
	}
	return due
}

// Over says whether a pod has nothing left to do: its restartPolicy starts none of its main containers again, and all have
// ended, or an init container failed for good. What a restart of the host cut off has not ended. When a pod is over, Run stops the
// sidecars that still run, and starts nothing.
func Over(restart string, init []Init, have []Container) bool {
	if restart != "Never" && restart != "OnFailure" {
		return false
	}
	first := map[string]bool{}
	for _, i := range init {
		first[i.Name] = true
	}
	mains, ended := 0, 0
	for _, c := range have {
		switch {
		case !first[c.Name]:
			mains++
			if c.Ended() && (c.Exit == 0 || restart == "Never") {
				ended++
			}
		case c.Ended() && c.Exit != 0 && restart == "Never" && !slices.Contains(Sidecars(init), c.Name):
			return true
		}
	}
	return mains > 0 && ended == mains
}

// Sidecars are the names of the init containers that go on beside the main ones.
func Sidecars(init []Init) (names []string) {
	for _, i := range init {
		if i.Sidecar {
			names = append(names, i.Name)
		}
	}
	return names
}

func joinInit(all []Init) string {
	var parts []string
	for _, i := range all {
		if i.Sidecar {
			i.Name += "+"
		}
		parts = append(parts, i.Name)
	}
	return strings.Join(parts, ",")
}

func parseInit(label string) []Init {
	if label == "" {
		return nil
	}
	var all []Init
	for _, part := range strings.Split(label, ",") {
		name, sidecar := strings.CutSuffix(part, "+")
		all = append(all, Init{name, sidecar})
	}
	return all
}
