package devfleet_test

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
)

const namesDomain = "fleet.example"

// namesManifest is a database of two pods that are never ready: one Service publishes them all the same, the other does not. Two are names for what is elsewhere,
// and one asks all hosts for the port of DNS.
const namesManifest = `
apiVersion: v1
kind: Service
metadata: {name: db}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector: {app: db}
  ports: [{name: sql, port: 5432}, {name: web, port: 8080, targetPort: web}]
---
apiVersion: v1
kind: Service
metadata: {name: ready}
spec:
  clusterIP: None
  selector: {app: db}
  ports: [{name: sql, port: 5432}]
---
apiVersion: v1
kind: Service
metadata: {name: away}
spec: {type: ExternalName, externalName: www.example.com}
---
apiVersion: v1
kind: Service
metadata: {name: within}
spec: {type: ExternalName, externalName: hello.default.svc.fleet.example}
---
apiVersion: v1
kind: Service
metadata: {name: dns}
spec:
  type: LoadBalancer
  selector: {app: db}
  ports: [{name: udp, port: 53, protocol: UDP}, {name: tcp, port: 53}]
`

const dbPod = `
---
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, labels: {app: db}}
spec:
  nodeName: %[2]s
  hostname: %[1]s
  subdomain: db
  setHostnameAsFQDN: true
  containers:
    - name: db
      image: localhost/traffic:v1
      imagePullPolicy: Never
      ports: [{name: web, containerPort: 8080}]
      readinessProbe: {exec: {command: [/nothing]}, periodSeconds: 1}
`

const askPod = `
---
apiVersion: v1
kind: Pod
metadata: {name: ask-%[1]s}
spec:
  nodeName: %[2]s
  %[3]s
  containers:
    - name: ask
      image: localhost/names:1
      imagePullPolicy: Never
      command: [/bin/busybox, sleep, infinity]
`

// lookups are what a program is to say of names: patterns by what it is told to look up.
type lookups map[string]string

