package sim

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
)

// whole is the file before it is damaged, as the repository of a story has it.
func whole(t *testing.T, s *Sim) string {
	t.Helper()
	text := s.repo.commits[s.repo.head].files()["web.yaml"]
	if !strings.Contains(text, "kind: Deployment") {
		t.Fatal(text)
	}
	return text
}

func wide(order binary.AppendByteOrder, text string) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

func zipped(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return out.String()
}

// damages are ways in which a file that held a manifest comes to hold something else, and where that is said.
func damages(text string) map[string][2]string {
	lines := strings.SplitAfter(text, "\n")
	half := strings.Join(lines[:len(lines)/2], "")
	encoded := base64.StdEncoding.EncodeToString([]byte(text))
	return map[string][2]string{
		"nothing":                     {"", "web.yaml:1: is empty"},
		"white space":                 {" \r\n\t\n\n", "web.yaml:1: is empty"},
		"only a byte order mark":      {"\ufeff", "web.yaml:1: is empty"},
		"NUL bytes":                   {strings.Repeat("\x00", len(text)), "web.yaml:1: is not YAML"},
		"NUL bytes at its end":        {half + strings.Repeat("\x00", 100), "web.yaml:"},
		"half of it":                  {half, "web.yaml:"},
		"its first line":              {lines[0], "web.yaml:1: holds a mapping that lacks apiVersion or kind"},
		"half of its first line":      {"apiVer", "web.yaml:1: holds a string"},
		"a word of it":                {"apiVersion: apps/v1\nki", "web.yaml:2: is not YAML"},
		"its head cut off":            {strings.Join(lines[4:], ""), "web.yaml:"},
		"a Git LFS pointer":           {"version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("7", 64) + "\nsize 512\n", "web.yaml:1: holds a Git LFS pointer"},
		"ansible-vault":               {"$ANSIBLE_VAULT;1.1;AES256\n6530313633\n3234343861\n", "web.yaml:1: is encrypted with ansible-vault"},
		"git-crypt":                   {"\x00GITCRYPT\x00\x1b\x9f\xfe\x01ab", "web.yaml:1: is encrypted with git-crypt"},
		"sops of a text":              {"data: ENC[AES256_GCM,data:aa,type:str]\nsops:\n  mac: ENC[AES256_GCM,data:bb]\n", "web.yaml:1: is encrypted with sops"},
		"sops of all values":          {"apiVersion: ENC[AES256_GCM,data:aa,iv:bb,type:str]\nkind: ENC[AES256_GCM,data:cc]\nmetadata:\n  name: ENC[AES256_GCM,data:dd]\nsops:\n  mac: x\n", "web.yaml:1: ENC[AES256_GCM,data:cc]/ENC[AES256_GCM,data:dd]: sops: the object is encrypted with sops"},
		"sops of some values":         {text + "sops:\n  mac: x\n", ": Deployment/web: sops: the object is encrypted with sops"},
		"age":                         {"-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+\n-----END AGE ENCRYPTED FILE-----\n", "web.yaml:1: holds a string"},
		"base64":                      {encoded, "web.yaml:1: holds a string"},
		"base64 in lines":             {encoded[:76] + "\n" + encoded[76:], "web.yaml:1: holds a string"},
		"gzip":                        {zipped(text), "web.yaml:1: is compressed"},
		"a page of HTML":              {"<!DOCTYPE html>\n<html><head><title>Sign in: GitLab</title></head>\n<body>a: b</body></html>\n", "web.yaml:1: holds HTML or XML"},
		"a page with our words in it": {"<html>\n<p>this kind of\n<p>page: here\n</html>\n", "web.yaml:"},
		"an error in JSON":            {"{\"message\": \"404 Project Not Found\"}\n", "web.yaml:1: holds a mapping"},
		"an error of an API server":   {"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"code\":403}\n", "web.yaml:1: Status: kind: Status is the answer"},
		"an error of a tool":          {"Error: template: web/templates/deployment.yaml:7:22: executing\n", "web.yaml:1: "},
		"an error of a shell":         {"bash: helm: command not found\n", "web.yaml:1: is not YAML"},
		"a merge conflict":            {lines[0] + "<<<<<<< HEAD\n" + strings.Join(lines[1:3], "") + "=======\n>>>>>>> topic\n" + strings.Join(lines[3:], ""), "web.yaml:"},
		"nothing but a conflict":      {"<<<<<<< HEAD\n=======\n>>>>>>> topic\n", "web.yaml:1: holds the marks of a merge conflict"},
		"a link's text":               {"../base/web.yaml", "web.yaml:1: holds a string"},
		"a text":                      {"moved to the other repository", "web.yaml:1: holds a string"},
		"a number":                    {"42\n", "web.yaml:1: holds a number"},
		"null":                        {"null\n", "web.yaml:1: holds null"},
		"null behind a line":          {"---\n~\n", "web.yaml:2: holds null"},
		"false":                       {"false", "web.yaml:1: holds a boolean"},
		"an empty list":               {"[]\n", "web.yaml:1: holds a list"},
		"a list":                      {"- apiVersion: apps/v1\n  kind: Deployment\n", "web.yaml:1: holds a list"},
		"an empty mapping":            {"{}\n", "web.yaml:1: holds a mapping"},
		"values":                      {"# of the chart\nreplicas: 3\n", "web.yaml:2: holds a mapping"},
		"a template":                  {"{{- if .Values.web }}\n{{ toYaml . }}\n", "web.yaml:"},
		"a diff":                      {"--- a/web.yaml\n+++ b/web.yaml\n@@ -1,2 +1,2 @@\n-a\n+b\n", "web.yaml:"},
		"UTF-16 without its mark":     {wide(binary.LittleEndian, text), "web.yaml:1: is not YAML"},
		"half of a UTF-16 letter":     {"\xff\xfe" + wide(binary.LittleEndian, text)[:101], "web.yaml:"},
		"UTF-16 of the other order":   {"\xfe\xff" + wide(binary.LittleEndian, text), "web.yaml:"},
		"Latin-1":                     {strings.Replace(text, "web", "w\xe9b", 1), "web.yaml:"},
		"another alphabet":            {"\xf0\x9f\x92", "web.yaml:1: is not YAML"},
		"too much":                    {strings.Repeat("# x\n", 5<<20), "web.yaml:1: the file has more than 16 MiB"},
	}
}

// damaged is a world in which web and api run, and web.yaml then holds that text. The controller is a new one.
func damaged(t *testing.T, text string) *Sim {
	t.Helper()
	s := New()
	do(t, s, "fleet n1 n2", "commit a1 web image=v1 replicas=2; api image=v1 replicas=1", "settle")
	c := s.repo.draft("b2")
	c.broken["web.yaml"] = text
	if err := s.repo.add(c); err != nil {
		t.Fatal(err)
	}
	do(t, s, "kill")
	return s
}

func do(t *testing.T, s *Sim, lines ...string) (last string) {
	t.Helper()
	for _, line := range lines {
		var err error
		if last, err = s.Do(line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return last
}

func TestADamagedFileStopsNothingAndIsSaid(t *testing.T) {
	plain := New()
	do(t, plain, "fleet n1 n2", "commit a1 web image=v1 replicas=2")
	for name, c := range damages(whole(t, plain)) {
		t.Run(name, func(t *testing.T) {
			s := damaged(t, c[0])
			if out := do(t, s, "settle"); out != "" {
				t.Errorf("something is done:\n%s", out)
			}
			if out := do(t, s, "problems"); !strings.Contains(out, c[1]) || !strings.HasPrefix(out, "web.yaml:") || strings.Contains(out, "\napi") {
				t.Errorf("said is\n%swant\n%s", out, c[1])
			}
			// The other file goes on, and what the damaged one held is kept up, by a new controller too.
			do(t, s, "commit c3 api image=v2", "rm web 0", "kill", "settle")
			if out := do(t, s, "status"); !strings.Contains(out, "web Converged 2/2 ready") || !strings.Contains(out, "web.yaml:") || !strings.Contains(out, "api Converged 1/1 ready") {
				t.Errorf("status is\n%s", out)
			}
			if out := do(t, s, "commit d4 mend web.yaml", "settle"); out != "" || do(t, s, "problems") != "" {
				t.Errorf("once it is mended:\n%s", out)
			}
		})
	}
}

func TestWhereverAFileIsCutWhatItHeldStays(t *testing.T) {
	plain := New()
	do(t, plain, "fleet n1", "commit a1 web image=v1 replicas=2 cpu=100m port=80")
	text := whole(t, plain)
	for n := range len(text) {
		s := New()
		s.care = none
		do(t, s, "fleet n1", "commit a1 web image=v1 replicas=2 cpu=100m port=80; api image=v1", "settle")
		c := s.repo.draft("b2")
		c.broken["web.yaml"] = text[:n]
		if err := s.repo.add(c); err != nil {
			t.Fatal(err)
		}
		do(t, s, "kill", "settle")
		if out := do(t, s, "pods"); !strings.Contains(out, "web-") {
			t.Errorf("cut to\n%s\nnothing of it runs", text[:n])
		}
	}
}

func TestAFileEmptiedOnPurposeIsADeletion(t *testing.T) {
	for name, text := range map[string]string{
		"comments":      "# gone since we have the other one\n",
		"commented out": "# apiVersion: apps/v1\n# kind: Deployment\n",
		"a line":        "---\n",
		"an empty List": "apiVersion: v1\nkind: List\nitems: []\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := New()
			do(t, s, "fleet n1 n2", "commit a1 web image=v1 replicas=2; api image=v1 replicas=1", "settle",
				fmt.Sprintf("commit b2 damage web.yaml %q; remove web", text), "kill", "settle")
			if out := do(t, s, "pods") + do(t, s, "problems"); strings.Contains(out, "web") {
				t.Error(out)
			}
		})
	}
}

func TestAFileThatNeverHeldAnObjectIsNoDamage(t *testing.T) {
	plain := New()
	do(t, plain, "fleet n1 n2", "commit a1 web image=v1 replicas=2")
	for name, c := range damages(whole(t, plain)) {
		s := New()
		s.care = none
		first := s.repo.draft("a0")
		first.broken["values.yaml"] = c[0]
		if err := s.repo.add(first); err != nil {
			t.Fatal(err)
		}
		do(t, s, "fleet n1 n2", "commit a1 node/n1 file=nodes.yaml; node/n2 file=nodes.yaml; web image=v1; api image=v1; other image=v1", "settle")
		before := do(t, s, "problems")
		do(t, s, "commit b2 remove web", "settle")
		pods, after := do(t, s, "pods"), do(t, s, "problems")
		if strings.HasPrefix(c[1], "web.yaml:") && strings.Contains(before, "restore it") || before != after {
			t.Errorf("%s: said is\n%s, then\n%s", name, before, after)
		}
		if before == "" && strings.Contains(pods, "web-") {
			t.Errorf("%s: web left Git and stays:\n%s", name, pods)
		}
	}
}

func TestWhatADamagedFileHeldIsReplacedElsewhere(t *testing.T) {
	for _, text := range []string{"", "a: b", "[]", "null", "version https://git-lfs.github.com/spec/v1\n"} {
		s := damaged(t, text)
		do(t, s, "settle", "die n1", "kill", "settle")
		if out := do(t, s, "status"); !strings.Contains(out, "web Converged 2/2 ready") {
			t.Errorf("%q: %s", text, out)
		}
	}
}

func TestWhatAHollowFileMayHaveHeldStaysWhileThePastIsUnknown(t *testing.T) {
	for text, stays := range map[string]bool{"": true, "null": true, "../web.yaml": true, "\x00": true, "a: b": false, "[]": false, "# none": false} {
		s := New()
		s.care = bounds
		do(t, s, "fleet n1 n2", "commit a1 web image=v1; api image=v1", "settle")
		c := s.repo.draft("b2")
		c.parent, c.broken["web.yaml"] = "", text
		delete(c.objects, "web")
		delete(s.repo.commits, "a1")
		delete(s.repo.sets, "a1")
		if err := s.repo.add(c); err != nil {
			t.Fatal(err)
		}
		do(t, s, "tick 1m", "kill", "settle")
		if out := do(t, s, "pods"); strings.Contains(out, "web-") != stays {
			t.Errorf("%q: runs\n%s", text, out)
		}
		if out := do(t, s, "status"); strings.Contains(out, "it is not known what that file held; restore it or delete it, or sync --allow-prune") != stays {
			t.Errorf("%q: status is\n%s", text, out)
		}
		if do(t, s, "commit c3 allow-prune", "settle"); strings.Contains(do(t, s, "pods"), "web-") {
			t.Errorf("%q: it stays though it may go", text)
		}
	}
}

func TestAHistoryThatWasRewrittenDamagesNothing(t *testing.T) {
	for text, stays := range map[string]bool{"oid: 1": true, "": true, "# none": false} {
		s := New()
		s.care = bounds
		do(t, s, "fleet n1 n2", "commit a1 web image=v1; api image=v1", "settle")
		c := s.repo.draft("b2")
		c.parent, c.broken["web.yaml"] = "", text
		delete(c.objects, "web")
		if err := s.repo.add(c); err != nil {
			t.Fatal(err)
		}
		do(t, s, "tick 1m", "kill", "settle")
		if out := do(t, s, "status"); strings.Contains(out, "web Held") != stays || strings.Contains(out, "it held the object once") != stays {
			t.Errorf("%q: status is\n%s", text, out)
		}
	}
}

func TestAnObjectThatMovedLeavesNoDamage(t *testing.T) {
	s := New()
	do(t, s, "fleet n1 n2", "commit a1 web image=v1; api image=v1", "settle", fmt.Sprintf("commit b2 web file=all.yaml; damage web.yaml %q", "replicas: 3"), "kill")
	if out := do(t, s, "settle") + do(t, s, "problems"); out != "" {
		t.Error(out)
	}
}
