package reconciler

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"io"
	"slices"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// What is written on hosts is signed here, on its way there: plan names it, and the worker puts the key's signature under it.

// signer is the controller's public key, as manifest.KeyText has it; empty without a key.
func (o Options) signer() string {
	if o.Key == nil {
		return ""
	}
	return manifest.KeyText(o.Key.Public().(ed25519.PublicKey))
}

// Signed is an action whose File or pod bears the key's signature; a pod's is for a host. A File that says no more than whose it is, as
// config does, has none: no other host ever takes it from there.
func (o Options) Signed(a plan.Action, host string) plan.Action {
	switch {
	case a.File != nil && (a.File.Labels[live.LabelApp] != "" || a.File.Labels[live.LabelHost] != ""):
		f := *a.File
		f.Labels = live.Sign(o.Key, f.Labels, live.FileMessage(f.Name, f.Labels))
		a.File = &f
	case a.Pod != nil:
		p := *a.Pod
		p.Labels = live.Sign(o.Key, p.Labels, live.PodMessage(host, p.Name, p.Labels))
		a.Pod = &p
	}
	return a
}

// hostFor is the identity for which pods are signed on a host of these Files: what a record of our own says, else the first of anybody's;
// empty when no record bears a signature.
func (o Options) hostFor(files []live.File) (host string) {
	for _, f := range files {
		h, ok := live.ParseHost(f)
		switch {
		case !ok || h.Signer == "":
		case h.Signer == o.signer():
			return h.ID
		case host == "":
			host = h.ID
		}
	}
	return host
}

// record is a File that says who a host is, how it is reached, and by which key it is known.
func (o Options) record(name, id string, node manifest.Node, key string) *manifest.File {
	h := live.Host{ID: id, Way: node.Way(), Key: key, Time: o.Now(), Source: o.Source.Name()}
	return &manifest.File{Name: name, Labels: h.Labels(o.Cluster), Data: manifest.Bytes(id)}
}

// introduce writes down who a host is where no File of that name is there, and looks again. The first who writes wins; which one it
// was shows in the second look. What was not written is a trouble of the host's, and is tried again with the next look. A host that left
// Git is given no identity: what it had is taken from it when it is done.
func (w *worker) introduce(ctx context.Context, driver drivers.Driver, node manifest.Node, leaving bool, seen live.Node) live.Node {
	known := func(f live.File) bool { return f.Name == live.HostFile }
	if w.DryRun || leaving || slices.ContainsFunc(seen.Files, known) {
		return seen
	}
	id := make([]byte, 16)
	_, err := io.ReadFull(w.Random, id)
	if err == nil {
		a := plan.Action{Verb: plan.Put, Name: live.HostFile, File: w.record(live.HostFile, hex.EncodeToString(id), node, seen.HostKey)}
		err = live.Gate{}.Error(w.do(ctx, driver, w.Signed(a, "")))
	}
	w.voice.introduced(node.Name, err)
	if err != nil {
		seen.Troubles = []live.Trouble{{Name: live.HostFile, Why: live.Words(err.Error()), At: w.Now(), Count: 1}}
		return seen
	}
	err = within(ctx, w.LookTimeout, func(ctx context.Context) error {
		again, err := driver.Observe(ctx)
		if err == nil {
			seen = again
		}
		return err
	})
	if err != nil {
		w.voice.node(node.Name).WithError(err).Debug("look again")
	}
	return seen
}

// unintroduced says why it is not known who the host is.
func (h *host) unintroduced() string {
	for _, t := range h.seen.Troubles {
		if t.Name == live.HostFile {
			return t.Why
		}
	}
	for _, f := range h.seen.Files {
		if f.Name == live.HostFile {
			return "what is there under that name bears no signature: remove it, and it is written anew"
		}
	}
	return "it has not been seen yet"
}