// TestPodsFindNames has pods of each dnsPolicy look names up, in a domain that is not the default, by programs of several libraries.
func TestPodsFindNames(t *testing.T) {
	t.Parallel()
	s := asked(t, "names")
	node, other := s.fleet.Nodes[0].Name, s.fleet.Nodes[1].Name
	up := s.outside()
	s.resolves(node, s.fleet.Gateway())
	libraries := s.namesImage(node)
	manifests := namesManifest + fmt.Sprintf(dbPod, "db-0", node) + fmt.Sprintf(dbPod, "db-1", other)
	for name, policy := range map[string]string{
		"first": "dnsPolicy: ClusterFirst", "host": "hostNetwork: true\n  dnsPolicy: ClusterFirstWithHostNet", "node": "dnsPolicy: Default", "own": "hostNetwork: true",
		"more": "dnsConfig: {searches: [example.com], options: [{name: ndots, value: '1'}]}",
		"none": "dnsPolicy: None\n  dnsConfig: {nameservers: [" + s.fleet.Gateway() + "], searches: [example.com]}",
	} {
		manifests += fmt.Sprintf(askPod, name, node, policy)
	}
	s.write("names.yaml", manifests)
	s.start("--cluster-domain", namesDomain)
	s.converges(s.push("names"))
	const svc = "default.svc." + namesDomain
	virtual, ip := s.service("hello").Spec.ClusterIP, s.podOf(node, "db-0", `{{index .Config.Labels "podkeep.io/ip"}}`)
	byGo := lookups{
		"A hello": virtual, "A hello.default": virtual, "A hello." + svc: virtual, "A HELLO.default.svc": virtual, "A nothing": "absent",
		"A hello.default.svc.cluster.local": "absent",
		"A db-0.db":                         ip, "A db": `10\.\S+ 10\.\S+`, "A ready": "absent", "A away": "192.0.2.1", "A within": virtual,
		"SRV _sql._tcp.db." + svc: "db-0.db." + svc + ".:5432 db-1.db." + svc + ".:5432",
		"SRV _web._tcp.db." + svc: "db-0.db." + svc + ".:8080 db-1.db." + svc + ".:8080", "SRV _sql._tcp.ready." + svc: "absent",
		"PTR " + virtual: "hello." + svc + ".", "PTR " + ip: "db-0.db." + svc + ".",
		"TXT dns-version." + namesDomain: "1.1.0",
		"A www.example.com":              "192.0.2.1", "A nothing.example.com": "absent", "TXT large.example.com": "(large *){280}",
	}
	byLibrary := lookups{
		"hello": virtual + " 1", "hello.default": virtual + " 1", "db-0.db": ip + " 1", "db": `10\.\S+ 2`, "nothing": "absent 0", "ready": "absent 0", "away": "192.0.2.1 1", "within": virtual + " 1",
		"www.example.com": "192.0.2.1 1", virtual: "hello." + svc + " 1", ip: "db-0.db." + svc + " 1",
	}
	s.scene("by the cluster's DNS", func(s *stage) {
		for _, pod := range []string{"first", "host"} {
			s.looks(node, pod, "/app", byGo)
			for library, most := range libraries {
				s.looks(node, pod, "/bin/"+library, byLibrary)
				s.looks(node, pod, "/bin/"+library, lookups{"many.example.com": `192.0.2.\d+ ` + most})
			}
			s.looks(node, pod, "/bin/busybox nslookup", lookups{"hello." + svc: "(?s).*\nName:\\s+hello." + svc + "\nAddress: " + virtual})
			s.looks(node, pod, "/bin/busybox wget -q -O -", lookups{"http://hello/": "1"})
		}
		s.looks(node, "more", "/app", lookups{"A hello": virtual, "A www": "192.0.2.1"})
	})
	s.scene("or another, as they ask", func(s *stage) {
		s.looks(node, "node", "/app", lookups{"A www.example.com": "192.0.2.1", "A www": "absent", "A hello." + svc: "absent"})
		s.looks(node, "own", "/app", lookups{"A www.example.com": "192.0.2.1", "A hello." + svc: "absent"})
		s.looks(node, "none", "/app", lookups{"A www.example.com": "192.0.2.1", "A www": "192.0.2.1", "A hello." + svc: "absent"})
	})
	s.scene("a pod calls itself by its full name", func(s *stage) {
		if said := s.podOf(node, "db-0", "{{.Config.Hostname}}"); said != "db-0.db."+svc {
			s.Error(said)
		}
	})
	s.scene("a resolver that is dead, or ourselves, delays no name of the cluster", func(s *stage) {
		up.silent.Store(true)
		s.looks(node, "first", "/app", lookups{"A silent.example.com": ".*(misbehaving|timeout).*", "A hello": virtual})
		up.silent.Store(false)
		s.looks(node, "first", "/app", lookups{"A again.example.com": "192.0.2.1"})
		s.resolves(node, netip.MustParsePrefix(s.podOf(node, "db-0", `{{index .Config.Labels "podkeep.io/ip"}}`)+"/24").Masked().Addr().Next().String())
		s.looks(node, "first", "/app", lookups{"A ourselves.example.com": ".*misbehaving.*", "A hello": virtual})
	})
}

// resolves gives a node such a resolver. Each is another file, as with those that replace it.
func (s *stage) resolves(node, resolver string) {
	s.Helper()
	s.on(node, "sh", "-c", "echo nameserver "+resolver+" >/run/"+resolver+" && mount --bind /run/"+resolver+" /etc/resolv.conf")
}

// podOf is what Podman says of the containers of a pod, the one that has its namespaces before the others.
func (s *stage) podOf(node, pod, format string) string {
	s.Helper()
	return s.on(node, "sh", "-c", "podman inspect --format '"+format+"' $(podman pod inspect --format '{{.InfraContainerID}}' $(podman pod ps --quiet --filter label=podkeep.io/app=Pod/default/"+pod+"))")
}

// looks waits until a program in a pod says what it is to say.
func (s *stage) looks(node, pod, program string, wants lookups) {
	s.Helper()
	all := slices.Sorted(maps.Keys(wants))
	command := fmt.Sprintf("podman exec $(podman ps --quiet --filter label=podkeep.io/app=Pod/default/ask-%s --filter label=podkeep.io/container) %s %s 2>&1 || true",
		pod, program, strings.Join(all, " "))
	s.await(func() error {
		said := s.on(node, "sh", "-c", command)
		lines := strings.Split(said, "\n")
		if len(all) == 1 {
			lines = []string{strings.TrimPrefix(said, all[0]+" ")}
		}
		for i, look := range all {
			if len(lines) != len(all) || !regexp.MustCompile("^(?:"+wants[look]+")$").MatchString(strings.TrimPrefix(lines[i], look+" ")) {
				return fmt.Errorf("ask-%s: %s %s: not %s:\n%s", pod, program, look, wants[look], said)
			}
		}
		return nil
	})
}

