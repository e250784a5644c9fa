package manifest

import (
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// volumes checks that each has a name of its own and one source.
func (c *check) volumes(at string, pod corev1.PodSpec) {
	taken := map[string]bool{}
	for i, v := range pod.Volumes {
		here := item(at, i)
		if v.Name == "" {
			c.refuse(under(here, "name"), "is missing; give the volume a name")
			continue
		}
		c.refuseAll(under(here, "name"), util.IsDNS1123Label(v.Name))
		if taken[v.Name] {
			c.refuse(under(here, "name"), "%q is taken by another volume", v.Name)
		}
		taken[v.Name] = true
		c.volume(here, v, pod)
	}
}

func (c *check) volume(at string, v corev1.Volume, pod corev1.PodSpec) {
	sources := 0
	if v.EmptyDir != nil {
		sources++
		c.emptyDir(under(at, "emptyDir"), v.EmptyDir)
	}
	if v.HostPath != nil {
		sources++
		c.hostPath(under(at, "hostPath"), v.HostPath)
	}
	if m := v.ConfigMap; m != nil {
		sources++
		c.configVolume(under(at, "configMap"), "name", m.Name, m.DefaultMode, m.Items)
	}
	if s := v.Secret; s != nil {
		sources++
		c.configVolume(under(at, "secret"), "secretName", s.SecretName, s.DefaultMode, s.Items)
	}
	if p := v.PersistentVolumeClaim; p != nil {
		sources++
		c.named(under(at, "persistentVolumeClaim.claimName"), p.ClaimName)
	}
	if d := v.DownwardAPI; d != nil {
		sources++
		c.mode(under(at, "downwardAPI.defaultMode"), d.DefaultMode)
		c.downward(under(at, "downwardAPI.items"), d.Items, pod)
	}
	if p := v.Projected; p != nil {
		sources++
		c.projected(under(at, "projected"), p, pod)
	}
	if sources > 1 {
		c.refuse(at, "has %d sources; a volume has one", sources)
	}
}

func (c *check) emptyDir(at string, e *corev1.EmptyDirVolumeSource) {
	switch {
	case strings.HasPrefix(string(e.Medium), string(corev1.StorageMediumHugePages)):
		c.refuse(under(at, "medium"), "%s is not supported yet; write Memory, or leave it out for the disk", e.Medium)
	case e.Medium != "":
		c.oneOf(under(at, "medium"), string(e.Medium), "Memory")
	}
	switch limit := e.SizeLimit; {
	case limit == nil:
	case limit.Sign() < 0:
		c.refuse(under(at, "sizeLimit"), "%s is less than 0", limit.String())
	case e.Medium == "":
		c.notice(under(at, "sizeLimit"), "is not held on disk yet; with medium: Memory it is")
	}
}

func (c *check) hostPath(at string, h *corev1.HostPathVolumeSource) {
	if !path.IsAbs(h.Path) || slices.Contains(strings.Split(h.Path, "/"), "..") {
		c.refuse(under(at, "path"), "%q is not an absolute path without ..", h.Path)
	}
	if h.Type == nil || *h.Type == "" {
		return
	}
	switch *h.Type {
	case corev1.HostPathCharDev, corev1.HostPathBlockDev:
		c.refuse(under(at, "type"), "%s is not supported yet; a limit such as podkeep.io/dev.sdb: 1 gives a container a device of the node", *h.Type)
	default:
		c.oneOf(under(at, "type"), string(*h.Type), "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
	}
}

func (c *check) configVolume(at, field, name string, mode *int32, items []corev1.KeyToPath) {
	if name == "" {
		c.refuse(under(at, field), "is missing; write the name of the object")
	}
	c.mode(under(at, "defaultMode"), mode)
	taken := map[string]bool{}
	for i, it := range items {
		here := item(under(at, "items"), i)
		if it.Key == "" {
			c.refuse(under(here, "key"), "is missing; write a key of the object")
		}
		c.inside(under(here, "path"), it.Path)
		if taken[path.Clean(it.Path)] {
			c.refuse(under(here, "path"), "%q is taken by another key", it.Path)
		}
		taken[path.Clean(it.Path)] = true
		c.mode(under(here, "mode"), it.Mode)
	}
}

func (c *check) mode(at string, mode *int32) {
	if mode != nil && (*mode < 0 || *mode > 0o777) {
		c.refuse(at, "%d is not a file mode from 0 to 0777", *mode)
	}
}
