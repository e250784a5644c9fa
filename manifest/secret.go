package manifest

import (
	corev1 "k8s.io/api/core/v1"
)

var secretKind = kind{
	version: "v1", name: "Secret",
	empty: func() typed { return &corev1.Secret{} },
	check: func(c *check, t typed) { c.secret(t.(*corev1.Secret)) },
	add: func(a *assembly, m Meta, o *object) {
		s := o.typed.(*corev1.Secret)
		m.Annotations = without(m.Annotations, lastApplied)
		a.set.Secrets = append(a.set.Secrets, Secret{Meta: m, Type: secretType(s), Data: secretData(s)})
	},
}

// lastApplied is where kubectl keeps a copy of the whole object, a Secret's values too.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// required are the keys that a Secret of a type must have.
var required = map[corev1.SecretType][]string{
	corev1.SecretTypeTLS:              {corev1.TLSCertKey, corev1.TLSPrivateKeyKey},
	corev1.SecretTypeSSHAuth:          {corev1.SSHAuthPrivateKey},
	corev1.SecretTypeDockerConfigJson: {corev1.DockerConfigJsonKey},
	corev1.SecretTypeDockercfg:        {corev1.DockerConfigKey},
}

func (c *check) secret(s *corev1.Secret) {
	for _, key := range sorted(s.Data) {
		c.configKey("data", key, len(s.Data[key]))
	}
	for _, key := range sorted(s.StringData) {
		c.configKey("stringData", key, len(s.StringData[key]))
	}
	data := secretData(s)
	for _, key := range required[secretType(s)] {
		if _, ok := data[key]; !ok {
			c.refuse("type", "a Secret of type %s needs key %s", s.Type, key)
		}
	}
}

func secretType(s *corev1.Secret) corev1.SecretType {
	if s.Type == "" {
		return corev1.SecretTypeOpaque
	}
	return s.Type
}

// secretData is data with stringData laid over it.
func secretData(s *corev1.Secret) map[string]Bytes {
	data := make(map[string]Bytes, len(s.Data)+len(s.StringData))
	for key, value := range s.Data {
		data[key] = Bytes(value)
	}
	for key, value := range s.StringData {
		data[key] = Bytes(value)
	}
	return data
}

// without is the map less some keys.
func without(m map[string]string, drop ...string) map[string]string {
	out := make(map[string]string, len(m))
	for key, value := range m {
		out[key] = value
	}
	for _, key := range drop {
		delete(out, key)
	}
	return out
}
