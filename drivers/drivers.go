// Package drivers is how podkeep reaches a host. A Driver looks at one host and makes small idempotent changes;
// it decides nothing. Open picks the driver for a Node's providerID.
package drivers

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Driver reaches one host on behalf of one cluster. Every call honours its context and is safe to repeat:
// already there and already gone are success. Calls may be made from several goroutines.
type Driver interface {
	// Observe lists everything of the cluster's on the host, all or nothing. Name, Known and Silent are left to the caller;
	// times are corrected to the caller's clock. It says who signed what (live.FileSigner, live.PodSigner), believing nobody.
	Observe(ctx context.Context) (live.Node, error)
	// Run makes it so: creates what is missing, finishes what is half made, and starts what live.Due says; when the pod is
	// live.Over it stops the sidecars. A pod that has to be There is mended, never made. It does not pull: an image that is not there is an error. The Files and the claims
	// that the pod names must be there, but for claims in Pod.Make. It may take live.Extra time. A start that fails because
	// something else has the pod's address is an error that wraps live.ErrTaken.
	Run(ctx context.Context, pod manifest.Pod) error
	// Stop stops the named pod within its grace period and removes it with its containers and the volumes of its own. It ends
	// by itself soon after the grace period, however long that is.
	// A pod that is not the cluster's is an error.
	Stop(ctx context.Context, name string) error
	// Put stores a File. It exists, in Observe, only once it is complete.
	Put(ctx context.Context, file manifest.File) error
	// Delete removes a File.
	Delete(ctx context.Context, name string) error
	Close() error
}

// Puller fetches images. Policy is Always, IfNotPresent or Never, as Kubernetes means them. Auth are .dockerconfigjson contents,
// of which those for the image's registry are tried.
type Puller interface {
	Pull(ctx context.Context, image, policy string, auth ...manifest.Bytes) error
}

// Pinger asks for a sign of life, which a host gives also where a look has to wait, behind its locks or for its disk.
type Pinger interface {
	Ping(ctx context.Context) error
}

// Loader puts an image archive (docker-archive or oci-archive, tar) into the host's store.
type Loader interface {
	Load(ctx context.Context, archive io.Reader) error
}

// Logger reads what containers print.
type Logger interface {
	// Logs calls each for every line of a container in the order in which they were printed, until the log ends: there, or
	// with Follow once the container has. It has no deadline of its own. A line's Text is good until each returns; an error of
	// each ends it. A Follow that ended by itself may lack the last lines: ask again without it. A log that is not there is an
	// error that wraps live.ErrNoLog.
	Logs(ctx context.Context, ask live.Log, each func(live.Line) error) error
}

// Dialer opens TCP connections as the host itself does: to the pods on it, to virtual addresses, to what else it reaches.
type Dialer interface {
	// Dial connects to an address and a port, both of them numbers. The connection outlives ctx.
	Dial(ctx context.Context, address string) (net.Conn, error)
}

// Execer runs commands in containers.
type Execer interface {
	// Exec gives the command's exit code once it has ended and what it printed was written. What cannot be started has code
	// 126 or 127, as in a shell, and says why on Err. It has no deadline of its own. When ctx ends it ends the command by force, with all that
	// descends from it, for which it may take a while; where that cannot be done the error wraps live.ErrRunsOn.
	Exec(ctx context.Context, ask live.Exec) (code int, err error)
}

// Copier carries files into containers that run, and out of them, as tar. The container needs no program for it.
type Copier interface {
	// Folder says whether a path in a container is a directory. One that is not there is an error that wraps fs.ErrNotExist.
	Folder(ctx context.Context, container, path string) (bool, error)
	// Unpack makes what an archive holds below a directory, which must be there, as the container's user's. It has no deadline of its own.
	Unpack(ctx context.Context, container, dir string, archive io.Reader) error
	// Pack gives a file, or a directory with all that is in it, as an archive in which all names begin with that of the path, if it ends with one. It has no deadline
	// of its own.
	Pack(ctx context.Context, container, path string, archive io.Writer) error
}

// Meter measures what is used.
type Meter interface {
	// Measure watches the host and all its containers for so long.
	Measure(ctx context.Context, window time.Duration) (live.Use, error)
}

// Ender ends one container of a pod, as a liveness probe that fails asks for: its preStop hook runs, it is told to stop, and killed once
// grace is over. It stays, exited, for Run to make the next attempt of it. One that does not run is success.
type Ender interface {
	End(ctx context.Context, pod manifest.Pod, container string, grace time.Duration) error
}

// Attacher opens a stream to the cluster's node side on the host (package wire says what is said on it): through its socket where that can be
// reached, else by an exec of `podkeep node attach` in its container. It is an error when the node side does not run.
type Attacher interface {
	Attach(ctx context.Context) (io.ReadWriteCloser, error)
}

// Networker keeps the cluster's own network on the host.
type Networker interface {
	// Network makes it so that pods can join it, if it is not. One that is there with another range is made anew once no pod is in it; before, it is an
	// error. It makes no link: that is the node side's.
	Network(ctx context.Context, n live.PodNetwork) error
	// Networkless removes it. One that is not there is success, one with pods in it an error.
	Networkless(ctx context.Context, name string) error
}

// Examiner asks a host for all that a preflight wants to know. It takes its time, and changes nothing.
type Examiner interface {
	Examine(ctx context.Context) (live.Checkup, error)
}

// Cleaner takes away what of the cluster's is on the host beside what a look shows: the volume of its node side, its pods' network, and the
// node side's images that no container has. The volumes of claims are none of it.
type Cleaner interface {
	// Remains says what there is, for people.
	Remains(ctx context.Context) ([]string, error)
	// Clean removes it. The node side must not run.
	Clean(ctx context.Context) error
}

// Watcher pokes when something may have changed. A poke carries no payload; missing one is allowed. It returns
// when ctx ends or the host can no longer be watched.
type Watcher interface {
	Watch(ctx context.Context, poke chan<- struct{}) error
}
