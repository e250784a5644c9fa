package fake

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

var (
	_ drivers.Cleaner   = driver{}
	_ drivers.Networker = driver{}
)

func (d driver) Network(ctx context.Context, n live.PodNetwork) error {
	return d.call(ctx, Put, func(h *host) error {
		if h.nets[n.Name] == n {
			return nil
		}
		h.nets[n.Name] = n
		return d.write(h)
	})
}

func (d driver) Networkless(ctx context.Context, name string) error {
	return d.call(ctx, Delete, func(h *host) error {
		if _, ok := h.nets[name]; !ok {
			return nil
		}
		delete(h.nets, name)
		return d.write(h)
	})
}

func (d driver) sideVolume() string {
	return d.cluster + "/" + live.SideApp.Namespace + "/" + live.SideVolume
}

func (d driver) Remains(ctx context.Context) (what []string, err error) {
	err = d.call(ctx, List, func(h *host) error {
		if h.volumes[d.sideVolume()] {
			what = append(what, "volume "+d.sideVolume())
		}
		if name := route.NamedOf(d.cluster).Network; h.nets[name].Name != "" {
			what = append(what, "network "+name)
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
		delete(h.nets, route.NamedOf(d.cluster).Network)
		maps.DeleteFunc(h.store, func(image string, _ bool) bool { return isSide(image) })
		return d.write(h)
	})
}

func isSide(image string) bool { return strings.HasPrefix(image, live.SideImage+":") }
