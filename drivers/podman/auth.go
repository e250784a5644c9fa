package podman

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/manifest"
)

// login is what a registry is told about who pulls.
type login struct {
	place          string // the registry, and perhaps a part of it: HOST[:PORT][/PATH], where HOST may hold *
	user, password string
}

// logins are those of the .dockerconfigjson contents that are for an image, in the order in which the kubelet tries them: first those
// for the smallest part of a registry. A content that is none is an error that tells nothing of it.
func logins(image string, auth []manifest.Bytes) ([]login, error) {
	var all []login
	for _, content := range auth {
		found, err := parseLogins(content)
		if err != nil {
			return nil, err
		}
		for _, l := range found {
			if l.isFor(image) && !slices.Contains(all, l) {
				all = append(all, l)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b login) int { return cmp.Compare(len(b.place), len(a.place)) })
	return all, nil
}

func parseLogins(content []byte) ([]login, error) {
	var config struct {
		Auths map[string]struct{ Username, Password, Auth string }
	}
	if json.Unmarshal(content, &config) != nil {
		return nil, fmt.Errorf("an imagePullSecret is not a .dockerconfigjson")
	}
	var all []login
	for place, a := range config.Auths {
		l := login{place: placeOf(place), user: a.Username, password: a.Password}
		if a.Auth != "" {
			text, err := base64.StdEncoding.DecodeString(a.Auth)
			user, password, ok := strings.Cut(strings.Trim(string(text), "\x00"), ":")
			if err != nil || !ok {
				return nil, fmt.Errorf("an imagePullSecret's auth for %s is not the base64 of USER:PASSWORD", place)
			}
			l.user, l.password = user, password
		}
		if l.user != "" {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b login) int { return cmp.Compare(a.place, b.place) })
	return all, nil
}

// placeOf is a key of auths without what old clients wrote around it.
func placeOf(key string) string {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	host, rest, _ := strings.Cut(key, "/")
	rest = strings.Trim(rest, "/")
	if version, more, _ := strings.Cut(rest, "/"); version == "v1" || version == "v2" {
		rest = more
	}
	if host == "index.docker.io" || host == "registry-1.docker.io" {
		host = "docker.io"
	}
	return strings.TrimSuffix(host+"/"+rest, "/")
}

// isFor says whether the login is for the registry of an image, or for the part of it in which the image is. As in the kubelet, a *
// stands for letters of one part of the host's name.
func (l login) isFor(image string) bool {
	host, rest, _ := strings.Cut(l.place, "/")
	imageHost, name, _ := strings.Cut(image, "/")
	mine, theirs := strings.Split(host, "."), strings.Split(imageHost, ".")
	if len(mine) != len(theirs) || !strings.HasPrefix(name, rest) {
		return false
	}
	for i := range mine {
		if ok, err := path.Match(mine[i], theirs[i]); err != nil || !ok {
			return false
		}
	}
	return true
}
