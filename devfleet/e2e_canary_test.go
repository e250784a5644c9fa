package devfleet_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/devfleet"
)

// canaries are values of odd shapes. Each has a word in it that stands nowhere else.
var canaries = map[string]string{
	"short":   "cnr7Qa",
	"long":    strings.Repeat("canary-long-9f3e-", 60),
	"quotes":  `canary "double-41b7" and 'single-52c8' and ` + "`back-63d9`",
	"lines":   "canary-line-one-a1\ncanary-line-two-b2\n",
	"equals":  "canary-eq=PASSWORD=e5f6=",
	"dollar":  "canary-$(HOME)-$$-${x}-77aa",
	"unicode": "canary-größe-日本-👩‍🚀",
	"flag":    "--canary-flag=88bb",
	"spaces":  "  canary with spaces 99cc  ",
	"escapes": "canary\\n%41\t<&>dd00",
}

const binaryCanary = "canary-nul-ee11\x00canary-after-nul-ff22"

// printing has a hook, or a probe, print what secrets hold, and fail.
const printing = `{exec: {command: [/app, env, SHORT, env, all_long, env, all_quotes, err, failed, cat, /secret/quotes, cat, /secret/lines, exit, "3"]}`

// What secrets hold is in the containers that ask for it and in Podman's store of secrets, and nowhere else: not in what any command
// says, not in the log of the controller or of a node side, not in what that keeps, not in labels, not in Git notes, not in anybody's arguments, even
// where a hook or a probe prints it and fails and a runtime quotes it.
func TestNoSecretLeavesItsContainer(t *testing.T) {
	t.Parallel()
	s := talk(t, "fl-canary", 2, "n2")
	s.put("secrets.yaml", canarySecrets())
	s.put("fine.yaml", canaryPod("fine", `args: [term]`, ""))
	s.put("hook.yaml", canaryPod("hook", `args: [term]`,
		`lifecycle: {postStart: `+printing+`}}`))
	s.put("probed.yaml", canaryPod("probed", `args: [term]`, `readinessProbe: `+printing+`, periodSeconds: 1}`))
	s.put("killed.yaml", canaryPod("killed", `args: [term]`, `livenessProbe: `+printing+`, periodSeconds: 1, failureThreshold: 1}`))
	s.put("asked.yaml", canaryPod("asked", `args: [term]`,
		`readinessProbe: {httpGet: {port: 1, path: "/$(SHORT)?$(all_flag)", httpHeaders: [{name: X-Short, value: $(SHORT)}]}, periodSeconds: 1}`))
	s.put("missing.yaml", canaryPod("missing", `command: [/no-such-program]`, ""))
	s.put("pull.yaml", strings.ReplaceAll(canaryPod("pull", `args: [term]`, ""), "imagePullPolicy: Never", "imagePullPolicy: Always"))

	for _, args := range [][]string{{"init", "-q"}, {"add", "*.yaml"}, {"commit", "-qm", "all"}} {
		s.stage.command(s.dir, "git", args...)
	}
	s.listen = freeAddress(t)
	run := s.command("run", "-v", "--listen", s.listen, "--source", s.dir)
	var log bytes.Buffer
	run.Stdout, run.Stderr = &log, &log
	s.ok(run.Start())
	said := map[string]string{}
	s.await(func() error {
		said["/status"] = fetched(s.listen, "/status")
		if n := strings.Count(said["/status"], `"ProgressDeadlineExceeded"`); n < 4 {
			return fmt.Errorf("%d workloads are rejected, want hook, missing, probed and asked: %s", n, s.said("status"))
		}
		return nil
	})
	for _, page := range []string{"/metrics", "/status?o=text", "/status?o=wide", "/status?o=yaml", "/healthz"} {
		said[page] = fetched(s.listen, page)
	}
	for _, line := range []string{"plan", "plan -o json", "plan -o yaml", "status", "status -o wide", "status -o json", "status -o yaml", "status pods", "status deployment/hook",
		"status deployment/missing", "status deployment/probed", "status deployment/killed", "status deployment/asked", "history", "history -o json", "history deployment/hook",
		"diff", "diff -o json", "check", "top pods", "top nodes", "curl deployment/fine:1", "port-forward deployment/missing :1", "cp deployment/fine:/secret/none " + t.TempDir(),
		"cp deployment/missing:/secret " + t.TempDir(), "exec deployment/fine -- /no-such-program", "exec deployment/missing -- /app", "logs deployment/missing", "sync -v --timeout 5s"} {
		args := strings.Fields(line)
		said[line] = s.said(args[0], append([]string{"--source", s.dir}, args[1:]...)...)
	}
	changed := strings.ReplaceAll(canarySecrets(), base64.StdEncoding.EncodeToString([]byte(canaries["short"])), base64.StdEncoding.EncodeToString([]byte("cnr8Qb")))
	s.put("secrets.yaml", changed)
	said["plan of a changed secret"], said["diff of a changed secret"] = s.said("plan"), s.said("diff")
	said["processes"] = arguments(t, s.fleet)
	said["notes"] = s.stage.command(s.dir, "git", "log", "-p", "refs/notes/podkeep-fleet")
	_ = run.Process.Kill()
	_ = run.Wait()
	said["log"] = log.String()
	for _, n := range s.fleet.Nodes {
		for what, script := range map[string]string{
			"pods":       `podman pod ps -aq | xargs -r -n1 podman pod inspect --format '{{json .Labels}}'`,
			"containers": `podman ps -aq | xargs -r -n1 podman container inspect --format '{{json .Config.Labels}} {{json .Config.Annotations}} {{json .Args}} {{json .Config.CreateCommand}} {{json .State.Error}}'`,
			"volumes":    `podman volume ls -q | xargs -r -n1 podman volume inspect`,
			"secrets":    `podman secret ls -q | xargs -r -n1 podman secret inspect`,
			"events":     `podman events --stream=false --since 1h`,
			"node side":  `podman ps -aq --filter label=podkeep.io/side | xargs -r -n1 podman logs 2>&1`,
			"state":      `podman volume ls -q | xargs -r podman volume inspect --format '{{.Mountpoint}}' | xargs -rI DIR find DIR -type f | xargs -r cat`,
		} {
			said[what+" of "+n.Name] = s.on(n.Name, "sh", "-c", script)
		}
	}
	if why := said["log"]; !strings.Contains(why, "exited with 3") || !strings.Contains(why, "no-such-program") || !strings.Contains(said["secrets of n1"], "failed") || !strings.Contains(said["secrets of n2"], "failed") {
		t.Errorf("what should have failed did not:\n%s", why)
	}
	for _, where := range []string{"/status", "/metrics", "plan", "status", "history", "status deployment/probed", "status deployment/killed", "status deployment/asked", "notes", "node side of n1", "state of n1", "processes", "log", "pods of n1", "containers of n1", "secrets of n1", "secrets of n2"} {
		if len(said[where]) < 40 {
			t.Errorf("%s: says next to nothing: %q", where, said[where])
		}
	}
	for where, text := range said {
		for name, form := range leaked(text) {
			at := strings.Index(text, form)
			t.Errorf("%s: canary %s is in it: …%q…", where, name, text[max(0, at-120):min(len(text), at+len(form)+40)])
		}
		if strings.ContainsAny(text, "\x1b\x00\a") {
			t.Errorf("%s: has control characters", where)
		}
	}
}