// upstream is a resolver of the fleet's machine, which knows example.com.
type upstream struct{ silent atomic.Bool }

func (s *stage) outside() *upstream {
	s.Helper()
	u, at := &upstream{}, s.fleet.Gateway()+":53"
	packets, err := net.ListenPacket("udp4", at)
	s.ok(err)
	conns, err := net.Listen("tcp4", at)
	s.ok(err)
	for _, server := range []*dns.Server{{PacketConn: packets}, {Listener: conns}} {
		server.Handler = u
		ended := make(chan error, 1)
		go func() { ended <- server.ActivateAndServe() }()
		s.Cleanup(func() { _ = server.Shutdown(); <-ended })
	}
	return u
}

// ServeDNS answers, but where it is silent.
func (u *upstream) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	if u.silent.Load() {
		return
	}
	reply, q := new(dns.Msg).SetReply(r), r.Question[0]
	head := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 60}
	label, is := strings.CutSuffix(strings.ToLower(q.Name), ".example.com.")
	switch {
	case !is || label == "nothing" || strings.Contains(label, "."):
		reply.Rcode = dns.RcodeNameError
	case q.Qtype == dns.TypeTXT:
		reply.Answer = append(reply.Answer, &dns.TXT{Hdr: head, Txt: slices.Repeat([]string{strings.Repeat("large ", 40)}, 7)})
	case q.Qtype == dns.TypeA && label == "many":
		for i := range 200 {
			reply.Answer = append(reply.Answer, &dns.A{Hdr: head, A: net.IPv4(192, 0, 2, byte(i))})
		}
	case q.Qtype == dns.TypeA:
		reply.Answer = append(reply.Answer, &dns.A{Hdr: head, A: net.IPv4(192, 0, 2, 1)})
	}
	if w.RemoteAddr().Network() == "udp" {
		size := uint16(dns.MinMsgSize)
		if opt := r.IsEdns0(); opt != nil {
			size = opt.UDPSize()
		}
		reply.Truncate(int(size))
	}
	_ = w.WriteMsg(reply)
}

// namesImage makes an image on the node with what looks names up: Go's resolver, busybox, and the C libraries' for which there is a compiler. Each of
// those sees so many of 200 addresses, which are too many for a packet: musl asks nobody by TCP before 1.2.4.
func (s *stage) namesImage(node string) (libraries map[string]string) {
	s.Helper()
	root := filepath.Join(s.TempDir(), "root")
	for _, dir := range []string{"bin", "etc", "tmp", "proc", "sys", "dev"} {
		s.ok(os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	app, err := program(s.Context(), "testdata/names")
	s.ok(err)
	s.ok(os.WriteFile(filepath.Join(root, "app"), app, 0o755))
	s.ok(os.WriteFile(filepath.Join(root, "etc", "nsswitch.conf"), []byte("hosts: files dns\n"), 0o644))
	s.command("/", "cp", "/bin/busybox", filepath.Join(root, "bin"))
	libraries = map[string]string{}
	for library, build := range map[string]struct {
		compiler, flag, sees string
	}{"glibc": {"gcc", "-O1", "200"}, "musl": {"musl-gcc", "-static", `(2\d|200)`}} {
		out := filepath.Join(root, "bin", library)
		if said, err := exec.CommandContext(s.Context(), build.compiler, build.flag, "-o", out, "../node/names/testdata/lookup.c").CombinedOutput(); err != nil {
			s.Logf("%s is not tried: %v %s", library, err, said)
			continue
		}
		libraries[library] = build.sees
	}
	script := `set -e
cd ` + root + `
[ ! -e bin/glibc ] || for lib in $(ldd bin/glibc | grep -o '/[^ ]*'); do mkdir -p .$(dirname $lib) && cp -L $lib .$lib; done
tar -cf ../image.tar .
podman import --quiet ../image.tar localhost/names:1`
	s.on(node, "sh", "-c", script)
	return libraries
}
