package devfleet_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/keyring/keyringtest"
)

const spokenManifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello}
spec:
  replicas: 3
  selector: {matchLabels: {app: hello}}
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  progressDeadlineSeconds: 600
  template:
    metadata: {labels: {app: hello}}
    spec:
      terminationGracePeriodSeconds: 120
      containers:
        - name: hello
          image: localhost/spoken:v1
          imagePullPolicy: Never
          env: [{name: VERSION, value: "1"}]
          ports: [{name: web, containerPort: 8080}, {name: grpc, containerPort: 9090}]
          readinessProbe: {httpGet: {path: /, port: web}, periodSeconds: 1, timeoutSeconds: 5}
---
apiVersion: v1
kind: Service
metadata: {name: hello}
spec:
  selector: {app: hello}
  ports:
    - {name: web, port: 80, targetPort: web}
    - {name: grpc, port: 90, targetPort: grpc, appProtocol: kubernetes.io/h2c}
---
apiVersion: v1
kind: Pod
metadata: {name: two, labels: {app: two}}
spec:
  nodeName: n2
  terminationGracePeriodSeconds: 1
  containers:
    - name: two
      image: localhost/spoken:v1
      imagePullPolicy: Never
      env: [{name: VERSION, value: two}]
      ports: [{name: web, containerPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: two}
spec: {selector: {app: two}, ports: [{port: 80, targetPort: web}]}
`

// spokenDoors are ways to both. %s is this machine's address, as the nodes see it.
const spokenDoors = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, annotations: {nginx.ingress.kubernetes.io/ssl-redirect: "false"}}
spec:
  tls: [{hosts: [web.example.org, grpc.example.org], secretName: all-tls}]
  rules:
    - host: web.example.org
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: hello, port: {name: web}}}}]}
    - host: grpc.example.org
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: hello, port: {name: grpc}}}}]}
    - host: two.example.org
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: two, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: private
  annotations:
    nginx.ingress.kubernetes.io/auth-type: basic
    nginx.ingress.kubernetes.io/auth-secret: users
spec:
  tls: [{hosts: [private.example.org], secretName: all-tls}]
  rules:
    - host: private.example.org
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: two, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: office, annotations: {nginx.ingress.kubernetes.io/whitelist-source-range: %s/32}}
spec:
  rules:
    - host: office.example.org
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: two, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: elsewhere, annotations: {nginx.ingress.kubernetes.io/whitelist-source-range: 192.0.2.0/24}}
spec:
  rules:
    - host: elsewhere.example.org
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: two, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: below, annotations: {nginx.ingress.kubernetes.io/rewrite-target: /$2}}
spec:
  rules:
    - host: below.example.org
      http: {paths: [{path: /app(/|$)(.*), pathType: ImplementationSpecific, backend: {service: {name: two, port: {number: 80}}}}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public}
spec:
  gatewayClassName: podkeep
  listeners: [{name: http, protocol: HTTP, port: 80, hostname: try.example.org}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: try}
spec:
  parentRefs: [{name: public}]
  rules:
    - matches: [{headers: [{name: X-Try, value: "two"}]}]
      backendRefs: [{name: two, port: 80}]
    - backendRefs: [{name: hello, port: 80, weight: 9}, {name: two, port: 80, weight: 1}]
`

const onlyDoors = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-doors}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [%s]}
`

// faulty is a stage whose doors meet what they meet on hosts of others.
type faulty struct {
	*stage
	ca             *authority
	issuer         *keyringtest.Issuer
	flags          []string
	secret         string // manifest of the certificate
	password, hash string // of ada's
}

// TestFaultsOfDoors has three nodes, one over SSH, whose doors pass on all that they speak, and lose their process, their time, their port, their host and the controller.
func TestFaultsOfDoors(t *testing.T) {
	f := &faulty{stage: asked(t, "doors-faults"), ca: newAuthority(t), password: "canary-" + rand.Text()}
	f.whos()
	f.ok(f.fleet.LoadEverywhere(t.Context(), image(t, "localhost/spoken:v1", "testdata/spoken")))
	hash, err := bcrypt.GenerateFromPassword([]byte(f.password), bcrypt.MinCost)
	f.ok(err)
	f.hash, f.secret = string(hash), f.ca.secret(t, "all-tls", "*.example.org")
	f.issuer = keyringtest.New(t, f.fleet.Gateway(), 80, func(string) netip.Addr { return netip.MustParseAddr(f.fleet.Nodes[1].Address) }, 0)
	f.ok(os.WriteFile(f.path("roots.pem"), []byte(f.issuer.Roots), 0o644))
	f.flags = []string{"--acme-directory", f.issuer.Directory, "--acme-roots", f.path("roots.pem"), "--access-log", "--door-metrics-port", "9180", "--verbose"}
	f.write("deployment.yaml", spokenManifest)
	f.write("doors.yaml", fmt.Sprintf(spokenDoors, f.fleet.Gateway()))
	f.write("secrets.yaml", f.secret+"---\napiVersion: v1\nkind: Secret\nmetadata: {name: users}\nstringData: {auth: 'ada:"+f.hash+"'}\n")
	scene := func(claim string, play func(*faulty)) {
		f.scene(claim, func(s *stage) {
			of := *f
			of.stage = s
			play(&of)
		})
	}
	scene("a port that the host has is said, the rest is served, and the port once it is free", portTaken)
	scene("all that doors speak is passed on", passedOn)
	scene("who may come, and where to, is as it is asked for", asAskedFor)
	scene("what is under way when its pod is told to end goes on", underWay)
	scene("a policy that lets in nodes lets in doors", policyForDoors)
	scene("a door that is killed comes back without a controller", doorKilled)
	scene("a door that is frozen holds up nothing, is said, and serves by what is so then", doorFrozen)
	scene("a host that is begun anew serves without a controller", hostAnew)
	scene("keys and passwords are kept where only their owner reads, and are told nowhere", doorCanaries)
}

// serve waits until the doors of all nodes answer so.
func (f *faulty) serve(url, want string) {
	f.Helper()
	for _, n := range f.fleet.Nodes {
		f.opens(n.Address, f.ca.trusted, url, want)
	}
}

func portTaken(f *faulty) {
	frees := f.serves("n1", "0.0.0.0:80", "own")
	f.start(f.flags...)
	f.converges(f.push("doors"))
	f.says("port 80 on n1", "the host has it already")
	f.serve("https://web.example.org/", "200 1 /")
	for _, n := range f.fleet.Nodes[1:] {
		f.opens(n.Address, f.ca.trusted, "http://web.example.org/", "200 1 /")
	}
	frees()
	f.serve("http://web.example.org/", "200 1 /")
	f.saysNoMore("the host has it already")
}

func passedOn(f *faulty) {
	for _, n := range f.fleet.Nodes {
		f.speaks(f.ca.trusted, n.Address)
	}
}

func asAskedFor(f *faulty) {
	f.serve("http://office.example.org/", "200 two /")
	f.serve("http://elsewhere.example.org/", "403 *")
	f.serve("http://below.example.org/app/a/b?c", "200 two /a/b")
	f.serve("http://below.example.org/other", "404 *")
	f.serve("https://private.example.org/", "401 *")
	for _, n := range f.fleet.Nodes {
		c := client(f.T, f.ca.trusted, n.Address, true)
		for password, want := range map[string]string{f.password: "200 two /", "wrong": "401"} {
			request, err := http.NewRequestWithContext(f.Context(), http.MethodGet, "https://private.example.org/", nil)
			f.ok(err)
			request.SetBasicAuth("ada", password)
			if said, err := text(c, request); err != nil || !strings.HasPrefix(said, want) {
				f.Errorf("%s: %s, want %s: %v", n.Name, said, want, err)
			}
		}
		f.shares(f.ca.trusted, n.Address, "http://try.example.org/", nil, func(by map[string]int) bool {
			return by["200 1 /"]+by["200 two /"] == 300 && by["200 two /"] >= 5 && by["200 two /"] <= 80
		})
		f.shares(f.ca.trusted, n.Address, "http://try.example.org/", http.Header{"X-Try": {"two"}}, func(by map[string]int) bool { return by["200 two /"] == 300 })
	}
}

func underWay(f *faulty) {
	var commit string
	f.outlives(f.ca.trusted, f.fleet.Nodes[0].Address, func() {
		f.edit("deployment.yaml", `value: "1"`, `value: "2"`)
		commit = f.push("version 2")
	})
	f.converges(commit)
	f.serve("https://web.example.org/", "200 2 /")
}

func policyForDoors(f *faulty) {
	f.write("policy.yaml", fmt.Sprintf(onlyDoors, ""))
	f.push("nobody may speak to pods but their nodes")
	for _, n := range f.fleet.Nodes {
		want := "504 *"
		if n.Name == "n2" { // where the pod is
			want = "200 two /"
		}
		f.opens(n.Address, f.ca.trusted, "http://two.example.org/", want)
	}
	var blocks []string
	for _, n := range f.fleet.Nodes {
		blocks = append(blocks, "{ipBlock: {cidr: "+strings.TrimSuffix(n.PodCIDR, "0/24")+"1/32}}")
	}
	f.write("policy.yaml", fmt.Sprintf(onlyDoors, "{from: ["+strings.Join(blocks, ", ")+"]}"))
	f.push("doors may")
	f.serve("http://two.example.org/", "200 two /")
}

// doorOn is a node's own word for the container of its door.
const doorOn = `$(podman ps --quiet --filter label=` + live.LabelSide + ` --filter label=` + live.LabelContainer + `=` + live.DoorContainer + `)`

// signalDoor sends a door's process a signal, and gives its id. One that has just ended has none: 0 would be our own group of processes.
func (f *faulty) signalDoor(node, signal string) string {
	f.Helper()
	return f.on(node, "sh", "-c", `until pid=$(podman inspect --format '{{.State.Pid}}' `+doorOn+`) && [ "$pid" -gt 0 ]; do sleep 0.1; done; kill -`+signal+` $pid && echo $pid`)
}

func doorKilled(f *faulty) {
	f.stop()
	for _, n := range f.fleet.Nodes {
		was := f.signalDoor(n.Name, "KILL")
		f.opens(n.Address, f.ca.trusted, "https://web.example.org/", "200 2 /")
		f.opens(n.Address, f.ca.trusted, "http://web.example.org/", "200 2 /")
		if is := f.signalDoor(n.Name, "0"); is == was {
			f.Errorf("%s: the door was not killed: it is process %s still", n.Name, was)
		}
	}
	f.start(f.flags...)
	f.converges(f.head())
	f.saysNoMore("door is not", "no door")
}

func doorFrozen(f *faulty) {
	f.signalDoor("n2", "STOP")
	defer f.signalDoor("n2", "CONT")
	f.edit("deployment.yaml", `value: "2"`, `value: "3"`)
	f.converges(f.push("version 3"))
	for _, i := range []int{0, 2} {
		f.opens(f.fleet.Nodes[i].Address, f.ca.trusted, "https://web.example.org/", "200 3 /")
	}
	f.says("its door is not heard")
	f.signalDoor("n2", "CONT")
	f.serve("https://web.example.org/", "200 3 /")
	f.saysNoMore("door is not")
}

// hostAnew cuts a host's power, and then has it start what podman-restart.service does.
func hostAnew(f *faulty) {
	f.stop()
	f.ok(f.fleet.Reboot(f.Context(), "n3"))
	f.on("n3", "podman", "start", "--all", "--filter", "restart-policy=always")
	f.opens(f.fleet.Nodes[2].Address, f.ca.trusted, "https://web.example.org/", "200 3 /")
	f.opens(f.fleet.Nodes[2].Address, f.ca.trusted, "http://below.example.org/app/a", "200 two /a")
	f.start(f.flags...)
	f.converges(f.head())
	f.saysNoMore("door is not", "no door")
}
