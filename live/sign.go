package live

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/manifest"
)

// What stands on a host is believed only if a key that Git trusts has signed it: root on a host may write there what he likes. A
// signature is a label, base64 of the 32 bytes of the Ed25519 public key and the 64 of the signature, so that anyone can say whose
// it is; whether that one is trusted is manifest.History's to say.

// HostFile is the name of the File that holds a host's identity.
const HostFile = "host"

// FileMessage is what is signed of a File: its name and all its labels, but for the signature and what a driver adds.
func FileMessage(name string, labels map[string]string) []byte {
	return message("file", name, "", labels)
}

// PodMessage is what is signed of a pod: the identity of the host it is born on, its name, and the labels of its birth. What is
// on one of its containers alone is no part of it.
func PodMessage(host, name string, labels map[string]string) []byte {
	return message("pod", name, host, labels)
}

// unsigned are labels that no signature covers: itself, what is on single containers, and what the driver keeps for itself.
// Those of the last kind are on some of a pod's parts and not on others.
var unsigned = []string{
	LabelSig, LabelContainer, LabelAttempt,
	"podkeep.io/file", "podkeep.io/empty", "podkeep.io/pod", "podkeep.io/grace", "podkeep.io/volumes", "podkeep.io/prestop", "podkeep.io/dns",
}

// message is a version, then each part with its length before it, so that no two lists of parts are alike.
func message(kind, name, host string, labels map[string]string) []byte {
	var b bytes.Buffer
	part := func(s string) {
		b.Write(binary.AppendUvarint(nil, uint64(len(s))))
		b.WriteString(s)
	}
	b.WriteString("podkeep 1\n")
	part(kind)
	part(name)
	part(host)
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if strings.HasPrefix(key, "podkeep.io/") && !slices.Contains(unsigned, key) {
			part(key)
			part(labels[key])
		}
	}
	return b.Bytes()
}

// Sign gives the labels with the key's signature over message among them. They are not changed.
func Sign(key ed25519.PrivateKey, labels map[string]string, message []byte) map[string]string {
	signed := maps.Clone(labels)
	public := key.Public().(ed25519.PublicKey)
	signed[LabelSig] = base64.StdEncoding.EncodeToString(slices.Concat(public, ed25519.Sign(key, message)))
	return signed
}

// SignerOf is the public key whose signature over message is among the labels, as manifest.KeyText has it; empty if there is none.
func SignerOf(labels map[string]string, message []byte) string {
	sig, err := base64.StdEncoding.DecodeString(labels[LabelSig])
	if err != nil || len(sig) != ed25519.PublicKeySize+ed25519.SignatureSize {
		return ""
	}
	public := ed25519.PublicKey(sig[:ed25519.PublicKeySize])
	if !ed25519.Verify(public, message, sig[ed25519.PublicKeySize:]) {
		return ""
	}
	return manifest.KeyText(public)
}

// FileSigner is who signed a File of that name and those labels, as SignerOf has it.
func FileSigner(name string, labels map[string]string) string {
	if labels[LabelSig] == "" {
		return ""
	}
	return SignerOf(labels, FileMessage(name, labels))
}

// PodSigner is who signed a pod of that name and those labels for one of the hosts, and for which.
func PodSigner(hosts []string, name string, labels map[string]string) (signer, host string) {
	if labels[LabelSig] == "" {
		return "", ""
	}
	for _, host := range hosts {
		if signer := SignerOf(labels, PodMessage(host, name, labels)); signer != "" {
			return signer, host
		}
	}
	return "", ""
}

// HostsOf are the identities that a host's Files give it, sorted: what some key signed, whoever's. There is one but where a record
// of another host was brought.
func HostsOf(files []File) (hosts []string) {
	for _, f := range files {
		if h, ok := ParseHost(f); ok && h.Signer != "" {
			hosts = append(hosts, h.ID)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// ShortKey is what people see of a key: the beginning of what ssh-keygen -l shows.
func ShortKey(key string) string { return fmt.Sprintf("%.18s", manifest.Fingerprint(key)) }

// TableMessage is what is signed of a table by which hosts route, in the form in which it is sent.
func TableMessage(cluster string, body []byte) []byte {
	sum := sha256.Sum256(body)
	return message("table", cluster, hex.EncodeToString(sum[:]), nil)
}
