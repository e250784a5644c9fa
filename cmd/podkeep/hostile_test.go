package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/sources/sourcetest"
)

// evil is a text that does everything to a terminal, and to a reader, that a text can.
const evil = "a\x1b]0;owned\x07b\x1b[2Jc\u009b31md\u202ee\u2066f\u200bg\rh\x7fi\ufeffj\u00adk\u061cl\bm\x1b]8;;http://x\x1b\\n\U000e0041o"

// heldValue is what a Secret of the hostile fleet holds.
const heldValue = "canary-held-4d1f"

// raw are the commands that hand on somebody's bytes as they are, for programs to read, and those that read nothing that others wrote.
var raw = map[string]string{
	"logs": "what containers print", "exec": "what processes print", "cp": "files; what it says of them is in TestCopy", "curl": "what servers answer, in TestAnAnswerOnATerminal",
	"port-forward": "bytes of connections", "completion": "a script of our own", "version": "ours", "dev": "fleets of this machine", "node": "the side of a host; it logs as run does", "door": "the same",
	"image": "images of this machine", "run": "what it logs is in TestNobodysTextObeysThroughALog, and what it serves in package status", "help": "ours",
}

// liar is a host that says things.
type liar struct{ drivers.Driver }

func (l liar) Observe(ctx context.Context) (live.Node, error) {
	n, err := l.Driver.Observe(ctx)
	n.Facts.OS, n.Facts.Podman, n.Facts.Kernel = evil, evil, evil
	for i := range n.Pods {
		n.Pods[i].Containers[0].Image += evil
	}
	return n, err
}

func (liar) Run(context.Context, manifest.Pod) error { return errors.New(evil + "\n" + evil) }

