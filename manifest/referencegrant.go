package manifest

import (
	util "k8s.io/apimachinery/pkg/util/validation"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
)

// aReferenceGrant is the kind's name.
const aReferenceGrant = "ReferenceGrant"

var referenceGrantKind = kind{
	version: gatewayOlder, also: []string{gatewayNow}, name: aReferenceGrant, meek: true,
	empty: func() typed { return &gatewayv1beta1.ReferenceGrant{} },
	check: func(c *check, t typed) { c.referenceGrant(t.(*gatewayv1beta1.ReferenceGrant).Spec) },
	add: func(a *assembly, m Meta, o *object) {
		a.set.ReferenceGrants = append(a.set.ReferenceGrants, ReferenceGrant{Meta: m, Object: o.typed.(*gatewayv1beta1.ReferenceGrant)})
	},
}

// mostGranted is how many items from, and to, of a ReferenceGrant may have.
const mostGranted = 16

// referenceGrant checks a ReferenceGrant as its CustomResourceDefinition does.
func (c *check) referenceGrant(s gatewayv1beta1.ReferenceGrantSpec) {
	const from, to = "spec.from", "spec.to"
	if len(s.From) == 0 {
		c.refuse(from, "is missing; write who may refer, such as {group: %s, kind: %s, namespace: shop}", gatewayGroup, anHTTPRoute)
	}
	if len(s.To) == 0 {
		c.refuse(to, `is missing; write to what, such as {group: "", kind: Service}`)
	}
	c.atMost(from, len(s.From), mostGranted)
	c.atMost(to, len(s.To), mostGranted)
	for i, f := range s.From {
		at := item(from, i)
		c.grantedKind(at, f.Group, f.Kind, gatewayGroup, anHTTPRoute, aGateway)
		if f.Namespace == "" {
			c.refuse(under(at, "namespace"), "is missing; write from which namespace they may refer")
			continue
		}
		c.refNamespace(under(at, "namespace"), &f.Namespace)
	}
	for i, t := range s.To {
		at := item(to, i)
		c.grantedKind(at, t.Group, t.Kind, "", aService, "Secret")
		if t.Name != nil {
			c.refName(under(at, "name"), string(*t.Name), "web")
		}
	}
}

// grantedKind checks a kind of one side of a grant, and says so where none of that kind refers, or is referred to.
func (c *check) grantedKind(at string, group gatewayv1.Group, kind gatewayv1.Kind, of string, known ...gatewayv1.Kind) {
	if group != "" {
		c.refuseName(under(at, "group"), string(group), util.IsDNS1123Subdomain(string(group)))
	}
	switch path := under(at, "kind"); {
	case kind == "":
		c.refuse(path, "is missing; write %s or %s", known[0], known[1])
	case string(group) == of && (kind == known[0] || kind == known[1]):
	default:
		c.notice(path, "has no effect: HTTPRoutes refer to Services and Gateways to Secrets of other namespaces, and nothing else does")
	}
}
