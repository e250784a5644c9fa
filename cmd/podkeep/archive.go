package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// archive is an image in a file.
type archive struct {
	path  string
	names []string // that the archive gives it
	size  int64
	dir   string // to be removed, if it was made for this
}

func (a *archive) close() {
	if a.dir != "" {
		_ = os.RemoveAll(a.dir)
	}
}

func (a *archive) said() string {
	if len(a.names) == 0 {
		return "an image without a name"
	}
	return strings.Join(a.names, ", ")
}

// openArchive finds the image: in a file, in what comes in for -, or in this machine's own Podman.
func openArchive(ctx context.Context, name string, in io.Reader) (*archive, error) {
	a := &archive{path: name}
	info, err := os.Stat(name)
	if err != nil || name == "-" {
		if a.dir, err = os.MkdirTemp("", "podkeep-image-"); err != nil {
			return nil, err
		}
		a.path = filepath.Join(a.dir, "image.tar")
	}
	switch {
	case name == "-":
		err = spool(in, a.path)
	case a.dir != "":
		err = save(ctx, name, a.path)
	case info.IsDir():
		err = errors.New("it is a directory: name an image, or a tar file made by podman save")
	}
	if err == nil {
		err = a.read()
	}
	if err != nil {
		a.close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return a, nil
}

func spool(in io.Reader, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	return errors.Join(err, f.Close())
}

// save asks the user's own Podman, by its command: a service need not run for it.
func save(ctx context.Context, image, path string) error {
	cmd := exec.CommandContext(ctx, "podman", "save", "--quiet", "--format", "docker-archive", "--output", path, "--", image)
	out, err := cmd.CombinedOutput()
	said := strings.TrimPrefix(strings.TrimSpace(string(out)), "Error: ")
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("no such file, and no podman on this machine to ask for an image of that name; docker save makes a file")
	case err != nil && strings.Contains(said, "image not known"):
		return fmt.Errorf("neither a file nor an image of this machine's Podman; podman build -t %s . makes it", image)
	case err != nil:
		return fmt.Errorf("podman save: %s", said)
	}
	return nil
}

// read finds the size and the names, and refuses what is no archive of an image.
func (a *archive) read() error {
	f, err := os.Open(a.path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	a.size = info.Size()
	not := errors.New("not a docker-archive or oci-archive: make one with podman save or docker save, uncompressed")
	known := false
	for files := tar.NewReader(f); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return not
		}
		if name := strings.TrimPrefix(h.Name, "./"); name != "manifest.json" && name != "index.json" {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(files, 16<<20))
		if err != nil {
			return not
		}
		names, ok := namesIn(data)
		known = known || ok
		for _, n := range names {
			if !slices.Contains(a.names, n) {
				a.names = append(a.names, n)
			}
		}
	}
	if !known {
		return not
	}
	return nil
}

// namesIn reads a docker-archive's manifest.json or an oci-archive's index.json.
func namesIn(data []byte) (names []string, ok bool) {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		var images []struct{ RepoTags []string }
		if json.Unmarshal(data, &images) != nil {
			return nil, false
		}
		for _, i := range images {
			names = append(names, i.RepoTags...)
		}
		return names, len(images) > 0
	}
	var index struct {
		Manifests []struct{ Annotations map[string]string }
	}
	if json.Unmarshal(data, &index) != nil {
		return nil, false
	}
	for _, m := range index.Manifests {
		for _, key := range []string{"io.containerd.image.name", "org.opencontainers.image.ref.name"} {
			if n := m.Annotations[key]; n != "" {
				names = append(names, n)
				break
			}
		}
	}
	return names, len(index.Manifests) > 0
}
