package manifest

import (
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// defaultGrace is how long a Node may be silent before its pods are replaced elsewhere.
const defaultGrace = 30 * time.Second

var nodeKind = kind{
	version: "v1", name: "Node", cluster: true,
	empty: func() typed { return &corev1.Node{} },
	check: func(c *check, t typed) { c.node(t.(*corev1.Node)) },
	add: func(a *assembly, m Meta, o *object) {
		a.node(nodeOf(m, o.typed.(*corev1.Node)))
	},
}

func (c *check) node(n *corev1.Node) {
	c.providerID(n.Spec.ProviderID)
	for i, cidr := range n.Spec.PodCIDRs {
		if i > 0 || n.Spec.PodCIDR != "" && cidr != n.Spec.PodCIDR {
			c.refuse(item("spec.podCIDRs", i), "one range is all that is supported; write it as podCIDR")
		}
	}
	if cidr := podCIDR(n); cidr != "" {
		c.podCIDR(cidr)
	}
	for i, taint := range n.Spec.Taints {
		c.taint(item("spec.taints", i), taint)
	}
}

func podCIDR(n *corev1.Node) string {
	if n.Spec.PodCIDR == "" && len(n.Spec.PodCIDRs) > 0 {
		return n.Spec.PodCIDRs[0]
	}
	return n.Spec.PodCIDR
}

const idForms = "podman+ssh://[user@]host[:port][/socket] or podman+unix:///socket"

// providerID checks how the host is reached. A password in it is never repeated.
func (c *check) providerID(id string) {
	const path = "spec.providerID"
	u, err := url.Parse(id)
	switch {
	case id == "":
		c.refuse(path, "is missing; write how the host is reached: %s", idForms)
	case err != nil:
		c.refuse(path, "is not an address; write %s", idForms)
	case u.RawQuery != "" || u.Fragment != "" || u.Opaque != "":
		c.refuse(path, "has more than an address; write %s", idForms)
	case u.Scheme == "podman+unix":
		if u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") || u.Path == "/" {
			c.refuse(path, "names no socket of this machine; write podman+unix:///run/podman/podman.sock")
		}
	case u.Scheme == "podman+ssh":
		c.sshID(path, u)
	default:
		c.refuse(path, "%q is no way to reach a host; write %s", u.Scheme, idForms)
	}
}

func (c *check) sshID(path string, u *url.URL) {
	if _, secret := u.User.Password(); secret {
		c.refuse(path, "holds a password; SSH uses keys, remove it")
	}
	if u.Hostname() == "" {
		c.refuse(path, "names no host; write %s", idForms)
	}
	if port, err := strconv.Atoi(or(u.Port(), "22")); err != nil || port < 1 || port > 65535 {
		c.refuse(path, "port %s is not between 1 and 65535", u.Port())
	}
}

func (c *check) podCIDR(cidr string) {
	prefix, err := netip.ParsePrefix(cidr)
	switch {
	case err != nil || !prefix.Addr().Is4():
		c.refuse("spec.podCIDR", "%q is not a range of IPv4 addresses such as 10.42.1.0/24", cidr)
	case prefix.Masked() != prefix:
		c.refuse("spec.podCIDR", "%s is an address within a range; write %s", cidr, prefix.Masked())
	case prefix.Bits() > 28:
		c.refuse("spec.podCIDR", "%s is too small for pods; write a /24", cidr)
	case prefix.Bits() < 8:
		c.refuse("spec.podCIDR", "%s is more than the addresses of a network; write a /24", cidr)
	}
}

func (c *check) taint(path string, t corev1.Taint) {
	c.refuseAll(under(path, "key"), util.IsQualifiedName(t.Key))
	c.refuseAll(under(path, "value"), util.IsValidLabelValue(t.Value))
	c.oneOf(under(path, "effect"), string(t.Effect), "NoSchedule", "PreferNoSchedule", "NoExecute")
}

