package fake

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/drivers"
)

var _ drivers.Copier = driver{}

// within calls f with the files of a container, by their paths. Directories are "/", "/tmp", and those that end in a slash.
func (d driver) within(ctx context.Context, container string, f func(files map[string]string) error) error {
	return d.call(ctx, List, func(h *host) error {
		c := h.find(container, false)
		if c == nil {
			return fmt.Errorf("no container %s", container)
		}
		files := maps.Clone(c.files)
		if files == nil {
			files = map[string]string{"/": "", "/tmp/": ""}
		}
		err := f(files)
		c.files = files
		return err
	})
}

func (d driver) Folder(ctx context.Context, container, at string) (is bool, err error) {
	err = d.within(ctx, container, func(files map[string]string) error {
		_, isFile := files[at]
		_, is = files[strings.TrimSuffix(at, "/")+"/"]
		if !is && !isFile {
			return fmt.Errorf("%s: %w", at, fs.ErrNotExist)
		}
		return nil
	})
	return is, err
}

func (d driver) Unpack(ctx context.Context, container, dir string, archive io.Reader) error {
	made := map[string]string{}
	for in := tar.NewReader(archive); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		text, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		name := path.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			name += "/"
		}
		made[name] = string(text)
	}
	return d.within(ctx, container, func(files map[string]string) error {
		maps.Copy(files, made)
		return nil
	})
}

func (d driver) Pack(ctx context.Context, container, at string, archive io.Writer) error {
	return d.within(ctx, container, func(files map[string]string) error {
		out := tar.NewWriter(archive)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if name != at && !strings.HasPrefix(name, at+"/") {
				continue
			}
			h := &tar.Header{Name: strings.TrimPrefix(name, path.Dir(at)), Size: int64(len(files[name])), Mode: 0o644, Typeflag: tar.TypeReg}
			if h.Name = strings.TrimPrefix(h.Name, "/"); strings.HasSuffix(name, "/") {
				h.Typeflag, h.Mode = tar.TypeDir, 0o755
			}
			if err := out.WriteHeader(h); err != nil {
				return err
			}
			if _, err := io.WriteString(out, files[name]); err != nil {
				return err
			}
		}
		return out.Close()
	})
}
