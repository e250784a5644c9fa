package manifest

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"

	argo "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"gopkg.in/yaml.v3"
	networkingv1 "k8s.io/api/networking/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// What shares requests between the two Services of a canary: doors, by objects that Argo Rollouts' trafficRouting names for nginx and for the Gateway API.

const (
	routingPath   = canaryPath + ".trafficRouting"
	routedByNginx = routingPath + ".nginx"
	pluginName    = "argoproj-labs/gatewayAPI"
)

var routedByPlugin = keyed(routingPath+".plugins", pluginName)

// gatewayPlugin is what Argo Rollouts' plugin for the Gateway API is told.
type gatewayPlugin struct {
	HTTPRoute  string        `json:"httpRoute,omitempty"`
	HTTPRoutes []pluginRoute `json:"httpRoutes,omitempty"`
	Namespace  string        `json:"namespace,omitempty"`
	ConfigMap  string        `json:"configMap,omitempty"`
	GRPCRoute  string        `json:"grpcRoute,omitempty"`
	GRPCRoutes []pluginRoute `json:"grpcRoutes,omitempty"`
	TCPRoute   string        `json:"tcpRoute,omitempty"`
	TCPRoutes  []pluginRoute `json:"tcpRoutes,omitempty"`
}

type pluginRoute struct {
	Name            string `json:"name,omitempty"`
	UseHeaderRoutes bool   `json:"useHeaderRoutes,omitempty"`
}

func init() {
	const (
		byDoors  = "write nginx with an Ingress, or plugins argoproj-labs/gatewayAPI with an HTTPRoute, by which doors share requests out"
		noSecond = "no second Ingress is made; annotate the one"
		noTypes  = "doors serve HTTPRoutes alone; name one with httpRoute"
	)
	built[typeOf[argo.RolloutTrafficRouting]()] = "nginx plugins"
	instead[typeOf[argo.RolloutTrafficRouting]()] = map[string]string{
		"istio": byDoors, "alb": byDoors, "smi": byDoors, "ambassador": byDoors, "appMesh": byDoors, "traefik": byDoors, "apisix": byDoors,
		"managedRoutes":    noHeaderRoute,
		"maxTrafficWeight": "weights are of 100",
	}
	built[typeOf[argo.NginxTrafficRouting]()] = "stableIngress stableIngresses"
	idle[typeOf[argo.NginxTrafficRouting]()] = map[string]string{"annotationPrefix": "no second Ingress is made, which would need annotations"}
	instead[typeOf[argo.NginxTrafficRouting]()] = map[string]string{"additionalIngressAnnotations": noSecond, "canaryIngressAnnotations": noSecond}
	built[typeOf[gatewayPlugin]()] = "httpRoute httpRoutes namespace"
	idle[typeOf[gatewayPlugin]()] = map[string]string{"configMap": "nothing has to be remembered there"}
	instead[typeOf[gatewayPlugin]()] = map[string]string{"grpcRoute": noTypes, "grpcRoutes": noTypes, "tcpRoute": noTypes, "tcpRoutes": noTypes}
	built[typeOf[pluginRoute]()] = "name"
	instead[typeOf[pluginRoute]()] = map[string]string{"useHeaderRoutes": noHeaderRoute}
}

const noHeaderRoute = "a rule of an HTTPRoute that matches the header leads to canaryService"

// plugin reads what is for somebody else's program: of the one whose work is done here as strictly as all else, and nothing of others.
func (d *decoder) plugin(n *yaml.Node, v reflect.Value, path string, depth int) {
	text := []byte("{}")
	if path == routedByPlugin {
		var p gatewayPlugin
		d.into(n, reflect.ValueOf(&p).Elem(), path, depth)
		text, _ = json.Marshal(p)
	}
	v.SetBytes(text)
}

func pluginOf(t *argo.RolloutTrafficRouting) (p gatewayPlugin, has bool) {
	text, has := t.Plugins[pluginName]
	return p, has && json.Unmarshal(text, &p) == nil
}

