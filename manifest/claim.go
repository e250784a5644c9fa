package manifest

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// A claim becomes a named volume on the node of the first pod that uses it, and stays there.
var claimKind = kind{
	version: "v1", name: "PersistentVolumeClaim",
	empty: func() typed { return &corev1.PersistentVolumeClaim{} },
	check: func(c *check, t typed) { c.claim(t.(*corev1.PersistentVolumeClaim).Spec) },
	add: func(a *assembly, m Meta, o *object) {
		if why := a.lacksVolume(a.bound[o.ID]); why != "" {
			c := o.check()
			c.refuse("spec.volumeName", "%s; without volumeName the claim becomes a named volume", why)
			a.fail(o, c)
			return
		}
		a.set.Claims = append(a.set.Claims, Claim{Meta: m, Object: o.typed.(*corev1.PersistentVolumeClaim)})
	},
}

func init() {
	built[typeOf[corev1.PersistentVolumeClaimSpec]()] = "accessModes resources storageClassName volumeName"
	built[typeOf[corev1.VolumeResourceRequirements]()] = "limits requests"
	harmless[typeOf[corev1.PersistentVolumeClaimSpec]()] = map[string][]string{"volumeMode": {`"Filesystem"`}}
	noticed[typeOf[corev1.PersistentVolumeClaimSpec]()] = map[string]string{
		"storageClassName": noClasses,
	}
	instead[typeOf[corev1.PersistentVolumeClaimSpec]()] = map[string]string{
		"volumeMode":                "a claim is a directory; mount a device with a hostPath volume, in a privileged container",
		"selector":                  ownDirectory,
		"dataSource":                fillIt,
		"dataSourceRef":             fillIt,
		"volumeAttributesClassName": "a named volume has no attributes",
	}
}

const (
	noClasses    = "storage classes change nothing here: a claim becomes a named volume on the node of the first pod that uses it, or is the PersistentVolume that it names"
	ownDirectory = "a claim gets a volume of its own; for a directory that is on the hosts already write volumeName, and a PersistentVolume of that name"
	fillIt       = "let a Job or an init container fill the volume"
)

// unbuilt are kinds of which it can be said what stands in for them.
var unbuilt = map[string]string{
	"StorageClass": "there is one class of storage, named volumes on the nodes; a PersistentVolumeClaim needs no other",
}

// meanwhile is what can stand in for a kind until it is built.
var meanwhile = map[string]string{
	"StatefulSet": ": a Deployment of one replica with a PersistentVolumeClaim keeps its data",
	"DaemonSet":   ": a Deployment for each node, with nodeSelector kubernetes.io/hostname, can stand in",
}

var accessModes = []string{
	string(corev1.ReadWriteOnce), string(corev1.ReadOnlyMany), string(corev1.ReadWriteMany), string(corev1.ReadWriteOncePod),
}

func (c *check) claim(s corev1.PersistentVolumeClaimSpec) {
	if s.VolumeName != "" {
		c.refuseAll("spec.volumeName", util.IsDNS1123Subdomain(s.VolumeName))
	}
	const modes, storage = "spec.accessModes", "spec.resources.requests"
	if len(s.AccessModes) == 0 {
		c.refuse(modes, "is missing; write [ReadWriteOnce]")
	}
	for i, mode := range s.AccessModes {
		c.oneOf(item(modes, i), string(mode), accessModes...)
		if mode == corev1.ReadWriteOncePod && len(s.AccessModes) > 1 {
			c.refuse(item(modes, i), "ReadWriteOncePod goes with no other mode; write it alone")
		}
	}
	switch size, ok := s.Resources.Requests[corev1.ResourceStorage]; {
	case !ok:
		c.refuse(storage, "storage is missing; write how much is needed, for example storage: 1Gi")
	case size.Sign() <= 0:
		c.refuse(keyed(storage, "storage"), "%s is not more than 0", size.String())
	}
}

// Exclusive says whether one pod at a time may use the claim.
func (c Claim) Exclusive() bool { return c.has(corev1.ReadWriteOncePod) }

// Once says whether no mode of the claim is made for pods that share it.
func (c Claim) Once() bool {
	return !c.has(corev1.ReadWriteMany) && !c.has(corev1.ReadOnlyMany)
}

func (c Claim) has(mode corev1.PersistentVolumeAccessMode) bool {
	return slices.Contains(c.Object.Spec.AccessModes, mode)
}

// ClaimID is the claim of that name in a namespace.
func ClaimID(namespace, name string) ID {
	return ID{Kind: "PersistentVolumeClaim", Namespace: namespace, Name: name}
}

// ClaimsOf are the names of the claims that a spec mounts, sorted.
func ClaimsOf(spec corev1.PodSpec) (names []string) {
	for _, v := range spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			names = append(names, v.PersistentVolumeClaim.ClaimName)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// claims checks that what a workload's pods claim is there, and is theirs to have. It is asked when all claims are known.
func (a *assembly) claims(c *check, m Meta, p pods, replicas int, strategy Strategy) {
	at := under(under(p.at, "spec"), "volumes")
	for i, v := range p.spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		field := under(under(item(at, i), "persistentVolumeClaim"), "claimName")
		id := ClaimID(m.Namespace, v.PersistentVolumeClaim.ClaimName)
		if why := a.lacks(id); why != "" {
			c.refuse(field, "%s", why)
		} else if why := a.jams(id, replicas); why != "" && strategy.Rollout != nil {
			c.refuse(field, "%s", why)
		} else if a.exclusive[id] {
			a.shared(c, field, m, id, replicas)
		}
	}
}

// lacks says why a claim, or a volume that one names, is not there, or "".
func (a *assembly) lacks(id ID) string {
	_, there := a.origins[id]
	file, broken := a.set.failed[id]
	switch {
	case there:
		return ""
	case broken:
		return fmt.Sprintf("%s does not load, see %s", id.said(), file)
	case a.unreadable != "":
		return fmt.Sprintf("%s is in no file that loads; it may be in %s, which does not", id.said(), a.unreadable)
	}
	var names []string
	for other := range a.origins {
		if other.Kind == id.Kind && other.Namespace == id.Namespace {
			names = append(names, other.Name)
		}
	}
	slices.Sort(names)
	return fmt.Sprintf("%s is not in the repository; add it%s", id.said(), didYouMean(id.Name, names))
}

// jams says why pods of two revisions of a Rollout cannot have the claim beside each other, or "".
func (a *assembly) jams(id ID, replicas int) string {
	if !a.exclusive[id] && (!a.once[id] || replicas != 1) {
		return ""
	}
	return fmt.Sprintf("%s is for one pod at a time, and a Rollout starts new pods beside the old; write ReadWriteMany in the claim if both may write, "+
		"or a Deployment, which stops the old pod first", id)
}

// shared refuses a second pod for a claim that is for one.
func (a *assembly) shared(c *check, field string, m Meta, id ID, replicas int) {
	other, taken := a.users[id]
	switch {
	case replicas > 1:
		c.refuse(field, "%s is ReadWriteOncePod, and this asks for %d pods; write replicas: 1, or ReadWriteOnce in the claim, which all pods on one node share",
			id, replicas)
	case taken && other != m.ID:
		c.refuse(field, "%s is ReadWriteOncePod, and %s uses it; write ReadWriteOnce in the claim, which all pods on one node share",
			id, strings.TrimSuffix(other.said(), "/"))
	default:
		a.users[id] = m.ID
	}
}
