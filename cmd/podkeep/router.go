package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/node"
	"github.com/podkeep/podkeep/node/counts"
	"github.com/podkeep/podkeep/node/kernel"
	"github.com/podkeep/podkeep/node/names"
	"github.com/podkeep/podkeep/node/network"
	"github.com/podkeep/podkeep/node/route"
)

// hostRoot is where the node side's container sees the host's own files.
const hostRoot = "/proc/1/root"

// router is what makes a host route. It works until ctx ends, and join waits for that; stirs says when it is to be called again.
func router(ctx context.Context, cluster string, driver network.Podman, log *logrus.Logger) (r node.Router, stirs chan struct{}, join func()) {
	links := network.New(cluster, driver, log)
	called := names.New(names.Options{Resolv: hostFile(hostRoot, "/etc/resolv.conf"), Log: log})
	rules, told, stirs := kernel.New(cluster, log), counts.New(), make(chan struct{}, 1)
	var all sync.WaitGroup
	all.Go(func() { rules.Watch(ctx, stirs) })
	all.Go(func() { told.Serve(ctx) })
	all.Go(func() { links.Watch(ctx) })
	all.Go(func() { called.Serve(ctx) })
	return node.Routers{Network: links, Names: said{called}, Kernel: rules, Counts: told}, stirs, all.Wait
}

// hostFile is where a file of the host is seen below root, wherever links lead on the host.
func hostFile(root, name string) string {
	for range 8 {
		to, err := os.Readlink(root + name)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(name), to)
		}
		name = filepath.Clean(to)
	}
	if _, err := os.Stat(root + name); err != nil {
		return name
	}
	return root + name
}

// asRoot says whether a process is root of its machine, and not of a user's namespace alone.
func asRoot(uids string) bool {
	text, err := os.ReadFile(uids)
	fields := strings.Fields(string(text))
	return err != nil || len(fields) == 3 && fields[0] == "0" && fields[1] == "0"
}

// said are names that say at each Put why they are not answered.
type said struct{ *names.Names }

func (s said) Put(t *route.Table, node string) error {
	if err := s.Names.Put(t, node); err != nil {
		return err
	}
	if why := s.Trouble(); why != "" {
		return errors.New(why)
	}
	return nil
}
