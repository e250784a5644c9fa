package manifest

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// typed is an object of an API type.
type typed interface {
	metav1.Object
	runtime.Object
}

// kind is what podkeep knows of one kind of object. A new kind is a file of its own and a line in kinds.
type kind struct {
	version, name string
	also          []string // other versions of its API that have the same fields
	cluster       bool     // it has no namespace
	meek          bool     // what is wrong with one holds up nobody but those that name it
	empty         func() typed
	check         func(c *check, t typed)              // what decoding cannot see
	add           func(a *assembly, m Meta, o *object) // gives it its place in the Set
}

// kinds are all that are built.
func kinds() []kind {
	return []kind{
		deploymentKind, replicaSetKind, replicationControllerKind, podKind, jobKind, configMapKind, secretKind, namespaceKind, nodeKind,
		claimKind, persistentVolumeKind, serviceKind, rolloutKind, networkPolicyKind, endpointsKind, endpointSliceKind,
		ingressKind, ingressClassKind,
		gatewayClassKind, gatewayKind, httpRouteKind, referenceGrantKind,
	}
}

// losing are the problems that lose an object of the kind.
func (k kind) losing(c *check) []Problem {
	all := c.breaking()
	for i := range all {
		all[i].Notice, all[i].Lost = k.meek, k.meek && mayBeLost(ID{Kind: k.name})
	}
	return all
}

// id is the object's identity, with the default namespace filled in.
func (k kind) id(id ID, name string) ID {
	id.Kind = name
	if k.cluster {
		id.Namespace = ""
	} else {
		id.Namespace = or(id.Namespace, "default")
	}
	return id
}
