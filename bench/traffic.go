package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/podkeep/podkeep/devfleet"
	"github.com/podkeep/podkeep/node/route"
)

const (
	clients   = 8                      // pods on n1, each with an address of its own
	lap       = 250 * time.Millisecond // of load, in each way in turn
	laps      = 6                      // in each way, for each run asked for
	switches  = 3                      // of each pod, for each run asked for
	proxyPort = 8099
)

// What is asked of the way through a Service, and of readiness that is lost: so long after a probe could first have seen it, for a pod whose probe
// gives up at the first failure, a second after the last.
const (
	hereShare  = 0.95
	thereShare = 0.90
	switchTime = 1500*time.Millisecond + time.Second
)

const trafficPod = `---
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, labels: {app: %[2]s}}
spec:
  nodeName: %[3]s
  containers:
  - {name: app, image: "` + probedImage + `", imagePullPolicy: Never, ports: [{containerPort: 8080}]%[4]s}
`

const switchedProbe = `, readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1, failureThreshold: 1}`

const trafficService = `---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec:
  clusterIP: %[2]s
  selector: {app: %[1]s}
  ports: [{port: 80, targetPort: 8080}]
`

// virtual are the Services: two pods on the clients' node, two on the other, and one on each whose readiness is switched.
var virtual = map[string]string{"here": "10.43.0.101", "there": "10.43.0.102", "switched": "10.43.0.103"}

func trafficManifests() string {
	var out strings.Builder
	for name, ip := range virtual {
		fmt.Fprintf(&out, trafficService, name, ip)
	}
	for i := range clients {
		fmt.Fprintf(&out, trafficPod, fmt.Sprint("client-", i), "client", "n1", "")
	}
	for i := range 2 {
		fmt.Fprintf(&out, trafficPod, fmt.Sprint("here-", i), "here", "n1", "")
		fmt.Fprintf(&out, trafficPod, fmt.Sprint("there-", i), "there", "n2", "")
		fmt.Fprintf(&out, trafficPod, fmt.Sprint("switched-", i), "switched", fmt.Sprint("n", i+1), switchedProbe)
	}
	return out.String()
}

