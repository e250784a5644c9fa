package live

import corev1 "k8s.io/api/core/v1"

// SideImage is what its image is called on hosts, but for its tag, the version. The image has the label LabelSide.
const SideImage = "localhost/podkeep-node"

// What is where in the node side's pod.
const (
	SideContainer = "node"
	SideProgram   = "/podkeep"
	SideDir       = "/var/lib/podkeep"  // its volume: what it keeps, and SideSocket
	SideSocket    = "node.sock"         // on which it answers, in SideDir
	SideHost      = "/run/podkeep-host" // the directory of Podman's own socket, as the driver binds it
	SidePodman    = "PODKEEP_PODMAN"    // the variable in which the driver tells that socket's path
	SideReached   = "."                 // what node reach says first
	SideNode      = "PODKEEP_NODE"      // what the Node is called, and
	SideAddress   = "PODKEEP_ADDRESS"   // the host's address, if its manifest says it: pods that ask are told the same by both
)

// SideSpec is what the node side's pod is made of, but for what only its driver knows of the host (IsSide). It asks for no room: a Node's is less
// by it already. Nor does it have a limit, since what a host needs to be looked after grows with what runs there. It may make its
// SideClaims.
func SideSpec(image, cluster string) corev1.PodSpec {
	yes, grace := true, int64(5)
	return corev1.PodSpec{
		HostNetwork: true, HostPID: true, RestartPolicy: corev1.RestartPolicyAlways, TerminationGracePeriodSeconds: &grace,
		Volumes: []corev1.Volume{claimed(SideVolume), claimed(DoorVolume)},
		Containers: []corev1.Container{{
			Name: SideContainer, Image: image, ImagePullPolicy: corev1.PullNever,
			Command:         []string{SideProgram, "node", "run", "--cluster", cluster},
			SecurityContext: &corev1.SecurityContext{Privileged: &yes},
			VolumeMounts:    []corev1.VolumeMount{{Name: SideVolume, MountPath: SideDir}, {Name: DoorVolume, MountPath: DoorDir}},
		}},
	}
}

// IsSide says whether labels are those of the node side's pod. A driver that runs one binds the directory of Podman's socket into it, as
// SideHost, and has Podman itself start it again when it ends: there is nobody else to do that while no controller is there.
func IsSide(labels map[string]string) bool {
	return labels[LabelSide] != "" && labels[LabelApp] == SideApp.String()
}
