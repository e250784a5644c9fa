package devfleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podkeep/podkeep/devfleet"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/status"
)

// rolledManifest is something with pods of a version, and its strategy.
const rolledManifest = `
apiVersion: %[2]s
kind: %[3]s
metadata: {name: %[1]s}
spec:
  replicas: %[4]d
  selector: {matchLabels: {app: %[1]s}}
  strategy: %[5]s
  progressDeadlineSeconds: 600
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      terminationGracePeriodSeconds: 20
      containers:
        - name: app
          image: localhost/traffic:v1
          imagePullPolicy: Never
          env: [{name: VERSION, value: "1"}]
          ports: [{name: web, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: web}, periodSeconds: 1, timeoutSeconds: 5}
`

const rolledService = `
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec:
  type: %[2]s
  selector: {app: %[3]s}
  ports: [{port: 80, targetPort: web}]
`

const (
	argoAPI = "argoproj.io/v1alpha1"

	// A canary that a person lets go on, once, and the clock, once.
	stepped = `{canary: {canaryService: canary-new, stableService: canary-stable, maxSurge: 1, maxUnavailable: 0, steps: [{setWeight: 25}, {pause: {}}, {setWeight: 50}, {pause: {duration: 2}}]}}`
	// Old pods stay so long that a revert finds them, and rejected ones hardly.
	switched = `{blueGreen: {activeService: sides, previewService: sides-preview, autoPromotionEnabled: false, scaleDownDelaySeconds: 3600, abortScaleDownDelaySeconds: 2}}`
	rolled   = `{canary: {maxSurge: 1, maxUnavailable: 0}}`
	plainly  = `{rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}`
)

// rolling is a stage with Rollouts, and requests to the Services that they name.
type rolling struct {
	*stage
	over   context.Context   // of the test
	of     map[string]string // whose Service a URL is
	doors  []string          // the nodes from which, and at which, they are asked; all without one
	askers []*asker
}

// TestRolloutsLoseNoRequest has three nodes, one over SSH, and requests from all of them and from outside, while a canary goes by its steps, blue-green is
// switched, both are reverted and aborted, and a Deployment becomes a Rollout.
func TestRolloutsLoseNoRequest(t *testing.T) {
	s := rollsOut(t, "rollout")
	s.scene("two Rollouts and a Deployment begin at full size", (*rolling).begun)
	s.scene("the next version waits for a person, beside the one before", (*rolling).waits)
	s.scene("promoted, it goes on to the end", (*rolling).promoted)
	s.scene("a revert is fast", (*rolling).reverted)
	s.scene("what is aborted is gone back from at once", (*rolling).aborted)
	s.scene("a Deployment becomes a Rollout", (*rolling).replaced)
	s.scene("and each request was answered, by whom it should be", (*rolling).answered)
}

// rollsOut is a stage of Rollouts whose controller is still to be started.
func rollsOut(t *testing.T, name string) *rolling {
	t.Helper()
	s := &rolling{stage: asked(t, name), over: t.Context(), of: map[string]string{}}
	s.write("deployment.yaml", fmt.Sprintf(rolledManifest, "hello", "apps/v1", "Deployment", 2, plainly)+fmt.Sprintf(rolledService, "hello", "NodePort", "hello"))
	s.write("canary.yaml", fmt.Sprintf(rolledManifest, "canary", argoAPI, "Rollout", 4, stepped)+
		fmt.Sprintf(rolledService, "canary", "NodePort", "canary")+fmt.Sprintf(rolledService, "canary-new", "ClusterIP", "canary")+fmt.Sprintf(rolledService, "canary-stable", "ClusterIP", "canary"))
	s.write("sides.yaml", fmt.Sprintf(rolledManifest, "sides", argoAPI, "Rollout", 2, switched)+
		fmt.Sprintf(rolledService, "sides", "NodePort", "sides")+fmt.Sprintf(rolledService, "sides-preview", "ClusterIP", "sides"))
	return s
}

func (s *rolling) scene(claim string, play func(*rolling)) {
	s.Helper()
	s.stage.scene(claim, func(on *stage) {
		sub := *s
		sub.stage = on
		defer func() { s.askers = sub.askers }()
		play(&sub)
	})
}

func (s *rolling) begun() {
	s.start()
	commit := s.push("version 1")
	s.converges(commit)
	s.stands(commit, "Converged", "canary", "sides")
	s.askers = s.asksFor("hello", "canary", "canary-new", "canary-stable", "sides")
	for _, name := range []string{"hello", "canary", "canary-new", "canary-stable", "sides"} {
		s.says(name, "1")
	}
}

func (s *rolling) waits() {
	s.stands(s.version("2", "canary", "sides"), "Paused", "canary", "sides")
	preview := s.asksFor("sides-preview")
	s.says("canary", "1", "2")
	s.says("canary-new", "2")
	s.says("canary-stable", "1")
	s.says("sides", "1")
	s.unfailed(preview, func(answered []course) {
		for _, c := range answered {
			if len(c.By) != 1 || c.By["2"] == 0 {
				s.Errorf("the preview is answered by %v", c.By)
			}
		}
	})
}

