package manifest

import (
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// textFields are what a file of the downward API may hold, apart from single labels and annotations.
var textFields = []string{
	"metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations",
	"metadata.labels['KEY']", "metadata.annotations['KEY']",
}

// downward checks the files of a downwardAPI volume.
func (c *check) downward(at string, items []corev1.DownwardAPIVolumeFile, s corev1.PodSpec) {
	taken := map[string]bool{}
	for i, it := range items {
		here := item(at, i)
		c.inside(under(here, "path"), it.Path)
		if taken[path.Clean(it.Path)] {
			c.refuse(under(here, "path"), "%q is taken by another file", it.Path)
		}
		taken[path.Clean(it.Path)] = true
		c.mode(under(here, "mode"), it.Mode)
		if (it.FieldRef == nil) == (it.ResourceFieldRef == nil) {
			c.refuse(here, "needs one of fieldRef and resourceFieldRef")
			continue
		}
		if it.FieldRef != nil {
			c.textField(under(here, "fieldRef"), it.FieldRef)
			continue
		}
		if it.ResourceFieldRef.ContainerName == "" {
			c.refuse(under(here, "resourceFieldRef.containerName"), "is missing; write the container whose resources are meant")
		}
		c.resourceRef(under(here, "resourceFieldRef"), it.ResourceFieldRef, s)
	}
}

func (c *check) textField(at string, ref *corev1.ObjectFieldSelector) {
	if ref.APIVersion != "" && ref.APIVersion != "v1" {
		c.refuse(under(at, "apiVersion"), "%q is not v1", ref.APIVersion)
	}
	_, key := mapField(ref.FieldPath)
	if key == "" && (!slices.Contains(textFields, ref.FieldPath) || strings.Contains(ref.FieldPath, "[")) {
		c.refuse(under(at, "fieldPath"), "%q is no field that a file can have%s", ref.FieldPath, didYouMean(ref.FieldPath, textFields))
	}
}

// projected checks a volume of several sources.
func (c *check) projected(at string, p *corev1.ProjectedVolumeSource, s corev1.PodSpec) {
	c.mode(under(at, "defaultMode"), p.DefaultMode)
	for i, source := range p.Sources {
		here := item(under(at, "sources"), i)
		sources := 0
		if m := source.ConfigMap; m != nil {
			sources++
			c.configVolume(under(here, "configMap"), "name", m.Name, nil, m.Items)
		}
		if m := source.Secret; m != nil {
			sources++
			c.configVolume(under(here, "secret"), "name", m.Name, nil, m.Items)
		}
		if d := source.DownwardAPI; d != nil {
			sources++
			c.downward(under(here, "downwardAPI.items"), d.Items, s)
		}
		other := source.ServiceAccountToken != nil || source.ClusterTrustBundle != nil || source.PodCertificate != nil
		if sources != 1 && !other {
			c.refuse(here, "needs one of configMap, secret and downwardAPI")
		}
	}
}
