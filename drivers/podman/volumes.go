package podman

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containers/podman/v4/pkg/bindings/volumes"
	"github.com/containers/podman/v4/pkg/domain/entities"
	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
)

// labelClaim is on the Podman volume behind a claim: its namespace/name. One that a person made need not have it.
const labelClaim = "podkeep.io/claim"

// checkVolume refuses what Podman could only do wrong.
func (b *builder) checkVolume(v corev1.Volume) error {
	known := v.EmptyDir != nil || v.HostPath != nil || v.Secret != nil || v.PersistentVolumeClaim != nil
	switch {
	case v.VolumeSource != (corev1.VolumeSource{}) && !known:
		return fmt.Errorf("only emptyDir, hostPath, persistentVolumeClaim and files can be mounted")
	case inMemory(v.VolumeSource) && len(b.texts[v.Name]) > 0:
		return fmt.Errorf("the downward API cannot write into a volume in memory")
	}
	return nil
}

func inMemory(v corev1.VolumeSource) bool {
	return v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory
}

// own says whether the pod has a Podman volume of its own behind the volume, which goes with the pod: emptyDirs, what the
// downward API writes into, and programs.
func (b *builder) own(name string) bool {
	v, ok := b.vols[name]
	return ok && (v.EmptyDir != nil || v == corev1.VolumeSource{} || len(b.texts[name]) > 0)
}

// podmans is the Podman volume behind a volume, or "".
func (b *builder) podmans(name string) string {
	switch {
	case b.programs[name] != nil:
		return live.PodVolume(b.pod.Name, name+copied)
	case b.own(name):
		return live.PodVolume(b.pod.Name, name)
	}
	if pvc := b.vols[name].PersistentVolumeClaim; pvc != nil {
		return b.driver.claimVolume(b.claim(pvc))
	}
	return ""
}

// volumeNames are the Podman volumes that go with the pod, sorted.
func (b *builder) volumeNames() []string {
	var names []string
	for name := range b.vols {
		if b.own(name) {
			names = append(names, b.podmans(name))
		}
	}
	slices.Sort(names)
	return names
}

// makeVolumes makes the pod's own volumes and the claims' that it may make, and sees that the other claims' are there. All are there before
// the first container; the pod's own go before the pod does, a claim's stays for ever.
func (d *Driver) makeVolumes(ctx context.Context, b *builder) error {
	for _, v := range b.pod.Spec.Volumes {
		var err error
		switch pvc := v.PersistentVolumeClaim; {
		case b.own(v.Name):
			if err = makeVolume(ctx, b.emptyDir(v)); err == nil {
				err = d.ownVolume(ctx, b.podmans(v.Name), b.pod.Name)
			}
		case pvc != nil && slices.Contains(b.pod.Make, pvc.ClaimName):
			err = makeVolume(ctx, b.claimed(pvc))
		case pvc != nil:
			err = d.findClaim(ctx, b.claim(pvc))
		}
		if err != nil {
			return fmt.Errorf("volume %s: %w", v.Name, err)
		}
	}
	return nil
}

// makeVolume makes a volume unless it is there.
func makeVolume(ctx context.Context, o entities.VolumeCreateOptions) error {
	_, err := volumes.Create(ctx, o, nil)
	if because(clean(err), volumeExists) {
		return nil
	}
	return err
}

// ownVolume refuses a volume of a name that is not the pod's own.
func (d *Driver) ownVolume(ctx context.Context, name, pod string) error {
	v, err := volumes.Inspect(ctx, name, nil)
	if err == nil && (v.Labels[live.LabelCluster] != d.cluster || v.Labels[labelPod] != pod) {
		return fmt.Errorf("the name %s is taken by a volume that is not its own: remove or rename it", name)
	}
	return err
}

// findClaim says what is wrong when a claim's volume is not there. It is not made: what it held would seem to be lost.
func (d *Driver) findClaim(ctx context.Context, claim string) error {
	_, err := volumes.Inspect(ctx, d.claimVolume(claim), nil)
	if gone(clean(err)) {
		return fmt.Errorf("claim %s has no volume on the node, and this pod may not make it", claim)
	}
	return err
}

// emptyDir is a volume of the pod's own. It belongs to root and to fsGroup.
func (b *builder) emptyDir(v corev1.Volume) entities.VolumeCreateOptions {
	o := entities.VolumeCreateOptions{Name: b.podmans(v.Name), Driver: "local", Labels: b.labels()}
	o.Labels[labelPod] = b.pod.Name
	o.Options = map[string]string{"o": fmt.Sprintf("uid=0,gid=%d", b.group())}
	if inMemory(v.VolumeSource) {
		o.Options["type"], o.Options["device"] = "tmpfs", "tmpfs"
		o.Options["o"] += fmt.Sprintf(",mode=%o%s", b.permissions(), blocks(v.EmptyDir))
	}
	return o
}

// blocks limits a tmpfs. Podman takes size= for a quota of the file system below, which few have, so the limit is told in pages.
func blocks(v *corev1.EmptyDirVolumeSource) string {
	const page = 4096
	if v.SizeLimit == nil || v.SizeLimit.IsZero() {
		return ""
	}
	return fmt.Sprintf(",nr_blocks=%d", (v.SizeLimit.Value()+page-1)/page)
}

// claim is namespace/name.
func (b *builder) claim(pvc *corev1.PersistentVolumeClaimVolumeSource) string {
	return b.pod.Namespace + "/" + pvc.ClaimName
}

// claimVolume is the Podman volume behind a claim.
func (d *Driver) claimVolume(claim string) string {
	namespace, name, _ := strings.Cut(claim, "/")
	return live.ClaimVolume(d.cluster, namespace, name)
}

func (b *builder) claimed(pvc *corev1.PersistentVolumeClaimVolumeSource) entities.VolumeCreateOptions {
	claim := b.claim(pvc)
	o := entities.VolumeCreateOptions{
		Name: b.driver.claimVolume(claim), Driver: "local",
		Labels: map[string]string{live.LabelCluster: b.driver.cluster, labelClaim: claim},
	}
	if g := b.podSecurity().FSGroup; g != nil {
		o.Options = map[string]string{"o": fmt.Sprintf("uid=0,gid=%d", *g)}
	}
	return o
}

// claims lists the claims whose volume is there, sorted. A volume is a claim's by its name alone, so that a person can restore one.
func (d *Driver) claims(ctx context.Context) ([]string, error) {
	prefix := live.ClaimVolume(d.cluster, "", "")
	prefix = prefix[:len(prefix)-1]
	listed, err := volumes.List(ctx, new(volumes.ListOptions).WithFilters(map[string][]string{"name": {"^" + prefix}}))
	if err != nil {
		return nil, err
	}
	var all []string
	for _, v := range listed {
		namespace, name, found := strings.Cut(strings.TrimPrefix(v.Name, prefix), "_")
		if claim := namespace + "/" + name; found && v.Name == d.claimVolume(claim) {
			all = append(all, claim)
		}
	}
	slices.Sort(all)
	return all, nil
}
