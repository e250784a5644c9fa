package live

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/manifest"
)

// Birth is what the template of a pod said, written on the pod, for those who choose among what runs: Services, budgets and spreading
// select pods of older revisions too, whose templates may be nowhere else.
type Birth struct {
	Labels              map[string]string `json:",omitempty"` // the template's, and over them its role's
	Priority            int32             `json:",omitempty"`
	Ports               map[string]string `json:",omitempty"` // named container ports: "8080/tcp" by name
	Hostname, Subdomain string            `json:",omitempty"`
	Probes              map[string]string `json:",omitempty"` // by container: "startup+liveness+readiness", those it has, in this order
	IP                  string            `json:",omitempty"` // the address that the plan gave it
	// Network is the version of how it is joined to networks (manifest.NetworkLayout); 0 on the host's own network.
	Network int `json:",omitempty"`
	// Role is what it was given beside what the template says, as a pod of a revision on its way or of the stable one.
	Role manifest.RoleMeta `json:",omitzero"`
}

// BirthOf is what pods of a revision are born with.
func BirthOf(r manifest.Revision) Birth { return BirthIn(manifest.RoleMeta{}, r) }

// BirthIn is what pods of a revision are born with that have a role.
func BirthIn(role manifest.RoleMeta, r manifest.Revision) Birth {
	r = inRole(role, r)
	b := Birth{
		Role:   role,
		Labels: r.Labels, Priority: r.Priority, Ports: portNames(r.Spec), Hostname: r.Spec.Hostname, Subdomain: r.Spec.Subdomain, Probes: r.Probes,
	}
	if !r.Spec.HostNetwork {
		b.Network = manifest.NetworkLayout
	}
	return b
}

// inRole is the revision with what a role adds.
func inRole(role manifest.RoleMeta, r manifest.Revision) manifest.Revision {
	r.Labels, r.Annotations = over(r.Labels, role.Labels), over(r.Annotations, role.Annotations)
	return r
}

func over(below, above map[string]string) map[string]string {
	if len(above) == 0 {
		return below
	}
	all := maps.Clone(above)
	for key, value := range below {
		if _, said := above[key]; !said {
			all[key] = value
		}
	}
	return all
}

// portNames are the named ports of containers and sidecars. Of two with one name the first counts, as in Kubernetes.
func portNames(spec corev1.PodSpec) (names map[string]string) {
	sidecars := Sidecars(InitOf(spec))
	beside := slices.DeleteFunc(slices.Clone(spec.InitContainers), func(c corev1.Container) bool { return !slices.Contains(sidecars, c.Name) })
	for _, c := range slices.Concat(spec.Containers, beside) {
		for _, p := range c.Ports {
			if _, taken := names[p.Name]; taken || p.Name == "" {
				continue
			}
			if names == nil {
				names = map[string]string{}
			}
			names[p.Name] = strconv.Itoa(int(p.ContainerPort)) + "/" + strings.ToLower(string(p.Protocol))
		}
	}
	return names
}

func (b Birth) write(labels map[string]string) {
	set := func(label, value string) {
		if value != "" {
			labels[label] = value
		}
	}
	number := func(label string, n int) {
		if n != 0 {
			labels[label] = strconv.Itoa(n)
		}
	}
	set(LabelLabels, joinMap(b.Labels))
	set(LabelPortNames, joinMap(b.Ports))
	set(LabelProbes, joinMap(b.Probes))
	set(LabelHostname, b.Hostname)
	set(LabelSubdomain, b.Subdomain)
	set(LabelIP, b.IP)
	if len(b.Role.Labels)+len(b.Role.Annotations) > 0 {
		text, _ := json.Marshal(role(b.Role)) // maps of strings always encode
		set(LabelRole, string(text))
	}
	number(LabelPriority, int(b.Priority))
	number(LabelNetwork, b.Network)
}

func parseBirth(labels map[string]string) Birth {
	priority, _ := strconv.ParseInt(labels[LabelPriority], 10, 32)
	network, _ := strconv.Atoi(labels[LabelNetwork])
	return Birth{
		Role: parseRole(labels[LabelRole]), Labels: parseMap(labels[LabelLabels]), Ports: parseMap(labels[LabelPortNames]), Probes: parseMap(labels[LabelProbes]),
		Hostname: labels[LabelHostname], Subdomain: labels[LabelSubdomain], IP: labels[LabelIP],
		Priority: int32(priority), Network: network,
	}
}

// role is how a role is written in a label.
type role struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

func parseRole(label string) manifest.RoleMeta {
	var r role
	if json.Unmarshal([]byte(label), &r) != nil {
		return manifest.RoleMeta{}
	}
	return manifest.RoleMeta(r)
}

// joinMap is "key=value,key=value", sorted: neither has a = or a comma in it.
func joinMap(m map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, key+"="+m[key])
	}
	return Join(parts)
}

func parseMap(label string) map[string]string {
	if label == "" {
		return nil
	}
	m := map[string]string{}
	for _, part := range strings.Split(label, ",") {
		key, value, _ := strings.Cut(part, "=")
		m[key] = value
	}
	return m
}