func (s *rolling) promoted() {
	s.notes("promote", "canary", 1, "by hand")
	s.decides("promote", "sides", "it looks well")
	s.stands(s.head(), "Converged", "canary", "sides")
	for _, name := range []string{"canary", "canary-new", "canary-stable", "sides"} {
		s.says(name, "2")
	}
}

// reverted goes back to pods that are still there, for blue-green, and to none, for the canary, without a pause.
func (s *rolling) reverted() {
	before := s.podsOf("sides", "1")
	s.command(s.path("work"), "git", "revert", "--no-edit", "HEAD")
	s.stands(s.pushHead(), "Converged", "canary", "sides")
	for _, name := range []string{"canary", "canary-new", "canary-stable", "sides"} {
		s.says(name, "1")
	}
	if after := s.podsOf("sides", "1"); len(before) != 2 || !slices.Equal(before, after) {
		s.Errorf("the pods that were switched back to are %v, and were %v", after, before)
	}
}

func (s *rolling) aborted() {
	commit := s.version("3", "canary", "sides")
	s.stands(commit, "Paused", "canary", "sides")
	s.says("canary-new", "3")
	preview := s.asksFor("sides-preview")
	s.says("canary", "1", "3")
	s.decides("abort", "canary", "errors rise")
	s.decides("abort", "sides", "errors rise")
	s.stands(commit, "Failed", "canary", "sides")
	for _, name := range []string{"canary", "canary-new", "canary-stable", "sides"} {
		s.says(name, "1")
	}
	s.await(func() error {
		if left := append(s.podsOf("sides", "3"), s.podsOf("canary", "3")...); len(left) > 0 {
			return fmt.Errorf("%v are left of what was rejected", left)
		}
		return nil
	})
	s.unfailed(preview, nil)
}

func (s *rolling) replaced() {
	s.edit("deployment.yaml", "apiVersion: apps/v1\nkind: Deployment", "apiVersion: "+argoAPI+"\nkind: Rollout")
	s.edit("deployment.yaml", "strategy: "+plainly, "strategy: "+rolled)
	s.edit("deployment.yaml", `value: "1"`, `value: "2"`)
	s.stands(s.push("hello is a Rollout"), "Converged", "hello")
	s.says("hello", "2")
}

// answered checks, beside that none failed, that a Service of one revision was answered by that one alone: a table that changes at one moment on a node has
// each asker there hear the old version to the end, and from then on the new one.
func (s *rolling) answered() {
	turns := map[string]int{
		"canary-stable": 2, // promoted, reverted
		"canary-new":    4, // the second version, the revert, the third, the abort
		"sides":         2, // switched, switched back
	}
	var all int64
	s.unfailed(s.askers, func(answered []course) {
		for _, c := range answered {
			for _, n := range c.By {
				all += n
			}
			if want, is := turns[s.of[c.URL]]; is && !c.Kept && c.Turns != want {
				s.Errorf("%s was answered by %v, in %d turns, want %d", s.of[c.URL], c.By, c.Turns, want)
			}
		}
	})
	s.Logf("%d requests", all)
}

// asksFor begins to ask these Services: on each node at their addresses, and from outside at the ports of nodes, where they have one.
func (s *rolling) asksFor(services ...string) (askers []*asker) {
	s.Helper()
	var virtual, outside []string
	for _, name := range services {
		svc := s.service(name)
		virtual = append(virtual, "http://"+svc.Spec.ClusterIP+"/")
		s.of[virtual[len(virtual)-1]] = name
		if port := svc.Spec.Ports[0].NodePort; port != 0 {
			for _, n := range s.asked() {
				outside = append(outside, fmt.Sprintf("http://%s:%d/", n.Address, port))
				s.of[outside[len(outside)-1]] = name
			}
		}
	}
	for _, n := range s.asked() {
		askers = append(askers, s.asks(s.over, n.Name, virtual...))
	}
	if len(outside) > 0 {
		askers = append(askers, s.asks(s.over, "", outside...))
	}
	for _, a := range askers {
		a.atLeast(s.stage, 20)
	}
	return askers
}

// asked are the nodes at which requests are made.
func (s *rolling) asked() []devfleet.Node {
	return slices.DeleteFunc(slices.Clone(s.fleet.Nodes), func(n devfleet.Node) bool { return len(s.doors) > 0 && !slices.Contains(s.doors, n.Name) })
}

// unfailed ends askers, whose requests are held to lostAtMost.
func (s *rolling) unfailed(askers []*asker, each func([]course)) {
	s.Helper()
	var sum toll
	for _, a := range askers {
		said := a.end(s.stage)
		sum = sum.with(said, a.node)
		if each != nil {
			each(said.Courses)
		}
	}
	for i, why := range sum.Why {
		sum.Why[i] = s.names(why)
	}
	s.lostAtMost("all", sum)
}