// leaked are the canaries in a text, each with the form in which it is there.
func leaked(text string) map[string]string {
	found := map[string]string{}
	all := map[string]string{"nul": binaryCanary, "login": "registry-canary-3c3c", "changed": "cnr8Qb"}
	for name, value := range canaries {
		all[name] = value
	}
	for name, value := range all {
		asJSON, _ := json.Marshal(value)
		forms := []string{value, string(asJSON[1 : len(asJSON)-1]), strings.Trim(strconv.Quote(value), `"`), url.QueryEscape(value), url.PathEscape(value),
			base64.StdEncoding.EncodeToString([]byte(value)), base64.RawURLEncoding.EncodeToString([]byte(value))}
		forms = append(forms, strings.FieldsFunc(value, func(r rune) bool { return r == '\n' || r == 0 })...)
		for _, form := range forms {
			if strings.Contains(text, form) {
				found[name] = form
			}
		}
	}
	return found
}

func canarySecrets() string {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: Secret\nmetadata: {name: all}\ndata:\n")
	for name, value := range canaries {
		fmt.Fprintf(&b, "  %s: %s\n", name, base64.StdEncoding.EncodeToString([]byte(value)))
	}
	b.WriteString("---\napiVersion: v1\nkind: Secret\nmetadata: {name: binary}\ndata: {nul: " + base64.StdEncoding.EncodeToString([]byte(binaryCanary)) + "}\n")
	login := base64.StdEncoding.EncodeToString([]byte(`{"auths":{"localhost":{"username":"ada","password":"registry-canary-3c3c"}}}`))
	b.WriteString("---\napiVersion: v1\nkind: Secret\nmetadata: {name: login}\ntype: kubernetes.io/dockerconfigjson\ndata: {.dockerconfigjson: " + login + "}\n")
	return b.String()
}

// canaryPod is a Deployment that takes all secrets in every way.
func canaryPod(name, command, more string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  progressDeadlineSeconds: 10
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      terminationGracePeriodSeconds: 1
      imagePullSecrets: [{name: login}]
      volumes:
      - {name: secret, projected: {sources: [{secret: {name: all}}, {secret: {name: binary}}]}}
      containers:
      - name: app
        image: %[2]s
        imagePullPolicy: Never
        %[3]s
        env: [{name: SHORT, valueFrom: {secretKeyRef: {name: all, key: short}}}]
        envFrom: [{prefix: all_, secretRef: {name: all}}]
        volumeMounts: [{name: secret, mountPath: /secret}]
        %[4]s
`, name, counting, command, more)
}

func fetched(address, page string) string {
	response, err := http.Get("http://" + address + page)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	var b bytes.Buffer
	_, _ = b.ReadFrom(response.Body)
	return b.String()
}

// arguments are those of every process of the fleet.
func arguments(t *testing.T, fleet *devfleet.Fleet) string {
	t.Helper()
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, file := range environs {
		environ, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(environ, []byte("PODKEEP_DEV_NODE="+fleet.Dir)) {
			continue
		}
		args, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		b.WriteString(strings.ReplaceAll(string(args), "\x00", " ") + "\n")
	}
	return b.String()
}
