package devfleet_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/podkeep/podkeep/status"
)

// talkers are pods of two namespaces: databases, whose port web has another number in each, and those that would speak to them.
const talkers = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: ops, labels: {team: ops}}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 80, targetPort: web}]}
---
apiVersion: v1
kind: Service
metadata: {name: first, namespace: shop}
spec: {type: NodePort, selector: {name: db-1}, ports: [{port: 80, targetPort: web}]}
`

const speaker = `---
apiVersion: v1
kind: Pod
metadata: {name: %[2]s, namespace: %[1]s, labels: {name: %[2]s, app: %[3]s}}
spec:
  nodeName: %[4]s
  terminationGracePeriodSeconds: 0
  containers:
    - name: talk
      image: localhost/talk:v1
      imagePullPolicy: Never
      command: [/app, %[5]s]
`

// listens is a part of one that does.
const listens = `      ports: [{name: web, containerPort: %s}]
      readinessProbe: {tcpSocket: {port: web}, periodSeconds: 1, timeoutSeconds: 5}
`

// policed is a stage with talkers.
type policed struct {
	*stage
	pods  map[string]place  // by name
	where map[string]string // targets by what the tables of this test call them
}

type place struct{ node, namespace, ip string }

// TestPoliciesHoldOnRealNodes has three nodes, one over SSH, and pods on each that would speak to those of others, and of their own.
func TestPoliciesHoldOnRealNodes(t *testing.T) {
	t.Parallel()
	s := build(t, "policy")
	s.nodeSide = "auto"
	s.source = []string{"--source", s.path("fleet.git"), "--branch", "main"}
	s.ok(s.fleet.LoadEverywhere(t.Context(), image(t, "localhost/talk:v1", "testdata/talk")))
	s.write("nodes.yaml", strings.ReplaceAll(string(s.fleet.Manifests()), "  annotations:\n", "  annotations:\n    podkeep.io/silence-grace: 15m\n"))
	k := &policed{stage: s, pods: map[string]place{}, where: map[string]string{}}
	scene := func(claim string, play func(*policed)) {
		s.scene(claim, func(s *stage) {
			k.stage = s
			play(k)
		})
	}
	scene("without a policy everybody speaks to everybody", policyNone)
	scene("a pod that comes with the first policy is born once that is in force", policyFirst)
	scene("a policy without rules denies all, but probes and names", policyDeniesAll)
	scene("pods are allowed by their labels, at a port by name and at a range", policyByPods)
	scene("pods of namespaces are allowed by the labels of those", policyByNamespaces)
	scene("addresses are allowed by ranges, but for some", policyByBlocks)
	scene("who is outside is allowed at a port of nodes", policyOutside)
	scene("egress is allowed as ingress is", policyEgress)
	scene("node sides that die leave in force what was", policySidesDie)
	scene("a pod that is born under a policy is heard by nobody before it applies", policyFirstInstruction)
	scene("a pod of which its node has not heard is alone", policyUnheard)
	scene("policies that go open what they held", policyGoes)
}

const denyAll = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nobody, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
`

// allows is a policy of shop's for its databases.
func allows(name, rules string) string {
	return "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: " + name + ", namespace: shop}\nspec: {podSelector: {matchLabels: {app: db}}, " + rules + "}\n"
}

const all = "1:9000 1:9001 1:9002 1web 2:9000 2web ear svc"

func policyNone(s *policed) {
	s.write("talkers.yaml", talkers+
		s.pod("shop", "db-1", "db", "n1", "8080", "9000", "9001", "9002")+s.pod("shop", "db-2", "db", "n2", "8081", "9000")+
		s.pod("shop", "web-1", "web", "n1", "8080")+s.pod("shop", "web-2", "web", "n2", "8080")+s.pod("shop", "other", "other", "n1", "8080")+
		s.pod("ops", "job", "job", "n3", "8080")+s.pod("ops", "night", "night", "n3", "8080")+s.pod("ops", "ear", "ear", "n3", "8080"))
	s.push("talkers")
	s.start()
	s.settle()
	s.where["1web"], s.where["2web"], s.where["ear"] = s.pods["db-1"].ip+":8080", s.pods["db-2"].ip+":8081", s.pods["ear"].ip+":8080"
	for _, port := range []string{"9000", "9001", "9002"} {
		s.where["1:"+port] = s.pods["db-1"].ip + ":" + port
	}
	s.where["2:9000"], s.where["svc"] = s.pods["db-2"].ip+":9000", s.service("db").Spec.ClusterIP+":80"
	s.hear(map[string]string{"web-1": all, "web-2": all, "other": all, "job": all, "night": all})
	s.outside("n1 n2 n3")
}