// sharing checks what requests are shared by.
func (c *check) sharing(s *argo.CanaryStrategy) {
	t := s.TrafficRouting
	if t == nil {
		return
	}
	for name := range t.Plugins {
		if name != pluginName {
			c.refuse(keyed(routingPath+".plugins", name), "is not supported yet; remove it: no program of others shares requests out; write %s with an HTTPRoute, or nginx with an Ingress", pluginName)
		}
	}
	p, has := pluginOf(t)
	if has && len(p.routes()) == 0 {
		c.refuse(routedByPlugin, "names no route; write httpRoute with the HTTPRoute whose rules lead to both Services")
	}
	if t.Nginx != nil && len(ingressesOf(t.Nginx)) == 0 {
		c.refuse(routedByNginx, "names no Ingress; write stableIngress with the one that leads to stableService")
	}
	switch {
	case reflect.ValueOf(*t).IsZero() && !c.torn[routingPath]:
		c.refuse(routingPath, "says nothing; name an Ingress with nginx, or an HTTPRoute with plugins %s, or remove it: %s", pluginName, weightsAreCounts)
	case t.Nginx == nil && !has:
	case s.CanaryService == "":
		c.refuse(canaryPath+".canaryService", "is missing; write the Service to which trafficRouting leads a share of the requests")
	case s.StableService == "":
		c.refuse(canaryPath+".stableService", "is missing; write the Service to which trafficRouting leads what is left of the requests")
	}
}

func (p gatewayPlugin) routes() (names []string) {
	if p.HTTPRoute != "" {
		names = append(names, p.HTTPRoute)
	}
	for _, r := range p.HTTPRoutes {
		if r.Name != "" {
			names = append(names, r.Name)
		}
	}
	return names
}

func ingressesOf(n *argo.NginxTrafficRouting) (names []string) {
	return slices.DeleteFunc(append([]string{n.StableIngress}, n.StableIngresses...), func(name string) bool { return name == "" })
}

// sharesOf are the objects by which a canary's requests are shared.
func sharesOf(t *argo.RolloutTrafficRouting, namespace string) (all []ID) {
	if t == nil {
		return nil
	}
	if t.Nginx != nil {
		for _, name := range ingressesOf(t.Nginx) {
			all = append(all, ID{Kind: "Ingress", Namespace: namespace, Name: name})
		}
	}
	p, _ := pluginOf(t)
	for _, name := range p.routes() {
		all = append(all, ID{Kind: "HTTPRoute", Namespace: cmp.Or(p.Namespace, namespace), Name: name})
	}
	return all
}

// shares refuses to share requests by what is not there, or does not lead to the Services.
func (a *assembly) shares(c *check, w Workload) {
	r := w.Strategy.Rollout
	for _, id := range r.Shares {
		at := routedByNginx
		if id.Kind == "HTTPRoute" {
			at = routedByPlugin
		}
		switch why := a.whyNot(id); {
		case why != "":
			c.refuse(at, "%s", why)
		case id.Kind == "HTTPRoute" && !slices.ContainsFunc(a.set.HTTPRoutes, func(h HTTPRoute) bool { return h.ID == id && h.leadsToBoth(w.Namespace, r) }):
			c.refuse(at, "no rule of %s leads to both %s and %s; write both into backendRefs of one", id.said(), r.StableService, r.CanaryService)
		case id.Kind == "Ingress" && !slices.ContainsFunc(a.set.Ingresses, func(i Ingress) bool { return i.ID == id && i.leadsTo(r.StableService) }):
			c.refuse(at, "no path of %s leads to %s; write it as the Service of one", id.said(), r.StableService)
		}
	}
}

func (h HTTPRoute) leadsToBoth(namespace string, r *Rollout) bool {
	return slices.ContainsFunc(h.Object.Spec.Rules, func(rule gatewayv1.HTTPRouteRule) bool {
		to := func(service string) bool {
			return slices.ContainsFunc(rule.BackendRefs, func(b gatewayv1.HTTPBackendRef) bool {
				in := h.Namespace
				if b.Namespace != nil {
					in = string(*b.Namespace)
				}
				return in == namespace && string(b.Name) == service
			})
		}
		return to(r.StableService) && to(r.CanaryService)
	})
}

func (i Ingress) leadsTo(service string) bool {
	is := func(b *networkingv1.IngressBackend) bool {
		return b != nil && b.Service != nil && b.Service.Name == service
	}
	return is(i.Object.Spec.DefaultBackend) || slices.ContainsFunc(i.Object.Spec.Rules, func(r networkingv1.IngressRule) bool {
		return r.HTTP != nil && slices.ContainsFunc(r.HTTP.Paths, func(p networkingv1.HTTPIngressPath) bool { return is(&p.Backend) })
	})
}
