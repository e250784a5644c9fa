package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/podkeep/podkeep/node/door"
	"github.com/podkeep/podkeep/node/keyring"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/wire"
)

const (
	doorHosts = 1000 // with a certificate each
	doorsAt   = "127.66.5.1"
	doorPort  = 8500 // and those that follow, two for each of those that are measured
	behindAt  = "127.66.5.2"
	behind    = 2 // servers that answer
	openRate  = 1000
	openLap   = 2 * time.Second
	callers   = 64 // connections of the open loop
)

// What is asked of a door beside nginx.
const (
	doorTail  = 1.5
	doorCPU   = 2.5
	doorShare = 0.80
)

// proxy is who passes requests on to the servers behind, at two ports of loopback, the second by TLS.
type proxy struct {
	name          string
	plain, secure string
	command       func(p proxy, dir string) ([]string, error)
	pid           int
}

// proxies are ours and Debian's, each with the same servers behind, the same headers, certificates and number of threads that work.
func proxies() []proxy {
	all := []proxy{{name: "podkeep", command: ourDoor}, {name: "nginx", command: nginx}, {name: "haproxy", command: haproxy}, {name: "caddy", command: caddy}}
	for i := range all {
		all[i].plain, all[i].secure = fmt.Sprintf("%s:%d", doorsAt, doorPort+2*i), fmt.Sprintf("%s:%d", doorsAt, doorPort+2*i+1)
	}
	return all
}

func hostOf(n int) string { return fmt.Sprintf("h%04d.bench.example.org", n) }

func behindPorts() (all []uint16) {
	for i := range behind {
		all = append(all, uint16(doorPort+90+i))
	}
	return all
}

func ourDoor(p proxy, dir string) ([]string, error) {
	self, err := os.Executable()
	return []string{self, "-door", dir}, err
}

func nginx(p proxy, dir string) ([]string, error) {
	servers, hosts := "", ""
	for _, port := range behindPorts() {
		servers += fmt.Sprintf("  server %s:%d;\n", behindAt, port)
	}
	const pass = "location / { proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host;" +
		" proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;" +
		" proxy_set_header X-Forwarded-Host $host; proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Request-ID $request_id;" +
		" proxy_set_header Forwarded 'for=$remote_addr;host=\"$host\";proto=$scheme'; }"
	for i := range doorHosts {
		hosts += fmt.Sprintf(" server { listen %s ssl; server_name %s; ssl_certificate %s; ssl_certificate_key %s; %s }\n", p.secure, hostOf(i), chainFile(dir, i), privateFile(dir, i), pass)
	}
	text := fmt.Sprintf("user root; daemon off; worker_processes %[6]d; pid %[1]s/nginx.pid; error_log /dev/null;\nevents { worker_connections 4096; }\n"+
		"http { access_log off; server_names_hash_max_size 8192; keepalive_requests 1000000; ssl_session_tickets off; ssl_session_cache off; ssl_protocols TLSv1.2 TLSv1.3;\n"+
		"client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\n"+
		" upstream behind {\n%[2]s  keepalive 64; keepalive_requests 1000000;\n }\n server { listen %[3]s default_server; %[4]s }\n%[5]s}\n", dir, servers, p.plain, pass, hosts, runtime.GOMAXPROCS(0))
	return configured(dir, "nginx.conf", text, "nginx", "-e", "/dev/null", "-c")
}

func haproxy(p proxy, dir string) ([]string, error) {
	both := filepath.Join(dir, "both")
	if err := os.MkdirAll(both, 0o700); err != nil {
		return nil, err
	}
	for i := range doorHosts {
		chain, err := os.ReadFile(chainFile(dir, i))
		if err != nil {
			return nil, err
		}
		private, err := os.ReadFile(privateFile(dir, i))
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(both, hostOf(i)+".pem"), append(chain, private...), 0o600); err != nil {
			return nil, err
		}
	}
	text := fmt.Sprintf("global\n nbthread %d\n tune.ssl.cachesize 0\ndefaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n option forwardfor\n http-reuse always\n"+
		"frontend in\n bind %s\n bind %s ssl crt %s no-tls-tickets\n default_backend behind\n"+
		" http-request set-header X-Real-IP %%[src]\n http-request set-header X-Forwarded-Proto %%[ssl_fc,iif(https,http)]\n http-request set-header X-Forwarded-Host %%[req.hdr(host)]\n"+
		" http-request set-header X-Forwarded-Port %%[dst_port]\n http-request set-header X-Request-ID %%[uuid()]\n"+
		" http-request set-header Forwarded for=%%[src];host=\\\"%%[req.hdr(host)]\\\";proto=%%[ssl_fc,iif(https,http)]\nbackend behind\n",
		runtime.GOMAXPROCS(0), p.plain, p.secure, both)
	for i, port := range behindPorts() {
		text += fmt.Sprintf(" server s%d %s:%d\n", i, behindAt, port)
	}
	return configured(dir, "haproxy.cfg", text, "haproxy", "-db", "-f")
}

