package route

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/manifest"
)

// KeyName is by what name doors have a Secret: NAMESPACE/NAME@MARK, of which the mark follows from its content.
func KeyName(s manifest.Secret) string {
	sum := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(s.Data)) {
		_, _ = fmt.Fprintf(sum, "%d:%s%d:", len(key), key, len(s.Data[key]))
		_, _ = sum.Write(s.Data[key])
	}
	return s.Namespace + "/" + s.Name + "@" + hex.EncodeToString(sum.Sum(nil))[:12]
}

// secretOf is the Secret of which a name is, or the name itself where it is of none.
func secretOf(key string) string {
	id, _, _ := strings.Cut(key, "@")
	return id
}

// KeyNames are the names of all Secrets that the table's doors need, sorted.
func KeyNames(t *Table) []string {
	names := map[string]bool{}
	if t != nil && t.Doors != nil {
		for _, p := range t.Doors.Ports {
			for _, h := range p.Hosts {
				names[h.Key] = !strings.HasPrefix(h.Key, acmePrefix)
				for _, r := range h.Rules {
					names[r.Users] = true
				}
			}
		}
	}
	maps.DeleteFunc(names, func(name string, is bool) bool { return name == "" || !is })
	return slices.Sorted(maps.Keys(names))
}

// pair is a certificate with its key, as far as it is known without a clock.
type pair struct {
	key   string            // its name; empty where the Secret holds no pair
	leaf  *x509.Certificate // nil where there is none
	there bool
	why   string // what is amiss
}

// names says whether the certificate is for a host.
func (p pair) names(host string) bool {
	if rest, wild := strings.CutPrefix(host, "*."); wild {
		return p.leaf != nil && slices.ContainsFunc(p.leaf.DNSNames, func(n string) bool { return strings.EqualFold(n, "*."+rest) })
	}
	return p.leaf != nil && p.leaf.VerifyHostname(host) == nil
}

// pair is what a Secret holds for TLS.
func (b *doorBuild) pair(namespace, name string) pair {
	id := keyOf(namespace, name)
	if p, known := b.pairs[id]; known {
		return p
	}
	p := pair{why: " is not there: put it into Git, as `kubectl create secret tls` makes it"}
	if s := b.secrets[id]; s != nil {
		p = b.paired(s)
		p.there = true
	}
	if p.why != "" {
		p.why = "Secret " + id + p.why
	}
	b.pairs[id] = p
	return p
}

func (b *doorBuild) paired(s *manifest.Secret) pair {
	chain, private := s.Data[corev1.TLSCertKey], s.Data[corev1.TLSPrivateKeyKey]
	switch {
	case len(chain) == 0:
		return pair{why: ": it has no tls.crt: make it as `kubectl create secret tls` does"}
	case len(private) == 0:
		return pair{why: ": it has no tls.key: make it as `kubectl create secret tls` does"}
	}
	leaf := leafOf(chain)
	if leaf == nil {
		return pair{why: ": tls.crt does not begin with a certificate in PEM"}
	}
	key := KeyName(*s)
	if b.before.keys[key] { // its content was looked at then
		return pair{key: key, leaf: leaf}
	}
	if _, err := tls.X509KeyPair(chain, private); err == nil {
		return pair{key: key, leaf: leaf}
	}
	if isPrivate(private) {
		return pair{leaf: leaf, why: ": tls.key is not the key of tls.crt"}
	}
	return pair{leaf: leaf, why: ": tls.key holds no private key in PEM that is without a password"}
}

func leafOf(chain []byte) *x509.Certificate {
	for {
		block, rest := pem.Decode(chain)
		if block == nil {
			return nil
		}
		if block.Type == "CERTIFICATE" {
			leaf, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil
			}
			return leaf
		}
		chain = rest
	}
}

// isPrivate says whether a PEM text holds a private key.
func isPrivate(text []byte) bool {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return false
		}
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			switch key.(type) {
			case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey:
				return true
			}
		}
		if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
			return true
		}
		if _, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
			return true
		}
		text = rest
	}
}

// users are by what name doors have the passwords of an Ingress, and what is amiss with them. Where they are of no use any more, what the table before had
// of that Secret stays.
func (b *doorBuild) users(i *manifest.Ingress) (name, why string) {
	if i.Manner.Users == "" {
		return "", ""
	}
	namespace, _, _ := strings.Cut(i.Manner.Users, "/")
	s := b.secrets[i.Manner.Users]
	switch {
	case namespace != i.Namespace:
		return "", fmt.Sprintf("auth-secret %s is in another namespace, whose Secrets are not its own: name one of %s", i.Manner.Users, i.Namespace)
	case s == nil:
		return "", fmt.Sprintf("Secret %s, its auth-secret, is not there: put it into Git", i.Manner.Users)
	}
	if why := badUsers(s, i.Manner.UserMap); why != "" {
		return b.before.users[i.Manner.Users], fmt.Sprintf("Secret %s: %s", i.Manner.Users, why)
	}
	return KeyName(*s), ""
}

// badUsers is what is amiss with passwords; empty where nothing is.
func badUsers(s *manifest.Secret, each bool) string {
	if each {
		if len(s.Data) == 0 {
			return "it names no user: write each as a key with the hash of his password"
		}
		return ""
	}
	if _, has := s.Data["auth"]; !has {
		return "it has no key auth: write NAME:HASH lines into it, as htpasswd does"
	}
	users := 0
	for n, line := range strings.Split(string(s.Data["auth"]), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, hash, ok := strings.Cut(line, ":"); !ok || name == "" || hash == "" {
			return fmt.Sprintf("line %d of its key auth is not NAME:HASH, as htpasswd writes it", n+1)
		}
		users++
	}
	if users == 0 {
		return "its key auth names no user: write NAME:HASH lines into it, as htpasswd does"
	}
	return ""
}
