package devfleet

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// ImageOptions say what an image holds beside its program.
type ImageOptions struct {
	Args  []string          // what the program is given by default
	Env   []string          // NAME=VALUE
	Files map[string][]byte // absolute path to content
	User  string
}

// Image makes a scratch image whose entry point is one static program, and returns it as a docker-archive. The same
// input gives the same bytes.
func Image(ref string, program []byte, o ImageOptions) ([]byte, error) {
	tag, err := name.NewTag(ref, name.StrictValidation)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", ref, err)
	}
	layer, err := layerOf(program, o.Files)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", ref, err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", ref, err)
	}
	if image, err = mutate.ConfigFile(image, configOf(image, o)); err != nil {
		return nil, fmt.Errorf("image %s: %w", ref, err)
	}
	var archive bytes.Buffer
	if err := tarball.Write(tag, image, &archive); err != nil {
		return nil, fmt.Errorf("image %s: %w", ref, err)
	}
	return archive.Bytes(), nil
}

func configOf(image v1.Image, o ImageOptions) *v1.ConfigFile {
	config, err := image.ConfigFile()
	if err != nil {
		config = &v1.ConfigFile{}
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config.Entrypoint = []string{"/app"}
	config.Config.Cmd, config.Config.Env, config.Config.User = o.Args, o.Env, o.User
	return config
}

func layerOf(program []byte, files map[string][]byte) (v1.Layer, error) {
	var content bytes.Buffer
	out := tar.NewWriter(&content)
	if err := addFile(out, "app", 0o755, program); err != nil {
		return nil, err
	}
	var paths []string
	for path := range files {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		rel, err := filepath.Rel("/", path)
		if err != nil {
			return nil, err
		}
		if err := addFile(out, rel, 0o644, files[path]); err != nil {
			return nil, err
		}
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content.Bytes())), nil
	})
}

func addFile(out *tar.Writer, path string, mode int64, data []byte) error {
	if err := out.WriteHeader(&tar.Header{Name: path, Mode: mode, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := out.Write(data)
	return err
}

// Build compiles the Go program in dir to a static binary. Each variable is set in the program as -ldflags -X does:
// main.version=v2.
func Build(ctx context.Context, dir string, variables ...string) ([]byte, error) {
	out, err := os.MkdirTemp("", "podkeep-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	flags := "-s -w"
	for _, v := range variables {
		flags += " -X " + v
	}
	binary := filepath.Join(out, "app")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", binary, ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s: %w: %s", dir, err, said)
	}
	return os.ReadFile(binary)
}

// LoadImage puts an image archive (docker-archive or oci-archive) into a node's store. No registry takes part.
func (f *Fleet) LoadImage(ctx context.Context, node string, archive []byte) error {
	n, err := f.Node(node)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://podman/v4.0.0/libpod/images/load", bytes.NewReader(archive))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-tar")
	response, err := n.client().Do(request)
	if err != nil {
		return fmt.Errorf("%s: load image: %w", node, err)
	}
	defer response.Body.Close()
	return loaded(node, response)
}

func loaded(node string, response *http.Response) error {
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s: load image: %w", node, err)
	}
	var report struct {
		Message string
		Names   []string
	}
	_ = json.Unmarshal(body, &report)
	if response.StatusCode != http.StatusOK || len(report.Names) == 0 {
		return fmt.Errorf("%s: load image: %s: %s", node, response.Status, body)
	}
	return nil
}

// LoadEverywhere puts an image archive into every node's store.
func (f *Fleet) LoadEverywhere(ctx context.Context, archive []byte) error {
	return f.each(func(n Node) error { return f.LoadImage(ctx, n.Name, archive) })
}
