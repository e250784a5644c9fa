package schedule

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/manifest"
)

// filters each give the reason why a host cannot take a pod, to be read after a count, or "".
var filters = []func(*Request, *Host) string{
	ties, nodeName, selector, taints, cordon, apart, netless, files, ports, name, size, cpu, memory,
}

func refuse(r *Request, h *Host) string {
	for _, filter := range filters {
		if reason := filter(r, h); reason != "" {
			return reason
		}
	}
	return ""
}

func ties(r *Request, h *Host) string {
	for _, t := range r.Ties {
		if t.Node != h.Name {
			return "not " + t.Node + ", which has claim " + t.Claim
		}
	}
	return ""
}

func nodeName(r *Request, h *Host) string {
	if r.Spec.NodeName != "" && r.Spec.NodeName != h.Name {
		return "not " + r.Spec.NodeName + ", which nodeName asks for"
	}
	return ""
}

func selector(r *Request, h *Host) string {
	for k, v := range r.Spec.NodeSelector {
		if have, ok := h.Labels[k]; !ok || have != v {
			return "without what nodeSelector asks for"
		}
	}
	return ""
}

func taints(r *Request, h *Host) string {
	for i := range h.Taints {
		t := &h.Taints[i]
		if t.Effect != corev1.TaintEffectPreferNoSchedule && !Tolerates(r.Spec.Tolerations, t) {
			return "tainted " + t.Key
		}
	}
	return ""
}

// Tolerates says whether any toleration tolerates the taint.
func Tolerates(tolerations []corev1.Toleration, t *corev1.Taint) bool {
	return slices.ContainsFunc(tolerations, func(tol corev1.Toleration) bool { return tol.ToleratesTaint(t) })
}

func cordon(r *Request, h *Host) string {
	if h.Unschedulable && r.Spec.NodeName != h.Name {
		return "cordoned"
	}
	return ""
}

func apart(r *Request, h *Host) string {
	if r.Apart != nil && r.Apart.Required && h.others(r) {
		return "with a pod of another revision, which antiAffinity keeps apart"
	}
	return ""
}

// others says whether the host has pods of other revisions of the workload.
func (h *Host) others(r *Request) bool { return h.Apps[r.App] > h.Revs[r.Rev] }

// joins says whether the pod needs what the host lacks while it is Netless. What is on the host's network no policy holds.
func (h *Host) joins(r *Request) bool {
	return manifest.NeedsNetwork(*r.Spec) && !(h.Open && r.Spec.HostNetwork)
}

func netless(r *Request, h *Host) string {
	switch {
	case !h.Netless || h.Joining || !h.joins(r):
		return ""
	case h.Open:
		return "without NetworkPolicies in force"
	}
	return "whose pod network is not there yet"
}

func files(r *Request, h *Host) string {
	for _, f := range r.Files {
		if !h.Files[f] {
			return "without its config, which Git no longer has"
		}
	}
	return ""
}

// ports refuses a host port that is taken: the same number and protocol, on the same address or on all.
func ports(r *Request, h *Host) string {
	for _, want := range r.Ports {
		for have, n := range h.Ports {
			if n > 0 && clash(want, have) {
				return "with host port " + port(want) + " taken"
			}
		}
	}
	return ""
}

func clash(a, b string) bool {
	return port(a) == port(b) && (address(a) == "" || address(b) == "" || address(a) == address(b))
}

func port(s string) string { return s[strings.LastIndex(s, ":")+1:] }

func address(s string) string { return s[:max(0, strings.LastIndex(s, ":"))] }

func name(r *Request, h *Host) string {
	if r.Name != "" && h.Names[r.Name] {
		return "with a pod of that name"
	}
	return ""
}

func size(r *Request, h *Host) string {
	if h.Unsized && !h.Awaited && r.asks() {
		return "yet to say how big it is"
	}
	return ""
}

func cpu(r *Request, h *Host) string {
	if !h.Unsized && r.Room.MilliCPU > 0 && h.Used.MilliCPU+r.Room.MilliCPU > h.Room.MilliCPU {
		return "short of cpu"
	}
	return ""
}

func memory(r *Request, h *Host) string {
	if !h.Unsized && r.Room.Memory > 0 && h.Used.Memory+r.Room.Memory > h.Room.Memory {
		return "short of memory"
	}
	return ""
}
