package drivertest

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Ref is the name of the image that Archive holds.
const Ref = "localhost/podkeep-testapp:1"

// Archive is a docker-archive of an image with nothing but testapp in it, as podkeep too: it plays the node side. It is named Ref.
func Archive(t testing.TB) []byte {
	t.Helper()
	tag, err := name.NewTag(Ref)
	must(t, err)
	var out bytes.Buffer
	must(t, tarball.Write(tag, Image(t), &out))
	return out.Bytes()
}

// Image is what Archive holds, to be pushed to a registry of a test's own.
func Image(t testing.TB) v1.Image {
	t.Helper()
	image, err := build()
	must(t, err)
	return image
}

var build = sync.OnceValues(func() (v1.Image, error) {
	binary, err := compile()
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, static.NewLayer(layer(binary), types.DockerLayer))
	if err != nil {
		return nil, err
	}
	return mutate.Config(image, v1.Config{Entrypoint: []string{"/testapp"}, Cmd: []string{"term"}})
})

func compile() ([]byte, error) {
	dir, err := os.MkdirTemp("", "testapp")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	_, here, _, _ := runtime.Caller(0)
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, "testapp"), "./testapp")
	cmd.Dir = filepath.Dir(here)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "testapp"))
}

func layer(binary []byte) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range []*tar.Header{
		{Name: "tmp", Typeflag: tar.TypeDir, Mode: 0o1777},
		{Name: "testapp", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(binary))},
		{Name: "podkeep", Typeflag: tar.TypeSymlink, Linkname: "testapp", Mode: 0o777},
	} {
		_ = w.WriteHeader(h)
		if h.Size > 0 {
			_, _ = w.Write(binary)
		}
	}
	_ = w.Close()
	return out.Bytes()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
