package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/podkeep/podkeep/node/names"
	"github.com/podkeep/podkeep/node/route"
)

const (
	nameCount = 1000 // Services
	nameShare = 0.90 // of the queries a second that a peer answers
	namesAt   = "127.66.4.1"
	namesPort = 5300
)

// aServer answers names on loopback.
type aServer struct {
	name    string
	at      string
	command func(dir string) ([]string, error) // that runs it until it is ended
}

// servers are we and Debian's, each with the same names in memory.
func servers() []aServer {
	at := func(n int) string { return fmt.Sprintf("%s:%d", namesAt, namesPort+n) }
	return []aServer{
		{"podkeep", at(0), func(string) ([]string, error) { self, err := os.Executable(); return []string{self, "-answers"}, err }},
		{"unbound", at(1), func(dir string) ([]string, error) {
			text := fmt.Sprintf("server:\n interface: %s@%d\n access-control: 127.0.0.0/8 allow\n username: \"\"\n chroot: \"\"\n directory: %q\n pidfile: \"\"\n use-syslog: no\n do-daemonize: no\n module-config: \"iterator\"\n local-zone: \"cluster.local.\" static\n",
				namesAt, namesPort+1, dir)
			for _, s := range namesTable().Services {
				text += fmt.Sprintf(" local-data: \"%s 5 IN A %s\"\n", nameOf(s), s.IP)
			}
			return configured(dir, "unbound.conf", text, "unbound", "-d", "-c")
		}},
		{"dnsmasq", at(2), func(dir string) ([]string, error) {
			text := fmt.Sprintf("listen-address=%s\nbind-interfaces\nport=%d\nno-resolv\nno-hosts\nuser=root\nlocal-ttl=5\nlocal=/cluster.local/\npid-file=\n", namesAt, namesPort+2)
			for _, s := range namesTable().Services {
				text += fmt.Sprintf("host-record=%s,%s\n", strings.TrimSuffix(nameOf(s), "."), s.IP)
			}
			return configured(dir, "dnsmasq.conf", text, "dnsmasq", "-k", "-C")
		}},
	}
}

// configured is a program with its file, which it takes as its last argument.
func configured(dir, file, text string, argv ...string) ([]string, error) {
	path := filepath.Join(dir, file)
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, err
	}
	return append(append([]string{program}, argv[1:]...), path), os.WriteFile(path, []byte(text), 0o644)
}

func nameOf(s route.Service) string { return s.Name + "." + s.Namespace + ".svc.cluster.local." }

func namesTable() *route.Table {
	t := &route.Table{
		Domain: "cluster.local", Pods: netip.MustParsePrefix("127.0.0.0/8"), Virtual: netip.MustParsePrefix("10.43.0.0/16"),
		Nodes: []route.Node{{Name: "n1", Range: netip.MustParsePrefix("127.66.4.0/24")}},
	}
	for i := range nameCount {
		t.Services = append(t.Services, route.Service{Namespace: "default", Name: fmt.Sprintf("s%04d", i), IP: netip.AddrFrom4([4]byte{10, 43, byte(i >> 8), byte(i)})})
	}
	return t
}

// answers is our own server.
func answers(ctx context.Context) error {
	n := names.New(names.Options{Port: namesPort})
	if err := n.Put(namesTable(), "n1"); err != nil {
		return err
	}
	n.Serve(ctx)
	return nil
}

// named is how many queries a second each server answers, in turn in short laps, from connections that each wait for an answer before they ask
// again. A peer that is not installed is left out.
func named(ctx context.Context, runs int) (rows []row, err error) {
	dir, err := os.MkdirTemp("", "podkeep-names-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ctx, end := context.WithCancel(ctx)
	var ends errgroup.Group
	defer func() { end(); _ = ends.Wait() }() // ended by us, each says that it was
	var there []aServer
	for _, s := range servers() {
		argv, err := s.command(dir)
		if err != nil {
			rows = append(rows, row{figure: "queries of a Service's name a second", peer: s.name + " is not there: " + err.Error()})
			continue
		}
		c := exec.CommandContext(ctx, argv[0], argv[1:]...)
		if err := c.Start(); err != nil {
			return rows, err
		}
		ends.Go(c.Wait)
		there = append(there, s)
	}
	got := map[string]came{}
	for round := range laps * runs {
		for i := range there {
			s := there[(round+i)%len(there)]
			lap, err := s.lap(ctx)
			if err != nil {
				return rows, fmt.Errorf("%s: %w", s.name, err)
			}
			got[s.name] = came{append(got[s.name].rates, lap.rates...), append(got[s.name].tails, lap.tails...)}
		}
	}
	ours := got[there[0].name]
	for _, s := range there[1:] {
		theirs := got[s.name]
		share := ours.against(theirs)
		rows = append(rows, row{"queries of a Service's name a second", perSecond(ours), s.name + ": " + perSecond(theirs), share, fmt.Sprintf(">= %.2f", nameShare), share >= nameShare})
	}
	return append(rows, row{figure: "their 99th percentile", ours: spread(ours.tails)}), nil
}

// lap asks a server, once it is there, until the lap is over.
func (s aServer) lap(ctx context.Context) (came, error) {
	if err := s.up(ctx); err != nil {
		return came{}, err
	}
	o := order{Do: "names", To: []string{s.at, nameOf(namesTable().Services[nameCount/2])}, For: lap}
	out, err := o.carry(ctx)
	switch {
	case err != nil:
		return came{}, err
	case out.Lost > 0 || len(out.Took) == 0:
		return came{}, fmt.Errorf("%d got no answer: %s", out.Lost, out.Why)
	}
	slices.Sort(out.Took)
	return came{[]float64{float64(len(out.Took)) / o.For.Seconds()}, []time.Duration{out.Took[len(out.Took)*99/100]}}, nil
}

// up waits until the server answers by TCP, for which nobody has to guess how long a packet may take.
func (s aServer) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", s.at)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}
