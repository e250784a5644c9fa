package manifest

import (
	"encoding/base64"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// A PersistentVolume is a directory that is on the hosts already. A claim has it that names it.
var persistentVolumeKind = kind{
	version: "v1", name: "PersistentVolume", cluster: true, meek: true,
	empty: func() typed { return &corev1.PersistentVolume{} },
	check: func(c *check, t typed) { c.persistentVolume(t.(*corev1.PersistentVolume).Spec) },
	add:   func(a *assembly, m Meta, o *object) { a.persistentVolume(m, o) },
}

func init() {
	built[typeOf[corev1.PersistentVolumeSpec]()] = "capacity accessModes hostPath local nodeAffinity persistentVolumeReclaimPolicy claimRef"
	built[typeOf[corev1.LocalVolumeSource]()] = "path"
	harmless[typeOf[corev1.PersistentVolumeSpec]()] = map[string][]string{"volumeMode": {`"Filesystem"`}}
	idle[typeOf[corev1.PersistentVolumeSpec]()] = map[string]string{"storageClassName": "a claim has the volume that it names"}
	others := map[string]string{
		"mountOptions":              "mount the directory on the hosts as it is to be",
		"volumeMode":                "a claim is a directory; mount a device with a hostPath volume, in a privileged container",
		"volumeAttributesClassName": "a directory has no attributes",
	}
	for _, f := range fieldsOf(typeOf[corev1.PersistentVolumeSource]()) {
		others[f.name] = "mount it on the hosts, and write hostPath or local"
	}
	instead[typeOf[corev1.PersistentVolumeSpec]()] = others
}

func (c *check) persistentVolume(s corev1.PersistentVolumeSpec) {
	switch {
	case c.broken(): // by a source of another kind, say
	case (s.HostPath == nil) == (s.Local == nil):
		c.refuse("spec", "needs one of hostPath and local")
	case s.HostPath != nil:
		c.hostPath("spec.hostPath", s.HostPath)
	case !path.IsAbs(s.Local.Path) || slices.Contains(strings.Split(s.Local.Path, "/"), ".."):
		c.refuse("spec.local.path", "%q is not an absolute path without ..", s.Local.Path)
	}
	for i, mode := range s.AccessModes {
		c.oneOf(item("spec.accessModes", i), string(mode), accessModes...)
	}
	if p := s.PersistentVolumeReclaimPolicy; p != "" && p != corev1.PersistentVolumeReclaimRetain {
		c.refuse("spec.persistentVolumeReclaimPolicy", "%s is not supported: podkeep removes no data; write Retain", p)
	}
	if _, _, ok := placeOf(s.NodeAffinity); !ok {
		c.refuse("spec.nodeAffinity", "is not supported yet but for one label and one value of it; write required: {nodeSelectorTerms: [{matchExpressions: [{key: KEY, operator: In, values: [VALUE]}]}]}")
	}
}

// placeOf is the label that a node must have for the volume to be there, if one must.
func placeOf(a *corev1.VolumeNodeAffinity) (key, value string, ok bool) {
	if a == nil || a.Required == nil {
		return "", "", true
	}
	terms := a.Required.NodeSelectorTerms
	if len(terms) != 1 || len(terms[0].MatchFields) > 0 || len(terms[0].MatchExpressions) != 1 {
		return "", "", false
	}
	e := terms[0].MatchExpressions[0]
	if e.Operator != corev1.NodeSelectorOpIn || len(e.Values) != 1 {
		return "", "", false
	}
	return e.Key, e.Values[0], true
}

// persistentVolume gives notice of one that no claim names.
func (a *assembly) persistentVolume(m Meta, o *object) {
	if len(a.claimants[m.Name]) > 0 {
		return
	}
	c := o.check()
	c.notice("spec", "no claim has it: write its name as volumeName in a claim; a claim without one becomes a named volume on the node of its first pod")
	a.set.Problems = append(a.set.Problems, c.found...)
}

// lacksVolume says why the PersistentVolume of that name is not there, or "". No name asks for none.
func (a *assembly) lacksVolume(name string) string {
	if name == "" || a.disks[name] != nil {
		return ""
	}
	return a.lacks(ID{Kind: "PersistentVolume", Name: name})
}

// bind puts the directories of PersistentVolumes in the place of claims that name one, and lets the pods run where those are.
func (s *sources) bind(at string, spec *corev1.PodSpec) {
	for i := range spec.Volumes {
		v := &spec.Volumes[i]
		if v.PersistentVolumeClaim == nil {
			continue
		}
		id := ClaimID(s.namespace, v.PersistentVolumeClaim.ClaimName)
		name := s.bound[id]
		if name == "" {
			continue
		}
		if v.PersistentVolumeClaim.ReadOnly {
			mountReadOnly(spec, v.Name)
		}
		s.disk(under(item(at, i), "persistentVolumeClaim.claimName"), id, name, v, spec)
	}
}

// disk is the volume of one claim.
func (s *sources) disk(at string, id ID, name string, v *corev1.Volume, spec *corev1.PodSpec) {
	disk := s.disks[name]
	if why := s.lacksVolume(name); why != "" {
		s.refuse(at, "%s names it with volumeName: %s", id, why)
		return
	}
	if ref := disk.Spec.ClaimRef; len(s.claimants[name]) > 1 || ref != nil && ClaimID(or(ref.Namespace, "default"), ref.Name) != id {
		s.refuse(at, "%s is not alone in asking for PersistentVolume/%s, or not the one that its claimRef names; give each claim a volume of its own", id, name)
		return
	}
	host := disk.Spec.HostPath
	if host == nil {
		directory := corev1.HostPathDirectory
		host = &corev1.HostPathVolumeSource{Path: disk.Spec.Local.Path, Type: &directory}
	}
	v.VolumeSource = corev1.VolumeSource{HostPath: host.DeepCopy()}
	key, value, _ := placeOf(disk.Spec.NodeAffinity)
	switch {
	case key == corev1.LabelHostname && spec.NodeName == "":
		spec.NodeName = value
	case key != "" && key != corev1.LabelHostname:
		if spec.NodeSelector == nil {
			spec.NodeSelector = map[string]string{}
		}
		spec.NodeSelector[key] = value
	}
	s.used["PersistentVolume/"+name+"/"] = base64.StdEncoding.EncodeToString([]byte(host.Path + "\x00" + key + "\x00" + value))
}
