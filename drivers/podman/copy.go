package podman

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"

	"github.com/containers/podman/v4/pkg/bindings"
	"github.com/containers/podman/v4/pkg/bindings/containers"
	"github.com/containers/podman/v4/pkg/copy"
)

// Folder asks Podman's archive call, which follows links inside the container.
func (d *Driver) Folder(ctx context.Context, container, path string) (is bool, err error) {
	gone := false
	err = d.do(ctx, d.look, func(ctx context.Context) error {
		found, err := containers.Stat(ctx, container, path)
		if gone = errors.Is(err, copy.ErrENOENT); err == nil {
			is = found.IsDir
		}
		return err
	})
	if gone {
		return false, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return is, err
}

// Unpack writes through Podman's archive call. It is made here, since the bindings keep what Podman says of a failure to themselves.
func (d *Driver) Unpack(ctx context.Context, container, dir string, archive io.Reader) error {
	return d.client.call(endless(ctx), func(ctx context.Context) error {
		conn, err := bindings.GetClient(ctx)
		if err != nil {
			return err
		}
		params := url.Values{"path": {dir}, "copyUIDGID": {"true"}}
		answer, err := conn.DoRequest(ctx, archive, http.MethodPut, "/containers/%s/archive", params, nil, container)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		return answer.Process(nil)
	})
}

// Pack reads through the same call.
func (d *Driver) Pack(ctx context.Context, container, path string, archive io.Writer) error {
	return d.client.call(endless(ctx), func(ctx context.Context) error {
		get, err := containers.CopyToArchive(ctx, container, path, archive)
		if err != nil {
			return err
		}
		return get()
	})
}
