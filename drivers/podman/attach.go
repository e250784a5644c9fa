package podman

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"strings"

	"github.com/containers/podman/v4/pkg/bindings/containers"
	"github.com/containers/podman/v4/pkg/bindings/volumes"
	"github.com/containers/podman/v4/pkg/domain/entities"

	"github.com/podkeep/podkeep/live"
)

// Attach opens the node side's socket in its volume, from here or through the SSH connection. Where that does not go, such as without
// the right to look into Podman's volumes, it is a command in the container, as whose input and output the stream goes.
func (d *Driver) Attach(ctx context.Context) (io.ReadWriteCloser, error) {
	id, err := d.sideContainer(ctx)
	if err != nil {
		return nil, err
	}
	if conn, err := d.sideSocket(ctx); err == nil {
		return conn, nil
	}
	return d.sideExec(ctx, id, "attach")
}

// sideContainer is the node side's that runs, and began last.
func (d *Driver) sideContainer(ctx context.Context) (string, error) {
	var listed []entities.ListContainer
	err := d.do(ctx, d.look, func(ctx context.Context) (err error) {
		labels := []string{live.LabelSide, live.LabelCluster + "=" + d.cluster, live.LabelContainer + "=" + live.SideContainer}
		listed, err = containers.List(ctx, new(containers.ListOptions).WithAll(true).WithFilters(map[string][]string{"label": labels}))
		return err
	})
	if err != nil {
		return "", err
	}
	var newest *entities.ListContainer
	states := []string{}
	for i, c := range listed {
		if !live.IsSide(c.Labels) || isPrevious(c) {
			continue
		}
		states = append(states, state(c.State))
		if c.State == live.Running && (newest == nil || newest.StartedAt < c.StartedAt) {
			newest = &listed[i]
		}
	}
	switch {
	case newest != nil:
		return newest.ID, nil
	case len(states) == 0:
		return "", errors.New("there is no node side")
	}
	return "", fmt.Errorf("the node side does not run: its container is %s", strings.Join(states, ", "))
}

func (d *Driver) sideSocket(ctx context.Context) (net.Conn, error) {
	var at string
	err := d.do(ctx, d.look, func(ctx context.Context) error {
		volume, err := volumes.Inspect(ctx, d.sideVolume(), nil)
		if err == nil {
			at = volume.Mountpoint
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.look)
	defer cancel()
	return d.client.dialer.dialTo(ctx, path.Join(at, live.SideSocket))
}

// sideExec joins a command of podkeep node in the container. The command ends when its input does, which Close sees to.
func (d *Driver) sideExec(ctx context.Context, id string, command ...string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.change)
	defer cancel()
	session, err := d.session(ctx, live.Exec{Container: id, Command: append([]string{live.SideProgram, "node"}, command...), In: strings.NewReader("")})
	if err != nil {
		return nil, err
	}
	conn, err := d.client.dialer.dial(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	out, err := upgrade(conn, session, false, gateOf(ctx))
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, cause(ctx, err)
	}
	return &joined{Conn: conn, out: out}, nil
}

// joined is a command's input and output.
type joined struct {
	net.Conn
	out   *bufio.Reader
	frame []byte
	rest  []byte // of the frame: not read yet
}

// CloseWrite ends the command's input.
func (j *joined) CloseWrite() error {
	half, ok := j.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// Read gives what the command prints. What it says on its error output ends it.
func (j *joined) Read(p []byte) (int, error) {
	for len(j.rest) == 0 {
		stream, err := next(j.out, &j.frame)
		if err != nil {
			return 0, err
		}
		if stream > 1 {
			return 0, fmt.Errorf("the node side's container: %s", live.Words(plain(string(j.frame))))
		}
		j.rest = j.frame
	}
	n := copy(p, j.rest)
	j.rest = j.rest[n:]
	return n, nil
}