// oneOf refuses a value that is not among the choices.
func (c *check) oneOf(path, value string, choices ...string) {
	for _, choice := range choices {
		if value == choice {
			return
		}
	}
	if value == "" {
		c.refuse(path, "is missing; write %s", strings.Join(choices, ", "))
		return
	}
	if len(choices) == 1 {
		c.refuse(path, "%q is not %s, which it must be here", value, choices[0])
		return
	}
	c.refuse(path, "%q is not one of %s%s", value, strings.Join(choices, ", "), didYouMean(value, choices))
}

func (c *check) nodeAnnotation(path, key, value string) {
	switch key {
	case AnnotationSilenceGrace:
		if grace, err := time.ParseDuration(value); err != nil || grace < time.Second {
			c.refuse(path, "%q is not a time of at least 1s, such as 30s or 5m", value)
		}
	case AnnotationCapacity:
		if _, why := capacity(value); why != "" {
			c.refuse(path, "%s; write for example cpu=2,memory=4Gi", why)
		}
	case AnnotationAddress:
		if _, err := netip.ParseAddr(value); err != nil && len(util.IsDNS1123Subdomain(value)) > 0 {
			c.refuse(path, "%q is neither an IP address nor a host's name", value)
		}
	}
}

// capacity reads "cpu=2,memory=4Gi"; both must be there.
func capacity(s string) (r Resources, why string) {
	for _, part := range strings.Split(s, ",") {
		name, text, _ := strings.Cut(strings.TrimSpace(part), "=")
		q, err := resource.ParseQuantity(text)
		if err != nil || q.Sign() <= 0 || isHuge(text) {
			return r, strconv.Quote(part) + " is not a name and an amount"
		}
		switch name {
		case "cpu":
			r.MilliCPU = q.MilliValue()
		case "memory":
			r.Memory = q.Value()
		default:
			return r, strconv.Quote(name) + " is neither cpu nor memory"
		}
	}
	if r.MilliCPU == 0 || r.Memory == 0 {
		return r, "cpu and memory must both be there"
	}
	return r, ""
}

// Way is how the host is reached, in one form however providerID writes it. Two Nodes with one way are one host.
func (n Node) Way() string {
	u, err := url.Parse(n.ProviderID)
	if err != nil {
		return n.ProviderID
	}
	if u.Scheme == "podman+ssh" {
		u.Host = "[" + strings.ToLower(u.Hostname()) + "]:" + or(u.Port(), "22")
	}
	return u.Scheme + " " + u.User.String() + " " + u.Host + " " + path.Clean("/"+u.Path)
}

// rootSocket is root's, where none is written.
const rootSocket = "/run/podman/podman.sock"

// FormerName is what one of several hosts is called that a Node's name stood for one after the other, where it is not the newest: the
// name, and how it is reached, as edge1@root@192.0.2.1:22. No Node has such a name, and no two hosts give the same.
func (n Node) FormerName() string {
	u, err := url.Parse(n.ProviderID)
	if err != nil || u.Scheme != "podman+ssh" {
		return n.RealName() + "@" + strings.TrimPrefix(n.ProviderID, "podman+unix://")
	}
	user, host := u.User.String(), strings.ToLower(u.Host)
	if user != "" {
		user += "@"
	}
	if u.Port() == "" {
		host += ":22"
	}
	socket := u.Path
	if user == "root@" && socket == rootSocket {
		socket = ""
	}
	return n.RealName() + "@" + user + host + socket
}

// RealName is the name that a Node has, or had, in Git.
func (n Node) RealName() string {
	name, _, _ := strings.Cut(n.Name, "@")
	return name
}

// nodeOf is the Node of an object that passed its checks.
func nodeOf(m Meta, n *corev1.Node) Node {
	node := Node{
		Meta: m, ProviderID: n.Spec.ProviderID, PodCIDR: podCIDR(n), Unschedulable: n.Spec.Unschedulable,
		Taints: n.Spec.Taints, Grace: defaultGrace, Object: n,
	}
	if text, ok := m.Annotations[AnnotationSilenceGrace]; ok {
		node.Grace, _ = time.ParseDuration(text)
	}
	if text, ok := m.Annotations[AnnotationCapacity]; ok {
		room, _ := capacity(text)
		node.Capacity = &room
	}
	return node
}