func caddy(p proxy, dir string) ([]string, error) {
	var files, to []string
	for i := range doorHosts {
		files = append(files, fmt.Sprintf(`{"certificate": %q, "key": %q}`, chainFile(dir, i), privateFile(dir, i)))
	}
	for _, port := range behindPorts() {
		to = append(to, fmt.Sprintf(`{"dial": "%s:%d"}`, behindAt, port))
	}
	const more = `{"request": {"set": {"X-Real-Ip": ["{http.request.remote.host}"], "X-Forwarded-Port": ["{http.request.local.port}"], "X-Request-Id": ["{http.request.uuid}"],
 "Forwarded": ["for={http.request.remote.host};host=\"{http.request.host}\";proto={http.request.scheme}"]}}}`
	server := func(at, tls string) string {
		return fmt.Sprintf(`{"listen": [%q], "automatic_https": {"disable": true}, %s "routes": [{"handle": [{"handler": "reverse_proxy", "upstreams": [%s], "headers": %s}]}]}`, at, tls, strings.Join(to, ", "), more)
	}
	text := fmt.Sprintf(`{"admin": {"disabled": true}, "logging": {"logs": {"default": {"writer": {"output": "discard"}}}}, "apps": {"tls": {"certificates": {"load_files": [%s]}},
 "http": {"servers": {"plain": %s, "secure": %s}}}}`, strings.Join(files, ", "), server(p.plain, ""), server(p.secure, `"tls_connection_policies": [{}],`))
	return configured(dir, "caddy.json", text, "caddy", "run", "--config")
}

func chainFile(dir string, host int) string   { return filepath.Join(dir, hostOf(host)+".crt") }
func privateFile(dir string, host int) string { return filepath.Join(dir, hostOf(host)+".key") }

// certificates writes one for each host, each with a key of its own.
func certificates(dir string) error {
	for i := range doorHosts {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		form := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), DNSNames: []string{hostOf(i)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0)}
		cert, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
		if err != nil {
			return err
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		for file, block := range map[string]*pem.Block{chainFile(dir, i): {Type: "CERTIFICATE", Bytes: cert}, privateFile(dir, i): {Type: "PRIVATE KEY", Bytes: private}} {
			if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// doorTable leads everything to the servers behind.
func doorTable() *route.Table {
	svc := route.Service{Namespace: "default", Name: "behind", Ports: []route.Port{{Protocol: "tcp", Port: 80}}}
	for i, port := range behindPorts() {
		svc.Endpoints = append(svc.Endpoints, route.Endpoint{Pod: fmt.Sprint("behind-", i), Node: "n1", IP: netip.MustParseAddr(behindAt), Ports: []uint16{port}})
	}
	rules := []route.DoorRule{{
		From: "Ingress/default/bench", Match: route.DoorMatch{Kind: route.Prefix, Path: "/"},
		To: []route.DoorBackend{{Namespace: "default", Service: "behind", Port: 80, Weight: 1}},
	}}
	secure := route.DoorPort{Port: doorPort + 1, TLS: true}
	for i := range doorHosts {
		secure.Hosts = append(secure.Hosts, route.DoorHost{Name: hostOf(i), Key: "default/" + hostOf(i), Rules: rules})
	}
	doors := &route.Doors{Nodes: []string{"n1"}, Ports: []route.DoorPort{{Port: doorPort, Hosts: []route.DoorHost{{Rules: rules}}}, secure}}
	return &route.Table{Number: 1, Domain: "cluster.local", Nodes: []route.Node{{Name: "n1"}}, Services: []route.Service{svc}, Doors: doors}
}

// serveDoor is our own door, until ctx ends.
func serveDoor(ctx context.Context, dir string) error {
	debug.SetGCPercent(400) // as `podkeep door run` has it
	log := logrus.New()
	log.SetOutput(io.Discard)
	ring := keyring.New(keyring.Options{Log: log, Changed: func(wire.Kept) {}})
	var keys wire.Keys
	for i := range doorHosts {
		chain, err := os.ReadFile(chainFile(dir, i))
		if err != nil {
			return err
		}
		private, err := os.ReadFile(privateFile(dir, i))
		if err != nil {
			return err
		}
		keys.Keys = append(keys.Keys, wire.Key{Name: "default/" + hostOf(i), Chain: chain, Private: private})
	}
	table := doorTable()
	ring.Take(keys)
	ring.Put(table, "n1")
	d := door.New(door.Options{Keys: ring, Log: log})
	d.Put(table)
	var join errgroup.Group
	for _, p := range table.Doors.Ports {
		l, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", doorsAt, p.Port))
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { _ = l.Close() })
		join.Go(func() error { _ = d.Serve(l, p.Port, p.TLS); return nil })
	}
	return join.Wait()
}

// serveBehind are the servers behind.
func serveBehind(ctx context.Context) error {
	answer := []byte("hello\n")
	var join errgroup.Group
	for _, port := range behindPorts() {
		s := &http.Server{Addr: fmt.Sprintf("%s:%d", behindAt, port), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) })}
		context.AfterFunc(ctx, func() { _ = s.Close() })
		join.Go(func() error { _ = s.ListenAndServe(); return nil })
	}
	return join.Wait()
}

