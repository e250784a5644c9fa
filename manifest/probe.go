package manifest

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	util "k8s.io/apimachinery/pkg/util/validation"
)

// probes checks a container's probes.
func (c *check) probes(at string, k corev1.Container) {
	c.probe(under(at, "livenessProbe"), k.LivenessProbe, k)
	c.probe(under(at, "readinessProbe"), k.ReadinessProbe, k)
	c.probe(under(at, "startupProbe"), k.StartupProbe, k)
	c.onceIsEnough(under(at, "livenessProbe"), k.LivenessProbe)
	c.onceIsEnough(under(at, "startupProbe"), k.StartupProbe)
	if p := k.ReadinessProbe; p != nil && p.TerminationGracePeriodSeconds != nil {
		c.refuse(under(at, "readinessProbe.terminationGracePeriodSeconds"), "means nothing on a readinessProbe, which ends no container; remove it")
	}
}

// probesOf says which probes each container has, in the form of Revision.Probes.
func probesOf(spec corev1.PodSpec) map[string]string {
	var all map[string]string
	eachContainer("", &spec, func(_ string, k *corev1.Container) {
		var has []string
		for _, p := range []struct {
			kind  string
			probe *corev1.Probe
		}{{"startup", k.StartupProbe}, {"liveness", k.LivenessProbe}, {"readiness", k.ReadinessProbe}} {
			if p.probe != nil {
				has = append(has, p.kind)
			}
		}
		if len(has) == 0 {
			return
		}
		if all == nil {
			all = map[string]string{}
		}
		all[k.Name] = strings.Join(has, "+")
	})
	return all
}

// probesIn are the probes that a container has.
func probesIn(k *corev1.Container) []*corev1.Probe {
	return slices.DeleteFunc([]*corev1.Probe{k.StartupProbe, k.LivenessProbe, k.ReadinessProbe}, func(p *corev1.Probe) bool { return p == nil })
}

// HasProbes says whether the form has the probes of its containers: those that an older podkeep wrote do not.
func (r Revision) HasProbes() bool {
	has := false
	eachContainer("", &r.Spec, func(_ string, k *corev1.Container) { has = has || len(probesIn(k)) > 0 })
	return has
}

// probeDefaults are Kubernetes' own.
func probeDefaults(p *corev1.Probe) {
	p.PeriodSeconds, p.TimeoutSeconds = cmp.Or(p.PeriodSeconds, 10), cmp.Or(p.TimeoutSeconds, 1)
	p.SuccessThreshold, p.FailureThreshold = cmp.Or(p.SuccessThreshold, 1), cmp.Or(p.FailureThreshold, 3)
	if g := p.HTTPGet; g != nil {
		g.Scheme, g.Path = cmp.Or(g.Scheme, corev1.URISchemeHTTP), cmp.Or(g.Path, "/")
	}
	if g := p.GRPC; g != nil && g.Service == nil {
		g.Service = ptr("")
	}
}

func (c *check) onceIsEnough(at string, p *corev1.Probe) {
	if p != nil && p.SuccessThreshold > 1 {
		c.refuse(under(at, "successThreshold"), "%d is not 1; only a readinessProbe can ask for more", p.SuccessThreshold)
	}
}

func (c *check) probe(at string, p *corev1.Probe, k corev1.Container) {
	if p == nil {
		return
	}
	c.notNegative(under(at, "initialDelaySeconds"), &p.InitialDelaySeconds)
	c.notNegative(under(at, "timeoutSeconds"), &p.TimeoutSeconds)
	c.notNegative(under(at, "periodSeconds"), &p.PeriodSeconds)
	c.notNegative(under(at, "successThreshold"), &p.SuccessThreshold)
	c.notNegative(under(at, "failureThreshold"), &p.FailureThreshold)
	if g := p.TerminationGracePeriodSeconds; g != nil && *g < 1 {
		c.refuse(under(at, "terminationGracePeriodSeconds"), "%d is less than 1", *g)
	}
	c.probeHandler(at, p.ProbeHandler, k)
}

func (c *check) probeHandler(at string, h corev1.ProbeHandler, k corev1.Container) {
	handlers := 0
	if h.Exec != nil {
		handlers++
		c.execAction(under(at, "exec"), h.Exec)
	}
	if h.HTTPGet != nil {
		handlers++
		c.httpGet(under(at, "httpGet"), h.HTTPGet, k)
	}
	if h.TCPSocket != nil {
		handlers++
		c.probePort(under(at, "tcpSocket.port"), h.TCPSocket.Port, k)
	}
	if h.GRPC != nil {
		handlers++
		c.refuseAll(under(at, "grpc.port"), util.IsValidPortNum(int(h.GRPC.Port)))
	}
	switch {
	case handlers == 0:
		c.refuse(at, "needs one of exec, httpGet, tcpSocket and grpc")
	case handlers > 1:
		c.refuse(at, "does %d things; keep one of exec, httpGet, tcpSocket and grpc", handlers)
	}
}

func (c *check) execAction(at string, e *corev1.ExecAction) {
	if len(e.Command) == 0 {
		c.refuse(under(at, "command"), "is missing; write the command to run")
	}
}

func (c *check) httpGet(at string, g *corev1.HTTPGetAction, k corev1.Container) {
	c.probePort(under(at, "port"), g.Port, k)
	if g.Scheme != "" {
		c.oneOf(under(at, "scheme"), string(g.Scheme), "HTTP", "HTTPS")
	}
	for i, h := range g.HTTPHeaders {
		c.refuseAll(under(item(under(at, "httpHeaders"), i), "name"), util.IsHTTPHeaderName(h.Name))
	}
}

// probePort is a number, or the name of one of the container's ports.
func (c *check) probePort(at string, port intstr.IntOrString, k corev1.Container) {
	if port.Type == intstr.Int && port.IntVal == 0 {
		c.refuse(at, "is missing or 0; write the number or the name of a port")
		return
	}
	if port.Type == intstr.Int {
		c.refuseAll(at, util.IsValidPortNum(port.IntValue()))
		return
	}
	var names []string
	for _, p := range k.Ports {
		if p.Name == port.StrVal {
			return
		}
		names = append(names, p.Name)
	}
	c.refuse(at, "the container has no port %q%s", port.StrVal, cmp.Or(didYouMean(port.StrVal, names), "; write its number, or give one of its ports that name"))
}
