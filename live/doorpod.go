package live

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/manifest"
)

// DoorName is how Podman shows a door. No other pod has such a name: those end in a slot.
func DoorName(cluster, rev string) string {
	return strings.TrimLeft(unless("default", cluster)+"_podkeep-door-"+ShortRev(rev), "_")
}

// DoorSpec is what a door's pod of that name is made of. It is on its host's network, and may listen at any port there, and no more. It asks for no room, as the
// node side does not. It may make its claim DoorVolume. What clients have begun may go on for its grace.
func DoorSpec(image, pod string) corev1.PodSpec {
	yes, no, grace := true, false, int64(60)
	return corev1.PodSpec{
		HostNetwork: true, RestartPolicy: corev1.RestartPolicyAlways, TerminationGracePeriodSeconds: &grace,
		Volumes: []corev1.Volume{claimed(DoorVolume)},
		Containers: []corev1.Container{{
			Name: DoorContainer, Image: image, ImagePullPolicy: corev1.PullNever,
			Command: []string{SideProgram, "door", "run", "--pod", pod},
			SecurityContext: &corev1.SecurityContext{
				Capabilities:           &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"NET_BIND_SERVICE"}},
				ReadOnlyRootFilesystem: &yes, AllowPrivilegeEscalation: &no,
			},
			VolumeMounts: []corev1.VolumeMount{{Name: DoorVolume, MountPath: DoorDir}},
		}},
	}
}

func claimed(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}}}
}

// IsDoor says whether labels are those of a door's pod. A driver that runs one has Podman itself start it again when it ends.
func IsDoor(labels map[string]string) bool {
	return labels[LabelSide] != "" && labels[LabelApp] == DoorApp.String()
}

// IsOwn says whether pods of that are podkeep's own, and no workload's.
func IsOwn(app manifest.ID) bool { return app == SideApp || app == DoorApp }

// SideClaims are those of the node side, of which DoorVolume is its doors' too.
func SideClaims() []string { return []string{SideVolume, DoorVolume} }
