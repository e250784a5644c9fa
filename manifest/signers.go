package manifest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"path"
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

// maxSigners is how many keys a file of signers may hold: each signature is asked whose it is.
const maxSigners = 1_000

// parseSigners reads a file of signers. It loads as a whole or not at all.
func parseSigners(file string, data []byte) Parsed {
	p := Parsed{Path: file}
	for i, line := range strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, why := parseSigner(line)
		if len(p.signers) >= maxSigners {
			why = fmt.Sprintf("there are more than %d keys: leave out those that sign no more", maxSigners)
		}
		if len(p.Problems) >= maxMistakes {
			break
		}
		if why != "" {
			p.Problems = append(p.Problems, Problem{Origin: Origin{file, i + 1}, Text: why})
			continue
		}
		p.signers = append(p.signers, key)
	}
	if len(p.Problems) > 0 {
		p.signers = nil
	}
	return p
}

// parseSigner reads one line: principals, options if there are any, the key, a comment if there is one. why never quotes what may be
// something else than it should be.
func parseSigner(line string) (key, why string) {
	const form = `write "NAME ssh-ed25519 AAAA…", as ssh-keygen(1) says of allowed signers`
	words := wordsOf(line)
	at := 1 + slices.IndexFunc(words[1:], isKeyType)
	switch {
	case at == 0 && isKeyType(words[0]):
		return "", "the principals are missing: say first whose key it is; " + form
	case at == 0:
		return "", "names no type of key; " + form
	case at > 2:
		return "", "has more than principals and options before the key; write neither with spaces, or quote them"
	case at == 2:
		if why := signerOptions(words[1]); why != "" {
			return "", why
		}
	}
	switch {
	case words[at] != keyType:
		return "", fmt.Sprintf("%s is not supported; only %s keys sign: make one with ssh-keygen -t ed25519", words[at], keyType)
	case len(words) == at+1:
		return "", "the key itself is missing after its type; " + form
	}
	data, err := base64.StdEncoding.Strict().DecodeString(words[at+1])
	if err != nil || len(data) != len(keyHead)+ed25519.PublicKeySize || string(data[:len(keyHead)]) != keyHead {
		return "", "the key is not one: it may have been cut off or changed; copy the line of the .pub file again"
	}
	return KeyText(data[len(keyHead):]), ""
}

// isKeyType says whether a word is the name of a type of key.
func isKeyType(word string) bool {
	return slices.ContainsFunc([]string{"ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"}, func(head string) bool {
		return strings.HasPrefix(word, head) && strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789-@.") == ""
	})
}

// signerOptions says what is wrong with the options of a line. Those that would bound a key's word and are not held are refused.
func signerOptions(text string) (why string) {
	for _, option := range split(text, ',') {
		name, value, _ := strings.Cut(option, "=")
		switch strings.ToLower(name) {
		case "namespaces":
			if !slices.Contains(strings.Split(strings.Trim(value, `"`), ","), "podkeep") || strings.Contains(value, "!") {
				return "namespaces does not name podkeep as it is; add it, or remove the line"
			}
		case "cert-authority":
			return "cert-authority is not supported: write the keys themselves, a line each"
		case "valid-after", "valid-before":
			return strings.ToLower(name) + " is not supported, since a clock would decide what is trusted; remove it, " +
				"and remove the line when the key is not to be trusted any more"
		default:
			return "has an option that is not supported; of those before the key only namespaces is"
		}
	}
	return ""
}

// wordsOf are the words of a line; blanks between double quotes part nothing.
func wordsOf(line string) []string {
	return slices.DeleteFunc(split(strings.ReplaceAll(line, "\t", " "), ' '), func(word string) bool { return word == "" })
}

// split parts a text at each sep that is not between double quotes.
func split(text string, sep byte) (parts []string) {
	quoted, from := false, 0
	for i := range len(text) {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case text[i] == sep && !quoted:
			parts, from = append(parts, text[from:i]), i+1
		}
	}
	return append(parts, text[from:])
}

// isSigners says whether a file holds signers, and so no object, whatever is wrong with it.
func isSigners(file string) bool { return path.Base(file) == SignersFile }

// addSigners takes in what a file of signers says.
func (a *assembly) addSigners(f Parsed) {
	a.set.signersLost = a.set.signersLost || slices.ContainsFunc(f.Problems, Problem.breaks)
	a.set.Signers = append(a.set.Signers, f.signers...)
	slices.Sort(a.set.Signers)
	a.set.Signers = slices.Compact(a.set.Signers)
}

// Signers are the keys that Git trusts beside the controller's own, sorted: HEAD's, or where its file does not load those of the nearest
// first-parent ancestor where it did, or was not there.
func (h History) Signers() []string {
	if s := h.signed(); s != nil {
		return s.Signers
	}
	return nil
}

// signed is the newest commit of which is known whom it trusts, or nil.
func (h History) signed() *Set {
	if !h.Head.signersLost {
		return &h.Head
	}
	return h.answer(Question{about: signers})
}

// Trusted are the keys of which what they have signed is believed: the controller's own, and those that Git names.
func (h History) Trusted() map[string]bool {
	trusted := map[string]bool{}
	for _, key := range h.Signers() {
		trusted[key] = true
	}
	if h.Key != "" {
		trusted[h.Key] = true
	}
	return trusted
}

// sayWhoIsTrusted adds to problems with the file of signers what holds in its place.
func (h History) sayWhoIsTrusted(problems []Problem) []Problem {
	if !h.Head.signersLost {
		return problems
	}
	stands := "until it loads no key but this controller's own is trusted"
	if s := h.signed(); s != nil {
		stands = "the keys of " + short(s.Commit) + " stay trusted"
	}
	problems = slices.Clone(problems)
	for i, p := range problems {
		if isSigners(p.File) {
			problems[i].Text += "; " + stands
		}
	}
	return problems
}