// Whatever commits, names of files and branches, manifests, notes and hosts say: what commands print does nothing to a terminal, and holds no
// secret's value. Each command is run here, or is raw.
func TestNobodysTextObeysThroughACommand(t *testing.T) {
	onFakes(t)
	honest := openDriver
	openDriver = func(ctx context.Context, n manifest.Node, o drivers.Options) (drivers.Driver, error) {
		d, err := honest(ctx, n, o)
		if n.Name == "n2" {
			return liar{d}, err
		}
		return d, err
	}
	for name, value := range map[string]string{
		"GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": evil, "GIT_AUTHOR_EMAIL": evil, "GIT_COMMITTER_NAME": evil, "GIT_COMMITTER_EMAIL": "a@example.com", "XDG_CACHE_HOME": t.TempDir(),
	} {
		t.Setenv(name, value)
	}
	quoted := strconv.QuoteToASCII(evil)
	deployment := func(version string) string {
		return strings.Replace(strings.Replace(aDeployment, "{name: web}", `{name: web, annotations: {example.com/a: `+quoted+`}}`, 1), `{name: app, image: "registry.example.com/web:v1"}`,
			`{name: app, image: "registry.example.com/web:`+version+`", args: [`+quoted+`], env: [{name: A, value: `+quoted+`}], envFrom: [{configMapRef: {name: words}}, {secretRef: {name: held}}], readinessProbe: {exec: {command: [ready, "$(key)"]}}}`, 1)
	}
	second := strings.ReplaceAll(aNode, "n1", "n2")
	fleet := map[string]string{
		"nodes.yaml": aNode + "\n---\n" + second, "web.yaml": deployment("v1"), "words.yaml": `{apiVersion: v1, kind: ConfigMap, metadata: {name: words}, data: {a: ` + quoted + `, b: "plain"}}`,
		"held.yaml":             `{apiVersion: v1, kind: Secret, metadata: {name: held}, stringData: {key: ` + heldValue + `}}`,
		"far.yaml":              strings.Replace(strings.ReplaceAll(aDeployment, "web", "far"), "spec: {containers", "spec: {nodeName: n2, containers", 1),
		"kind" + evil + ".yaml": `{apiVersion: v1, kind: ` + quoted + `, metadata: {name: x}}`, "field\xff.yaml": `{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, ` + quoted + `: 1}`,
		"name.yaml": `{apiVersion: v1, kind: ConfigMap, metadata: {name: ` + quoted + `, namespace: ` + quoted + `}}`, "syntax.yaml": "apiVersion: v1\nkind: [\x1b[2J\u202e", "bytes.yaml": "kind: \xff\xfe\x00",
		"value.yaml": strings.ReplaceAll(strings.Replace(aDeployment, "replicas: 1", "replicas: "+quoted, 1), "web", "odd"), "link" + evil + ".yaml": "-> /etc/" + evil,
		"node.yaml": `{apiVersion: v1, kind: Node, metadata: {name: n3}, spec: {providerID: ` + quoted + `}}`,
	}
	r := sourcetest.NewRepository(t)
	c := clone{dir: r.Dir}
	commit := func(version, message string) {
		fleet["web.yaml"] = deployment(version)
		sourcetest.Fill(t, r.Dir, fleet)
		for _, args := range [][]string{{"add", "-A"}, {"commit", "-qm", message, "--cleanup=verbatim"}} {
			if _, err := c.git(t.Context(), args...); err != nil {
				t.Fatal(err)
			}
		}
	}
	commit("v1", "the first")
	branch := "ma\u202ein\u200b\u009b"
	if _, err := c.git(t.Context(), "branch", "-m", branch); err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	do := func(line string, args ...string) {
		var out bytes.Buffer
		args = append(strings.Fields(line), args...)
		at := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "-") })
		if at < 0 {
			at = len(args)
		}
		execute(slices.Insert(args, at, "--source", r.Dir, "--branch", branch), &out, &out)
		said[line] += out.String()
	}
	show := func() {
		for _, line := range []string{
			"check", "plan", "diff", "history", "history deployment/web", "status", "status pods", "status deployment/web", "status deployment/far", "top nodes", "top pods", "trust", "rollout status deployment/web --timeout 1s", "rollout history deployment/web",
		} {
			do(line)
			if verb, _, _ := strings.Cut(line, " "); verb == "plan" || verb == "diff" || verb == "history" || verb == "status" {
				do(line + " -o json")
				do(line + " -o yaml")
			}
		}
		do("status -o wide")
	}
	show()
	do("sync -v --timeout 4s --log-format json")
	do("sync -v --timeout 1s")
	commit("v2", evil+"\n\n"+evil)
	for _, verb := range []string{"pause", "resume", "retry", "abort", "promote", "skip"} {
		do(verb+" web", "-m", evil)
	}
	do("sync -v --timeout 4s")
	do("promote web", "-m", evil)
	rev := regexp.MustCompile(`v1-[0-9a-f]{20}`).FindString(said["status deployment/web -o json"])
	line := git.FormatDecision(manifest.Decision{Time: time.Now(), Verb: "pause", App: manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}, Rev: rev, Who: evil, Why: evil})
	if _, err := c.git(t.Context(), "notes", "--ref=podkeep", "add", "-m", line); err != nil {
		t.Fatal(err)
	}
	show()
	for _, line := range []string{"restart web", "suspend web", "resume web", "adopt x --yes", "revert --yes", "clean podman+unix:///fake/n1.sock"} {
		do(line)
	}
	for _, missing := range []string{"status", "history", "diff", "restart", "promote", "revert", "logs", "exec", "cp", "curl", "port-forward", "top", "adopt", "trust", "clean", "rollout", "plan", "check", "image", "dev"} {
		do(missing, evil)
	}
	do("__complete status", "")
	do("__complete revert", "")
	show()
	notes, err := c.git(t.Context(), "log", "-p", "--glob=refs/notes")
	if err != nil || !strings.Contains(notes, "pause") {
		t.Errorf("%v: %s", err, notes)
	}
	for line, text := range said {
		if strings.Contains(text+notes, heldValue) || strings.Contains(text+notes, base64.StdEncoding.EncodeToString([]byte(heldValue))) {
			t.Errorf("podkeep %s, or a note, has a secret's value in it", line)
		}
		if at := obeyed(text); at >= 0 {
			t.Errorf("podkeep %s: …%q…", line, text[max(0, at-100):min(len(text), at+60)])
		}
	}
	for _, cmd := range rootCommand().Commands() {
		if raw[cmd.Name()] == "" && !cmd.Hidden && !slices.ContainsFunc(keysOf(said), func(line string) bool { return strings.Fields(line)[0] == cmd.Name() }) {
			t.Errorf("podkeep %s is not run here", cmd.Name())
		}
	}
	for line, has := range map[string]string{
		"history": "decided by", "status": "kind", "diff": "web", "plan": "web", "status deployment/far": "far", "history -o json": "abc", "diff -o json": `\u009b`, "status -o json": `\u202e`, "check": "kind", "sync -v --timeout 4s": "web",
	} {
		if !strings.Contains(said[line], has) {
			t.Errorf("podkeep %s does not have %q in it: %s", line, has, said[line])
		}
	}
	if os.Getenv("SEE") != "" {
		for line, text := range said {
			fmt.Printf("==== %s\n%s\n", line, text)
		}
	}
}

func keysOf(m map[string]string) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}

// obeyed is where a text first does something to a terminal or to the order of what is read; -1 if it does not.
func obeyed(text string) int {
	for at, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[at:], string(utf8.RuneError)):
			return at
		case r != '\n' && r != '\t' && !live.Shows(r):
			return at
		}
	}
	return -1
}

// Nobody's text obeys through the log either, as text and as JSON.
func TestNobodysTextObeysThroughALog(t *testing.T) {
	for _, form := range []string{"text", "json"} {
		var b bytes.Buffer
		s := settings{logFormat: form}
		log := s.logger(&b, logrus.InfoLevel)
		log.WithError(errors.New(evil)).WithField("why", evil).Warn(evil)
		log.SetFormatter(plainLog{&logrus.TextFormatter{ForceColors: true, DisableTimestamp: true}})
		log.WithField("why", evil).Warn(evil)
		text := strings.NewReplacer("\x1b[33m", "", "\x1b[0m", "").Replace(b.String())
		if at := obeyed(text); at >= 0 || strings.Count(text, "owned") > 0 {
			t.Errorf("%s: %q", form, text)
		}
	}
}
