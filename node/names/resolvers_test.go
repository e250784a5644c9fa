package names

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/node/route"
)

// TestProgramsFindNames has the resolvers that pods have look names up by a pod's resolv.conf: Go's, the C library's, musl's and busybox's, as far
// as they are there. It is in a network and with files of its own, which takes root.
func TestProgramsFindNames(t *testing.T) {
	const inside, svc = "PODKEEP_TEST_INSIDE", ".svc.cluster.local"
	if os.Getenv(inside) == "" {
		if os.Getuid() != 0 || testing.Short() {
			t.Skip("it makes namespaces as root")
		}
		c := exec.CommandContext(t.Context(), "unshare", "--net", "--mount", os.Args[0], "-test.run=^TestProgramsFindNames$", "-test.v")
		c.Env = append(os.Environ(), inside+"=1")
		if said, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		return
	}
	if said, err := exec.CommandContext(t.Context(), "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"resolv.conf":   "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 127.66.1.1\noptions ndots:5\n",
		"nsswitch.conf": "hosts: dns\n",
	} {
		file := filepath.Join(dir, name)
		if err := cmp.Or(os.WriteFile(file, []byte(text), 0o644), unix.Mount(file, "/etc/"+name, "", unix.MS_BIND, "")); err != nil {
			t.Fatal(err)
		}
	}
	h := newStage(t, "127.66.9.1")
	h.port = 53
	h.upstream("127.66.9.1", func(network string, reply *dns.Msg) {
		if q := reply.Question[0]; !strings.HasSuffix(strings.ToLower(q.Name), ".example.com.") {
			reply.Rcode = dns.RcodeNameError
		} else if q.Qtype == dns.TypeA {
			says("192.0.2.1")(network, reply)
		}
	})
	for i := range 200 {
		h.table.Services[1].Endpoints = append(h.table.Services[1].Endpoints, route.Endpoint{IP: netip.AddrFrom4([4]byte{10, 42, 3, byte(i)}), Ports: []uint16{1, 2}})
	}
	h.serve()
	for program, look := range programs(t, dir) {
		t.Run(program, func(t *testing.T) {
			for _, c := range []struct{ name, full, want string }{
				{"web", "web.shop" + svc, "10.43.0.7"},
				{"web.shop", "web.shop" + svc, "10.43.0.7"},
				{"web.shop.svc", "web.shop" + svc, "10.43.0.7"},
				{"web.shop" + svc, "web.shop" + svc, "10.43.0.7"},
				{"db-0.db", "db-0.db.shop" + svc, "10.42.1.5"},
				{"near.tour", "near.tour" + svc, "10.43.0.7"},
				{"away.tour", "away.tour" + svc, "192.0.2.1"},
				{"www.example.com", "www.example.com", "192.0.2.1"},
				{"nope", "nope.shop" + svc, "absent"},
				{"nope.example.org", "nope.example.org", "absent"},
			} {
				if program == "busybox" { // which does not search where there is a dot
					c.name = c.full
				}
				if got, _, err := look(c.name); got != c.want {
					t.Errorf("%s: %q, not %s (%v)", c.name, got, c.want, err)
				}
			}
			whole := 203
			if program == "musl" || program == "busybox" {
				whole = 20 // they ask nobody by TCP, musl before 1.2.4, and take what fits into a packet
			}
			if _, n, err := look("db.shop" + svc); n < whole {
				t.Errorf("it sees %d of 203 pods (%v)", n, err)
			}
		})
	}
}

// programs look a name up: its first address or "absent", and how many there are.
func programs(t *testing.T, dir string) map[string]func(name string) (string, int, error) {
	all := map[string]func(string) (string, int, error){"go": func(name string) (string, int, error) {
		ips, err := (&net.Resolver{PreferGo: true}).LookupHost(t.Context(), name)
		if missing := (*net.DNSError)(nil); errors.As(err, &missing) && missing.IsNotFound {
			return "absent", 0, nil
		}
		return strings.Join(ips[:min(1, len(ips))], ""), len(ips), err
	}}
	for library, compiler := range map[string]string{"glibc": "gcc", "musl": "musl-gcc"} {
		program := filepath.Join(dir, library)
		if said, err := exec.CommandContext(t.Context(), compiler, "-o", program, "testdata/lookup.c").CombinedOutput(); err != nil {
			t.Logf("%s is not tried: %v %s", library, err, said)
			continue
		}
		all[library] = func(name string) (ip string, n int, err error) {
			said, err := exec.CommandContext(t.Context(), program, name).CombinedOutput()
			_, _ = fmt.Sscanf(string(said), name+" %s %d", &ip, &n)
			return ip, n, err
		}
	}
	address := regexp.MustCompile(`Address(?: \d+)?: +([0-9.]+)(?: |\n|$)`)
	if _, err := exec.LookPath("busybox"); err == nil {
		all["busybox"] = func(name string) (string, int, error) {
			said, err := exec.CommandContext(t.Context(), "busybox", "nslookup", name).CombinedOutput()
			_, answer, _ := strings.Cut(string(said), "\n\n")
			ips := address.FindAllStringSubmatch(answer, -1)
			switch {
			case strings.Contains(answer, "NXDOMAIN"):
				return "absent", 0, nil
			case len(ips) == 0:
				return answer, 0, err
			}
			return ips[0][1], len(ips), nil
		}
	}
	return all
}
