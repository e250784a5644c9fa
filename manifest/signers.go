package manifest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
)

// SignersFile stands beside the manifests, and names the keys of other controllers that are trusted, in the form that
// ssh-keygen(1) calls allowed signers: principals, options, key.
const SignersFile = "podkeep.signers"

// keyType begins each key: no other kind signs.
const keyType = "ssh-ed25519"

// keyHead is what comes before the 32 bytes in an OpenSSH key of that type (RFC 8709, section 4).
const keyHead = "\x00\x00\x00\x0b" + keyType + "\x00\x00\x00\x20"

// KeyText is a public key as OpenSSH writes it, "ssh-ed25519 AAAA…", without a comment.
func KeyText(key ed25519.PublicKey) string {
	return keyType + " " + base64.StdEncoding.EncodeToString(append([]byte(keyHead), key...))
}

// Fingerprint is what ssh-keygen -l shows of a key: SHA256:… of its bytes.
func Fingerprint(key string) string {
	_, text, _ := strings.Cut(key, " ")
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// Trusts says whether what a key has signed is believed: the controller's own, and those that Git names.
func (h History) Trusts(signer string) bool {
	return signer != "" && (signer == h.Key || slices.Contains(h.Want().Signers, signer))
}
