package devfleet_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// whoPod is one that says its name and who asks: by name, node, labels, and what is beside its port.
const whoPod = `
---
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, labels: {%[3]s}}
spec:
  nodeName: %[2]s
  containers:
    - name: who
      image: localhost/who:1
      imagePullPolicy: Never
      command: [/app, serve, ":8080", %[1]s]
      ports: [{name: web, containerPort: 8080%[4]s}]
      readinessProbe: {httpGet: {path: /, port: web}, periodSeconds: 1, timeoutSeconds: 5}
`

// outsideManifest asks for what there is: for two of three pods, and for this machine, the desk, which is no node.
const outsideManifest = `
apiVersion: v1
kind: Service
metadata: {name: front}
spec:
  type: LoadBalancer
  selector: {one: here}
  ports: [{name: web, port: 80, targetPort: web}, {name: udp, port: 80, protocol: UDP, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: late}
spec:
  type: LoadBalancer
  selector: {two: here}
  ports: [{port: 80, targetPort: web}]
---
apiVersion: v1
kind: Service
metadata: {name: dns}
spec:
  type: LoadBalancer
  selector: {one: here}
  ports: [{name: udp, port: 53, protocol: UDP, targetPort: 8080}, {name: tcp, port: 53, targetPort: web}]
---
apiVersion: v1
kind: Service
metadata: {name: near}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  healthCheckNodePort: 30999
  selector: {one: here}
  ports: [{port: 81, targetPort: web, nodePort: 30081}]
---
apiVersion: v1
kind: Service
metadata: {name: office}
spec:
  type: LoadBalancer
  loadBalancerSourceRanges: [%[1]s/32, %[5]s/32]
  selector: {one: here}
  ports: [{port: 82, targetPort: web, nodePort: 30082}]
---
apiVersion: v1
kind: Service
metadata: {name: addressed}
spec:
  externalIPs: [%[2]s, %[3]s, 192.0.2.9]
  selector: {one: here}
  ports: [{port: 83, targetPort: web}]
---
apiVersion: v1
kind: Service
metadata: {name: own}
spec:
  type: LoadBalancer
  loadBalancerIP: %[4]s
  selector: {two: here}
  ports: [{port: 80, targetPort: web}]
---
apiVersion: v1
kind: Service
metadata: {name: desk}
spec:
  type: NodePort
  ports: [{name: tcp, port: 80, nodePort: 30084}, {name: udp, port: 80, protocol: UDP, nodePort: 30084}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: desk-1, labels: {kubernetes.io/service-name: desk}}
addressType: IPv4
ports: [{name: tcp, port: 7000}, {name: udp, port: 7000, protocol: UDP}]
endpoints: [{addresses: [%[1]s]}]
---
apiVersion: v1
kind: Service
metadata: {name: other}
spec: {type: ExternalName, externalName: desk.default.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: sticky}
spec:
  type: LoadBalancer
  sessionAffinity: ClientIP
  selector: {one: here}
  ports: [{port: 84, targetPort: web}]
---
apiVersion: v1
kind: Service
metadata: {name: local}
spec:
  internalTrafficPolicy: Local
  selector: {one: here}
  ports: [{port: 80, targetPort: web}]
---
apiVersion: v1
kind: Service
metadata: {name: same-node}
spec:
  trafficDistribution: PreferSameNode
  selector: {one: here}
  ports: [{port: 80, targetPort: web}]
---
apiVersion: v1
kind: Service
metadata: {name: same-zone}
spec:
  trafficDistribution: PreferSameZone
  selector: {two: here}
  ports: [{port: 80, targetPort: web}]
`

