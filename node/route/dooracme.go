package route

import (
	"bytes"
	"crypto/sha256"
	"strings"
)

const acmePrefix = "acme/"

// acmeKey is by what name doors have a certificate for a host that is to be issued; why says that it cannot be now.
func (b *doorBuild) acmeKey(host string) (key, why string) {
	switch {
	case host == "":
		return "", "a certificate can be issued for a host with a name alone: write one, or a Secret"
	case strings.HasPrefix(host, "*."):
		return "", "no certificate can be issued for " + host + ", since that needs a record of DNS: name the hosts, or put a certificate into a Secret"
	case b.Offer.ACME.Directory == "":
		return "", "no certificate can be issued for " + host + ": begin podkeep with --acme-directory=URL, or put a certificate into a Secret"
	case b.Offer.HTTP == 0: // one that is there serves to its end
		return acmePrefix + host, "no certificate can be issued for " + host + ", since its issuer asks by HTTP: begin podkeep with a port for that (--ingress-http-port=80), or put a certificate into a Secret"
	}
	return acmePrefix + host, ""
}

// issuer is the node whose door has a certificate issued: the one that its host leads to, whoever else comes and goes.
func (b *doorBuild) issuer(key string) (node string) {
	host, ok := strings.CutPrefix(key, acmePrefix)
	if !ok {
		return ""
	}
	var most [sha256.Size]byte
	for _, n := range b.Nodes {
		if sum := sha256.Sum256([]byte(host + "\n" + n)); node == "" || bytes.Compare(sum[:], most[:]) > 0 {
			node, most = n, sum
		}
	}
	return node
}
