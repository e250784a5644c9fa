package manifest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
)

// NetworkLayout is the version of how pods are joined to networks. It is written on each pod, and those of an older one are replaced
// as if their node were drained. It is no part of the revision: that would run every Job again.
const NetworkLayout = 1

// revOf is the digest of everything that the pods are made of: whose they are, the template as it is written, with no
// default filled in, and the content of the keys that they use. Replicas, strategy and the workload's own labels and annotations are
// no part of it; neither is the form in which the YAML is written.
func revOf(id ID, p pods, used map[string]string) string {
	template := corev1.PodTemplateSpec{Spec: p.spec}
	template.Labels, template.Annotations = p.meta.Labels, p.meta.Annotations
	text, err := json.Marshal(map[string]any{
		"app": id.String(), "config": used, "template": canonical(reflect.ValueOf(template)),
	})
	if err != nil { // it holds maps, slices, strings, numbers and booleans only
		panic(err)
	}
	return fmt.Sprintf("v1-%x", sha256.Sum256(text))[:23]
}
