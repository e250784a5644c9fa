package git

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing/transport"
)

// where is a parsed URL. scheme is empty for a path in the file system.
type where struct {
	scheme, user, password, host, port string
	path                               string // as the file system, or an ssh server, is asked for it
	escaped                            string // as an http server is
}

// Local is the path in the file system that a source names. ok is false for a URL, one that is refused too.
func Local(source string) (path string, ok bool) {
	w, err := parseURL(source)
	return w.path, err == nil && w.scheme == ""
}

var (
	scheme = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9+.-]*)://`)
	helper = regexp.MustCompile(`^([A-Za-z0-9+.-]*)::`)
)

// parseURL takes a URL apart as git does, so that both go to the same place, and refuses what no place or no safe one is named by.
// Rewritten as url.*.insteadOf in Git's configuration says it is not. No error has credentials in it.
func parseURL(s string) (w where, err error) {
	if m := scheme.FindStringSubmatch(s); m != nil {
		w, err = parseScheme(strings.ToLower(m[1]), s)
	} else if isPath(s) {
		w.path = s
	} else if m := helper.FindStringSubmatch(s); m != nil {
		return w, fmt.Errorf("source URL: git would run a program, git-remote-%s, for it, and none is run here: use https, ssh, or a path", m[1])
	} else {
		w, err = parseSSH(s, ":")
	}
	if err == nil {
		err = w.sound()
	}
	return w, err
}

// isPath is git's rule: a colon is part of a path when a slash stands before it, or when that is a directory here.
func isPath(s string) bool {
	before, _, colon := strings.Cut(s, ":")
	if !colon || strings.Contains(before, "/") {
		return true
	}
	info, err := os.Stat(s)
	return err == nil && info.IsDir()
}

func parseScheme(name, s string) (where, error) {
	rest := s[len(name)+len("://"):]
	switch name {
	case "https", "http":
		return parseHTTP(s)
	case "ssh", "git+ssh", "ssh+git":
		return parseSSH(decoded(rest), "/")
	case "file":
		host, p, ok := strings.Cut(decoded(rest), "/")
		if !ok || host != "" && host != "localhost" {
			return where{}, errors.New("source URL: file: names no path of this machine: write file:///PATH, or the path alone")
		}
		return where{path: "/" + p}, nil
	case "git":
		return where{}, errors.New("source URL: scheme git is not spoken: whoever is on the way can read it and change what runs; use https or ssh")
	}
	return where{}, fmt.Errorf("source URL: scheme %s is not spoken: use https, ssh, or a path", name)
}

func parseHTTP(s string) (where, error) {
	u, err := url.Parse(s)
	if err != nil {
		return where{}, withoutURL(err)
	}
	password, _ := u.User.Password()
	w := where{u.Scheme, u.User.Username(), password, strings.ToLower(u.Hostname()), u.Port(), u.Path, strings.TrimSuffix(u.EscapedPath(), "/")}
	switch parts := strings.Split(u.Path, "/"); {
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return w, fmt.Errorf("%s: has something behind its path, which servers of Git do not go by: leave out what begins with ? or #", w)
	case slices.Contains(parts, "..") || slices.Contains(parts, "."):
		return w, fmt.Errorf("%s: has . or .. in its path: write the path that is meant", w)
	}
	return w, nil
}

// withoutURL takes the URL and what is quoted of it, which may be a password, out of a parse error.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return errors.New("source URL: " + quotes.ReplaceAllLiteralString(err.Error(), "it"))
}

var quotes = regexp.MustCompile(`".*"`)

// inBrackets is a host in brackets, which keep colons together: [::1], user@[::1], and of old [user@host:port].
var inBrackets = regexp.MustCompile(`^(.*@)?\[([^\[\]]*)\](?::([^:]*))?$`)

