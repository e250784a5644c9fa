package git

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each URL is dialled as git dials it, or refused in words.
func TestAURLLeadsWhereGitGoes(t *testing.T) {
	t.Parallel()
	ssh := sshThatTells(t)
	for url, refused := range map[string]string{
		// the short form
		"host:path": "", "user@host:path": "", "user@host:/srv/fleet.git": "", "host:path/": "", "c:/x": "", "a@b@host:path": "", "h:a//b": "",
		"host:~/path": "", "host:~ada/path": "", "host:/~ada/path": "", "host:it's!x y": "", "host:p:q": "", "host:50%25": "", "Host:path": "", "ssh:host/path": "",
		"[host]:path": "", "[::1]:path": "", "user@[::1]:path": "", "user@[host]:path": "", "[user@host:2222]:path": "", "user@[host:2222]:path": "",
		"[::1]:22": "", "[fe80::1%eth0]:path": "", "[host]:22/path": "",
		"host:": "has no path", ":path": "has no host", "host:-path": "begins with a dash", "-host:path": "no name of a host", "-u@host:path": "user's name",
		"host:a~b": "write ./a~b", "[host]x:path": "no name of a host", "x[host]:path": "no name of a host", "[::1:path": "no name of a host",
		"ho$(id)st:path": "no name of a host", "`id`@host:path": "user's name", "ho st:path": "no name of a host", "host:pa\nth": "control character",
		"ho\x1bst:path": "control character", "host:\xff": "UTF-8", "u:secret@host:path": "", "host:x@[y]:z": "use a key",
		// URLs
		"ssh://host/path": "", "ssh://user@host/path": "", "ssh://user@host:2222/path/": "", "ssh://host:/path": "", "ssh://host//path": "", "ssh://host/": "",
		"ssh://user@[::1]:22/path": "", "ssh://[::1]/path": "", "ssh://[host]:22/path": "", "ssh://[user@host]:22/path": "", "ssh://[user@host:22]/path": "",
		"ssh://host/~ada/path": "", "ssh://host/a?b#c": "", "ssh://host/a%20b": "", "ssh://host/%zz%00%2": "", "ssh://ho%2Fst/x": "", "ssh://a%40b@host/x": "", "ssh://host/../path": "",
		"git+ssh://host/path": "", "ssh+git://host/path": "", "ssh://host/-path": "",
		"ssh://host": "has no path", "ssh:///path": "has no host", "ssh://host:99999/path": "1 to 65535", "ssh://host:0/path": "1 to 65535", "ssh://host:+22/path": "1 to 65535",
		"ssh://host:22x/path": "1 to 65535", "ssh://[user@host:33]:22/path": "no name of a host", "ssh://-host/path": "no name of a host", "ssh://%2dhost/path": "no name of a host",
		"ssh://-oProxyCommand=id@host/path": "user's name", "ssh://user:secret@host/path": "use a key", "ssh://host/%0a": "control character", "ssh://ho%0ast/x": "control character",
		"ssh://host/%ff": "UTF-8",
		// what is not spoken
		"git://host/path": "whoever is on the way can read it", "ftp://host/path": "use https", "ftps://host/path": "use https", "rsync://host/path": "use https", "foo://host/path": "use https",
		"ext::sh -c id": "git-remote-ext", "fd::17": "git-remote-fd", "http::x": "git-remote-http", "::x": "git would run a program",
	} {
		w, err := parseURL(url)
		said := fmt.Sprint(err)
		switch {
		case refused != "":
			if err == nil || !strings.Contains(said, refused) || strings.Contains(said, "secret") {
				t.Errorf("%q: %q does not say %q, or says a password", url, said, refused)
			}
			continue
		case url == "u:secret@host:path": // host u, as git has it
		case err != nil:
			t.Errorf("%q: %v", url, err)
			continue
		}
		to := w.host
		if w.user != "" {
			to = w.user + "@" + to
		}
		args := []string{to, "git-upload-pack " + quoted(w.path)}
		if w.port != "" {
			args = append([]string{"-p", w.port}, args...)
		}
		if dialled := ssh(url); !slices.Equal(dialled, args) {
			t.Errorf("%q: %q, and git dials %q", url, args, dialled)
		}
	}
}

// sshThatTells gives what git has ssh do for a URL: the arguments, without those that are the same for all.
func sshThatTells(t *testing.T) func(url string) []string {
	dir := t.TempDir()
	script := filepath.Join(dir, "ssh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nfor a; do printf '%s\\0' \"$a\"; done >"+dir+"/args\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return func(url string) []string {
		_ = os.Remove(dir + "/args")
		cmd := exec.CommandContext(t.Context(), "git", "-c", "protocol.version=0", "ls-remote", "--", url)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GIT_SSH_COMMAND="+script, "GIT_SSH_VARIANT=ssh", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		out, _ := cmd.CombinedOutput()
		args, err := os.ReadFile(dir + "/args")
		if err != nil {
			return []string{string(out)}
		}
		return strings.Split(strings.TrimSuffix(string(args), "\x00"), "\x00")
	}
}

