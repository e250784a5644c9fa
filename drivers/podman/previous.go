package podman

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containers/podman/v4/pkg/bindings/containers"
	"github.com/containers/podman/v4/pkg/domain/entities"

	"github.com/podkeep/podkeep/live"
)

// previous ends the name of a container that a later attempt has replaced: its log can be read until the next one is
// replaced, or the pod goes. No container of a manifest has a dot in its name.
const previous = ".previous"

func isPrevious(c entities.ListContainer) bool {
	return slices.ContainsFunc(c.Names, func(name string) bool { return strings.HasSuffix(name, previous) })
}

// setAside gives a container's name free and keeps the container. The one that was kept before goes.
func (d *Driver) setAside(ctx context.Context, id, name string) error {
	if err := d.remove(ctx, name+previous); err != nil {
		return err
	}
	err := containers.Rename(ctx, id, new(containers.RenameOptions).WithName(name+previous))
	if gone(clean(err)) {
		return nil
	}
	return err
}

// before is the id of the container that this one replaced.
func (d *Driver) before(ctx context.Context, container string) (id string, err error) {
	err = d.do(ctx, d.look, func(ctx context.Context) error {
		now, err := containers.Inspect(ctx, container, nil)
		if err != nil {
			return err
		}
		then, err := containers.Inspect(ctx, now.Name+previous, nil)
		if err == nil {
			id = then.ID
		}
		return err
	})
	if gone(err) {
		return "", fmt.Errorf("%w of an attempt before this one", live.ErrNoLog)
	}
	return id, err
}
