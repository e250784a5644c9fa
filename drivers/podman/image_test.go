package podman_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/drivertest"
	"github.com/podkeep/podkeep/manifest"
)

func TestPullObeysItsPolicy(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	image := strings.TrimPrefix(server.URL, "http://") + "/app:1"
	d := open(shared.socket, "pull")
	defer d.Close()
	pull := d.(drivers.Puller).Pull
	fails := func(policy, want string) {
		t.Helper()
		if err := pull(t.Context(), image, policy); err == nil || err.Error() != want {
			t.Errorf("%s: %v", policy, err)
		}
	}
	fails("Never", "image "+image+" is not on the node and imagePullPolicy is Never")
	fails("IfNotPresent", "pull "+image+": name unknown: Unknown name")
	fails("Always", "pull "+image+": name unknown: Unknown name")

	push(t, server.URL, drivertest.Image(t))
	if err := pull(t.Context(), image, "IfNotPresent"); err != nil {
		t.Fatal(err)
	}
	server.Close()
	for _, policy := range []string{"IfNotPresent", "Never"} {
		if err := pull(t.Context(), image, policy); err != nil {
			t.Errorf("%s: %v", policy, err)
		}
	}
	if err := pull(t.Context(), image, "Always"); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("Always: %v", err)
	}
}

func TestAnImageThatWasBuiltOnTheNodeIsUsedAsItIs(t *testing.T) {
	pull := newBench(t).Driver.(drivers.Puller).Pull
	if err := pull(t.Context(), drivertest.Ref, "Always"); err != nil {
		t.Error(err)
	}
	if err := pull(t.Context(), "localhost/nowhere:1", "Always"); err == nil {
		t.Error("one that is not there was pulled from nowhere")
	}
}

// guarded is a registry that lets in who knows the password, and holds app:1.
func guarded(t *testing.T) (image string) {
	t.Helper()
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	open := httptest.NewServer(inner)
	defer open.Close()
	push(t, open.URL, drivertest.Image(t))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ann" || password != "right" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://") + "/app:1"
}

func login(image, password string) manifest.Bytes {
	host, _, _ := strings.Cut(image, "/")
	return manifest.Bytes(fmt.Sprintf(`{"auths": {%q: {"username": "ann", "password": %q}}}`, host, password))
}

func TestAPullShowsTheLoginsForItsRegistryOneAfterTheOther(t *testing.T) {
	image := guarded(t)
	d := open(shared.socket, "pullsecret")
	defer d.Close()
	pull := d.(drivers.Puller).Pull
	host, _, _ := strings.Cut(image, "/")
	for want, auth := range map[string][]manifest.Bytes{
		"pull " + image + ": ":                                 {login("elsewhere.test/x", "right")},
		"pull " + image + " with the login for " + host + ": ": {login(image, "wrong")},
	} {
		err := pull(t.Context(), image, "Always", auth...)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "wrong") ||
			!strings.Contains(err.Error(), "unauthorized") && !strings.Contains(err.Error(), "authentication required") { // as 4.x and 5.x say it
			t.Errorf("%v", err)
		}
	}
	if err := pull(t.Context(), image, "Always", login(image, "wrong"), login(image, "right")); err != nil {
		t.Fatal(err)
	}
	if err := pull(t.Context(), image, "IfNotPresent"); err != nil {
		t.Error(err)
	}
}

func TestARegistryThatDoesNotAnswerIsSaidToBeSlow(t *testing.T) {
	held := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	defer server.Close()
	defer close(held)
	image := strings.TrimPrefix(server.URL, "http://") + "/app:1"
	d := open(shared.socket, "slow")
	defer d.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := d.(drivers.Puller).Pull(ctx, image, "Always")
	if err == nil || !strings.HasPrefix(err.Error(), "pull "+image+": not done after 1s, the registry or the way to it is slow") {
		t.Errorf("%v", err)
	}
}

func TestAnArchiveThatIsNoneIsRefused(t *testing.T) {
	d := open(shared.socket, "load")
	defer d.Close()
	if err := d.(drivers.Loader).Load(t.Context(), strings.NewReader("nonsense")); err == nil {
		t.Error("it was loaded")
	}
}

// push puts the image into the registry as app:1.
func push(t *testing.T, server string, image v1.Image) {
	t.Helper()
	send := func(method, path, kind string, content []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, server+path, bytes.NewReader(content))
		must(t, err)
		req.Header.Set("Content-Type", kind)
		answer, err := http.DefaultClient.Do(req)
		must(t, err)
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusCreated {
			t.Fatalf("%s %s: %s", method, path, answer.Status)
		}
	}
	layers, err := image.Layers()
	must(t, err)
	for _, layer := range layers {
		digest, err := layer.Digest()
		must(t, err)
		r, err := layer.Compressed()
		must(t, err)
		content, err := io.ReadAll(r)
		must(t, err)
		send("POST", "/v2/app/blobs/uploads/?digest="+digest.String(), "application/octet-stream", content)
	}
	config, err := image.RawConfigFile()
	must(t, err)
	name, err := image.ConfigName()
	must(t, err)
	send("POST", "/v2/app/blobs/uploads/?digest="+name.String(), "application/octet-stream", config)
	manifest, err := image.RawManifest()
	must(t, err)
	kind, err := image.MediaType()
	must(t, err)
	send("PUT", "/v2/app/manifests/1", string(kind), manifest)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
