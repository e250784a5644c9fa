package manifest

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	security "k8s.io/pod-security-admission/policy"
)

// Admission is what manifests may ask for, as who runs podkeep says: it comes from no repository, for who may push there is not to have the last word on it.
// The zero value admits everything.
type Admission struct {
	// Least is the level of the Pod Security Standards that every namespace has at the least, whatever its label says; empty is privileged.
	Least string
	// Exempt are namespaces that have their label's level alone.
	Exempt []string
	// Nodes are the hosts that a Node may name: a host's name, "*.DOMAIN", an address or a range of them, or "unix" for sockets of this machine. None is any.
	Nodes []string
}

// Check says what of it is written wrongly.
func (a Admission) Check() error {
	if level := api.Level(a.Least); a.Least != "" && !level.Valid() {
		return fmt.Errorf("pod-security %q: write privileged, baseline or restricted", a.Least)
	}
	for _, n := range a.Nodes {
		_, notRange := netip.ParsePrefix(n)
		if strings.ContainsAny(strings.TrimPrefix(n, "*."), "*/@ ") && notRange != nil || n == "" {
			return fmt.Errorf("allow-nodes %q: write a host's name, *.DOMAIN, an address, a range such as 192.0.2.0/24, or unix", n)
		}
	}
	return nil
}

// admits says whether a Node may have that providerID.
func (a Admission) admits(providerID string) bool {
	if len(a.Nodes) == 0 {
		return true
	}
	u, err := url.Parse(providerID)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	ip, notIP := netip.ParseAddr(host)
	return slices.ContainsFunc(a.Nodes, func(n string) bool {
		n = strings.ToLower(n)
		if in, err := netip.ParsePrefix(n); err == nil {
			return notIP == nil && in.Contains(ip)
		}
		if domain, any := strings.CutPrefix(n, "*"); any {
			return notIP != nil && strings.HasSuffix(host, domain)
		}
		return n == host || n == "unix" && u.Scheme == "podman+unix"
	})
}

// admittedAt refuses a Node that names another host.
func (a *assembly) admittedAt(c *check, n Node) {
	if !a.admission.admits(n.ProviderID) {
		c.refuse("spec.providerID", "%s is none of the hosts that Nodes may name here: who runs podkeep says so with --allow-nodes", n.ProviderID)
	}
}

// strictness orders levels.
var strictness = []string{string(api.LevelPrivileged), string(api.LevelBaseline), string(api.LevelRestricted)}

// standards are the Pod Security Standards of Kubernetes' own admission.
var standards = func() security.Evaluator {
	e, err := security.NewEvaluator(security.DefaultChecks())
	if err != nil {
		panic(err) // checks of the library that are none
	}
	return e
}()

// levels are what the namespace's pods have to meet, and what is said of them.
func (a *assembly) levels(namespace string) api.Policy {
	var labels map[string]string
	for _, ns := range a.set.Namespaces {
		if ns.Name == namespace {
			labels = ns.Labels
		}
	}
	open := api.LevelVersion{Level: api.LevelPrivileged, Version: api.LatestVersion()}
	p, _ := api.PolicyToEvaluate(labels, api.Policy{Enforce: open, Warn: open, Audit: open}) // as in Kubernetes a label that is wrong counts for restricted
	if least := a.admission.Least; !slices.Contains(a.admission.Exempt, namespace) && slices.Index(strictness, least) > slices.Index(strictness, string(p.Enforce.Level)) {
		p.Enforce = api.LevelVersion{Level: api.Level(least), Version: api.LatestVersion()}
	}
	return p
}

// secure refuses pods that may do more than their namespace's level lets them.
func (a *assembly) secure(c *check, w Workload) {
	levels := a.levels(w.Namespace)
	meta := &metav1.ObjectMeta{Annotations: w.Revision.Annotations}
	if violated := security.AggregateCheckResults(standards.EvaluatePod(levels.Enforce, meta, &w.Revision.Spec)); !violated.Allowed {
		c.refuse("", "its pods are more than level %s of the Pod Security Standards lets namespace %s have: %s", levels.Enforce, w.Namespace, violated.ForbiddenDetail())
		return
	}
	if warned := security.AggregateCheckResults(standards.EvaluatePod(levels.Warn, meta, &w.Revision.Spec)); !warned.Allowed {
		c.notice("", fmt.Sprintf("its pods are more than level %s of the Pod Security Standards lets them be: %s", levels.Warn, warned.ForbiddenDetail()))
	}
}

// securityLabels checks the labels by which a namespace says its levels.
func (c *check) securityLabels(labels map[string]string) {
	_, wrong := api.PolicyToEvaluate(labels, api.Policy{})
	for _, e := range wrong {
		key := strings.TrimSuffix(strings.TrimPrefix(e.Field, "metadata.labels["), "]")
		c.notice(under("metadata.labels", key), fmt.Sprintf("%q is no level or version of the Pod Security Standards, so restricted counts: write privileged, baseline or restricted; latest, or v1.30", e.BadValue))
	}
}
