package manifest

import (
	"net/netip"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
)

// DoorOffer is how a cluster's doors are set up: what no manifest says. The zero value is no doors: Ingresses and Gateways say that nobody serves them.
type DoorOffer struct {
	HTTP, HTTPS uint16 // ports of hosts at which Ingresses are served
	// Classes are names of ingress classes that are ours though Git holds no IngressClass of that name; "podkeep" always is.
	Classes []string
	Trusted []netip.Prefix // who may say in X-Forwarded-* headers for whom he asks
	Proxied []netip.Prefix // whose connections begin with a PROXY protocol header
	Log     bool           // each request is a line of the door's log
	Metrics uint16         // port of hosts at which a door tells its metrics; 0 is none
	ACME    ACME
}

// ACME is who issues certificates for hosts that ask for one (annotation kubernetes.io/tls-acme, cert-manager.io/issuer and cluster-issuer).
type ACME struct {
	Directory string // URL; empty: nobody does
	Email     string // of the account; may be empty
	Roots     string // PEM of those that the directory's own certificate is signed by, beside the system's
}

// Names of what of classes is ours.
const (
	DoorClass         = "podkeep"            // IngressClass and GatewayClass that need no object in Git
	IngressController = "podkeep.io/ingress" // IngressClass spec.controller of ours
	GatewayController = "podkeep.io/gateway" // GatewayClass spec.controllerName of ours
	DoorLabel         = "podkeep.io/ingress" // label of Nodes that have a door; where none has it, all do. "false" is none
)

// Ingress leads requests by their host and path to Services of its namespace.
type Ingress struct {
	Meta
	Manner Manner
	Object *networkingv1.Ingress // as decoded, checked
}

// IngressClass is a name that Ingresses give for whose they are.
type IngressClass struct {
	Meta
	Ours    bool // its controller is IngressController
	Default bool // annotation ingressclass.kubernetes.io/is-default-class
	Object  *networkingv1.IngressClass
}

// Manner is what annotations ask of how an Ingress' requests are handled: ingress-nginx's, as far as they have an equal. The zero value asks for nothing.
type Manner struct {
	Rewrite      string         // rewrite-target; $1… are groups of the path where Regexp
	Regexp       bool           // use-regex, or rewrite-target with a group: paths of pathType ImplementationSpecific are regular expressions, without case, anchored at their begin
	HTTPS        *bool          // ssl-redirect: nil is the default, which is yes where the host has TLS
	ForceHTTPS   bool           // force-ssl-redirect: wherever the host has TLS or not
	Body         *int64         // proxy-body-size in bytes; 0 is any; nil the default
	Allow, Deny  []netip.Prefix // whitelist-source-range (allowlist-), denylist-source-range
	Users        string         // auth-secret: "namespace/name" of a Secret with key "auth" (htpasswd), or a key a user where UserMap
	UserMap      bool           // auth-secret-type: auth-map
	Realm        string         // auth-realm
	Protocol     string         // backend-protocol: "", HTTPS, GRPC, GRPCS
	Connect      time.Duration  // proxy-connect-timeout; 0 is the default, so are those below
	Read, Send   time.Duration  // proxy-read-timeout, proxy-send-timeout: between two reads or writes
	Host         string         // upstream-vhost: Host header that the backend sees
	Prefix       string         // x-forwarded-prefix
	Redirect     string         // permanent-redirect, temporal-redirect
	RedirectCode int
	AppRoot      string   // app-root: where / is redirected to
	WWW          bool     // from-to-www-redirect
	Aliases      []string // server-alias
	CORS         *CORS    // enable-cors and cors-*
	Once         bool     // proxy-next-upstream "off": no second attempt on another pod
	ACME         bool     // kubernetes.io/tls-acme, cert-manager.io/cluster-issuer, cert-manager.io/issuer: hosts of tls whose Secret Git does not hold get a certificate
}

// CORS is what browsers are told of who may ask from other origins.
type CORS struct {
	Origins, Methods, Headers, Exposed []string
	Credentials                        bool
	MaxAge                             int // seconds
}

// GatewayClass says whose Gateways of that class are.
type GatewayClass struct {
	Meta
	Ours   bool // its controllerName is GatewayController
	Object *gatewayv1.GatewayClass
}

// Gateway is ports of doors, and who may attach routes to them.
type Gateway struct {
	Meta
	ACME   bool // as Manner.ACME
	Object *gatewayv1.Gateway
}

// HTTPRoute leads requests that come by Gateways to Services.
type HTTPRoute struct {
	Meta
	Object *gatewayv1.HTTPRoute
}

// ReferenceGrant allows objects of other namespaces to refer to some of its own.
type ReferenceGrant struct {
	Meta
	Object *gatewayv1beta1.ReferenceGrant
}
