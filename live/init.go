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

// Due are the containers that exist, were never started in their newest attempt, and whose turn it is: one init container at a time, in
// order, then all the others. It is the kubelet's order.
func Due(init []Init, have []Container) []string {
	state := map[string]Container{}
	for _, c := range have {
		state[c.Name] = c
	}
	first := map[string]bool{}
	for _, i := range init {
		first[i.Name] = true
		switch c := state[i.Name]; {
		case c.State == Created:
			return []string{i.Name}
		case i.Sidecar && c.State == Running:
		case !i.Sidecar && c.State == Exited && c.Exit == 0:
		default:
			return nil
		}
	}
	var due []string
	for _, c := range have {
		if c.State == Created && !first[c.Name] {
			due = append(due, c.Name)
		}
	}
	return due
}

// Over says whether a pod has nothing left to do: its restartPolicy starts none of its main containers again, and all have
// ended, or an init container failed for good. Then Run stops the sidecars that still run, and starts nothing.
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
		exited := c.State == Exited || c.State == Stopped
		switch {
		case !first[c.Name]:
			mains++
			if exited && (c.Exit == 0 || restart == "Never") {
				ended++
			}
		case exited && c.Exit != 0 && restart == "Never" && !slices.Contains(Sidecars(init), c.Name):
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
