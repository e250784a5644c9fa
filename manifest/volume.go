package manifest

import (
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// volumes checks that each has a name of its own and one source.
func (c *check) volumes(at string, volumes []corev1.Volume) {
	taken := map[string]bool{}
	for i, v := range volumes {
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
		c.volume(here, v)
	}
}

func (c *check) volume(at string, v corev1.Volume) {
	sources := 0
	if v.EmptyDir != nil {
		sources++
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
	if sources > 1 {
		c.refuse(at, "has %d sources; a volume has one", sources)
	}
}

func (c *check) hostPath(at string, h *corev1.HostPathVolumeSource) {
	if !path.IsAbs(h.Path) || slices.Contains(strings.Split(h.Path, "/"), "..") {
		c.refuse(under(at, "path"), "%q is not an absolute path without ..", h.Path)
	}
	if h.Type != nil && *h.Type != "" {
		c.refuse(under(at, "type"), "%q is not supported yet; leave it out and make the path on the hosts: what is there is mounted, and a pod whose path is missing does not start", *h.Type)
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
		if it.Path == "" || path.IsAbs(it.Path) || slices.Contains(strings.Split(it.Path, "/"), "..") {
			c.refuse(under(here, "path"), "%q is not a relative path without ..", it.Path)
		}
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
