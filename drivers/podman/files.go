package podman

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/containers/podman/v4/pkg/bindings/secrets"
	"golang.org/x/sync/errgroup"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Labels of this driver's own, on top of live's.
const (
	labelFile  = "podkeep.io/file"  // on a secret: the File's name, which the secret's may only abbreviate
	labelEmpty = "podkeep.io/empty" // on a secret: the File has no bytes, which Podman would refuse to store
)

// maxName is the longest name of a secret that Podman before 5 takes.
const maxName = 64

// secretName is the Podman secret that holds a File: podkeep-CLUSTER-NAME, its end replaced by a digest where that is too long.
func (d *Driver) secretName(file string) string {
	name := d.prefix() + file
	if len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:maxName-13] + "-" + hex.EncodeToString(sum[:6])
}

func (d *Driver) prefix() string { return "podkeep-" + d.cluster + "-" }

// Put stores a File as a Podman secret: one call, after which it is there as a whole. A File that is there already
// stays as it is.
func (d *Driver) Put(ctx context.Context, file manifest.File) error {
	labels := maps.Clone(file.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[live.LabelCluster], labels[labelFile] = d.cluster, file.Name
	data := []byte(file.Data)
	if len(data) == 0 {
		labels[labelEmpty], data = "true", []byte("\n")
	}
	name := d.secretName(file.Name)
	return d.do(ctx, d.change, func(ctx context.Context) error {
		made, err := secrets.Create(ctx, bytes.NewReader(data), new(secrets.CreateOptions).WithName(name).WithLabels(labels))
		if because(clean(err), secretInUse) {
			return d.mine(ctx, file.Name)
		}
		if err == nil {
			d.seen.add(d.entryOf(made.ID, labels))
		}
		return err
	})
}

// mine says nothing when the secret of that name is our File.
func (d *Driver) mine(ctx context.Context, file string) error {
	entry, err := d.inspectFile(ctx, d.secretName(file))
	if err == nil && entry.file != file {
		return fmt.Errorf("secret %s is there and is not podkeep's: remove or rename it", d.secretName(file))
	}
	return err
}

// Delete removes a File's secret. Podman keeps what is mounted until the container goes.
func (d *Driver) Delete(ctx context.Context, name string) error {
	return d.do(ctx, d.change, func(ctx context.Context) error {
		err := d.mine(ctx, name)
		if err == nil {
			err = secrets.Remove(ctx, d.secretName(name))
		}
		if gone(clean(err)) {
			return nil
		}
		return err
	})
}

// entry is what a secret's inspection said. file is empty when the secret is not this cluster's.
type entry struct {
	id     string
	file   string
	empty  bool
	labels map[string]string
}

func (d *Driver) inspectFile(ctx context.Context, nameOrID string) (entry, error) {
	report, err := secrets.Inspect(ctx, nameOrID, nil)
	if err != nil {
		return entry{}, err
	}
	return d.entryOf(report.ID, report.Spec.Labels), nil
}

// entryOf is what a secret's labels say. One that this driver has put is known by them without an inspection.
func (d *Driver) entryOf(id string, labels map[string]string) entry {
	e := entry{id: id}
	if labels[live.LabelCluster] == d.cluster && labels[labelFile] != "" {
		e.file, e.empty, e.labels = labels[labelFile], labels[labelEmpty] == "true", maps.Clone(labels)
		delete(e.labels, labelFile)
		delete(e.labels, labelEmpty)
	}
	return e
}

// files lists the cluster's Files. Lists hide labels, so each secret that was not seen before is inspected, once.
func (d *Driver) files(ctx context.Context) ([]live.File, error) {
	reports, err := secrets.List(ctx, nil)
	if err != nil {
		return nil, err
	}
	var ids, fresh []string
	for _, r := range reports {
		if !strings.HasPrefix(r.Spec.Name, d.prefix()) {
			continue
		}
		ids = append(ids, r.ID)
		if !d.seen.knows(r.ID) {
			fresh = append(fresh, r.ID)
		}
	}
	if err := d.learn(ctx, fresh); err != nil {
		return nil, err
	}
	return d.seen.only(ids), nil
}

func (d *Driver) learn(ctx context.Context, ids []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for _, id := range ids {
		group.Go(func() error {
			e, err := d.inspectFile(ctx, id)
			if gone(clean(err)) {
				return nil
			}
			if err == nil {
				d.seen.add(e)
			}
			return err
		})
	}
	return group.Wait()
}

// isEmpty says whether a File has no bytes. It is asked of Podman only for a File that no look has shown.
func (d *Driver) isEmpty(ctx context.Context, file string) (bool, error) {
	if e, ok := d.seen.named(file); ok {
		return e.empty, nil
	}
	e, err := d.inspectFile(ctx, d.secretName(file))
	if gone(clean(err)) || err == nil && e.file == "" {
		return false, fmt.Errorf("file %s is not on the node", file)
	}
	if err == nil {
		d.seen.add(e)
	}
	return e.empty, err
}

// seen remembers inspections by id. A secret never changes, so an entry is good as long as the id is listed.
type seen struct {
	mu   sync.Mutex
	byID map[string]entry
}

func newSeen() *seen { return &seen{byID: map[string]entry{}} }

func (s *seen) knows(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.byID[id]
	return ok
}

func (s *seen) add(e entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[e.id] = e
}

func (s *seen) named(file string) (entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.byID {
		if e.file == file {
			return e, true
		}
	}
	return entry{}, false
}

// only forgets all but the listed ids and gives the Files among them.
func (s *seen) only(ids []string) []live.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := make(map[string]entry, len(ids))
	var files []live.File
	for _, id := range ids {
		e, ok := s.byID[id]
		if !ok {
			continue
		}
		kept[id] = e
		if e.file != "" {
			files = append(files, live.File{Name: e.file, Labels: maps.Clone(e.labels)})
		}
	}
	s.byID = kept
	return files
}