// names has Services for their URLs.
func (s *rolling) names(text string) string {
	for url, service := range s.of {
		text = strings.ReplaceAll(text, url, service+" at "+url)
	}
	return text
}

// says waits until new connections to a Service are answered by exactly these versions, wherever they are made.
func (s *rolling) says(service string, versions ...string) {
	s.Helper()
	before := s.fresh(service)
	s.await(func() error {
		now := s.fresh(service)
		for at, c := range now {
			var total int64
			by := map[string]bool{}
			for version, n := range c.By {
				more := n - before[at].By[version]
				total, by[version] = total+more, more > 0
			}
			maps.DeleteFunc(by, func(_ string, more bool) bool { return !more })
			answered := slices.Sorted(maps.Keys(by))
			switch {
			case total < 30:
				return fmt.Errorf("%s: only %d more answers to %s", at, total, service)
			case !slices.Equal(answered, versions):
				before = now
				return fmt.Errorf("%s: %s is answered by %v, want %v", at, service, answered, versions)
			}
		}
		return nil
	})
}

// fresh is what new connections to a Service were answered, by who asked where.
func (s *rolling) fresh(service string) map[string]course {
	s.Helper()
	all := map[string]course{}
	for _, a := range s.askers {
		for _, c := range a.said(s.stage).Courses {
			if s.of[c.URL] == service && !c.Kept {
				all[a.node+" "+c.URL] = c
			}
		}
	}
	return all
}

var versionLine = regexp.MustCompile(`name: VERSION, value: "\d+"`)

// version pushes another version of these Rollouts.
func (s *rolling) version(version string, names ...string) (commit string) {
	s.Helper()
	for _, name := range names {
		s.replace(name+".yaml", versionLine, `name: VERSION, value: "`+version+`"`)
	}
	return s.push("version " + version)
}

// stands waits until these workloads are in a state, or in any where none is named, at a commit.
func (s *stage) stands(commit, state string, names ...string) {
	s.Helper()
	s.await(func() error {
		for _, name := range names {
			is, err := s.annotated(name)
			if err != nil {
				return err
			}
			if is[live.LabelCommit] != commit || state != "" && is[status.AnnotationState] != state {
				return fmt.Errorf("%s is %s at %s, want %s at %s: %s", name, is[status.AnnotationState], is[live.LabelCommit], state, commit, is[status.AnnotationWhy])
			}
		}
		return nil
	})
}

// annotated is what the controller's status says of a Rollout or a Deployment in annotations.
func (s *stage) annotated(name string) (map[string]string, error) {
	var list struct{ Items []json.RawMessage }
	if err := ask(http.DefaultClient, "http://"+s.listen+"/status", &list); err != nil {
		return nil, err
	}
	for _, item := range list.Items {
		var o metav1.PartialObjectMetadata
		if err := json.Unmarshal(item, &o); err == nil && (o.Kind == "Rollout" || o.Kind == "Deployment") && o.Name == name {
			return o.Annotations, nil
		}
	}
	return nil, fmt.Errorf("no %s in the status", name)
}

// decides has the command write a person's decision.
func (s *rolling) decides(verb, name, why string) {
	s.Helper()
	cmd := s.podkeep(verb, "rollout/"+name, "-m", why)
	cmd.Env = append(cmd.Env, "GIT_AUTHOR_NAME=e2e", "GIT_AUTHOR_EMAIL=e2e@example.com", "GIT_COMMITTER_NAME=e2e", "GIT_COMMITTER_EMAIL=e2e@example.com")
	cmd.Stdout, cmd.Stderr = nil, nil
	if said, err := cmd.CombinedOutput(); err != nil {
		s.Fatalf("%s %s: %v: %s", verb, name, err, said)
	}
}

// notes writes a person's decision with git alone, at HEAD's revision, with so many steps done.
func (s *rolling) notes(verb, name string, step int, why string) {
	s.Helper()
	is, err := s.annotated(name)
	s.ok(err)
	line := fmt.Sprintf("%s %s Rollout/default/%s %s %d e2e %s", time.Now().UTC().Format(time.RFC3339), verb, name, is[live.LabelRev], step, why)
	s.command(s.path("work"), "git", "notes", "--ref=podkeep", "append", "-m", line)
	s.command(s.path("work"), "git", "push", "--quiet", "origin", "refs/notes/podkeep")
}

// podsOf are the ids of a Rollout's running containers of a version.
func (s *rolling) podsOf(name, version string) (ids []string) {
	s.Helper()
	for _, n := range s.fleet.Nodes {
		said := s.on(n.Name, "sh", "-c", `for c in $(podman ps --quiet --no-trunc --filter label=`+live.LabelApp+`=Rollout/default/`+name+` --filter label=`+live.LabelContainer+`); do
			podman inspect --format '{{range .Config.Env}}{{println .}}{{end}}' $c | grep -qx 'VERSION=`+version+`' && echo $c; done; true`)
		ids = append(ids, strings.Fields(said)...)
	}
	slices.Sort(ids)
	return ids
}
