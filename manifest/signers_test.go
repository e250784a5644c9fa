package manifest

import (
	"crypto/ed25519"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keyOf is the public key of a seed of that byte, as KeyText has it.
func keyOf(b byte) string {
	seed := slices.Repeat([]byte{b}, ed25519.SeedSize)
	return KeyText(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
}

// signed is a commit with a file of signers of this content beside a manifest.
func signed(commit, text string) Set {
	return set(commit, "podkeep.signers", text, "web.yaml", deployment("web", "nginx:1"))
}

func TestSignersAreReadAsSSHKeygenReadsThem(t *testing.T) {
	a, b, c := keyOf(1), keyOf(2), keyOf(3)
	want := []string{a, b, c}
	slices.Sort(want)
	for _, text := range []string{
		a + "\n", // without principals: refused below
		"# who deploys\n\nanna@example.com " + a + " anna's laptop\r\n\tbert,carl  namespaces=\"git,podkeep\" " + b + "\n\"some body\" Namespaces=podkeep " + c,
		"\ufeffssh-admin " + a + "\nx " + b + "\nx " + c + "\nx " + a + "\n",
	} {
		s := signed("a1", text)
		if text == a+"\n" {
			if len(s.Signers) > 0 || !strings.Contains(wrongs(s), "podkeep.signers:1: the principals are missing") {
				t.Errorf("%q: %s", s.Signers, wrongs(s))
			}
			continue
		}
		if diff := cmp.Diff(want, s.Signers); diff != "" || len(s.Problems) > 0 {
			t.Errorf("%s%s", diff, wrongs(s))
		}
		if diff := cmp.Diff([]string{"web.yaml"}, s.Files); diff != "" {
			t.Error(diff)
		}
	}
}

func TestASignerThatCannotBeHonouredIsRefusedByLine(t *testing.T) {
	key := keyOf(1)
	_, body, _ := strings.Cut(key, " ")
	short := base64.StdEncoding.EncodeToString([]byte(keyHead + "short"))
	for _, c := range []struct{ name, line, want string }{
		{"another type", "a ssh-rsa AAAA", "ssh-rsa is not supported; only ssh-ed25519 keys sign: make one with ssh-keygen -t ed25519"},
		{"a hardware key", "a sk-ssh-ed25519@openssh.com AAAA", "sk-ssh-ed25519@openssh.com is not supported"},
		{"an ecdsa key", "a namespaces=\"podkeep\" ecdsa-sha2-nistp256 AAAA", "ecdsa-sha2-nistp256 is not supported"},
		{"no key", "a ssh-ed25519", "the key itself is missing"},
		{"no type", "-----BEGIN OPENSSH PRIVATE KEY-----", "names no type of key"},
		{"a key that was cut off", "a ssh-ed25519 " + body[:40], "the key is not one"},
		{"a key with a letter changed in its head", "a ssh-ed25519 B" + body[1:], "the key is not one"},
		{"a key of a wrong length", "a ssh-ed25519 " + short, "the key is not one"},
		{"no base64", "a ssh-ed25519 " + body[:20] + "!" + body[21:], "the key is not one"},
		{"an authority", "a cert-authority " + key, "cert-authority is not supported"},
		{"another namespace", "a namespaces=\"git,file\" " + key, "namespaces does not name podkeep"},
		{"a namespace that is shut out", "a namespaces=\"podkeep,!podkeep\" " + key, "namespaces does not name podkeep"},
		{"an end", "a namespaces=\"podkeep\",valid-before=\"20300101\" " + key, "valid-before is not supported, since a clock"},
		{"a beginning", "a VALID-AFTER=20200101 " + key, "valid-after is not supported"},
		{"an unknown option", "a hunter2 " + key, "has an option that is not supported"},
		{"options with spaces", "a b c " + key, "has more than principals and options"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := signed("a1", "ok "+keyOf(2)+"\n\n"+c.line+"\n")
			got := wrongs(s)
			if !strings.HasPrefix(got, "podkeep.signers:3: ") || !strings.Contains(got, c.want) || strings.Contains(got, "hunter2") || strings.Contains(got, body[8:30]) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if len(s.Signers) > 0 || len(s.Workloads) != 1 {
				t.Errorf("%q, %d workloads", s.Signers, len(s.Workloads))
			}
		})
	}
}

func TestSignersThatDoNotLoadKeepTheirLastGoodForm(t *testing.T) {
	a, b := keyOf(1), keyOf(2)
	good, other := signed("g1", "x "+a+"\n"), signed("g2", "x "+b+"\n")
	none := set("n1", "web.yaml", deployment("web", "nginx:1"))
	lost := signed("b1", "<<<<<<< HEAD\n")
	for _, c := range []struct {
		name   string
		h      History
		want   []string
		unsure bool
		says   string
	}{
		{"as HEAD says", other.After(good), []string{b}, false, ""},
		{"removed", none.After(good), nil, false, ""},
		{"the nearest that loaded", lost.After(lost, good, other), []string{a}, false, "; the keys of g1 stay trusted"},
		{"where it was not there", lost.After(none, good), nil, false, "; the keys of n1 stay trusted"},
		{"not known yet", lost.After(lost), nil, true, "; until it loads no key but this controller's own is trusted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := c.h.Want()
			if !slices.Equal(want.Signers, c.want) || !slices.Equal(c.h.Signers(), c.want) || c.h.unsure() != c.unsure {
				t.Errorf("%q, unsure %v", want.Signers, c.h.unsure())
			}
			if len(c.h.Broken()) > 0 || len(want.Workloads) != 1 || want.Workloads[0].Held != "" {
				t.Errorf("a file without objects holds something up: %q", c.h.Broken())
			}
			var said string
			for _, p := range c.h.Problems() {
				said += p.Error()
			}
			if !strings.HasSuffix(said, c.says) || c.says == "" && said != "" {
				t.Errorf("said %q, want %q", said, c.says)
			}
		})
	}
}

func TestOptionalConfigIsNotInAFileOfSigners(t *testing.T) {
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: b, envFrom: [{configMapRef: {name: none, optional: true}}]}]}\n"
	if s := set("a1", "podkeep.signers", "nobody\n", "a.yaml", pod); len(s.Workloads) != 1 || len(s.Problems) != 1 {
		t.Errorf("%d workloads: %s", len(s.Workloads), wrongs(s))
	}
}

func TestTheControllersOwnKeyIsTrusted(t *testing.T) {
	a, own := keyOf(1), keyOf(9)
	h := History{Head: signed("a1", "x "+a+"\n")}
	if diff := cmp.Diff(map[string]bool{a: true}, h.Trusted()); diff != "" {
		t.Error(diff)
	}
	h.Key = own
	if diff := cmp.Diff(map[string]bool{a: true, own: true}, h.Trusted()); diff != "" {
		t.Error(diff)
	}
}
