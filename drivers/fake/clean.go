package fake

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
)

var _ drivers.Cleaner = driver{}

func (d driver) sideVolume() string {
	return d.cluster + "/" + live.SideApp.Namespace + "/" + live.SideVolume
}

func (d driver) Remains(ctx context.Context) (what []string, err error) {
	err = d.call(ctx, List, func(h *host) error {
		if h.volumes[d.sideVolume()] {
			what = append(what, "volume "+d.sideVolume())
		}
		for _, image := range slices.Sorted(maps.Keys(h.store)) {
			if isSide(image) {
				what = append(what, "image "+image)
			}
		}
		return nil
	})
	return what, err
}

func (d driver) Clean(ctx context.Context) error {
	return d.call(ctx, Delete, func(h *host) error {
		delete(h.volumes, d.sideVolume())
		h.routes(d.cluster, routing{})
		maps.DeleteFunc(h.store, func(image string, _ bool) bool { return isSide(image) })
		return d.write(h)
	})
}

func isSide(image string) bool { return strings.HasPrefix(image, live.SideImage+":") }