// policyFirst has the node side of the pod's node stand still, so that it has no table with policies.
func policyFirst(s *policed) {
	s.signalSide("n2", "STOP")
	s.write("first.yaml", s.pod("shop", "first", "first", "n2", "tell", s.where["ear"], s.where["1:9000"], s.where["2:9000"]))
	s.policies("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: first, namespace: shop}\nspec: {podSelector: {matchLabels: {app: first}}, policyTypes: [Egress]}\n")
	s.says("NetworkPolicies", "first")
	s.signalSide("n2", "CONT")
	s.settle("first")
	s.tries("first")
	s.inForce("first", "1/1", "3/3")
	s.ok(os.Remove(s.path("work", "first.yaml")))
	delete(s.pods, "first")
}

func policyDeniesAll(s *policed) {
	s.policies(denyAll)
	s.hear(map[string]string{"web-1": "ear", "web-2": "ear", "other": "ear", "job": "ear", "night": "ear"})
	s.outside("")
	s.write("late.yaml", s.pod("shop", "late", "db", "n2", "8081", "9000")) // which its probe has to reach
	s.push("one more")
	s.settle()
	s.ok(os.Remove(s.path("work", "late.yaml")))
	s.push("and not")
	delete(s.pods, "late")
	for _, from := range []string{"web-1", "db-2"} {
		s.await(func() error {
			if said := s.in(from, "look", "db.shop.svc.cluster.local", "db"); strings.Count(said, "["+s.service("db").Spec.ClusterIP+"]") != 2 {
				return fmt.Errorf("%s: %s", from, said)
			}
			return nil
		})
	}
	if said := s.on("n1", s.program(), "ask", s.where["1web"], s.where["2web"]); !strings.HasPrefix(said, s.where["1web"]) || strings.Contains(said, s.where["2web"]) {
		s.Errorf("from n1 itself: %q", said)
	}
}

func policyByPods(s *policed) {
	s.policies(denyAll + allows("web", "ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: web}, {port: 9000, endPort: 9001}]}]"))
	webs := "1:9000 1:9001 1web 2:9000 2web ear svc"
	s.hear(map[string]string{"web-1": webs, "web-2": webs, "other": "ear", "job": "ear", "night": "ear"})
	s.inForce("web", "2/2", "3/3")
	s.inForce("nobody", "5/5", "3/3")
	s.policies(denyAll + allows("web", "ingress: [{from: [{podSelector: {matchLabels: {app: other}}}], ports: [{port: 9002}]}]"))
	s.hear(map[string]string{"web-1": "ear", "web-2": "ear", "other": "1:9002 ear", "job": "ear", "night": "ear"})
}

func policyByNamespaces(s *policed) {
	s.policies(denyAll +
		allows("ops", "ingress: [{from: [{namespaceSelector: {matchLabels: {team: ops}}}], ports: [{port: web}]}]") +
		allows("night", "ingress: [{from: [{namespaceSelector: {matchLabels: {team: ops}}, podSelector: {matchLabels: {app: night}}}], ports: [{port: 9002}]}]"))
	s.hear(map[string]string{"web-1": "ear", "web-2": "ear", "other": "ear", "job": "1web 2web ear svc", "night": "1:9002 1web 2web ear svc"})
}

func policyByBlocks(s *policed) {
	third, err := s.fleet.Node("n3")
	s.ok(err)
	s.policies(denyAll + allows("block", "ingress: [{from: [{ipBlock: {cidr: "+third.PodCIDR+", except: ["+s.pods["job"].ip+"/32]}}], ports: [{port: 9000}]}]"))
	s.hear(map[string]string{"web-1": "ear", "web-2": "ear", "other": "ear", "job": "ear", "night": "1:9000 2:9000 ear"})
}

// policyOutside has who asks known as himself on the pod's own node, and as the other node's address among its pods through that.
func policyOutside(s *policed) {
	block := func(rest string) string { return allows("outside", "ingress: [{from: [{ipBlock: {"+rest+"}}]}]") }
	s.policies(denyAll + block("cidr: "+s.fleet.Gateway()+"/32"))
	s.outside("n1")
	s.policies(denyAll + block("cidr: 0.0.0.0/0, except: ["+s.fleet.Gateway()+"/32]"))
	s.outside("n2 n3")
}

