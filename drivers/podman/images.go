package podman

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/containers/podman/v4/pkg/bindings/images"
)

// How long one image may take when the caller sets no limit.
const (
	pullLimit = 30 * time.Minute
	loadLimit = 10 * time.Minute
)

// noCredentials is a file that is not there: the bindings would else send the controller's own registry credentials along.
// A node pulls with what it was given itself.
const noCredentials = "/nonexistent/podkeep"

// Pull fetches an image as imagePullPolicy says: Always, IfNotPresent or Never.
func (d *Driver) Pull(ctx context.Context, image, policy string) error {
	if policy != "Always" {
		there, err := d.has(ctx, image)
		if err != nil || there {
			return err
		}
		if policy == "Never" {
			return fmt.Errorf("image %s is not on the node and imagePullPolicy is Never", image)
		}
	}
	err := d.do(ctx, pullLimit, func(ctx context.Context) error {
		_, err := images.Pull(ctx, image, new(images.PullOptions).WithQuiet(true).WithPolicy("always").WithAuthfile(noCredentials))
		return err
	})
	if err != nil {
		return fmt.Errorf("pull %s: %s", image, plain(err.Error()))
	}
	return nil
}

func (d *Driver) has(ctx context.Context, image string) (there bool, err error) {
	err = d.do(ctx, d.change, func(ctx context.Context) (err error) {
		there, err = images.Exists(ctx, image, nil)
		return err
	})
	return there, err
}

// Load reads a docker-archive or oci-archive into the host's store.
func (d *Driver) Load(ctx context.Context, archive io.Reader) error {
	return d.do(ctx, loadLimit, func(ctx context.Context) error {
		_, err := images.Load(ctx, archive)
		return err
	})
}
