package manifest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// config is the content of a ConfigMap or Secret.
type config struct {
	ID
	Origin
	data   map[string][]byte
	binary map[string]bool // keys that cannot be variables
	keys   []string        // all, sorted
	texts  []string        // those that can be variables, sorted
}

// configOf is what pods can take from the object, if it is one to take from.
func configOf(o *object) (config, bool) {
	cfg := config{ID: o.ID, Origin: o.Origin, data: map[string][]byte{}, binary: map[string]bool{}}
	switch t := o.typed.(type) {
	case *corev1.ConfigMap:
		for key, value := range t.Data {
			cfg.data[key] = []byte(value)
		}
		for key, value := range t.BinaryData {
			cfg.data[key], cfg.binary[key] = value, true
		}
	case *corev1.Secret:
		for key, value := range secretData(t) {
			cfg.data[key] = value
		}
	default:
		return config{}, false
	}
	cfg.keys = sorted(cfg.data)
	cfg.texts = slices.DeleteFunc(slices.Clone(cfg.keys), func(key string) bool { return cfg.binary[key] })
	return cfg, true
}

// fileName is what the File of a key is called. A ConfigMap's is named by its content. A Secret's name is
// never a digest of the value alone, which could be looked up.
func (cfg config) fileName(key string) string {
	value := cfg.data[key]
	if cfg.Kind == "ConfigMap" {
		return fmt.Sprintf("cfg-%x", sha256.Sum256(value))[:36]
	}
	salt := fmt.Sprintf("%s\x00%s\x00%s\x00", cfg.Namespace, cfg.Name, key)
	return fmt.Sprintf("sec-%x", sha256.Sum256(append([]byte(salt), value...)))[:36]
}

// sources look up configs for one workload and remember what was used.
type sources struct {
	*check
	*assembly
	namespace string
	pod       Revision          // whose metadata variables may have
	used      map[string]string // content by kind/name/key, for the rev
	files     map[string]File
	auths     map[string]File // what pulls images, which no node keeps
	without   []ID            // what is optional and not there
}

// config finds a ConfigMap or Secret. One that is optional may be missing, but not broken: what a file that does not
// load may hold is not known to be gone.
func (s *sources) config(at, kind, name string, optional *bool) (config, bool) {
	id := ID{Kind: kind, Namespace: s.namespace, Name: name}
	cfg, ok := s.configs[id]
	file, broken := s.set.failed[id]
	switch {
	case ok:
		return cfg, true
	case broken:
		s.refuse(at, "%s does not load, see %s", id, file)
	case optional != nil && *optional && s.unreadable == "":
		s.without = append(s.without, id)
	case optional != nil && *optional:
		s.refuse(at, "%s is optional, but may be in %s, which does not load", id, s.unreadable)
	case s.unreadable != "":
		s.refuse(at, "%s is in no file that loads; it may be in %s, which does not", id, s.unreadable)
	default:
		s.refuse(at, "%s is not in the repository; add it or set optional: true", id)
	}
	return config{}, false
}

// key finds the content of one key, and counts it as used.
func (s *sources) key(at string, cfg config, key string, optional *bool) ([]byte, bool) {
	value, ok := cfg.data[key]
	if ok {
		use := cfg.Kind + "/" + cfg.Name + "/" + key
		if _, known := s.used[use]; !known {
			s.used[use] = base64.StdEncoding.EncodeToString(value)
		}
		return value, true
	}
	if optional == nil || !*optional {
		s.refuse(at, "%s has no key %q%s", cfg.ID, key, didYouMean(key, cfg.keys))
	}
	return nil, false
}

// file makes a File of a key that was found, and gives its name.
func (s *sources) file(cfg config, key string) string {
	name := cfg.fileName(key)
	s.files[name] = File{Name: name, Data: Bytes(cfg.data[key])}
	return name
}

// pullSecret makes a File of a registry's credentials, and gives its name. It is not among those that a pod needs on its node.
func (s *sources) pullSecret(cfg config) string {
	const key = corev1.DockerConfigJsonKey
	s.key("", cfg, key, nil)
	name := cfg.fileName(key)
	s.auths[name] = File{Name: name, Data: Bytes(cfg.data[key])}
	return name
}
