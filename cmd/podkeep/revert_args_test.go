package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// No password of a URL, a file or the environment is in the arguments of git, where every process of the machine may read it; and what git
// gets of a URL is no option.
func TestGitsArgumentsHoldNoPasswordAndNoOptionOfAURL(t *testing.T) {
	onFakes(t)
	real, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	dir, logins := t.TempDir(), make(chan string, 100)
	script := "#!/bin/sh\nfor a; do printf '%s ' \"$a\"; done >>" + dir + "/args\necho >>" + dir + "/args\nexec " + real + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "git"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, ok := r.BasicAuth(); ok && strings.HasPrefix(r.UserAgent(), "git/2") {
			logins <- password
		}
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	for name, value := range map[string]string{
		"PATH": dir + ":" + os.Getenv("PATH"), "TMPDIR": t.TempDir(), "XDG_CACHE_HOME": t.TempDir(), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
	} {
		t.Setenv(name, value)
	}
	t.Chdir(t.TempDir())
	run := func(source string) (said string) {
		var out bytes.Buffer
		if code := execute([]string{"revert", "--yes", "--source", source}, &out, &out); code != 1 {
			t.Errorf("%s: exit code %d: %s", source, code, &out)
		}
		return out.String()
	}
	said := run(strings.Replace(server.URL, "://", "://ada:url-s3cret@", 1) + "/fleet")
	t.Setenv("PODKEEP_GIT_TOKEN", "token-s3cret")
	said += run(server.URL + "/fleet")
	if url, token := <-logins, <-logins; url != "url-s3cret" || token != "token-s3cret" {
		t.Errorf("git logged in with %q and %q", url, token)
	}
	args, err := os.ReadFile(dir + "/args")
	if err != nil || !strings.Contains(string(args), "-- "+server.URL+"/fleet") {
		t.Fatalf("%v: %s", err, args)
	}
	if strings.Contains(string(args)+said, "s3cret") {
		t.Errorf("%s\n%s", args, said)
	}
	_ = os.Remove(dir + "/args")
	for _, source := range []string{"--upload-pack=touch pwned", "-c", "ext::sh -c 'touch pwned'", "host:-x", "-oProxyCommand=touch:pwned", "ssh://-oProxyCommand=touch/x", "ssh://a:s3cret@host/x"} {
		if said := run(source); strings.Contains(said, "s3cret") {
			t.Error(said)
		}
	}
	if args, err := os.ReadFile(dir + "/args"); err == nil {
		t.Errorf("git was run: %s", args)
	}
}
