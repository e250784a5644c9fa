package route

import (
	"net/netip"
	"time"
)

// Doors is what the cluster's doors serve: which requests, at which ports of hosts, lead to which Services. All that has to be decided is decided: a door finds
// the port, the host, and the first rule that matches.
type Doors struct {
	Nodes   []string       // those that have a door, sorted
	Ports   []DoorPort     // sorted by number
	Trusted []netip.Prefix `json:",omitempty"` // who may say in X-Forwarded-* headers for whom he asks
	Proxied []netip.Prefix `json:",omitempty"` // whose connections begin with a PROXY protocol header
	Log     bool           `json:",omitempty"` // each request is a line of the log
	Metrics uint16         `json:",omitempty"` // port of the host for metrics; 0 is none
	ACME    *DoorACME      `json:",omitempty"` // nil where no host asks for a certificate
}

// DoorACME is who issues certificates.
type DoorACME struct {
	Directory string
	Email     string `json:",omitempty"`
	Roots     string `json:",omitempty"` // PEM
}

// DoorPort is a port of hosts.
type DoorPort struct {
	Port  uint16
	TLS   bool       `json:",omitempty"`
	Hosts []DoorHost // sorted by Name, Deep last: one of them answers a request, the most specific; where none does it is 404
}

// DoorHost is what is served under a name.
type DoorHost struct {
	// Name is in lower case and without a port: "shop.example.org"; "*.example.org" for those of one label more (or of one or more where Deep); empty for every
	// name that no other host has. Exact names come before wildcards, longer wildcards before shorter.
	Name string `json:",omitempty"`
	Deep bool   `json:",omitempty"`
	// Key is by what name the door has the certificate: "NAMESPACE/NAME@MARK" of a Secret, "acme/HOST". Empty on a port without TLS, and where there is none:
	// then the handshake fails.
	Key    string     `json:",omitempty"`
	Issuer string     `json:",omitempty"` // of a Key "acme/…": the node whose door has it issued, and answers what the issuer asks; others pass such requests on to it
	Rules  []DoorRule `json:",omitempty"` // the first that matches answers; where none does it is 404
}

// DoorRule is what is done with some requests.
type DoorRule struct {
	From  string // whose it is: "Ingress/NAMESPACE/NAME", "HTTPRoute/NAMESPACE/NAME"; label of metrics and logs
	Match DoorMatch
	Tier  int `json:",omitempty"` // 0 is asked for at this very host; above that it is for a wildcard that covers it, or for all hosts, and comes later
	// Redirect, or Status, answers without asking anybody. Why is said where Status is 404 or more, to status and never to a client.
	Redirect *DoorRedirect  `json:",omitempty"`
	Status   int            `json:",omitempty"`
	Why      string         `json:",omitempty"`
	To       []DoorBackend  `json:",omitempty"` // by weight
	Rewrite  *DoorRewrite   `json:",omitempty"`
	Request  DoorHeaders    `json:",omitzero"`
	Answer   DoorHeaders    `json:",omitzero"`
	CORS     *DoorCORS      `json:",omitempty"`
	Users    string         `json:",omitempty"` // by what name the door has the passwords, as Key of a host; empty: none are asked for
	Realm    string         `json:",omitempty"`
	Allow    []netip.Prefix `json:",omitempty"` // none is all
	Deny     []netip.Prefix `json:",omitempty"`
	Body     int64          `json:",omitempty"` // most bytes of a request; 0 is any
	Once     bool           `json:",omitempty"` // no second attempt
	Whole    time.Duration  `json:",omitempty"` // timeouts: of all of a request, with attempts
	Attempt  time.Duration  `json:",omitempty"` // of one attempt, until all of the answer is there
	Connect  time.Duration  `json:",omitempty"` // 0 is the door's own, here and below
	Read     time.Duration  `json:",omitempty"` // between two reads from a pod
	Send     time.Duration  `json:",omitempty"` // between two writes to it
}

// Kinds of a DoorMatch's Path, of what is compared as text, and of a DoorRewrite's Path.
const (
	Exact   = "Exact"
	Prefix  = "Prefix" // of whole elements: "/a" matches "/a", "/a/" and "/a/b", never "/ab"
	Regexp  = "Regexp" // RE2. A path's matches at its begin, without case; a header's or query's the whole value
	Written = "Written"
)

