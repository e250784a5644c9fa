package podman

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containers/podman/v4/pkg/bindings/images"

	"github.com/podkeep/podkeep/manifest"
)

// How long one image may take when the caller sets no limit.
const (
	pullLimit = 30 * time.Minute
	loadLimit = 10 * time.Minute
)

// noCredentials is a file that is not there: the bindings would else send the controller's own registry credentials along.
// A node pulls with what it was given itself.
const noCredentials = "/nonexistent/podkeep"

// Pull fetches an image as imagePullPolicy says: Always, IfNotPresent or Never. Of auth the logins for the image's registry are
// tried one after the other; when there is none, the node pulls with what it was given itself.
func (d *Driver) Pull(ctx context.Context, image, policy string, auth ...manifest.Bytes) error {
	if policy != "Always" {
		there, err := d.has(ctx, image)
		if err != nil || there {
			return err
		}
		if policy == "Never" {
			return fmt.Errorf("image %s is not on the node and imagePullPolicy is Never", image)
		}
	}
	who, err := logins(image, auth)
	if err != nil {
		return fmt.Errorf("pull %s: %w", image, err)
	}
	if len(who) == 0 {
		return d.pull(ctx, image, login{})
	}
	for _, l := range who {
		if err = d.pull(ctx, image, l); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// pull tries one login; one without a user is the node's own.
func (d *Driver) pull(ctx context.Context, image string, as login) error {
	options := new(images.PullOptions).WithQuiet(true).WithPolicy("always").WithAuthfile(noCredentials)
	if as.user != "" {
		options = options.WithUsername(as.user).WithPassword(as.password)
	}
	began := time.Now()
	err := d.do(ctx, pullLimit, func(ctx context.Context) error {
		_, err := images.Pull(ctx, image, options)
		return err
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("pull %s: not done after %v, the registry or the way to it is slow: %w", image, time.Since(began).Round(time.Second), context.DeadlineExceeded)
	case as.user != "":
		return fmt.Errorf("pull %s as %s: %s", image, as.user, plain(err.Error()))
	}
	return fmt.Errorf("pull %s: %s", image, plain(err.Error()))
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