// parseSSH reads what is behind ssh://, where the path begins with a slash, and the short form, where it begins behind a colon.
func parseSSH(s, sep string) (w where, err error) {
	w.scheme = "ssh"
	from := strings.Index(s, "@[") + 1
	if !strings.HasPrefix(s[from:], "[") || !strings.Contains(s[from:], "]") {
		from = 0
	} else {
		from += strings.Index(s[from:], "]")
	}
	end := strings.Index(s[from:], sep)
	if end < 0 {
		return w, errors.New("source URL: has no path: write ssh://HOST/PATH")
	}
	w.host, w.path = s[:from+end], strings.TrimPrefix(s[from+end:], ":")
	if m := inBrackets.FindStringSubmatch(w.host); m != nil {
		w.host, w.port = m[1]+m[2], m[3]
	}
	if at := strings.LastIndex(w.host, "@"); at >= 0 {
		w.user, w.host = w.host[:at], w.host[at+1:]
	}
	if _, err := netip.ParseAddr(w.host); err != nil && w.port == "" {
		w.host, w.port, _ = strings.Cut(w.host, ":")
	}
	if strings.HasPrefix(w.path, "/~") { // a home directory, as git has it
		w.path = w.path[1:]
	}
	return w, nil
}

// decoded is what stands for percent escapes as git reads them: one that is none stays, and so does %00.
func decoded(s string) string {
	return escape.ReplaceAllStringFunc(s, func(e string) string {
		b, _ := strconv.ParseUint(e[1:], 16, 8)
		if b == 0 {
			return e
		}
		return string([]byte{byte(b)})
	})
}

var escape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// sound refuses what is no place, and what a program on the way could take for something else: an option, a line, a command. Of names it
// is as strict as OpenSSH.
func (w where) sound() error {
	port, err := strconv.ParseUint(w.port, 10, 16)
	_, address := netip.ParseAddr(w.host)
	switch {
	case !legible(w.user + w.password + w.host + w.port + w.path):
		return errors.New("source URL: has a control character, or is not UTF-8")
	case strings.HasPrefix(w.path, "-"):
		return fmt.Errorf("source URL: path %q begins with a dash, as an option does: write ./%s", w.path, w.path)
	case w.scheme == "":
		return nil
	case w.host == "":
		return fmt.Errorf("%s: has no host", w)
	case w.host[0] == '-' || strings.ContainsAny(w.host, "'`\"$\\;&<>|(){} /@[]") || strings.Contains(w.host, ":") && address != nil:
		return fmt.Errorf("source URL: %q is no name of a host", w.host)
	case w.port != "" && (err != nil || port == 0):
		return fmt.Errorf("source URL: the port of %s is none: write a number from 1 to 65535", w.host)
	case w.scheme != "ssh":
		return nil
	case strings.Contains(w.user, ":"):
		return fmt.Errorf("%s: a password in it is used for nothing by ssh: leave it out, and use a key", w)
	case strings.HasPrefix(w.user, "-") || strings.ContainsAny(w.user, "'`\";&<>|(){} []") || strings.HasSuffix(w.user, `\`):
		return fmt.Errorf("source URL: the user's name at %s is none that ssh takes", w.host)
	case w.path == "":
		return fmt.Errorf("%s: has no path: write . for the user's home directory", w)
	case len(w.path) > 1 && w.path[1] == '~':
		return fmt.Errorf("source URL: git takes path %q for %q: write ./%[1]s", w.path, w.path[1:])
	}
	return nil
}

func legible(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// String is the URL without credentials.
func (w where) String() string {
	host, path := w.hostname(), w.path
	if w.port != "" {
		host += ":" + w.port
	}
	if w.scheme != "ssh" {
		path = w.escaped
	}
	return w.scheme + "://" + host + "/" + strings.TrimPrefix(path, "/")
}

// hostname is the host as it stands in a URL.
func (w where) hostname() string {
	if strings.Contains(w.host, ":") {
		return "[" + strings.ReplaceAll(w.host, "%", "%25") + "]"
	}
	return w.host
}

// endpoint is what go-git asks over http.
func (w where) endpoint() *transport.Endpoint {
	port, _ := strconv.Atoi(w.port)
	return &transport.Endpoint{Protocol: w.scheme, Host: w.hostname(), Port: port, Path: w.escaped}
}

var defaultPorts = map[string]string{"https": "443", "http": "80", "ssh": "22"}

// name is the same for every way to write, and to reach, the same repository.
func (w where) name() string {
	host := strings.ToLower(w.host)
	if w.port != "" && w.port != defaultPorts[w.scheme] {
		host = net.JoinHostPort(host, w.port)
	}
	return host + "/" + strings.TrimSuffix(strings.Trim(w.path, "/"), ".git")
}

func nameOf(repository, sub string) string {
	if sub == "." {
		return repository
	}
	return repository + "//" + sub
}
