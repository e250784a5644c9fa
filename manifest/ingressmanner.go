package manifest

import (
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
)

// nginxPrefix is what the names of ingress-nginx' annotations begin with.
const nginxPrefix = "nginx.ingress.kubernetes.io/"

// mannered reads what an Ingress' annotations ask for.
type mannered struct {
	*check
	Manner
	notes     map[string]string
	namespace string
}

// asked is what becomes of one annotation. What changes who may come, or what he is answered, is done or refused; what changes nothing but how
// it is done is taken.
type asked struct {
	take    func(r *mannered, at, value string) // it is honoured
	plain   []string                            // values at which it asks for nothing that is not so anyway
	idle    bool                                // so are all
	with    string                              // it asks for nothing but together with that one, which is refused
	notice  string                              // any other value is taken, and this is said
	instead string                              // any other value is refused, and this is to do
}

// mannerOf are the annotations of an Ingress, those of every class: which classes are served here is said by flags too.
func mannerOf(c *check, o *networkingv1.Ingress) Manner {
	r := &mannered{check: c, notes: o.Annotations, namespace: o.Namespace}
	for _, key := range sorted(r.notes) {
		at := keyed("metadata.annotations", key)
		if short, ours := strings.CutPrefix(key, nginxPrefix); ours {
			r.nginx(at, short, r.notes[key])
		} else {
			r.other(at, key, r.notes[key])
		}
	}
	r.together()
	return r.Manner
}

// nginx reads one of ingress-nginx' annotations. An empty one asks for nothing there either.
func (r *mannered) nginx(at, short, value string) {
	a, known := nginxAnnotations[short]
	switch {
	case !known:
		r.refuse(at, "is not known%s", or(didYouMean(short, sorted(nginxAnnotations)), "; remove it"))
	case value == "" || a.idle || a.with != "" || slices.Contains(a.plain, value) || slices.Contains(a.plain, "false") && isFalse(value):
	case a.take != nil:
		a.take(r, at, value)
	case a.notice != "":
		r.notice(at, a.notice)
	default:
		r.refuse(at, "is not supported; %s", a.instead)
	}
}

func isFalse(text string) bool {
	yes, err := strconv.ParseBool(text)
	return err == nil && !yes
}

// note is the value of one of ingress-nginx' annotations, and has what it is refused by.
func (r *mannered) note(short string) (value, at string) {
	return r.notes[nginxPrefix+short], keyed("metadata.annotations", nginxPrefix+short)
}

// together refuses annotations that ask for nothing, or for two things, as they stand together.
func (r *mannered) together() {
	kind, at := r.note("auth-type")
	secret, secretAt := r.note("auth-secret")
	switch {
	case kind != "" && secret == "":
		r.refuse(at, "asks for passwords that are nowhere; write %sauth-secret: NAME, with htpasswd's lines as key auth of that Secret", nginxPrefix)
	case kind == "" && secret != "":
		r.refuse(secretAt, "asks nobody for a password without %sauth-type: basic; write that too", nginxPrefix)
	}
	allowed, _ := r.note("allowlist-source-range")
	if older, at := r.note("whitelist-source-range"); older != "" && allowed != "" {
		r.refuse(at, "is the same as %sallowlist-source-range, which is written too; remove one of them", nginxPrefix)
	}
	temporal, _ := r.note("temporal-redirect")
	if permanent, at := r.note("permanent-redirect"); permanent != "" && temporal != "" {
		r.refuse(at, "goes with no temporal-redirect; remove one of them")
	}
	if on, _ := r.note("enable-cors"); on == "" || isFalse(on) {
		r.CORS = nil
	}
}

const (
	noSnippet  = "lines of nginx' configuration mean nothing here; remove it, and write the annotation or the filter of an HTTPRoute that does the same"
	noSticking = "a client is not kept at one pod; remove it, and have the pods share what they remember"
	noLimit    = "requests are not counted; remove it, and limit them in the program, or before the hosts"
	noAuth     = "nobody else is asked whether a request may pass; remove it, and lead the Ingress to a proxy that asks, such as oauth2-proxy, which leads to the Service"
	noClients  = "certificates of clients are not asked for; remove it, and have the program end TLS itself behind a Service of type LoadBalancer"
	noTrust    = "a Service's certificate is not checked; remove it: the cluster's own network is what keeps others out"
	noErrors   = "answers are passed on as they are; remove it, and let the program answer with its own pages"
	noCookies  = "answers' headers are passed on as they are; remove it, and let the program set the header as it is to be seen"
	noFirewall = "requests are not searched; remove it, or lead the Ingress to a proxy that does"
	noCanary   = "write a Rollout for shares of one program's versions, or an HTTPRoute with weights or header matches for two Services"
	noMirror   = "requests go to one Service; remove it"
	noSpans    = "no spans are made: headers that carry a trace are passed on as they came"
	noBuffer   = "is not done: what comes is passed on at once"
)

