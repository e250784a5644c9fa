package git

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

// where is a parsed URL. scheme is empty for a path in the file system.
type where struct {
	scheme, user, password, host, port, path string
}

// scp is the short form of an ssh URL: user@host:path.
var scp = regexp.MustCompile(`^(?:([^@/:]+)@)?(\[[0-9a-fA-F:.]+\]|[^@/:\[\]]{2,}):(.*)$`)

// IsRemote says whether a source is fetched over a network.
func IsRemote(source string) bool {
	w, err := parseURL(source)
	return err != nil || w.scheme != ""
}

func parseURL(s string) (where, error) {
	if !strings.Contains(s, "://") {
		if m := scp.FindStringSubmatch(s); m != nil && !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, ".") {
			return where{scheme: "ssh", user: m[1], host: strings.Trim(m[2], "[]"), path: m[3]}, nil
		}
		return where{path: s}, nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return where{}, withoutURL(err)
	}
	password, _ := u.User.Password()
	w := where{u.Scheme, u.User.Username(), password, strings.ToLower(u.Hostname()), u.Port(), u.Path}
	switch w.scheme {
	case "file":
		return where{path: u.Path}, nil
	case "https", "http", "ssh":
		if w.host == "" {
			return w, fmt.Errorf("%s: has no host", w)
		}
		return w, nil
	}
	return w, fmt.Errorf("%s: scheme %s is not spoken: use https, ssh, or a path", w, w.scheme)
}

// withoutURL takes the URL, which may hold a password, out of a parse error.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("source URL: %w", err)
}

// String is the URL without credentials.
func (w where) String() string {
	host := w.host
	if w.port != "" {
		host = net.JoinHostPort(host, w.port)
	}
	return w.scheme + "://" + host + "/" + strings.TrimPrefix(w.path, "/")
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
