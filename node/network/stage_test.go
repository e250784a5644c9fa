package network

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

// part is the variable that has this program play a machine of the stage: it does what it is asked for on its input, line by line.
const part = "PODKEEP_TEST_MACHINE"

func TestMain(m *testing.M) {
	if os.Getenv(part) != "" {
		play(os.Stdin, os.Stdout)
		return
	}
	os.Exit(m.Run())
}

// ask is what a machine may be asked to do; one of them.
type ask struct {
	Begin  string       // the network of this cluster, from now on
	Put    *route.Table // seen from Node
	Node   string
	Remove bool
	Serve  bool   // TCP on 8080: whoever connects is told as whom
	Dial   string // "to", or "from>to"
	Refuse bool   // Podman fails from now on
	Forget bool   // with Begin: Podman has lost its networks
	Write  string // to a file
	Path   string
	Tables string // whether nftables see what passes this bridge
}

type answer struct {
	Net  live.Net
	Said string
	Err  string
}

// play is a machine. Its network is the process's own.
func play(in io.Reader, out io.Writer) {
	podman := &shelf{has: map[string]live.PodNetwork{}}
	var n *Network
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var a ask
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			panic(err)
		}
		var says answer
		var err error
		switch {
		case a.Begin != "":
			log := logrus.New()
			log.SetOutput(os.Stderr)
			if a.Forget {
				clear(podman.has)
			}
			n = New(a.Begin, podman, log)
			n.pace = pace{leisure: 50 * time.Millisecond, haste: 10 * time.Millisecond, patience: 200 * time.Millisecond}
			go n.Watch(ctx)
		case a.Put != nil:
			says.Net, err = n.Put(ctx, a.Put, a.Node)
		case a.Remove:
			err = n.Remove(ctx)
		case a.Serve:
			err = serve()
		case a.Dial != "":
			says.Said, err = dial(a.Dial)
		case a.Write != "":
			err = os.WriteFile(a.Path, []byte(a.Write), 0o644)
		case a.Path != "":
			var is []byte
			is, err = os.ReadFile(a.Path)
			says.Said = strings.TrimSpace(string(is))
		case a.Tables != "":
			says.Said, err = tables(a.Tables)
		case a.Refuse:
			podman.broken = true
		}
		if err != nil {
			says.Err = err.Error()
		}
		line, _ := json.Marshal(says)
		fmt.Fprintf(out, "%s\n", line)
	}
}

// shelf is Podman as far as the network needs it: it refuses a range that a link has.
type shelf struct {
	has    map[string]live.PodNetwork
	broken bool
}

func (s *shelf) Network(_ context.Context, n live.PodNetwork) error {
	if s.broken {
		return errors.New("no answer in time")
	}
	if s.has[n.Name].Range == n.Range {
		return nil
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		if prefix(a.IPNet).Overlaps(n.Range) {
			return fmt.Errorf("subnet %s is already used on the host or by another config", n.Range)
		}
	}
	s.has[n.Name] = n
	return nil
}

func (s *shelf) Networkless(_ context.Context, name string) error {
	delete(s.has, name)
	return nil
}

func tables(bridge string) (string, error) {
	link, err := netlink.LinkByName(bridge)
	if err != nil {
		return "", err
	}
	call, err := callsTables(link)
	return fmt.Sprint(call), err
}

func serve() error {
	l, err := net.Listen("tcp4", ":8080")
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			fmt.Fprint(c, host)
			_ = c.Close()
		}
	}()
	return nil
}

func dial(to string) (string, error) {
	var d net.Dialer
	if from, rest, ok := strings.Cut(to, ">"); ok {
		to, d.LocalAddr = rest, &net.TCPAddr{IP: net.ParseIP(from)}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp4", to+":8080")
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	said, err := io.ReadAll(c)
	return string(said), err
}

// machine is a process with a network of its own: a host, a pod or a router.
type machine struct {
	*testing.T
	name string
	pid  int
	*netlink.Handle
	in  io.Writer
	out *bufio.Scanner
}

func newMachine(t *testing.T, name string) *machine {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), part+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	ns, err := netns.GetFromPid(cmd.Process.Pid)
	must(t, err)
	defer ns.Close()
	h, err := netlink.NewHandleAt(ns)
	must(t, err)
	t.Cleanup(h.Close)
	m := &machine{t, name, cmd.Process.Pid, h, in, bufio.NewScanner(out)}
	m.up("lo")
	return m
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (m *machine) ask(a ask) answer {
	m.Helper()
	line, err := json.Marshal(a)
	must(m, err)
	_, err = m.in.Write(append(line, '\n'))
	must(m, err)
	if !m.out.Scan() {
		m.Fatalf("%s ended", m.name)
	}
	var says answer
	must(m, json.Unmarshal(m.out.Bytes(), &says))
	return says
}

func (m *machine) do(a ask) answer {
	m.Helper()
	says := m.ask(a)
	if says.Err != "" {
		m.Fatalf("%s: %s", m.name, says.Err)
	}
	return says
}

func (m *machine) link(name string) netlink.Link {
	m.Helper()
	link, err := m.LinkByName(name)
	if err != nil {
		m.Fatalf("%s: %s: %v", m.name, name, err)
	}
	return link
}

func (m *machine) up(name string) {
	m.Helper()
	must(m, m.LinkSetUp(m.link(name)))
}

func (m *machine) addr(link, cidr string) {
	m.Helper()
	a, err := netlink.ParseAddr(cidr)
	must(m, err)
	must(m, m.AddrAdd(m.link(link), a))
	m.up(link)
}

// way adds a route to a range ("default" too) by an address.
func (m *machine) way(to, via string) {
	m.Helper()
	r := netlink.Route{Gw: net.ParseIP(via)}
	if to != "default" {
		p := netip.MustParsePrefix(to)
		r.Dst = ipNet(p)
	}
	must(m, m.RouteAdd(&r))
}

// cable joins two machines.
func cable(a *machine, aName string, b *machine, bName string) {
	a.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = aName
	must(a, a.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: bName, PeerNamespace: netlink.NsPid(b.pid)}))
	a.up(aName)
	b.up(bName)
}

// plug makes a pod on a host's bridge, as Podman does.
func plug(host *machine, bridge, pod, ip, gateway string) *machine {
	host.Helper()
	p := newMachine(host.T, pod)
	cable(host, "v"+pod, p, "eth0")
	must(host, host.LinkSetMaster(host.link("v"+pod), host.link(bridge)))
	p.addr("eth0", ip+"/24")
	p.way("default", gateway)
	p.do(ask{Serve: true})
	return p
}

// eventually waits for what must come.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
