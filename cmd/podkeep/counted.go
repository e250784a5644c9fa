package main

import (
	"context"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/sources"
)

// did hears of every change that was tried on a node. It is called from several goroutines.
type did func(v plan.Verb, took time.Duration, err error)

// able is what the drivers of real hosts can do.
type able interface {
	drivers.Driver
	drivers.Puller
	drivers.Loader
	drivers.Watcher
	drivers.Pinger
	drivers.Attacher
	drivers.Cleaner
}

// counted is d, telling of what it does; a driver that can do less is left as it is.
func counted(d drivers.Driver, tell did) drivers.Driver {
	if all, ok := d.(able); ok {
		return counter{all, tell}
	}
	return d
}

type counter struct {
	able
	tell did
}

func (c counter) timed(v plan.Verb, act func() error) error {
	began := time.Now()
	err := act()
	c.tell(v, time.Since(began), err)
	return err
}

func (c counter) Run(ctx context.Context, pod manifest.Pod) error {
	return c.timed(plan.Run, func() error { return c.able.Run(ctx, pod) })
}

func (c counter) Stop(ctx context.Context, name string) error {
	return c.timed(plan.Stop, func() error { return c.able.Stop(ctx, name) })
}

func (c counter) Put(ctx context.Context, file manifest.File) error {
	return c.timed(plan.Put, func() error { return c.able.Put(ctx, file) })
}

func (c counter) Delete(ctx context.Context, name string) error {
	return c.timed(plan.Delete, func() error { return c.able.Delete(ctx, name) })
}

func (c counter) Pull(ctx context.Context, image, policy string, auth ...manifest.Bytes) error {
	return c.timed(reconciler.Pull, func() error { return c.able.Pull(ctx, image, policy, auth...) })
}

// fetching is source, telling of each fetch. It knows the past when source does.
func fetching(source sources.Source, tell func(took time.Duration, err error)) sources.Source {
	f := fetcher{source, tell}
	if past, ok := source.(sources.Historian); ok {
		return fetchingHistorian{f, past}
	}
	return f
}

type fetcher struct {
	sources.Source
	tell func(took time.Duration, err error)
}

func (f fetcher) Head(ctx context.Context) (string, time.Time, error) {
	began := time.Now()
	commit, fetched, err := f.Source.Head(ctx)
	f.tell(time.Since(began), err)
	return commit, fetched, err
}

type fetchingHistorian struct {
	fetcher
	sources.Historian
}
