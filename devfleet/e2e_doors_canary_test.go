package devfleet_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/node/wire"
)

func doorCanaries(f *faulty) {
	f.write("issued.yaml", issuedManifest)
	f.push("a certificate is asked for")
	for _, n := range f.fleet.Nodes {
		f.opens(n.Address, f.issuer.Signed, "https://issued.example.org/", "200 3 /")
	}
	secrets := f.doorSecrets()
	for _, n := range f.fleet.Nodes {
		f.keptClose(n.Dir, secrets)
	}
	said := map[string]string{"log": f.read(f.path("controller.log")), "processes": arguments(f.T, f.fleet)}
	for _, page := range []string{"/metrics", "/status", "/status?o=text", "/status?o=wide", "/status?o=yaml"} {
		said[page] = fetched(f.listen, page)
	}
	for _, line := range []string{"plan", "plan -o json", "status -o json", "status ingress/private", "diff", "check", "history -o json"} {
		cmd := f.podkeep(append(strings.Fields(line), f.flags...)...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run() // its code may say that there is something to do
		said[line] = out.String()
	}
	for _, n := range f.fleet.Nodes {
		said["metrics of "+n.Name] = fetched(n.Address+":9180", "/metrics")
		said["logs of "+n.Name] = f.on(n.Name, "sh", "-c", `for c in $(podman ps --all --quiet); do podman logs $c 2>&1; done`)
		said["containers of "+n.Name] = f.on(n.Name, "sh", "-c", `podman inspect $(podman ps --all --quiet); podman pod inspect $(podman pod ps --quiet); podman volume inspect --all`)
	}
	for where, text := range said {
		if len(text) < 40 && where != "diff" || strings.Contains(text, "unknown flag") {
			f.Errorf("%s: says next to nothing: %q", where, text)
		}
		for name, forms := range secrets {
			for _, form := range forms {
				if at := strings.Index(text, form); at >= 0 {
					f.Errorf("%s: %s is in it: …%q…", where, name, text[max(0, at-200):at])
				}
			}
		}
	}
	for name, words := range map[string]string{"logs of n1": `"rule":`, "metrics of n1": "podkeep_door_", "/status?o=text": "Ingress", "plan -o json": "{"} {
		if !strings.Contains(said[name], words) {
			f.Errorf("%s: no %s in it: %.500s", name, words, said[name])
		}
	}
}

// doorSecrets are what nobody is to read, each in the forms that it may have.
func (f *faulty) doorSecrets() map[string][]string {
	f.Helper()
	all := map[string][]string{
		"the password":          {f.password, base64.StdEncoding.EncodeToString([]byte("ada:" + f.password))},
		"its hash":              {f.hash, base64.StdEncoding.EncodeToString([]byte("ada:" + f.hash))[:60]},
		"the certificate's key": nil,
		"the account's key":     nil,
		"the issued one's key":  nil,
	}
	_, encoded, _ := strings.Cut(f.secret, "tls.key: ")
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	f.ok(err)
	all["the certificate's key"] = formsOf(f.T, key)
	for _, n := range f.fleet.Nodes {
		for _, file := range volumeFiles(f.T, n.Dir) {
			if filepath.Base(file) != "kept.json" {
				continue
			}
			var kept wire.Kept
			f.ok(json.Unmarshal([]byte(f.read(file)), &kept))
			for name, entry := range kept.Entries {
				if bytes.Contains(entry.Value, []byte("PRIVATE KEY")) {
					whose := "the issued one's key"
					if strings.Contains(name, "users") {
						whose = "the account's key"
					}
					all[whose] = formsOf(f.T, entry.Value)
				}
			}
		}
	}
	for name, forms := range all {
		if len(forms) == 0 {
			f.Errorf("%s is kept nowhere", name)
		}
	}
	return all
}

// formsOf are nine bytes of a private key's number, as they stand in its PEM, and in that encoded.
func formsOf(t *testing.T, key []byte) []string {
	t.Helper()
	block, _ := pem.Decode(key)
	if block == nil {
		t.Fatal("no PEM")
	}
	private, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		other, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		private = other.(*ecdsa.PrivateKey)
	}
	number, err := private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	at := (bytes.Index(block.Bytes, number) + 2) / 3 * 3 // where an encoder begins anew
	form := base64.StdEncoding.EncodeToString(block.Bytes[at : at+9])
	at = (bytes.Index(key, []byte(form)) + 2) / 3 * 3
	return []string{form, base64.StdEncoding.EncodeToString(key[at : at+9])}
}

// keptClose is that a node's volumes have secrets in files that are meant for them, which only their owner may read, and nowhere else.
func (f *faulty) keptClose(dir string, secrets map[string][]string) {
	f.Helper()
	found := map[string]bool{}
	for _, file := range volumeFiles(f.T, dir) {
		text, name := f.read(file), filepath.Base(file)
		for secret, forms := range secrets {
			for _, form := range forms {
				if !strings.Contains(text, form) {
					continue
				}
				found[name+" "+secret] = true
				if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || name != "keys.json" && name != "kept.json" {
					f.Errorf("%s, %v, has %s: %v", file, info, secret, err)
				}
			}
		}
	}
	for _, want := range []string{"keys.json the certificate's key", "keys.json its hash", "kept.json the account's key", "kept.json the issued one's key"} {
		if !found[want] {
			f.Errorf("%s: it is not in %s", dir, want)
		}
	}
}

// volumeFiles are all files of a node's volumes.
func volumeFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "storage", "volumes"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