// TestServicesAreReachedFromOutside has three nodes, n3 in a zone of its own, and this machine, which is outside and leads two addresses to them.
func TestServicesAreReachedFromOutside(t *testing.T) {
	t.Parallel()
	s := asked(t, "outside")
	s.whos()
	desk, n1, n2, n3 := s.fleet.Gateway(), s.fleet.Nodes[0].Address, s.fleet.Nodes[1].Address, s.fleet.Nodes[2].Address
	ip, own := s.leads(7, n2), s.leads(8, n1)
	s.serves("", desk+":7000", "desk")
	s.edit("deployment.yaml", "replicas: 6", "replicas: 1")
	for node, zone := range map[string]string{"n1": "a", "n2": "a", "n3": "b"} {
		name := "  name: " + node + "\n"
		s.edit("nodes.yaml", name, name+"  labels:\n    topology.kubernetes.io/zone: "+zone+"\n")
	}
	s.write("services.yaml", fmt.Sprintf(outsideManifest, desk, n2, ip, own, n3))
	pods := ""
	for node, labels := range map[string]string{"n1": "one: here", "n2": "one: here, two: here", "n3": "two: here"} {
		pods += fmt.Sprintf(whoPod, "at-"+node, node, labels, "")
	}
	s.write("pods.yaml", pods)
	flags := []string{"--external-cidr", strings.TrimSuffix(ip, "7") + "0/24"}
	s.start(flags...)
	s.converges(s.push("outside"))
	gateway := func(node int) string { return strings.TrimSuffix(s.fleet.Nodes[node-1].PodCIDR, "0/24") + "1" }
	bySource := func(first, second string) string { return "at-n1 " + first + ", at-n2 " + second }
	seen := map[string]string{n1: bySource(desk, gateway(1)), n2: bySource(gateway(2), desk), n3: bySource(gateway(3), gateway(3))}
	s.scene("at each node's own address", func(s *stage) {
		for node, want := range seen {
			s.hear("", wants{"http://" + node: want, "udp://" + node + ":80": want, "udp://" + node + ":53": want, "http://" + node + ":53": want})
		}
		s.hear("n3", wants{"http://" + n3: "at-n1 .*, at-n2 .*", "http://" + n1: bySource(n3, gateway(1))})
		s.hear("at-n1", wants{"http://front": "at-n1 .*, at-n2 .*"})
		s.says("hosts' port 80/tcp is default/front's")
		s.saysNoMore("listens at")
	})
	s.scene("but where the host listens itself, for as long as it does, whoever else is there", func(s *stage) {
		s.stop()
		s.killSide("n2")
		ends := s.serves("n2", ":80", "host-n2")
		s.hear("", wants{"http://" + n2: "host-n2 " + desk, "udp://" + n2 + ":80": "host-n2 " + desk, "http://" + n1: seen[n1]})
		s.start(flags...)
		s.says("host n2 listens at 80/tcp itself: what comes there is the host's", "host n2 listens at 80/udp itself")
		for _, from := range []string{"n1", "n2", "at-n1"} {
			s.hear(from, wants{"http://" + n2: "host-n2 [^,]*", "udp://" + n2 + ":80": "host-n2 [^,]*"})
		}
		s.hear("at-n2", wants{"http://" + n2: "host-n2 [^,]*"}) // by UDP the host would answer from its address on the bridge
		ends()
		s.hear("", wants{"http://" + n2: seen[n2], "udp://" + n2 + ":80": seen[n2]})
		s.saysNoMore("listens at")
	})
	s.scene("or a pod that has that port of the host", func(s *stage) {
		s.write("port.yaml", fmt.Sprintf(whoPod, "port", "n2", "port: here", ", hostPort: 80}, {containerPort: 8080, protocol: UDP, hostPort: 80"))
		s.converges(s.push("a pod at n2's port 80"))
		for _, from := range []string{"", "n1", "n2", "at-n1", "at-n2"} {
			s.hear(from, wants{"http://" + n2: "port [^,]*", "udp://" + n2 + ":80": "port [^,]*", "http://" + n1: "at-n1 .*, at-n2 .*"})
		}
		s.says("host n2 listens at 80/tcp itself", "host n2 listens at 80/udp itself")
		s.ok(os.Remove(s.path("work", "port.yaml")))
		s.converges(s.push("and none"))
		s.hear("", wants{"http://" + n2: seen[n2], "udp://" + n2 + ":80": seen[n2]})
		s.saysNoMore("listens at")
	})
	s.scene("at addresses that are given to it", func(s *stage) {
		for _, from := range []string{"", "n1", "at-n3"} {
			s.hear(from, wants{"http://" + ip + ":83": "at-n1 .*, at-n2 .*", "http://" + n2 + ":83": "at-n1 .*, at-n2 .*", "http://" + own: "at-n2 .*, at-n3 .*"})
		}
		s.hear("", wants{"http://" + n1 + ":83": "refused"})
		s.serves("n2", ":83", "own-n2")
		for _, from := range []string{"", "n1", "at-n3"} {
			s.hear(from, wants{"http://" + n2 + ":83": "own-n2 [^,]*", "http://" + ip + ":83": "at-n1 .*, at-n2 .*"})
		}
		s.says("host n2 listens at 83/tcp itself", "externalIP 192.0.2.9 is no node's, and not in --external-cidr", own)
	})
	s.scene("by pods of one node, which see who asks", func(s *stage) {
		s.hear("", wants{
			"http://" + n1 + ":81": "at-n1 " + desk, "http://" + n2 + ":81": "at-n2 " + desk, "http://" + n2 + ":30081": "at-n2 " + desk, "http://" + n3 + ":81": "refused",
			"http://" + n1 + ":30999": `{"service":{"namespace":"default","name":"near"},"localEndpoints":1}\s*`,
			"http://" + n3 + ":30999": `503 {"service":{"namespace":"default","name":"near"},"localEndpoints":0}\s*`,
		})
	})
	s.scene("by those that it lets in", func(s *stage) {
		s.hear("", wants{"http://" + n1 + ":82": seen[n1], "http://" + n1 + ":30082": seen[n1]})
		s.hear("n1", wants{"http://" + n2 + ":82": "silent", "http://" + n2 + ":30082": "silent", "http://" + n1 + ":82": "at-n1 .*, at-n2 .*"})
		s.hear("at-n1", wants{"http://" + n2 + ":82": "silent", "http://office:82": "at-n1 .*, at-n2 .*"})
		s.hear("at-n3", wants{"http://" + n2 + ":82": "at-n1 .*, at-n2 .*", "http://" + n3 + ":82": "silent"})
	})
	s.scene("to an address outside", func(s *stage) {
		virtual := s.service("desk").Spec.ClusterIP
		s.hear("at-n1", wants{"http://desk": "desk " + n1, "udp://desk:80": "desk " + n1, "http://other": "desk " + n1})
		s.hear("n1", wants{"http://" + virtual: "desk " + n1, "http://" + n2 + ":30084": "desk " + n2, "http://" + n1 + ":30084": "desk " + n1})
		s.hear("", wants{"http://" + n2 + ":30084": "desk " + n2, "udp://" + n2 + ":30084": "desk " + n2})
	})
	s.scene("and by pods that are near", func(s *stage) {
		s.hear("", wants{"http://" + n3 + ":84": "at-n[12] [^,]*"})
		s.hear("at-n1", wants{"http://sticky:84": "at-n[12] [^,]*", "http://local": "at-n1 [^,]*", "http://same-node": "at-n1 [^,]*", "http://same-zone": "at-n2 [^,]*"})
		s.hear("at-n3", wants{"http://sticky:84": "at-n[12] [^,]*", "http://local": "refused", "http://same-node": "at-n1 .*, at-n2 .*", "http://same-zone": "at-n3 [^,]*"})
	})
	s.scene("not at a node that is left out", func(s *stage) {
		s.edit("nodes.yaml", "zone: b\n", "zone: b\n    node.kubernetes.io/exclude-from-external-load-balancers: 'true'\n")
		s.converges(s.push("n3 is left out"))
		s.hear("", wants{"http://" + n3: "refused", "http://" + n3 + ":30082": seen[n3], "http://" + n2: seen[n2]})
	})
	s.scene("and by nothing that is asked for no more", func(s *stage) {
		s.edit("services.yaml", "name: front", "name: no-more")
		s.edit("services.yaml", "port: 80, targetPort: web", "port: 85, targetPort: web")
		s.edit("services.yaml", "port: 80, protocol: UDP", "port: 85, protocol: UDP")
		s.edit("services.yaml", "  healthCheckNodePort: 30999\n", "")
		s.edit("services.yaml", "externalTrafficPolicy: Local", "externalTrafficPolicy: Cluster")
		s.converges(s.push("port 80 is late's"))
		s.hear("", wants{
			"http://" + n1: "at-n2 .*, at-n3 .*", "udp://" + n1 + ":80": "refused", "http://" + n1 + ":85": seen[n1], "udp://" + n1 + ":85": seen[n1],
			"http://" + n1 + ":81": seen[n1], "http://" + n1 + ":30999": "refused",
		})
		s.ok(os.Remove(s.path("work", "services.yaml")))
		s.converges(s.push("nothing"))
		s.hear("", wants{"http://" + n1: "refused", "http://" + n1 + ":53": "refused", "udp://" + n1 + ":53": "refused", "http://" + n2 + ":30084": "refused"})
	})
}

