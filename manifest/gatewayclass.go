package manifest

import (
	"regexp"
	"unicode/utf8"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// The Gateway API's group and versions. Those of before have the same fields.
const (
	gatewayGroup = "gateway.networking.k8s.io"
	gatewayNow   = gatewayGroup + "/v1"
	gatewayOlder = gatewayGroup + "/v1beta1"
)

// aGatewayClass is the kind's name.
const aGatewayClass = "GatewayClass"

var gatewayClassKind = kind{
	version: gatewayNow, also: []string{gatewayOlder}, name: aGatewayClass, cluster: true, meek: true,
	empty: func() typed { return &gatewayv1.GatewayClass{} },
	check: func(c *check, t typed) { c.gatewayClass(t.(*gatewayv1.GatewayClass).Spec) },
	add: func(a *assembly, m Meta, o *object) {
		class := o.typed.(*gatewayv1.GatewayClass)
		a.set.GatewayClasses = append(a.set.GatewayClasses, GatewayClass{Meta: m, Ours: class.Spec.ControllerName == GatewayController, Object: class})
	},
}

// Bounds of the API.
const (
	longestDescription    = 64  // letters of a GatewayClass' description
	longestControllerName = 253 // bytes of a controller's name
)

var controllerName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$`)

// gatewayClass checks a GatewayClass as its CustomResourceDefinition does. Another controller's may have parameters: they are for that one.
func (c *check) gatewayClass(s gatewayv1.GatewayClassSpec) {
	const path = "spec.controllerName"
	switch name := string(s.ControllerName); {
	case name == "":
		c.refuse(path, "is missing; write %s", GatewayController)
	case len(name) > longestControllerName || !controllerName.MatchString(name):
		c.refuse(path, "%q is no controller's name; write %s", name, GatewayController)
	case name != GatewayController:
		c.unused(path, "it is for controller %s; write %s to have its Gateways served", name, GatewayController)
	case s.ParametersRef != nil:
		c.refuse("spec.parametersRef", "is not supported yet; remove it: flags of whoever runs podkeep say how doors are set up")
	}
	if d := s.Description; d != nil && utf8.RuneCountInString(*d) > longestDescription {
		c.refuse("spec.description", "has more than %d letters; write a shorter one", longestDescription)
	}
}
