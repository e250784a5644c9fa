package main

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/podkeep/podkeep/manifest"
)

// letsEncrypt is who issues certificates where nobody else is named.
const letsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// largestRoots is how many bytes --acme-roots may have: each table has them.
const largestRoots = 64 << 10

// doorSettings say how doors are set up: what no manifest says.
type doorSettings struct {
	ingressHTTP, ingressHTTPS, doorMetrics uint16
	ingressClasses                         []string
	trustedProxies, proxyProtocolFrom      []string
	accessLog                              bool
	acmeDirectory, acmeEmail, acmeRoots    string
}

func (s *doorSettings) register(flags *pflag.FlagSet) {
	flags.Uint16Var(&s.ingressHTTP, "ingress-http-port", 80, "port of hosts at which Ingresses are served by HTTP; 0 for none")
	flags.Uint16Var(&s.ingressHTTPS, "ingress-https-port", 443, "port of hosts at which Ingresses are served by HTTPS; 0 for none")
	flags.StringSliceVar(&s.ingressClasses, "ingress-class", nil, "`class` of Ingresses that are served beside podkeep's own, though Git holds no IngressClass of that name")
	flags.StringSliceVar(&s.trustedProxies, "trusted-proxies", nil, "`RANGE` of those whose X-Forwarded-* headers doors believe (default: nobody's)")
	flags.StringSliceVar(&s.proxyProtocolFrom, "proxy-protocol-from", nil, "`RANGE` of those whose connections begin with a PROXY protocol header (default: nobody's)")
	flags.BoolVar(&s.accessLog, "access-log", false, "have doors log each request")
	flags.Uint16Var(&s.doorMetrics, "door-metrics-port", 0, "port of hosts at which doors tell their metrics; 0 for none")
	flags.StringVar(&s.acmeDirectory, "acme-directory", letsEncrypt, "`URL` of the ACME directory of who issues certificates that Ingresses and Gateways ask for; empty for nobody")
	flags.StringVar(&s.acmeEmail, "acme-email", "", "address that the ACME account is to have (default: none)")
	flags.StringVar(&s.acmeRoots, "acme-roots", "", "`file` of certificates to trust for the ACME directory, beside the system's")
}

func (s *doorSettings) check() error {
	_, err := s.doors()
	return err
}

// doors is what they say.
func (s *doorSettings) doors() (o manifest.DoorOffer, err error) {
	o = manifest.DoorOffer{
		HTTP: s.ingressHTTP, HTTPS: s.ingressHTTPS, Classes: s.ingressClasses, Log: s.accessLog, Metrics: s.doorMetrics,
		ACME: manifest.ACME{Directory: s.acmeDirectory, Email: s.acmeEmail},
	}
	switch {
	case o.HTTP != 0 && o.HTTP == o.HTTPS:
		return o, fmt.Errorf("ingress-https-port %d: is --ingress-http-port too; write another port", o.HTTPS)
	case o.Metrics != 0 && (o.Metrics == o.HTTP || o.Metrics == o.HTTPS):
		return o, fmt.Errorf("door-metrics-port %d: Ingresses are served there; write another port", o.Metrics)
	}
	for _, class := range o.Classes {
		if whys := validation.IsDNS1123Subdomain(class); len(whys) > 0 {
			return o, fmt.Errorf("ingress-class %q: write a class as Ingresses name it, such as nginx", class)
		}
	}
	if u, err := url.Parse(s.acmeDirectory); s.acmeDirectory != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		return o, fmt.Errorf("acme-directory %q: write an https URL, such as %s, or nothing", s.acmeDirectory, letsEncrypt)
	}
	if o.Trusted, err = rangesOf("trusted-proxies", s.trustedProxies); err != nil {
		return o, err
	}
	if o.Proxied, err = rangesOf("proxy-protocol-from", s.proxyProtocolFrom); err != nil {
		return o, err
	}
	o.ACME.Roots, err = s.roots()
	return o, err
}

// roots are the certificates of --acme-roots.
func (s *doorSettings) roots() (string, error) {
	if s.acmeRoots == "" {
		return "", nil
	}
	text, err := os.ReadFile(s.acmeRoots)
	switch {
	case err != nil:
		return "", fmt.Errorf("acme-roots: %w", err)
	case len(text) > largestRoots:
		return "", fmt.Errorf("acme-roots %s: has more than %d bytes; leave out those that did not sign the directory's certificate", s.acmeRoots, largestRoots)
	case !x509.NewCertPool().AppendCertsFromPEM(text):
		return "", fmt.Errorf("acme-roots %s: holds no certificate in PEM", s.acmeRoots)
	}
	return string(text), nil
}

// rangesOf reads ranges of addresses, or single ones.
func rangesOf(flag string, texts []string) (all []netip.Prefix, err error) {
	for _, text := range texts {
		text = strings.TrimSpace(text)
		p, err := netip.ParsePrefix(text)
		if ip, single := netip.ParseAddr(text); single == nil {
			p, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		switch {
		case err != nil || p.Addr().Is4In6():
			return nil, fmt.Errorf("%s %q: write a range of addresses, such as 192.0.2.0/24, or an address", flag, text)
		case p != p.Masked():
			return nil, fmt.Errorf("%s %s: is an address within a range; write %s", flag, text, p.Masked())
		}
		all = append(all, p)
	}
	return all, nil
}
