package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources"
	"github.com/podkeep/podkeep/sources/git"
)

// open opens the source that the settings name.
func (s *settings) open(ctx context.Context) (sources.Source, error) {
	return sources.Open(ctx, s.where(s.source, s.branch))
}

// openFor opens another version of the source: a revision of it, or a directory whose files are planned for as if they
// were pushed to it. What it gives goes by the source's name, so that the fleet knows its own. Unless a source
// was asked for, a directory is a version of the repository it lies in.
func (s *settings) openFor(ctx context.Context, rev, dir string, asked bool) (sources.Source, error) {
	if rev == "" && dir == "" {
		return s.open(ctx)
	}
	url := s.source
	if dir != "" && !asked {
		url = dir
	}
	base, err := sources.Open(ctx, s.where(url, s.branch))
	if err != nil {
		return nil, err
	}
	defer func() { _ = base.Close() }()
	there := s.where(url, rev)
	if dir != "" {
		there = sources.Options{URL: "dir:" + filepath.Clean(dir)}
	}
	version, err := sources.Open(ctx, there)
	if err != nil {
		return nil, err
	}
	return called(version, base.Name()), nil
}

func (s *settings) where(url, branch string) sources.Options {
	o := sources.Options{URL: url, Branch: branch, Path: s.path, Interval: s.interval}
	o.TokenFile, o.CAFile, o.SSHKey, o.KnownHosts = s.tokenFile, s.caFile, s.sshKey, s.knownHosts
	o.Admission = s.admission
	o.Keep, o.Signers, o.Warn = s.foundSource, s.decisionSigners, warnOnce
	return o
}

// openDriver is drivers.Open, but where a test has hosts of its own.
var openDriver = drivers.Open

// openNode opens the driver for a node.
func (s *settings) openNode(ctx context.Context, n manifest.Node) (drivers.Driver, error) {
	return openDriver(ctx, n, s.driver())
}

// onceLook is how long a look may take that is not repeated: a loop holds a host that is late, and a command can only call it silent.
const onceLook = 12 * time.Second

// openWhole opens one for a command that looks once and thinks.
func (s *settings) openWhole(ctx context.Context, n manifest.Node) (drivers.Driver, error) {
	o := s.driver()
	o.Whole, o.Look = true, onceLook
	return openDriver(ctx, n, o)
}

func (s *settings) driver() drivers.Options {
	o := drivers.Options{Cluster: s.cluster, KnownHosts: given(s.knownHosts), Identity: given(s.sshKey), Warn: warnOnce}
	if user, err := os.UserCacheDir(); err == nil {
		o.Cache = filepath.Join(user, "podkeep", "hosts")
	}
	return o
}

// warned are the texts that were.
var warned sync.Map

// warnOnce says what is skipped in files of this machine, which are read anew for each connection.
func warnOnce(text string) {
	if _, before := warned.LoadOrStore(text, true); !before {
		logrus.Warn(live.Plain(text))
	}
}

func given(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// folder is where the manifests lie in a work tree or a plain directory, empty if they lie in neither; and the repository that a commit of
// it is of.
func (s *settings) folder() (folder, repository string, err error) {
	if plain, ok := strings.CutPrefix(s.source, "dir:"); ok {
		return filepath.Join(plain, s.path), "", nil
	}
	local, ok := git.Local(s.source)
	if !ok {
		return "", "", nil
	}
	at, ok, err := git.Find(local)
	switch {
	case err != nil:
		return "", "", err
	case !ok:
		return filepath.Join(local, s.path), "", nil
	case at.Root == at.Git: // bare
		return "", "", nil
	}
	return filepath.Join(at.Root, at.Sub, s.path), at.Root, nil
}
