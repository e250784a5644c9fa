package reconciler

import (
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podkeep/podkeep/manifest"
)

// defaultGrace is the silence-grace of a Node that does not say otherwise.
const defaultGrace = 30 * time.Second

// LocalNode is this machine, reached through its own Podman socket: root's, or the user's.
func LocalNode() manifest.Node {
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "localhost"
	}
	provider := "podman+unix://" + socket(os.Getuid(), os.Getenv("XDG_RUNTIME_DIR"))
	return manifest.Node{
		Meta:       manifest.Meta{ID: manifest.ID{Kind: "Node", Name: name}},
		ProviderID: provider,
		Grace:      defaultGrace,
		Object: &corev1.Node{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       corev1.NodeSpec{ProviderID: provider},
		},
	}
}

// socket is where Podman's service listens by default.
func socket(uid int, runtimeDir string) string {
	if uid == 0 {
		return "/run/podman/podman.sock"
	}
	if runtimeDir == "" {
		runtimeDir = fmt.Sprintf("/run/user/%d", uid)
	}
	return runtimeDir + "/podman/podman.sock"
}