// doors measures what requests cost that go through a door, and through others that do the same, in turn.
func doors(ctx context.Context, runs int) (rows []row, err error) {
	dir, err := os.MkdirTemp("", "podkeep-doors-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := certificates(dir); err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	var ends errgroup.Group
	defer func() { end(); _ = ends.Wait() }()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	there := []proxy{{name: "behind", plain: fmt.Sprintf("%s:%d", behindAt, behindPorts()[0]), command: func(proxy, string) ([]string, error) { return []string{self, "-behind"}, nil }}}
	for _, p := range append(there, proxies()...) {
		argv, err := p.command(p, dir)
		if err != nil {
			rows = append(rows, row{figure: "requests through a door", peer: p.name + " is not there: " + err.Error()})
			continue
		}
		c := exec.CommandContext(ctx, argv[0], argv[1:]...)
		c.Env = append(os.Environ(), "HOME="+dir)
		c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
		c.WaitDelay = patience
		if err := c.Start(); err != nil {
			return rows, err
		}
		ends.Go(c.Wait)
		if err := (aServer{at: p.plain}).up(ctx); err != nil {
			return rows, fmt.Errorf("%s: %w", p.name, err)
		}
		if p.pid = c.Process.Pid; p.name != "behind" {
			there = append(there, p)
		}
	}
	there = there[1:]
	for _, measure := range []func(context.Context, []proxy, int) ([]row, error){throughput, openLoop, handshakes} {
		more, err := measure(ctx, there, runs)
		if rows = append(rows, more...); err != nil {
			return rows, err
		}
	}
	for _, p := range there {
		rows = append(rows, row{figure: "anonymous memory after all that, " + thousands(doorHosts) + " hosts", ours: p.name, peer: fmt.Sprintf("%.1f MB", float64(memoryOf(p.pid))/1024)})
	}
	return rows, nil
}

// lapped is what each proxy came to, in turns.
func lapped(there []proxy, rounds int, lap func(p proxy) (map[string]float64, error)) (got map[string]map[string][]float64, err error) {
	got = map[string]map[string][]float64{}
	for round := range rounds {
		for i := range there {
			p := there[(round+i)%len(there)]
			came, err := lap(p)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			if got[p.name] == nil {
				got[p.name] = map[string][]float64{}
			}
			for what, value := range came {
				got[p.name][what] = append(got[p.name][what], value)
			}
		}
	}
	return got, nil
}

// beside is the median of how ours were to theirs, round by round.
func beside(got map[string]map[string][]float64, peer, what string) float64 {
	var each []float64
	for i, ours := range got["podkeep"][what] {
		each = append(each, ours/got[peer][what][i])
	}
	return median(each)
}

// compared is a row for each peer. Of nginx alone something is asked.
func compared(there []proxy, got map[string]map[string][]float64, figure, what, unit string, bound float64, most bool) (rows []row) {
	say := func(name string) string { return fmt.Sprintf(unit, median(got[name][what])) }
	for _, p := range there[1:] {
		ratio := beside(got, p.name, what)
		r := row{figure: figure, ours: say("podkeep"), peer: p.name + ": " + say(p.name), ratio: ratio}
		if p.name == "nginx" && most {
			r.bound, r.ok = fmt.Sprintf("<= %.2f", bound), ratio <= bound
		} else if p.name == "nginx" {
			r.bound, r.ok = fmt.Sprintf(">= %.2f", bound), ratio >= bound
		}
		rows = append(rows, r)
	}
	return rows
}

// throughput asks as fast as it goes by a few connections.
func throughput(_ context.Context, there []proxy, runs int) (rows []row, err error) {
	for _, kind := range []string{"kept", "new"} {
		got, err := lapped(there, laps*runs, func(p proxy) (map[string]float64, error) {
			before := spentBy(p.pid)
			out, err := order{Do: kind, To: []string{p.plain}, For: lap}.carry(context.Background())
			if err == nil && (out.Lost > 0 || len(out.Took) == 0) {
				err = fmt.Errorf("%d got no answer: %s", out.Lost, out.Why)
			}
			if err != nil {
				return nil, err
			}
			n := float64(len(out.Took))
			return map[string]float64{"rate": n / lap.Seconds(), "cpu": float64((spentBy(p.pid) - before).Microseconds()) / n}, nil
		})
		if err != nil {
			return rows, err
		}
		rows = append(rows, compared(there, got, "CPU a request through a door, connections "+kind, "cpu", "%.0f µs", doorCPU, true)...)
		rows = append(rows, compared(there, got, "requests a second through it, connections "+kind, "rate", "%.0f", doorShare, false)...)
	}
	return rows, nil
}

// openLoop asks at a fixed rate, whether or not what was asked before was answered.
func openLoop(_ context.Context, there []proxy, runs int) (rows []row, err error) {
	for _, kind := range []string{"kept", "new"} {
		got, err := lapped(there, 3*runs, func(p proxy) (map[string]float64, error) {
			var mu sync.Mutex
			var took []time.Duration
			var join errgroup.Group
			began := time.Now().Add(10 * time.Millisecond)
			for caller := range callers {
				join.Go(func() error {
					w := &web{to: []string{p.plain}, keeps: kind == "kept"}
					defer w.close()
					for n := caller; n < int(openRate*openLap.Seconds()); n += callers {
						due := began.Add(time.Duration(n) * time.Second / openRate)
						time.Sleep(time.Until(due))
						if err := w.ask(); err != nil {
							return err
						}
						mu.Lock()
						took = append(took, time.Since(due))
						mu.Unlock()
					}
					return nil
				})
			}
			if err := join.Wait(); err != nil {
				return nil, err
			}
			slices.Sort(took)
			return map[string]float64{"p99": float64(took[len(took)*99/100].Microseconds()) / 1000}, nil
		})
		if err != nil {
			return rows, err
		}
		rows = append(rows, compared(there, got, fmt.Sprintf("99th percentile at %s requests a second, connections %s", thousands(openRate), kind), "p99", "%.2f ms", doorTail, true)...)
	}
	return rows, nil
}

// handshakes connect by TLS to one host after the other.
func handshakes(_ context.Context, there []proxy, runs int) ([]row, error) {
	got, err := lapped(there, 3*runs, func(p proxy) (map[string]float64, error) {
		out := order{For: 4 * lap}.load(func(int) asker { return shaker{p.secure} })
		if out.Lost > 0 || len(out.Took) == 0 {
			return nil, fmt.Errorf("%d handshakes failed: %s", out.Lost, out.Why)
		}
		slices.Sort(out.Took)
		return map[string]float64{"p99": float64(out.Took[len(out.Took)*99/100].Microseconds()) / 1000, "rate": float64(len(out.Took)) / (4 * lap).Seconds()}, nil
	})
	if err != nil {
		return nil, err
	}
	rows := compared(there, got, "99th percentile of handshakes, "+thousands(doorHosts)+" hosts", "p99", "%.2f ms", 0, true)
	rows = append(rows, compared(there, got, "handshakes a second", "rate", "%.0f", 0, false)...)
	for i := range rows {
		rows[i].bound = "" // stated
	}
	return rows, nil
}

// shaker connects by TLS to a host of many.
type shaker struct{ to string }

func (s shaker) ask() error {
	conn, err := tls.Dial("tcp4", s.to, &tls.Config{ServerName: hostOf(mathrand.IntN(doorHosts)), InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	return conn.Close()
}

func (shaker) close() {}

// family is a process and those that it has begun.
func family(pid int) []int {
	all := []int{pid}
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, child := range strings.Fields(string(data)) {
		var n int
		if _, err := fmt.Sscan(child, &n); err == nil {
			all = append(all, family(n)...)
		}
	}
	return all
}

// spentBy is the processor's time that a process and those that it has begun have taken.
func spentBy(pid int) (spent time.Duration) {
	const tick = 10 * time.Millisecond // of /proc, on every Linux
	for _, p := range family(pid) {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p))
		_, rest, _ := strings.Cut(string(data), ") ")
		if fields := strings.Fields(rest); len(fields) > 12 {
			var user, system int64
			_, _ = fmt.Sscan(fields[11], &user)
			_, _ = fmt.Sscan(fields[12], &system)
			spent += time.Duration(user+system) * tick
		}
	}
	return spent
}

// memoryOf is what no file backs, in KiB.
func memoryOf(pid int) (size int) {
	for _, p := range family(pid) {
		size += anonymous(p)
	}
	return size
}