// nginxAnnotations are all that ingress-nginx documents, and those that it had before and people write still.
var nginxAnnotations = map[string]asked{
	"allowlist-source-range": {take: (*mannered).allow}, "whitelist-source-range": {take: (*mannered).allow}, "denylist-source-range": {take: (*mannered).deny},
	"app-root": {take: (*mannered).appRoot}, "rewrite-target": {take: (*mannered).rewrite}, "use-regex": {take: (*mannered).useRegex},
	"ssl-redirect": {take: (*mannered).sslRedirect}, "force-ssl-redirect": {take: (*mannered).forceHTTPS}, "from-to-www-redirect": {take: (*mannered).www},
	"permanent-redirect": {take: (*mannered).permanent}, "permanent-redirect-code": {take: (*mannered).code},
	"temporal-redirect": {take: (*mannered).temporal}, "temporal-redirect-code": {take: (*mannered).code},
	"auth-type": {take: (*mannered).authType}, "auth-secret": {take: (*mannered).authSecret}, "auth-secret-type": {take: (*mannered).authSecretType}, "auth-realm": {take: (*mannered).authRealm},
	"backend-protocol": {take: (*mannered).backendProtocol}, "upstream-vhost": {take: (*mannered).vhost}, "x-forwarded-prefix": {take: (*mannered).forwardedPrefix},
	"proxy-body-size": {take: (*mannered).body}, "proxy-connect-timeout": {take: (*mannered).connect}, "proxy-read-timeout": {take: (*mannered).read}, "proxy-send-timeout": {take: (*mannered).send},
	"proxy-next-upstream": {take: (*mannered).nextUpstream}, "proxy-next-upstream-tries": {take: (*mannered).tries}, "server-alias": {take: (*mannered).alias},
	"enable-cors": {take: (*mannered).enableCORS}, "cors-allow-origin": {take: (*mannered).corsOrigins}, "cors-allow-methods": {take: (*mannered).corsMethods}, "cors-allow-headers": {take: (*mannered).corsHeaders},
	"cors-expose-headers": {take: (*mannered).corsExposed}, "cors-allow-credentials": {take: (*mannered).corsCredentials}, "cors-max-age": {take: (*mannered).corsMaxAge},

	"proxy-buffering": {plain: []string{"off"}, notice: noBuffer}, "proxy-request-buffering": {plain: []string{"off"}, notice: noBuffer},
	"proxy-buffers-number": {idle: true}, "proxy-buffer-size": {idle: true}, "proxy-busy-buffers-size": {idle: true}, "proxy-max-temp-file-size": {idle: true}, "client-body-buffer-size": {idle: true},
	"proxy-next-upstream-timeout": {idle: true}, "service-upstream": {idle: true}, "preserve-trailing-slash": {idle: true}, "http2-push-preload": {idle: true}, "ssl-prefer-server-ciphers": {idle: true},
	"enable-global-auth": {idle: true}, "disable-proxy-intercept-errors": {idle: true},
	"proxy-http-version":      {plain: []string{"1.1"}, instead: "pods are spoken to by HTTP/1.1; write that"},
	"connection-proxy-header": {plain: []string{"keep-alive", "upgrade"}, instead: "connections to pods are kept, and upgraded where it is asked for; remove it"},
	"load-balance":            {plain: []string{"round_robin"}, notice: "is not done: each request goes to one of the pods that are ready, by chance and evenly"},
	"enable-access-log":       {notice: "is not done for one Ingress: a flag says for all whether requests are logged"},
	"enable-rewrite-log":      {plain: []string{"false"}, notice: "is not done: there is no such log"},
	"enable-opentracing":      {plain: []string{"false"}, notice: noSpans}, "enable-opentelemetry": {plain: []string{"false"}, notice: noSpans},
	"opentracing-trust-incoming-span": {idle: true}, "opentelemetry-trust-incoming-span": {idle: true}, "opentelemetry-operation-name": {with: "enable-opentelemetry"},
	"enable-influxdb":      {plain: []string{"false"}, notice: "is not done: metrics are Prometheus'"},
	"influxdb-measurement": {with: "enable-influxdb"}, "influxdb-port": {with: "enable-influxdb"}, "influxdb-host": {with: "enable-influxdb"}, "influxdb-server-name": {with: "enable-influxdb"},

	"configuration-snippet": {instead: noSnippet}, "server-snippet": {instead: noSnippet}, "stream-snippet": {instead: noSnippet}, "auth-snippet": {instead: noSnippet}, "modsecurity-snippet": {instead: noFirewall},
	"enable-modsecurity": {plain: []string{"false"}, instead: noFirewall}, "enable-owasp-core-rules": {plain: []string{"false"}, instead: noFirewall}, "modsecurity-transaction-id": {with: "enable-modsecurity"},
	"canary": {plain: []string{"false"}, instead: noCanary}, "canary-by-header": {with: "canary"}, "canary-by-header-value": {with: "canary"}, "canary-by-header-pattern": {with: "canary"},
	"canary-by-cookie": {with: "canary"}, "canary-weight": {with: "canary"}, "canary-weight-total": {with: "canary"},
	"affinity": {instead: noSticking}, "affinity-mode": {with: "affinity"}, "affinity-canary-behavior": {with: "affinity"}, "session-cookie-name": {with: "affinity"}, "session-cookie-path": {with: "affinity"},
	"session-cookie-domain": {with: "affinity"}, "session-cookie-expires": {with: "affinity"}, "session-cookie-max-age": {with: "affinity"}, "session-cookie-samesite": {with: "affinity"}, "session-cookie-secure": {with: "affinity"},
	"session-cookie-change-on-failure": {with: "affinity"}, "session-cookie-conditional-samesite-none": {with: "affinity"}, "session-cookie-hash": {with: "affinity"},
	"upstream-hash-by": {instead: noSticking}, "upstream-hash-by-subset": {with: "upstream-hash-by"}, "upstream-hash-by-subset-size": {with: "upstream-hash-by"},
	"limit-connections": {instead: noLimit}, "limit-rps": {instead: noLimit}, "limit-rpm": {instead: noLimit}, "limit-rate": {plain: []string{"0"}, instead: noLimit}, "global-rate-limit": {plain: []string{"0"}, instead: noLimit},
	"limit-burst-multiplier": {with: "limit-rps"}, "limit-whitelist": {with: "limit-rps"}, "limit-allowlist": {with: "limit-rps"}, "limit-rate-after": {with: "limit-rate"},
	"global-rate-limit-window": {with: "global-rate-limit"}, "global-rate-limit-key": {with: "global-rate-limit"}, "global-rate-limit-ignored-cidrs": {with: "global-rate-limit"},
	"auth-url": {instead: noAuth}, "auth-method": {with: "auth-url"}, "auth-signin": {with: "auth-url"}, "auth-signin-redirect-param": {with: "auth-url"}, "auth-response-headers": {with: "auth-url"},
	"auth-proxy-set-headers": {with: "auth-url"}, "auth-request-redirect": {with: "auth-url"}, "auth-cache-key": {with: "auth-url"}, "auth-cache-duration": {with: "auth-url"}, "auth-always-set-cookie": {with: "auth-url"},
	"auth-keepalive": {with: "auth-url"}, "auth-keepalive-requests": {with: "auth-url"}, "auth-keepalive-share-vars": {with: "auth-url"}, "auth-keepalive-timeout": {with: "auth-url"},
	"auth-tls-secret": {instead: noClients}, "auth-tls-verify-client": {with: "auth-tls-secret"}, "auth-tls-verify-depth": {with: "auth-tls-secret"}, "auth-tls-error-page": {with: "auth-tls-secret"},
	"auth-tls-match-cn": {with: "auth-tls-secret"}, "auth-tls-pass-certificate-to-upstream": {with: "auth-tls-secret"},
	"satisfy":          {plain: []string{"all"}, instead: "a request has to come from where it may, and with a password; remove one of the two"},
	"proxy-ssl-secret": {instead: noTrust}, "proxy-ssl-verify": {plain: []string{"off"}, instead: noTrust}, "proxy-ssl-name": {instead: noTrust}, "proxy-ssl-server-name": {plain: []string{"off"}, instead: noTrust},
	"proxy-ssl-ciphers": {instead: noTrust}, "proxy-ssl-protocols": {instead: noTrust}, "proxy-ssl-verify-depth": {with: "proxy-ssl-verify"},
	"custom-http-errors": {instead: noErrors}, "default-backend": {instead: "what no rule matches goes to spec.defaultBackend; write that"},
	"custom-headers":      {instead: "write an HTTPRoute with a filter ResponseHeaderModifier"},
	"proxy-cookie-domain": {plain: []string{"off"}, instead: noCookies}, "proxy-cookie-path": {plain: []string{"off"}, instead: noCookies},
	"proxy-redirect-from": {plain: []string{"off"}, instead: noCookies}, "proxy-redirect-to": {with: "proxy-redirect-from"},
	"relative-redirects": {plain: []string{"false"}, instead: "redirects name the host; remove it"}, "use-port-in-redirects": {plain: []string{"false"}, instead: "redirects lead to the port of HTTPS; remove it"},
	"mirror-target": {instead: noMirror}, "mirror-host": {with: "mirror-target"}, "mirror-request-body": {with: "mirror-target"},
	"ssl-passthrough": {plain: []string{"false"}, instead: "TLS ends where the request comes in; have the program end it itself behind a Service of type LoadBalancer"},
	"ssl-ciphers":     {instead: "ciphers are those that Go takes for safe; remove it"},
	"secure-backends": {plain: []string{"false"}, instead: "write " + nginxPrefix + "backend-protocol: HTTPS"},
	"grpc-backend":    {plain: []string{"false"}, instead: "write " + nginxPrefix + "backend-protocol: GRPC"},
	"fastcgi-index":   {with: "backend-protocol"}, "fastcgi-params-configmap": {with: "backend-protocol"},
}
