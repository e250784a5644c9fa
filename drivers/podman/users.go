package podman

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// hostsAlone are capabilities that the kernel asks of the host's root, and never of a user's.
var hostsAlone = []corev1.Capability{"SYS_TIME", "SYS_MODULE", "SYS_RAWIO", "SYS_BOOT", "SYSLOG", "MKNOD"}

// beyond refuses what a user's own Podman only seems to give. Only a pod that asks for such waits for it to be known whose Podman it is.
func (d *Driver) beyond(ctx context.Context, pod manifest.Pod) error {
	what := rootsAlone(pod.Spec)
	if what == "" || live.IsSide(pod.Labels) || !d.users(ctx) {
		return nil
	}
	return fmt.Errorf("%s: a user's own Podman gives no right on its host that he has not: leave it out, or have a nodeSelector choose hosts with root's", what)
}

// rootsAlone is what of a pod means something else where Podman is not root's.
func rootsAlone(spec corev1.PodSpec) string {
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		sc := c.SecurityContext
		if sc == nil {
			continue
		}
		if is(sc.Privileged) {
			return fmt.Sprintf("container %s: securityContext.privileged", c.Name)
		}
		if sc.Capabilities == nil {
			continue
		}
		for _, add := range sc.Capabilities.Add {
			if slices.Contains(hostsAlone, add) {
				return fmt.Sprintf("container %s: securityContext.capabilities.add %s", c.Name, add)
			}
		}
	}
	return ""
}

// lacking adds to what a runtime says of an id that a user has not, as of no other, how he gets it.
func lacking(err error) error {
	if because(err, "unable to setup user") {
		return fmt.Errorf("%w: is an id of the securityContext beyond the sub-ids of the user whose Podman this is? usermod --add-subuids and --add-subgids give more, then podman system migrate", err)
	}
	return err
}