func policyEgress(s *policed) {
	s.policies(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchExpressions: [{key: app, operator: In, values: [web, eager]}]}
  policyTypes: [Egress]
  egress:
  - {to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: web}]}
  - {to: [{ipBlock: {cidr: ` + s.pods["db-1"].ip + `/32}}], ports: [{port: 9001, endPort: 9002}]}
`)
	webs := "1:9001 1:9002 1web 2web svc"
	s.hear(map[string]string{"web-1": webs, "web-2": webs, "other": all, "job": all, "night": all})
}

func policySidesDie(s *policed) {
	s.stop()
	webs := "1:9001 1:9002 1web 2web svc"
	for range 3 {
		for _, n := range s.fleet.Nodes {
			s.killSide(n.Name)
		}
		for from, want := range map[string]string{"web-1": webs, "web-2": webs, "other": all, "job": all} {
			if diff := cmp.Diff(want, s.heard(from)); diff != "" {
				s.Errorf("%s: %s", from, diff)
			}
		}
		s.sides("n1", "n2", "n3")
	}
	s.start()
	s.hear(map[string]string{"web-1": webs, "web-2": webs, "other": all, "job": all, "night": all})
}

func policyFirstInstruction(s *policed) {
	var eager strings.Builder
	names := []string{"eager-n1", "eager-n2", "eager-n3"}
	for _, name := range names {
		eager.WriteString(s.pod("shop", name, "eager", strings.TrimPrefix(name, "eager-"), "tell", s.where["ear"], s.where["1:9000"], s.where["2:9000"]))
	}
	s.write("eager.yaml", eager.String())
	s.push("eager")
	s.settle()
	s.tries(names...)
}

// policyUnheard has a pod that no policy selects begin while its node's side stands still, and be heard once that goes on.
func policyUnheard(s *policed) {
	s.signalSide("n2", "STOP")
	s.write("free.yaml", s.pod("shop", "free", "free", "n2", "tell", s.where["ear"], s.where["1:9000"], s.where["2:9000"]))
	s.push("free")
	s.settle("free")
	s.tries("free")
	s.signalSide("n2", "CONT")
	s.isHeard("free")
}

// tries waits until each of these pods has tried a hundred times to speak, and wants nobody to have heard it.
func (s *policed) tries(names ...string) {
	s.Helper()
	for _, name := range names {
		s.await(func() error {
			if said := s.on(s.pods[name].node, "sh", "-c", `podman logs --tail 1 `+s.container(name)+` 2>&1`); len(said) < 3 {
				return fmt.Errorf("%s has tried %q times", name, said)
			}
			return nil
		})
		if who := s.whoSpoke(); slices.Contains(who, s.pods[name].ip) {
			s.Errorf("%s was heard: %v", name, who)
		}
	}
}

// isHeard waits until each of these pods is.
func (s *policed) isHeard(names ...string) {
	s.Helper()
	s.await(func() error {
		who := s.whoSpoke()
		for _, name := range names {
			if !slices.Contains(who, s.pods[name].ip) {
				return fmt.Errorf("%s is not heard, though it is let: %v", name, who)
			}
		}
		return nil
	})
}

func policyGoes(s *policed) {
	s.policies("# nobody is held any more\n")
	s.isHeard("eager-n1", "eager-n2", "eager-n3")
	s.hear(map[string]string{"web-1": all, "web-2": all, "other": all, "job": all, "night": all})
	s.outside("n1 n2 n3")
}

// inForce waits until the controller says of so many pods, and on so many nodes, that a policy of shop's is.
func (s *policed) inForce(name, pods, nodes string) {
	s.Helper()
	s.await(func() error {
		var list struct{ Items []json.RawMessage }
		if err := ask(http.DefaultClient, "http://"+s.listen+"/status", &list); err != nil {
			return err
		}
		said := map[string]string{}
		for _, item := range list.Items {
			p := networkingv1.NetworkPolicy{}
			if err := json.Unmarshal(item, &p); err == nil && p.Kind == "NetworkPolicy" && p.Name == name {
				said = p.Annotations
			}
		}
		if said[status.AnnotationPods] != pods || said[status.AnnotationNodes] != nodes || said[status.AnnotationWhy] != "" {
			return fmt.Errorf("%s: %v", name, said)
		}
		return nil
	})
}

// pod declares one that runs the program with these arguments, and remembers it. The first is its port web, if it listens.
func (s *policed) pod(namespace, name, app, node string, args ...string) string {
	s.pods[name] = place{node: node, namespace: namespace}
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = `"` + a + `"`
	}
	made := fmt.Sprintf(speaker, namespace, name, app, node, strings.Join(quoted, ", "))
	if args[0] == "tell" {
		return made
	}
	return made + fmt.Sprintf(listens, args[0])
}

// policies are all that there are from now on.
func (s *policed) policies(text string) {
	s.Helper()
	s.write("policies.yaml", text)
	s.push("policies")
}

// settle waits until these pods are ready, or all, and learns their addresses.
func (s *policed) settle(names ...string) {
	s.Helper()
	s.await(func() error {
		var list struct{ Items []json.RawMessage }
		if err := ask(http.DefaultClient, "http://"+s.listen+"/status", &list); err != nil {
			return err
		}
		ready := map[string]string{}
		for _, item := range list.Items {
			p := corev1.Pod{}
			if err := json.Unmarshal(item, &p); err == nil && p.Kind == "Pod" && slices.ContainsFunc(p.Status.Conditions, isReady) {
				ready[p.Labels["name"]] = p.Status.PodIP
			}
		}
		for name, at := range s.pods {
			if len(names) > 0 && !slices.Contains(names, name) {
				continue
			}
			if at.ip = ready[name]; at.ip == "" {
				return fmt.Errorf("%s is not ready", name)
			}
			s.pods[name] = at
		}
		return nil
	})
}

func isReady(c corev1.PodCondition) bool {
	return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
}

// hear waits until each of the pods hears those that are named, and no others.
func (s *policed) hear(want map[string]string) {
	s.Helper()
	s.await(func() error {
		have := map[string]string{}
		for from := range want {
			have[from] = s.heard(from)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			return fmt.Errorf("%s", diff)
		}
		return nil
	})
}

// heard are the targets that answer a pod, sorted.
func (s *policed) heard(from string) string {
	s.Helper()
	var targets, found []string
	for _, at := range s.where {
		targets = append(targets, at)
	}
	said := s.in(from, append([]string{"ask"}, targets...)...)
	for name, at := range s.where {
		if strings.Contains("\n"+said, "\n"+at+" ") {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return strings.Join(found, " ")
}

// whoSpoke are the addresses from which anything ever came to a program that eager pods speak to.
func (s *policed) whoSpoke() (all []string) {
	s.Helper()
	for _, name := range []string{"ear", "1:9000", "2:9000"} {
		all = append(all, strings.Fields(s.on("n1", s.program(), "ask", s.where[name]))...)
	}
	return all
}

// outside waits until the NodePort of the Service first answers from here on these nodes, and on no others.
func (s *policed) outside(want string) {
	s.Helper()
	port := s.service("first").Spec.Ports[0].NodePort
	s.await(func() error {
		var answer []string
		for _, n := range s.fleet.Nodes {
			out, err := exec.Command(s.program(), "ask", fmt.Sprintf("%s:%d", n.Address, port)).Output()
			s.ok(err)
			if len(out) > 0 {
				answer = append(answer, n.Name)
			}
		}
		if have := strings.Join(answer, " "); have != want {
			return fmt.Errorf("answered on %q, want %q", have, want)
		}
		return nil
	})
}

// in runs the program in a pod.
func (s *policed) in(pod string, args ...string) string {
	s.Helper()
	return s.on(s.pods[pod].node, "sh", "-c", "podman exec "+s.container(pod)+" /app "+strings.Join(args, " "))
}

func (s *policed) container(pod string) string {
	return `$(podman ps --quiet --filter label=podkeep.io/app=Pod/` + s.pods[pod].namespace + `/` + pod + ` --filter label=podkeep.io/container)`
}

// program is the program as this machine, and nodes, run it.
func (s *policed) program() string {
	s.Helper()
	path := s.path("talk")
	if _, err := os.Stat(path); err != nil {
		text, err := program(s.Context(), filepath.Join("testdata", "talk"))
		s.ok(err)
		s.ok(os.WriteFile(path, text, 0o755))
	}
	return path
}
