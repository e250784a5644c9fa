package manifest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

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
	token  bool            // it is to hold a service account's token, which nobody fills in
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
		cfg.token = t.Type == corev1.SecretTypeServiceAccountToken && len(cfg.data[corev1.ServiceAccountTokenKey]) == 0
	default:
		return config{}, false
	}
	cfg.keys = sorted(cfg.data)
	cfg.texts = slices.DeleteFunc(slices.Clone(cfg.keys), func(key string) bool { return cfg.binary[key] })
	return cfg, true
}

// use is how a key is named while the workload's rev is not known: kind/name/key.
func (cfg config) use(key string) string { return cfg.Kind + "/" + cfg.Name + "/" + key }

// fileName is what the File of a key is called. A ConfigMap's is named by its content. A Secret's is called by its use until setRev
// names it.
func (cfg config) fileName(key string) string {
	if cfg.Kind == "ConfigMap" {
		return fmt.Sprintf("cfg-%x", sha256.Sum256(cfg.data[key]))[:36]
	}
	return cfg.use(key)
}

// secretFile is what the File of a Secret's key is called: by the revision, and the key's position among the Secret keys that the
// workload uses, sorted by kind/name/key. A digest of the value is no part of it, for who sees one can try values against it.
func secretFile(rev string, position int) string {
	return fmt.Sprintf("sec-%s-%d", strings.TrimPrefix(rev, "v1-"), position)
}

// setRev gives the workload its rev, and with it the Files of its Secrets their names, wherever they stand. It may be called again when
// more becomes part of the rev.
func (w *Workload) setRev(rev string) {
	names := map[string]string{}
	for i, old := range w.secrets {
		names[old] = secretFile(rev, i)
	}
	w.Revision.Rev = rev
	if len(names) == 0 {
		return
	}
	rename := func(name *string) {
		if now, ok := names[*name]; ok {
			*name = now
		}
	}
	w.Revision.eachFile(rename)
	for i := range w.Revision.Files {
		rename(&w.Revision.Files[i])
	}
	for i := range w.Config {
		rename(&w.Config[i].Name)
	}
	for i := range w.secrets {
		rename(&w.secrets[i])
	}
	slices.Sort(w.Revision.Files)
	slices.SortFunc(w.Config, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
}

// eachFile calls do with each place of the spec where the name of a File stands.
func (r *Revision) eachFile(do func(name *string)) {
	eachContainer("", &r.Spec, func(_ string, k *corev1.Container) {
		for _, env := range k.Env {
			if env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil {
				do(&env.ValueFrom.SecretKeyRef.Name)
			}
		}
	})
	for _, v := range r.Spec.Volumes {
		if v.Secret != nil {
			for i := range v.Secret.Items {
				do(&v.Secret.Items[i].Key)
			}
		}
	}
	for i := range r.Spec.ImagePullSecrets {
		do(&r.Spec.ImagePullSecrets[i].Name)
	}
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
	case ok && cfg.token:
		s.refuse(at, "%s waits for the token of a service account, and there is no API server that would give one; put a token of your own in it, as stringData %s",
			id, corev1.ServiceAccountTokenKey)
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

// secrets are the uses of Secret keys, sorted.
func (s *sources) secrets() []string {
	return slices.DeleteFunc(sorted(s.used), func(use string) bool { return !strings.HasPrefix(use, "Secret/") })
}

// key finds the content of one key, and counts it as used.
func (s *sources) key(at string, cfg config, key string, optional *bool) ([]byte, bool) {
	value, ok := cfg.data[key]
	if ok {
		use := cfg.use(key)
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

// file makes a File of a key that was found, and gives the name that it has until setRev. Two uses of one key are one File.
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
