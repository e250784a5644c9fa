package podman

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/containers/podman/v4/pkg/bindings/images"
	"github.com/containers/podman/v4/pkg/specgen"
	corev1 "k8s.io/api/core/v1"
)

// seccompDir is where seccomp profiles of type Localhost lie on a node, the kubelet's own place.
const seccompDir = "/var/lib/kubelet/seccomp"

// security merges the pod's context and the container's, which wins.
func (b *builder) security(ctx context.Context, s *specgen.SpecGenerator, c *corev1.Container) error {
	pod, own := b.podSecurity(), c.SecurityContext
	if own == nil {
		own = &corev1.SecurityContext{}
	}
	var err error
	if s.User, err = b.user(ctx, c); err != nil {
		return err
	}
	for _, g := range pod.SupplementalGroups {
		s.Groups = append(s.Groups, strconv.FormatInt(g, 10))
	}
	if pod.FSGroup != nil {
		s.Groups = append(s.Groups, strconv.FormatInt(*pod.FSGroup, 10))
	}
	s.Privileged = is(own.Privileged)
	s.ReadOnlyFilesystem = is(own.ReadOnlyRootFilesystem)
	s.NoNewPrivileges = own.AllowPrivilegeEscalation != nil && !*own.AllowPrivilegeEscalation
	if own.Capabilities != nil {
		s.CapAdd, s.CapDrop = capabilities(own.Capabilities.Add), capabilities(own.Capabilities.Drop)
	}
	if own.ProcMount != nil && *own.ProcMount == corev1.UnmaskedProcMount {
		s.Unmask = []string{"ALL"}
	}
	s.SeccompProfilePath = seccomp(first(own.SeccompProfile, pod.SeccompProfile))
	return nil
}

func (b *builder) podSecurity() corev1.PodSecurityContext {
	if sc := b.pod.Spec.SecurityContext; sc != nil {
		return *sc
	}
	return corev1.PodSecurityContext{}
}

// seccomp is a profile's path on the node; empty stands for Podman's own profile.
func seccomp(p *corev1.SeccompProfile) string {
	switch {
	case p == nil:
		return ""
	case p.Type == corev1.SeccompProfileTypeUnconfined:
		return "unconfined"
	case p.Type == corev1.SeccompProfileTypeLocalhost && p.LocalhostProfile != nil:
		return path.Join(seccompDir, path.Join("/", *p.LocalhostProfile))
	}
	return ""
}

// user is who a container runs as, in Podman's form UID[:GID]; empty leaves it to the image. The image is looked at only
// when the manifest leaves open what it decides.
func (b *builder) user(ctx context.Context, c *corev1.Container) (string, error) {
	pod, own := b.podSecurity(), c.SecurityContext
	if own == nil {
		own = &corev1.SecurityContext{}
	}
	uid, gid := first(own.RunAsUser, pod.RunAsUser), first(own.RunAsGroup, pod.RunAsGroup)
	user := ""
	if uid != nil {
		user = strconv.FormatInt(*uid, 10)
	}
	nonRoot := is(first(own.RunAsNonRoot, pod.RunAsNonRoot))
	if uid == nil && (gid != nil || nonRoot) {
		var err error
		if user, err = imageUser(ctx, c.Image); err != nil {
			return "", err
		}
	}
	if why := root(user, c.Image, uid != nil); nonRoot && why != "" {
		return "", fmt.Errorf("securityContext.runAsNonRoot is true and %s", why)
	}
	switch {
	case gid != nil:
		user, _, _ = strings.Cut(user, ":")
		return fmt.Sprintf("%s:%d", or(user, "0"), *gid), nil
	case uid == nil:
		return "", nil
	}
	return user, nil
}

// root says why it is not certain that a user is not root.
func root(user, image string, asked bool) string {
	name, _, _ := strings.Cut(user, ":")
	id, err := strconv.Atoi(name)
	switch {
	case asked && id == 0:
		return "runAsUser is 0: write another user"
	case name == "" || err == nil && id == 0:
		return "image " + image + " runs as root: write runAsUser"
	case err != nil:
		return fmt.Sprintf("image %s runs as %s, which may be root: write runAsUser", image, name)
	}
	return ""
}

// imageUser is the user that an image names, or "".
func imageUser(ctx context.Context, image string) (string, error) {
	report, err := images.GetImage(ctx, image, nil)
	switch {
	case because(clean(err), noSuchImage):
		return "", fmt.Errorf("image %s is not on the node", image)
	case err != nil:
		return "", err
	case report.ImageData == nil:
		return "", fmt.Errorf("image %s: Podman tells nothing about it", image)
	}
	if report.User == "" && report.Config != nil {
		return report.Config.User, nil
	}
	return report.User, nil
}

// first is the first that is given.
func first[T any](all ...*T) *T {
	for _, one := range all {
		if one != nil {
			return one
		}
	}
	return nil
}

func is(b *bool) bool { return b != nil && *b }

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func capabilities(all []corev1.Capability) []string {
	var names []string
	for _, c := range all {
		names = append(names, string(c))
	}
	return names
}