// whos has pods that say who asks, and a program that asks, as a file for nodes too.
func (s *stage) whos() {
	s.Helper()
	s.ok(s.fleet.LoadEverywhere(s.Context(), image(s.T, "localhost/who:1", "testdata/who")))
	app, err := program(s.Context(), "testdata/who")
	s.ok(err)
	s.ok(os.WriteFile(s.path("who"), app, 0o755))
}

// leads has this machine send what is for an address to a node, until the fleet's bridge is gone.
func (s *stage) leads(number int, node string) string {
	s.Helper()
	ip := strings.TrimSuffix(s.fleet.Gateway(), "0.1") + "1." + strconv.Itoa(number)
	s.command("/", "ip", "route", "add", ip, "via", node)
	return ip
}

// serves has a host, or this machine, listen itself, until the test has ended or what it gives is called.
func (s *stage) serves(node, at, name string) (ends func()) {
	s.Helper()
	args := []string{s.path("who"), "serve", at, name}
	cmd := exec.CommandContext(s.Context(), args[0], args[1:]...)
	if node != "" {
		var err error
		cmd, err = s.fleet.Command(s.Context(), node, args...)
		s.ok(err)
	}
	cmd.Stdout, cmd.Stderr = s.log, s.log
	s.ok(cmd.Start())
	ends = sync.OnceFunc(func() {
		for _, pid := range running(args[0], name) {
			n, _ := strconv.Atoi(pid)
			_ = syscall.Kill(n, syscall.SIGKILL)
		}
		_ = cmd.Wait()
	})
	s.Cleanup(ends)
	return ends
}

