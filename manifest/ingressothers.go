package manifest

import (
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
)

// Annotations by which a certificate is asked for.
var issuing = []string{"kubernetes.io/tls-acme", "cert-manager.io/cluster-issuer", "cert-manager.io/issuer", "certmanager.k8s.io/cluster-issuer", "certmanager.k8s.io/issuer"}

// asksACME says whether an object's annotations ask for certificates of those of its hosts for which Git holds none.
func asksACME(annotations map[string]string) bool {
	for _, key := range issuing {
		if value := annotations[key]; value != "" && !isFalse(value) {
			return true
		}
	}
	return false
}

// foreignPrefixes are those of what other controllers than ingress-nginx read, with what is said of it.
var foreignPrefixes = map[string]string{
	"cert-manager.io/": settingsOfIssuer, "certmanager.k8s.io/": settingsOfIssuer,
	"external-dns.alpha.kubernetes.io/": "nothing is done for it: nobody writes names into a DNS zone here",
}

const (
	settingsOfIssuer = "nothing is done for it: certificates are issued as flags say, the same for all"
	anotherIngress   = "nothing is done for it: it is another ingress controller's; ingress-nginx' annotations are those that are read"
)

// controllers are prefixes of other ingress controllers' annotations.
var controllers = []string{
	"traefik.ingress.kubernetes.io/", "ingress.kubernetes.io/", "haproxy.org/", "haproxy-ingress.github.io/", "ingress.haproxy.org/", "alb.ingress.kubernetes.io/", "konghq.com/", "configuration.konghq.com",
	"plugins.konghq.com", "nginx.org/", "nginx.com/", "appgw.ingress.kubernetes.io/", "networking.gke.io/", "cloud.google.com/", "projectcontour.io/", "ingress.citrix.com/", "ingress.cilium.io/",
	"kubernetes.io/ingress.", "getambassador.io/", "route.openshift.io/", "voyager.appscode.com/", "zalando.org/", "k8s.apisix.apache.org/", "higress.io/", "ingress.bluemix.net/",
}

// other reads an annotation that is not ingress-nginx'.
func (r *mannered) other(at, key, value string) {
	switch {
	case key == AnnotationIngressClass || strings.HasPrefix(key, "acme.cert-manager.io/"): // challenges are answered wherever they come
		return
	case key == networkingv1.AnnotationIsDefaultIngressClass:
		r.refuse(at, "is for an IngressClass; remove it")
		return
	}
	if slices.Contains(issuing, key) {
		if key == issuing[0] {
			r.oneOf(at, value, "true", "false")
		}
		r.ACME = asksACME(r.notes)
		return
	}
	for prefix, text := range foreignPrefixes {
		if strings.HasPrefix(key, prefix) {
			r.notice(at, text)
		}
	}
	for _, prefix := range controllers {
		if strings.HasPrefix(key, prefix) {
			r.notice(at, anotherIngress)
		}
	}
}
