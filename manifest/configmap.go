package manifest

import (
	corev1 "k8s.io/api/core/v1"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// maxContent is how many bytes one key of a ConfigMap or Secret may hold: what a Podman secret can.
const maxContent = 511_999

var configMapKind = kind{
	version: "v1", name: "ConfigMap",
	empty: func() typed { return &corev1.ConfigMap{} },
	check: func(c *check, t typed) { c.configMap(t.(*corev1.ConfigMap)) },
	add: func(a *assembly, m Meta, o *object) {
		a.set.ConfigMaps = append(a.set.ConfigMaps, ConfigMap{Meta: m, Object: o.typed.(*corev1.ConfigMap)})
	},
}

func (c *check) configMap(m *corev1.ConfigMap) {
	for _, key := range sorted(m.Data) {
		c.configKey("data", key, len(m.Data[key]))
	}
	for _, key := range sorted(m.BinaryData) {
		c.configKey("binaryData", key, len(m.BinaryData[key]))
		if _, twice := m.Data[key]; twice {
			c.refuse(keyed("binaryData", key), "is in data too; keep one of them")
		}
	}
}

// configKey checks one key of a ConfigMap or Secret.
func (c *check) configKey(path, key string, size int) {
	c.refuseAll(keyed(path, key), util.IsConfigMapKey(key))
	if size > maxContent {
		c.refuse(keyed(path, key), "has %d bytes, %d at most can be kept on a node; split it over several keys, or put it in the image",
			size, maxContent)
	}
}