// traffic measures what pods get through Services: against going to the pods straight, and through a proxy.
func traffic(ctx context.Context, name string, runs int) (rows []row, err error) {
	if rows, err = inKernel(ctx, runs); err != nil {
		return rows, err
	}
	f := &fleet{name: name + "-traffic"}
	if f.dir, err = os.MkdirTemp("", "podkeep-bench-"); err != nil {
		return rows, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	if err := f.probe(ctx, devfleet.Options{Nodes: 2}, trafficManifests()); err != nil {
		return rows, err
	}
	for _, measure := range []func(context.Context, int) ([]row, error){f.requests, f.queries, f.switched} {
		more, err := measure(ctx, runs)
		if rows = append(rows, more...); err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// way is how clients ask: what they do, and whom.
type way struct {
	name string
	order
}

// came is what was measured in one way, lap by lap.
type came struct {
	rates []float64 // a second
	tails []time.Duration
}

// against is the median of how the rates of each round were to those of the peers in it: what else the machine does lasts longer than a lap.
func (c came) against(peers ...came) float64 {
	var each []float64
	for i, rate := range c.rates {
		theirs := 0.0
		for _, p := range peers {
			theirs += p.rates[i] / float64(len(peers))
		}
		each = append(each, rate/theirs)
	}
	return median(each)
}

// requests has all clients ask web servers, by new connections and by kept ones, on their own node and on the other.
func (f *fleet) requests(ctx context.Context, runs int) (rows []row, err error) {
	all, err := f.clients(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, all.close()) }()
	pods := map[string][]string{}
	for _, at := range []struct{ app, pod string }{{"here", "here-0"}, {"here", "here-1"}, {"there", "there-0"}, {"there", "there-1"}} {
		pod, err := f.pod(ctx, at.pod)
		if err != nil {
			return nil, err
		}
		pods[at.app] = append(pods[at.app], pod.ip+":8080")
	}
	proxy, without := f.proxy(ctx, pods["here"])
	var ways []way
	for _, app := range []string{"here", "there"} {
		for _, do := range []string{"new", "kept"} {
			add := func(name string, to ...string) {
				ways = append(ways, way{app + " " + do + " " + name, order{Do: do, To: to, For: lap}})
			}
			add("straight", pods[app]...)
			add("service", virtual[app]+":80")
			add("again", pods[app]...)
			if app == "here" && without == nil {
				add("proxy", proxy)
			}
		}
	}
	got, err := all.rounds(ways, laps*runs)
	if err != nil {
		return nil, err
	}
	for _, of := range []struct {
		app, do, figure string
		share           float64
	}{
		{"here", "new", "new connections, same node", hereShare},
		{"here", "kept", "kept connections, same node", hereShare},
		{"there", "new", "new connections, another node", thereShare},
		{"there", "kept", "kept connections, another node", thereShare},
	} {
		key := of.app + " " + of.do + " "
		ours, straight, again := got[key+"service"], got[key+"straight"], got[key+"again"]
		share := ours.against(straight, again)
		tail, itself := quotient(median(ours.tails), median(straight.tails)), quotient(median(again.tails), median(straight.tails))
		rows = append(rows,
			row{"requests a second by " + of.figure, perSecond(ours), fmt.Sprintf("straight: %s, against itself %.2f", perSecond(straight), again.against(straight)), share, fmt.Sprintf(">= %.2f", of.share), share >= of.share},
			row{figure: "their 99th percentile", ours: spread(ours.tails), ratio: tail,
				peer: fmt.Sprintf("straight: %s, against itself %.2f", spread(straight.tails), itself)})
		switch theirs, measured := got[key+"proxy"]; {
		case measured:
			more := ours.against(theirs)
			rows = append(rows, row{"the same requests", perSecond(ours), "HAProxy: " + perSecond(theirs), more, "> 1", more > 1})
		case of.app == "here":
			rows = append(rows, row{figure: "the same requests", ours: perSecond(ours), peer: "HAProxy is not there: " + without.Error()})
		}
	}
	return rows, nil
}

func perSecond(c came) string {
	return fmt.Sprintf("%s (%s to %s)", thousands(int(median(c.rates))), thousands(int(slices.Min(c.rates))), thousands(int(slices.Max(c.rates))))
}

// proxy starts HAProxy on n1, to balance the same pods, and says where.
func (f *fleet) proxy(ctx context.Context, pods []string) (string, error) {
	program, err := exec.LookPath("haproxy")
	if err != nil {
		return "", err
	}
	at := fmt.Sprintf("%s:%d", f.nest.Nodes[0].Address, proxyPort)
	config := fmt.Sprintf(`global
  maxconn 4096
defaults
  mode tcp
  timeout connect 10s
  timeout client 1m
  timeout server 1m
listen here
  bind %s
  balance random(1)
  server a %s
  server b %s
`, at, pods[0], pods[1])
	path := filepath.Join(f.dir, "haproxy.cfg")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return "", err
	}
	_, err = f.nest.Output(ctx, "n1", program, "-D", "-q", "-f", path) // it ends with the fleet, and listens once this has
	return at, err
}

// queries has all clients ask their node for a name.
func (f *fleet) queries(ctx context.Context, runs int) (rows []row, err error) {
	all, err := f.clients(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, all.close()) }()
	gateway := strings.TrimSuffix(f.nest.Nodes[0].PodCIDR, "0/24") + "1:53"
	got, err := all.rounds([]way{{"names", order{Do: "names", To: []string{gateway, "here.default.svc.cluster.local."}, For: lap}}}, laps*runs)
	if err != nil {
		return nil, err
	}
	return []row{
		{figure: "queries of a Service's name a second, UDP", ours: perSecond(got["names"])},
		{figure: "their 99th percentile", ours: spread(got["names"].tails)},
	}, nil
}

