package fake

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/podkeep/podkeep/drivers"
)

var _ drivers.Loader = driver{}

// Load takes the names that a docker-archive gives its images; their content is nothing to hosts in memory.
func (d driver) Load(ctx context.Context, archive io.Reader) error {
	names, err := tags(archive)
	if err != nil {
		return err
	}
	return d.call(ctx, Pull, func(h *host) error {
		for _, name := range names {
			h.store[name] = true
		}
		return d.write(h)
	})
}

func tags(archive io.Reader) (names []string, err error) {
	for files := tar.NewReader(archive); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Name != "manifest.json" {
			continue
		}
		var images []struct{ RepoTags []string }
		if err := json.NewDecoder(files).Decode(&images); err != nil {
			return nil, err
		}
		for _, i := range images {
			names = append(names, i.RepoTags...)
		}
	}
}
