package route

import (
	"slices"

	"github.com/podkeep/podkeep/manifest"
)

// DoorWant is what doors are to serve, and all that it refers to. Services are those of the table.
type DoorWant struct {
	Offer          manifest.DoorOffer
	Nodes          []string // that have a door, sorted: those of DoorNodes that can have one
	Ingresses      []manifest.Ingress
	Classes        []manifest.IngressClass
	GatewayClasses []manifest.GatewayClass
	Gateways       []manifest.Gateway
	Routes         []manifest.HTTPRoute
	Grants         []manifest.ReferenceGrant
	Namespaces     []manifest.Namespace // whose labels a Gateway's allowedRoutes choose by
	Secrets        []manifest.Secret    // of certificates and passwords
	Shares         []Share
}

// Share is which part of the requests for two Services of a namespace one of them has, by what an object leads to them: by the rules of an HTTPRoute that lead to
// both, or by the paths of an Ingress that lead to the other one.
type Share struct {
	Of                       manifest.ID // the object
	Namespace, Service, Rest string
	Part                     int // of 100, that Service has
}

// DoorNodes are the nodes that are to have a door, sorted: those that carry the label manifest.DoorLabel, or all where none does. Its value "false" is none
// in both cases.
func DoorNodes(nodes []manifest.Node) (names []string) {
	chosen := func(n manifest.Node) bool {
		v, has := n.Labels[manifest.DoorLabel]
		return has && v != "false"
	}
	some := slices.ContainsFunc(nodes, chosen)
	for _, n := range nodes {
		if chosen(n) || !some && n.Labels[manifest.DoorLabel] != "false" {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}