// DoorMatch says which requests: all that is set has to hold.
type DoorMatch struct {
	Kind    string      `json:",omitempty"` // of Path
	Path    string      // decoded; "/" with Prefix is all
	Method  string      `json:",omitempty"`
	Headers []DoorValue `json:",omitempty"`
	Query   []DoorValue `json:",omitempty"`
}

// DoorValue is a header or a parameter, and what it is to be.
type DoorValue struct {
	Name  string // of a header without case
	Value string
	Kind  string `json:",omitempty"` // Exact, the default, or Regexp
}

// DoorBackend is a port of a Service of the same table.
type DoorBackend struct {
	Namespace, Service string
	Port               uint16      // the Service's port, by number
	Weight             int         // its share; 0 is none
	Status             int         `json:",omitempty"` // its share is answered so, for there is nobody to ask: 500, 503
	Protocol           string      `json:",omitempty"` // "" HTTP/1.1, "h2c", "https", "h2" (over TLS, not verified), "ws" as ""
	Host               string      `json:",omitempty"` // that it sees, where not the client's
	Request            DoorHeaders `json:",omitzero"`
	Answer             DoorHeaders `json:",omitzero"`
}

// DoorHeaders are changes to headers, in the order Set, Add, Remove.
type DoorHeaders struct {
	Set    []DoorValue `json:",omitempty"`
	Add    []DoorValue `json:",omitempty"`
	Remove []string    `json:",omitempty"`
}

// DoorRewrite changes what a pod sees.
type DoorRewrite struct {
	Host string `json:",omitempty"`
	// Kind of Path: Exact: it is the whole path; Prefix: it comes in place of what Match.Path matched; Regexp: $1… are groups of Match.Path; Written, of a
	// redirect alone: it is the path and the query as they are written. Empty: unchanged.
	Kind string `json:",omitempty"`
	Path string `json:",omitempty"` // decoded, but for Written
}

// DoorRedirect answers with a Location made of the request's, and what is set here.
type DoorRedirect struct {
	Scheme, Host string       `json:",omitempty"`
	Port         uint16       `json:",omitempty"` // 0: the scheme's own where Scheme is set, else the port that the request came by
	Path         *DoorRewrite `json:",omitempty"`
	Whole        string       `json:",omitempty"` // the Location itself, in place of all that
	Code         int
	Plain        bool `json:",omitempty"` // only what has come without TLS, also to a trusted one who passes it on; else the rest of the rule holds
}

// DoorCORS is answered to browsers that ask from other origins.
type DoorCORS struct {
	Origins, Methods, Headers, Exposed []string `json:",omitempty"`
	Credentials                        bool     `json:",omitempty"`
	MaxAge                             int      `json:",omitempty"` // seconds
}

// Doored is what came of one object of those that doors serve.
type Doored struct {
	Kind, Namespace, Name string
	Ours                  bool             // it is of a class of ours
	Why                   []string         `json:",omitempty"` // what of it is not served as it asks, and what to do; empty when all is well
	Hosts                 []string         `json:",omitempty"` // names that it is served under, sorted; "*" for all
	Secure                []string         `json:",omitempty"` // those of them by TLS
	Addresses             []netip.Addr     `json:",omitempty"` // of the nodes with a door
	Conditions            []DoorCondition  `json:",omitempty"` // of a GatewayClass, a Gateway
	Listeners             []DooredListener `json:",omitempty"` // of a Gateway
	Parents               []DooredParent   `json:",omitempty"` // of an HTTPRoute
}

// DoorCondition is one of the Gateway API's.
type DoorCondition struct {
	Type    string
	Status  string // "True", "False", "Unknown"
	Reason  string
	Message string `json:",omitempty"`
}

// DooredListener is what came of a Gateway's listener.
type DooredListener struct {
	Name       string
	Kinds      []string // of routes that it takes
	Attached   int
	Conditions []DoorCondition
}

// DooredParent is what came of a route at one of those that it names.
type DooredParent struct {
	Namespace, Name, Section string
	Port                     int32
	Conditions               []DoorCondition
}
