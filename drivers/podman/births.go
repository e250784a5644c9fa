package podman

import (
	"maps"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/podkeep/podkeep/live"
)

// births remembers who signed which pod, by Podman's id. A pod's labels never change, but what a host says of them may: a birth is
// good for the same name, labels and host alone.
type births struct {
	mu   sync.Mutex
	byID map[string]birth
}

type birth struct {
	name         string
	labels       map[string]string
	hosts        []string // whose it was judged for
	signer, host string
}

// judge fills in who signed the pods, and forgets all others. Those that are new are verified side by side.
func (b *births) judge(labels map[string]map[string]string, pods map[string]*live.Pod, hosts []string) {
	b.mu.Lock()
	known := b.byID
	b.mu.Unlock()
	now := make(map[string]birth, len(pods))
	var fresh []string
	for id, p := range pods {
		was, ok := known[id]
		if !ok || was.name != p.Name || !slices.Equal(was.hosts, hosts) || !maps.Equal(was.labels, labels[id]) {
			fresh = append(fresh, id)
			continue
		}
		now[id] = was
	}
	for i, is := range verified(fresh, labels, pods, hosts) {
		now[fresh[i]] = is
	}
	for id, p := range pods {
		p.Signer, p.Host = now[id].signer, now[id].host
	}
	b.mu.Lock()
	b.byID = now
	b.mu.Unlock()
}

func verified(ids []string, labels map[string]map[string]string, pods map[string]*live.Pod, hosts []string) []birth {
	out := make([]birth, len(ids))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, id := range ids {
		group.Go(func() error {
			is := birth{name: pods[id].Name, labels: labels[id], hosts: hosts}
			is.signer, is.host = live.PodSigner(hosts, is.name, is.labels)
			out[i] = is
			return nil
		})
	}
	_ = group.Wait()
	return out
}