// wants are patterns of what URLs are to answer: the names of those who do, each with whom it sees.
type wants map[string]string

// hear waits until whoever asks from a node, a pod, or this machine has these answers.
func (s *stage) hear(from string, all wants) {
	s.Helper()
	for url, want := range all {
		s.await(func() error {
			said, err := s.asksFrom(from, url)
			if err != nil || !regexp.MustCompile("^(?:"+want+")$").MatchString(said) {
				return fmt.Errorf("from %q %s: %s, want %s (%v)", from, url, said, want, err)
			}
			return nil
		})
	}
}

func (s *stage) asksFrom(from, url string) (string, error) {
	var said string
	var err error
	switch node, isPod := strings.CutPrefix(from, "at-"); {
	case isPod:
		said, err = s.fleet.Output(s.Context(), node, "sh", "-c", "podman exec $(podman ps --quiet --filter label=podkeep.io/app=Pod/default/"+from+" --filter label=podkeep.io/container) /app ask "+url)
	case node != "":
		said, err = s.fleet.Output(s.Context(), node, s.path("who"), "ask", url)
	default:
		var out []byte
		out, err = exec.CommandContext(s.Context(), s.path("who"), "ask", url).CombinedOutput()
		said = string(out)
	}
	return strings.TrimSpace(said), err
}
