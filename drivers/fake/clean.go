package fake

import (
	"context"
	"errors"
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
		if had, ok := h.nets[n.Name]; ok && had.Range == n.Range && had.Bridge == n.Bridge {
			return nil
		} else if ok && h.joined(d.cluster) {
			return errJoined
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
		if h.joined(d.cluster) {
			return errJoined
		}
		delete(h.nets, name)
		return d.write(h)
	})
}

var errJoined = errors.New("network is being used")

// joined says whether a pod is in the cluster's network.
func (h *host) joined(cluster string) bool {
	for _, p := range h.pods {
		if p.labels[live.LabelCluster] == cluster && p.labels[live.LabelIP] != "" {
			return true
		}
	}
	return false
}

func (d driver) sideVolumes() (names []string) {
	for _, claim := range live.SideClaims() {
		names = append(names, d.cluster+"/"+live.SideApp.Namespace+"/"+claim)
	}
	return names
}

func (d driver) Remains(ctx context.Context) (what []string, err error) {
	err = d.call(ctx, List, func(h *host) error {
		for _, name := range d.sideVolumes() {
			if h.volumes[name] {
				what = append(what, "volume "+name)
			}
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
		if h.joined(d.cluster) {
			return errJoined
		}
		for _, name := range d.sideVolumes() {
			delete(h.volumes, name)
		}
		h.routes(d.cluster, routing{})
		delete(h.nets, route.NamedOf(d.cluster).Network)
		maps.DeleteFunc(h.store, func(image string, _ bool) bool { return isSide(image) })
		return d.write(h)
	})
}

func isSide(image string) bool { return strings.HasPrefix(image, live.SideImage+":") }
