package manifest

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// withModes gives each file that has no mode of its own the volume's.
func withModes(items []corev1.DownwardAPIVolumeFile, mode *int32) []corev1.DownwardAPIVolumeFile {
	for i := range items {
		items[i].Mode = modeOf(items[i].Mode, mode)
	}
	return items
}

// texts are the files that the downward API makes for the pod of that name.
func (r Revision) texts(name string) []Text {
	var all []Text
	for _, v := range r.Spec.Volumes {
		if v.DownwardAPI == nil {
			continue
		}
		for _, it := range v.DownwardAPI.Items {
			all = append(all, Text{Volume: v.Name, Path: it.Path, Mode: *modeOf(it.Mode), Data: Bytes(r.text(it, name))})
		}
	}
	return all
}

func (r Revision) text(it corev1.DownwardAPIVolumeFile, name string) string {
	if it.ResourceFieldRef != nil {
		value, _ := amountOf(it.ResourceFieldRef, corev1.Container{}, r.Spec)
		return value
	}
	switch it.FieldRef.FieldPath {
	case "metadata.labels":
		return listing(r.Labels)
	case "metadata.annotations":
		return listing(r.Annotations)
	}
	return r.field(it.FieldRef.FieldPath, name)
}

// listing is a line key="value" for each entry, sorted.
func listing(m map[string]string) string {
	lines := make([]string, 0, len(m))
	for _, key := range sorted(m) {
		lines = append(lines, fmt.Sprintf("%s=%q", key, m[key]))
	}
	return strings.Join(lines, "\n")
}

// maxTexts is how many bytes the files that the downward API makes for one pod may have together.
const maxTexts = 1 << 20

// checkTexts refuses what no pod could have: a file of an amount that is nowhere written, a subPathExpr that leads astray, more than
// maxTexts, and a full name that is too long in any domain.
func (s *sources) checkTexts(at string, spec corev1.PodSpec) {
	sizes, left := map[string]int{}, maxTexts
	for i, v := range spec.Volumes {
		if v.DownwardAPI == nil {
			continue
		}
		here := item(under(at, "volumes"), i)
		for _, it := range v.DownwardAPI.Items {
			if ref := it.ResourceFieldRef; ref != nil {
				if _, ok := amountOf(ref, corev1.Container{}, spec); !ok {
					s.refuse(here, "file %q: %s", it.Path, noAmount(ref, ""))
				}
				continue
			}
			field := it.FieldRef.FieldPath
			if _, known := sizes[field]; !known {
				sizes[field] = len(s.pod.text(it, longName))
			}
			if left -= sizes[field]; left < 0 {
				s.refuse(here, "file %q: with it what the downward API writes for one pod has more than %d KiB; leave out what is not needed", it.Path, maxTexts>>10)
				break
			}
		}
	}
	if shortest := max(1, len(spec.Hostname)) + 1 + len(domainOf(spec, s.namespace, "x")); isFull(spec) && shortest > MaxHostname {
		s.refuse(under(at, "setHostnameAsFQDN"), "%s.%s has more than the %d letters of a host's name; choose shorter ones",
			or(spec.Hostname, "NAME"), domainOf(spec, s.namespace, "DOMAIN"), MaxHostname)
	}
}

// checkSubPaths refuses a part of a volume that no pod of the revision could mount.
func (r Revision) checkSubPaths(c *check, at string) {
	spec := *r.Spec.DeepCopy()
	eachContainer(at, &spec, func(at string, k *corev1.Container) {
		known := map[string]bool{}
		for _, env := range k.Env {
			known[env.Name] = true
		}
		written := map[int]string{}
		for i, m := range k.VolumeMounts {
			written[i] = m.SubPathExpr
		}
		r.settle(k, "pod")
		for i, m := range k.VolumeMounts {
			here := under(item(under(at, "volumeMounts"), i), "subPathExpr")
			for _, name := range references(written[i]) {
				if !known[name] {
					c.refuse(here, "the container has no variable %q%s", name, didYouMean(name, sorted(known)))
					return
				}
			}
			if written[i] != "" {
				c.inside(here, m.SubPath)
			} else {
				here = under(item(under(at, "volumeMounts"), i), "subPath")
			}
			r.checkFiles(c, here, m)
		}
	})
}

// checkFiles refuses a subPath that is neither one of the files that a volume is made of, nor a directory of them.
func (r Revision) checkFiles(c *check, at string, m corev1.VolumeMount) {
	i := slices.IndexFunc(r.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
	if m.SubPath == "" || i < 0 || r.Spec.Volumes[i].Secret == nil || r.Spec.Volumes[i].DownwardAPI != nil {
		return
	}
	var files []string
	for _, it := range r.Spec.Volumes[i].Secret.Items {
		if within(path.Clean(it.Path), path.Clean(m.SubPath)) {
			return
		}
		files = append(files, it.Path)
	}
	c.refuse(at, "%q is none of the volume's files%s", m.SubPath, didYouMean(m.SubPath, files))
}