// Over http a server is asked for what git asks it for.
func TestAPathIsAskedForAsGitAsksForIt(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.RequestURI
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()
	for _, path := range []string{"/fleet", "/fleet.git", "/fleet/", "/a%20b", "/a%2Fb", "/100%25", "/what%3F", "/a+b&c=d;e", "/~ada/x", "/-x", "", "/", "//a//b"} {
		cmd := exec.CommandContext(t.Context(), "git", "ls-remote", "--", server.URL+path)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_TERMINAL_PROMPT=0")
		_ = cmd.Run()
		git := <-asked
		s, err := Open(t.Context(), Options{URL: server.URL + path, Cache: t.TempDir()})
		if err != nil {
			t.Errorf("%q: %v", path, err)
			continue
		}
		_, _, _ = s.Head(t.Context())
		if ours := <-asked; ours != git {
			t.Errorf("%q: %s, and git asks for %s", path, ours, git)
		}
		_ = s.Close()
	}
	for url, refused := range map[string]string{
		"https:///x": "has no host", "https://host:99999/x": "1 to 65535", "https://host:0/x": "1 to 65535", "https://-host/x": "no name of a host", "https://host/x?y": "leave out",
		"https://host/x#y": "leave out", "https://host/x?": "leave out", "https://host/a/../b": "the path that is meant", "https://ada:secret%0a@host/x": "control character",
		"https://ada%0asecret@host/x": "control character", "https://ada:secret%zz@host/x": "escape", "https://ada:secret/x": "port", "https://ada:sec ret@host/x": "userinfo",
		"https://ada:secret@ho$(id)st/x": "host",
	} {
		if _, err := parseURL(url); err == nil || !strings.Contains(err.Error(), refused) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sec ret") {
			t.Errorf("%q: %v does not say %q, or says a password", url, err, refused)
		}
	}
}

// A path is what git takes for one, and leads to the repository that git finds there.
func TestAPathLeadsWhereGitGoes(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"plain", "bare.git", "a:b", "sub/c:d", "sp ace", "50%25"} {
		if out, err := exec.CommandContext(t.Context(), "git", "init", "--quiet", "--bare", "./"+name).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
	}
	for source, leads := range map[string]string{
		"plain": "plain", "./plain": "plain", "plain/": "plain", dir + "/plain": "plain", "bare.git": "bare.git", "bare": "bare.git", dir + "/bare": "bare.git",
		"a:b": "a:b", "./a:b": "a:b", "sub/c:d": "sub/c:d", "sp ace": "sp ace", "50%25": "50%25", "file://" + dir + "/plain": "plain", "file://localhost" + dir + "/plain": "plain",
		"file://" + dir + "/sp%20ace": "sp ace", "file://" + dir + "/50%2525": "50%25", "file://" + dir + "/bare": "bare.git", "file://" + dir + "/a:b": "a:b",
	} {
		p, ok := Local(source)
		at, found, err := Find(p)
		if want := filepath.Join(dir, leads); !ok || !found || err != nil || at.Root != want {
			t.Errorf("%q is %q: %v %v %v", source, at.Root, ok, found, err)
		}
		if out, err := exec.CommandContext(t.Context(), "git", "clone", "--quiet", "--", source, t.TempDir()).CombinedOutput(); err != nil {
			t.Errorf("%q: git: %s", source, out)
		}
	}
	for source, refused := range map[string]string{
		"-x": "write ./-x", "file://elsewhere/x": "file:///PATH", "file://x": "file:///PATH", "./a\x00b": "control character", "no/\xff": "UTF-8",
	} {
		_, ok := Local(source)
		if _, err := Open(t.Context(), Options{URL: source}); ok || err == nil || !strings.Contains(err.Error(), refused) {
			t.Errorf("%q: %v %v does not say %q", source, ok, err, refused)
		}
	}
}

// FuzzURL takes any text. What is taken is no option and no line to anybody on the way.
func FuzzURL(f *testing.F) {
	for _, s := range []string{"a@b:c", "ssh://a@[::1]:2/~c", "https://a:b@c/d%20e", "file:///a%20b", "[a@b:3]:c", "@[]:", "[", "://", "a::b", "ssh://@[@[]]:/", "host:%2d", "ssh://%2d/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w, err := parseURL(s)
		if err != nil {
			return
		}
		for _, part := range []string{w.user, w.host, w.path} {
			if w.scheme == "ssh" && strings.HasPrefix(part, "-") || !legible(part) || w.scheme != "" && w.host == "" {
				t.Errorf("%q is %+v", s, w)
			}
		}
		if again, err := parseURL(w.String()); w.scheme == "https" && (err != nil || again.String() != w.String() || again.name() != w.name()) {
			t.Errorf("%q is %s, and that %s: %v", s, w, again, err)
		}
	})
}
