package manifest

import (
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

const (
	imagePart = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`
	imageHost = `(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?`
)

var (
	hostForm   = regexp.MustCompile(`^` + imageHost + `$`)
	pathForm   = regexp.MustCompile(`^` + imagePart + `(?:/` + imagePart + `)*$`)
	tagForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	digestForm = regexp.MustCompile(`^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}$`)
)

// ExpandImage writes an image's name in full, as Kubernetes does: nginx is docker.io/library/nginx:latest. why says
// what is wrong with a name that cannot be expanded.
func ExpandImage(image string) (full, why string) {
	rest, digest, digested := strings.Cut(image, "@")
	name, tag := rest, ""
	if i := strings.LastIndex(rest, ":"); i > strings.LastIndex(rest, "/") {
		name, tag = rest[:i], rest[i+1:]
	}
	host, repository, ok := strings.Cut(name, "/")
	switch {
	case !ok:
		host, repository = "docker.io", "library/"+name
	case !strings.ContainsAny(host, ".:") && host != "localhost" && host == strings.ToLower(host):
		host, repository = "docker.io", name
	case host == "index.docker.io":
		host = "docker.io"
	}
	if host == "docker.io" && !strings.Contains(repository, "/") {
		repository = "library/" + repository
	}
	switch {
	case !hostForm.MatchString(host) || !pathForm.MatchString(repository):
		return "", "is not the name of an image; names are lower case, such as registry:5000/team/app:v1"
	case strings.HasPrefix(rest[len(name):], ":") && !tagForm.MatchString(tag):
		return "", "has a tag that is not one"
	case digested && !digestForm.MatchString(digest):
		return "", "has a digest that is not one, such as sha256: and 64 digits"
	case digested: // which says all; Podman takes no tag beside it
		return host + "/" + repository + "@" + digest, ""
	}
	return host + "/" + repository + ":" + or(tag, "latest"), ""
}

// pullPolicy is what Kubernetes defaults it to: an image that can change under its name is fetched each time.
func pullPolicy(image string) corev1.PullPolicy {
	full, _ := ExpandImage(image)
	if strings.HasSuffix(full, ":latest") {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
}
