package podman

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/manifest"
)

func config(pairs ...string) manifest.Bytes {
	var auths []string
	for i := 0; i < len(pairs); i += 2 {
		auths = append(auths, fmt.Sprintf("%q: {\"auth\": %q}", pairs[i], base64.StdEncoding.EncodeToString([]byte(pairs[i+1]))))
	}
	return manifest.Bytes(`{"auths": {` + strings.Join(auths, ",") + `}}`)
}

func TestTheLoginsForAnImageAreThoseOfItsRegistryTheNarrowestFirst(t *testing.T) {
	auth := []manifest.Bytes{
		config("https://index.docker.io/v1/", "hub:1", "registry.test:5000", "all:2", "registry.test:5000/team", "team:3"),
		config("*.example.com", "star:4", "registry.test:5000", "again:5:6", "registry.test", "noport:7"),
		manifest.Bytes(`{"auths": {"plain.test": {"username": "u", "password": "p"}, "token.test": {"identitytoken": "x"}}}`),
	}
	for image, want := range map[string][]string{
		"docker.io/library/nginx:1":       {"hub 1"},
		"registry.test:5000/team/app:1":   {"team 3", "all 2", "again 5:6"},
		"registry.test:5000/other/app:1":  {"all 2", "again 5:6"},
		"registry.test/team/app:1":        {"noport 7"},
		"a.example.com/x:1":               {"star 4"},
		"a.b.example.com/x:1":             nil,
		"plain.test/x@sha256:" + "abc":    {"u p"},
		"token.test/x:1":                  nil,
		"localhost/registry.test:5000/x:": nil,
	} {
		all, err := logins(image, auth)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range all {
			got = append(got, l.user+" "+l.password)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, not %q", image, got, want)
		}
	}
}

func TestAnImagePullSecretThatIsNoneIsAnErrorThatDoesNotShowIt(t *testing.T) {
	for _, content := range []string{"hunter2", `{"auths": {"r.test": {"auth": "hunter2!"}}}`, `{"auths": "hunter2"}`} {
		_, err := logins("r.test/x:1", []manifest.Bytes{manifest.Bytes(content)})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", content, err)
		}
	}
}