// switched takes readiness from a pod on each node in turn, and waits until no node sends it connections.
func (f *fleet) switched(ctx context.Context, runs int) (rows []row, err error) {
	end, err := f.controlled(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	watching, err := f.watchers(ctx)
	defer func() { err = errors.Join(err, watching.close()) }()
	if err != nil {
		return nil, err
	}
	var took []time.Duration
	for range switches * runs {
		for i := range f.nest.Nodes {
			pod, err := f.pod(ctx, fmt.Sprint("switched-", i))
			if err != nil {
				return nil, err
			}
			table := []string{route.NamedOf("bench").Table, pod.ip}
			began := time.Now()
			if err := pod.answers(false); err != nil {
				return nil, err
			}
			gone, err := watching.all(order{Do: "gone", To: table})
			if err != nil {
				return nil, err
			}
			took = append(took, latest(gone[0].At, gone[1].At).Sub(began))
			if err := pod.answers(true); err != nil {
				return nil, err
			}
			if _, err := watching.all(order{Do: "there", To: table}); err != nil {
				return nil, err
			}
		}
	}
	narrate("switched %s", spread(took))
	return []row{within("readiness lost to no connections on any node", took, switchTime)}, nil
}

// pod finds a pod of this name: its container, and the address.
func (f *fleet) pod(ctx context.Context, name string) (t target, err error) {
	for _, a := range f.apis {
		found, err := a.target(ctx, "Pod/default/"+name)
		if err != nil || found != t {
			return found, err
		}
	}
	return t, fmt.Errorf("no pod %s", name)
}

// answers tells the pod what its readiness is.
func (t target) answers(ready bool) error {
	answer, err := http.Get("http://" + t.ip + ":8080/set?ready=" + map[bool]string{true: "yes", false: "no"}[ready])
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// worker is this program as a client.
type worker struct {
	cmd     *exec.Cmd
	in      io.Closer
	orders  *json.Encoder
	results *json.Decoder
	said    *bytes.Buffer
}

// group are workers that do the same at the same time.
type group []*worker

// clients are this program in the network of each client's pod.
func (f *fleet) clients(ctx context.Context) (all group, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for i := range clients {
		pod, err := f.pod(ctx, fmt.Sprint("client-", i))
		if err != nil {
			return all, errors.Join(err, all.close())
		}
		w, err := f.worker(ctx, "n1", "nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", pod.pid), self, "-client")
		if err != nil {
			return all, errors.Join(err, all.close())
		}
		all = append(all, w)
	}
	return all, nil
}

func (f *fleet) worker(ctx context.Context, node string, args ...string) (*worker, error) {
	cmd, err := f.nest.Command(ctx, node, args...)
	if err != nil {
		return nil, err
	}
	w := &worker{cmd: cmd, said: &bytes.Buffer{}}
	cmd.Stderr = w.said
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.in, w.orders, w.results = in, json.NewEncoder(in), json.NewDecoder(out)
	return w, cmd.Start()
}

func (g group) close() (err error) {
	for _, w := range g {
		_ = w.in.Close()
		if ended := w.cmd.Wait(); ended != nil {
			err = errors.Join(err, fmt.Errorf("%w: %s", ended, w.said))
		}
	}
	return err
}

// all gives every worker the order, and waits for what came of it.
func (g group) all(o order) ([]outcome, error) {
	out := make([]outcome, len(g))
	var join errgroup.Group
	for i, w := range g {
		join.Go(func() error { return errors.Join(w.orders.Encode(o), w.results.Decode(&out[i])) })
	}
	return out, join.Wait()
}

// rounds has the workers go every way in turn, so many times, each round beginning with another one. None may be left without an answer.
func (g group) rounds(ways []way, times int) (map[string]came, error) {
	got := map[string]came{}
	for round := range times {
		for i := range ways {
			w := ways[(round+i)%len(ways)]
			out, err := g.all(w.order)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			var took []time.Duration
			for _, o := range out {
				if o.Lost > 0 {
					return nil, fmt.Errorf("%s: %d got no answer: %s", w.name, o.Lost, o.Why)
				}
				took = append(took, o.Took...)
			}
			slices.Sort(took)
			if len(took) == 0 {
				return nil, fmt.Errorf("%s: nobody was answered", w.name)
			}
			c := got[w.name]
			got[w.name] = came{append(c.rates, float64(len(took))/w.For.Seconds()), append(c.tails, took[len(took)*99/100])}
		}
	}
	return got, nil
}
