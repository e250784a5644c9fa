package podman

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
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
			_ = d.seen.add(d.entryOf(made.ID, labels)) // else the next look says so
		}
		return err
	})
}

// mine says nothing when the secret of that name is our File.
func (d *Driver) mine(ctx context.Context, file string) error {
	entry, err := d.inspectFile(ctx, d.secretName(file))
	if err == nil && entry.Name != file {
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

// entry is what a secret's inspection said. The File has no name when the secret is not this cluster's.
type entry struct {
	id string
	live.File
	empty   bool
	receipt *live.Receipt // what the labels say, if it is one
}

func (d *Driver) inspectFile(ctx context.Context, nameOrID string) (entry, error) {
	report, err := secrets.Inspect(ctx, nameOrID, nil)
	if err != nil {
		return entry{}, err
	}
	e := d.entryOf(report.ID, report.Spec.Labels)
	if report.Spec.Name != d.secretName(e.Name) { // a copy that somebody made: no File has two
		return entry{id: report.ID}, nil
	}
	return e, nil
}

// entryOf is what a secret's labels say, and who signed them: both are found out once. One that this driver has put is known by its
// labels without an inspection.
func (d *Driver) entryOf(id string, labels map[string]string) entry {
	e := entry{id: id}
	if labels[live.LabelCluster] != d.cluster || labels[labelFile] == "" {
		return e
	}
	e.Name, e.empty, e.Labels = labels[labelFile], labels[labelEmpty] == "true", maps.Clone(labels)
	delete(e.Labels, labelFile)
	delete(e.Labels, labelEmpty)
	e.Signer = live.FileSigner(e.Name, e.Labels)
	if r, ok := live.ParseReceipt(e.Labels); ok {
		r.File, r.Signer = e.Name, e.Signer
		e.receipt = &r
	}
	return e
}

// files lists the cluster's Files, receipts apart. Lists hide labels, so each secret that was not seen before is inspected, once.
func (d *Driver) files(ctx context.Context) ([]live.File, []live.Receipt, error) {
	reports, err := secrets.List(ctx, nil)
	if err != nil {
		return nil, nil, err
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
	d.seen.keep(ids)
	if err := d.learn(ctx, fresh); err != nil {
		return nil, nil, err
	}
	files, receipts := d.seen.only(ids)
	return files, receipts, nil
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
				err = d.seen.add(e)
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
	if gone(clean(err)) || err == nil && e.Name == "" {
		return false, fmt.Errorf("file %s is not on the node", file)
	}
	if err == nil {
		err = d.seen.add(e)
	}
	return e.empty, err
}

// seen remembers inspections by id. A secret never changes, so an entry is good as long as the id is listed.
type seen struct {
	mu   sync.Mutex
	byID map[string]entry
	left int // bytes that further labels may have
}

func newSeen() *seen { return &seen{byID: map[string]entry{}, left: mostLabels} }

// size is what an entry takes.
func (e entry) size() int {
	n := perFile + len(e.id)
	for key, value := range e.Labels {
		n += len(key) + len(value)
	}
	return n
}

func (s *seen) knows(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.byID[id]
	return ok
}

// add is an error when a host has more to remember than any that podkeep looks after.
func (s *seen) add(e entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(e.id)
	if e.size() > s.left {
		return fmt.Errorf("its answer has over %d MiB of Files' labels: remove those that podkeep did not put, see podman secret ls", mostLabels>>20)
	}
	s.byID[e.id] = e
	s.left -= e.size()
	return nil
}

// drop forgets an entry, if it is there. mu is held.
func (s *seen) drop(id string) {
	if e, ok := s.byID[id]; ok {
		s.left += e.size()
		delete(s.byID, id)
	}
}

// keep forgets all but the listed ids.
func (s *seen) keep(ids []string) {
	listed := make(map[string]bool, len(ids))
	for _, id := range ids {
		listed[id] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.byID {
		if !listed[id] {
			s.drop(id)
		}
	}
}

func (s *seen) named(file string) (entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.byID {
		if e.Name == file {
			return e, true
		}
	}
	return entry{}, false
}

// only gives the Files and receipts among the listed ids, both sorted by name. Whoever gets them does not edit their labels.
func (s *seen) only(ids []string) (files []live.File, receipts []live.Receipt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		e, ok := s.byID[id]
		if !ok {
			continue
		}
		switch {
		case e.receipt != nil:
			receipts = append(receipts, *e.receipt)
		case e.Name != "":
			files = append(files, e.File)
		}
	}
	slices.SortFunc(files, func(a, b live.File) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(receipts, func(a, b live.Receipt) int { return cmp.Compare(a.File, b.File) })
	return files, receipts
}
