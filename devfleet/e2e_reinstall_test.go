package devfleet_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/devfleet"
	"github.com/podkeep/podkeep/drivers/drivertest"
	"github.com/podkeep/podkeep/live"
)

// docs/hosts.md is walked through on real hosts: what it says to type is typed, and each line that it says podkeep prints is waited for.
func TestHostsAreReinstalledAsThePageSays(t *testing.T) {
	t.Parallel()
	w := walks(t, "fl-anew")
	w.writes("both", onAny, onN2Alone, onN2Once("migrate"), onN2Deployed("old"))
	w.start()
	w.runs("web", 3)
	w.runs("db", 1)
	w.awaits("migrate…Converged")
	w.on("n2", "sh", "-c", "echo precious > $(podman volume inspect --format {{.Mountpoint}} podkeep-e2e_claim_default_data)/f")
	w.types("ssh root@192.0.2.12 podman volume export")

	w.scene("a disk from a backup: nothing old is believed over what is newer, or run", w.backup)
	w.scene("a new disk", w.newDisk)
	w.scene("another host key", w.newHostKey)
	w.scene("keys that let nobody in", w.lostKeys)
	w.scene("Podman was reset", w.reset)
	w.scene("a copy of a disk", w.copied)
	w.scene("another name and another way", w.moved)
	w.scene("the last host", w.blank)
	w.readAll()
}

// backup has n2 come back from its disk of last week, which has receipts, pods and an identity. What left Git since stays away, and the Job
// that has ended since does not run again.
func (w *walk) backup() {
	w.disk("n2", func(storage string) { w.command(w.fleet.Dir, "cp", "-a", storage, storage+".week") })
	w.runs("db", 1)
	w.runs("old", 1)
	w.writes("without old, with another Job", onAny, onN2Alone, onN2Once("migrate"), onN2Once("later"))
	w.awaits("later…Converged")
	w.await(func() error { return w.count("n2", "old", 0) })
	ended := w.ran("later")
	identity := w.identity("n2")
	w.disk("n2", func(storage string) {
		w.ok(os.RemoveAll(storage))
		w.command(w.fleet.Dir, "cp", "-a", storage+".week", storage)
	})
	began := w.began("old")
	w.runs("web", 3)
	w.runs("db", 1)
	w.await(func() error { return w.count("n2", "old", 0) })
	w.await(func() error {
		if secrets := w.on("n2", "podman", "secret", "ls", "--format", "{{.Name}}"); !strings.Contains(secrets, "receipt-later-g1-done") {
			return fmt.Errorf("n2 does not know what ended since: %s", secrets)
		}
		return nil
	})
	if now := w.identity("n2"); now != identity {
		w.Errorf("n2 is %s and was %s", now, identity)
	}
	if now := w.began("old"); now != began {
		w.Errorf("what left Git was begun %d times, and %d times before", now, began)
	}
	if now := w.ran("later"); now != 0 || ended != 1 {
		w.Errorf("the Job of later has %d pods, and had %d", now, ended)
	}
}

func (w *walk) newDisk() {
	w.ok(w.fleet.Erase(w.Context(), "n2"))
	w.renewHostKey("n2")
	w.ok(w.fleet.Heal(w.Context(), "n2"))
	w.load("n2")
	w.reads("the host key has changed")
	w.checks("✗ n2 reach")
	w.types("ssh-keygen")
	w.obeys(w.line("text", "the host key is not known"))
	w.runs("web", 3)
	w.reads("claim data was on n2 before")
	w.checks("! n2 identity")
	w.await(func() error {
		if secrets := w.on("n2", "podman", "secret", "ls", "--format", "{{.Name}}"); !strings.Contains(secrets, "receipt-data-g1-made") {
			return fmt.Errorf("n2 was told nothing: %s", secrets)
		}
		return nil
	})
	if n := w.ran("migrate") + w.ran("later"); n != 0 {
		w.Errorf("%d pods of Jobs that had ended run again", n)
	}
	w.types("ssh root@192.0.2.12 podman volume create")
	w.types("ssh root@192.0.2.12 podman volume import")
	w.reads("n2 has another volume of claim data")
	w.types(`podkeep retry pvc/data -m "restored`)
	w.runs("db", 1)
	if got := w.on("n2", "sh", "-c", "cat $(podman volume inspect --format {{.Mountpoint}} podkeep-e2e_claim_default_data)/f"); got != "precious" {
		w.Errorf("the claim holds %q", got)
	}
}

func (w *walk) newHostKey() {
	before, identity := w.census(), w.identity("n2")
	w.ok(w.fleet.Kill(w.Context(), "n2"))
	w.renewHostKey("n2")
	w.ok(w.fleet.Heal(w.Context(), "n2"))
	w.awaits("the host key has changed")
	w.types("ssh-keygen")
	w.obeys("the host key is not known")
	w.runs("web", 3)
	w.unharmed(before)
	if now := w.identity("n2"); now != identity {
		w.Errorf("n2 is %s and was %s", now, identity)
	}
}

func (w *walk) lostKeys() {
	before := w.census()
	keys := w.path("ssh", "authorized_keys")
	kept := w.read(keys)
	w.ok(os.WriteFile(keys, nil, 0o600))
	w.ok(w.fleet.Kill(w.Context(), "n2"))
	w.ok(w.fleet.Heal(w.Context(), "n2"))
	w.reads("the host accepts none of our keys")
	w.ok(os.WriteFile(keys, []byte(kept), 0o600))
	w.runs("web", 3)
	w.unharmed(before)
}

func (w *walk) reset() {
	before := w.census("n1", "n3")
	w.on("n2", "sh", "-c", "podman system reset --force || podman system reset --force") // the controller may have begun a container meanwhile
	w.ok(w.fleet.KillService(w.Context(), "n2"))
	w.ok(w.fleet.Heal(w.Context(), "n2"))
	w.load("n2")
	w.awaits("claim data was on n2 before n2 was replaced by another host")
	w.runs("web", 3)
	w.types(`podkeep retry pvc/data -m "gone`)
	w.runs("db", 1)
	if n := w.ran("migrate") + w.ran("later"); n != 0 {
		w.Errorf("%d pods of Jobs that had ended run again", n)
	}
	for id, was := range before {
		if now := w.census("n1", "n3")[id]; now != was {
			w.Errorf("harmed: %s; now %q", was, now)
		}
	}
}

// copied gives n3 what a copy of n2's disk would have: its identity, and a volume of its claim.
func (w *walk) copied() {
	w.stop()
	var labels map[string]string
	w.ok(json.Unmarshal([]byte(w.on("n2", "podman", "secret", "inspect", "--format", "{{json .Spec.Labels}}", "podkeep-e2e-host")), &labels))
	create := []string{"podman", "secret", "create"}
	for key, value := range labels {
		create = append(create, "--label", key+"="+value)
	}
	w.on("n3", "podman", "secret", "rm", "podkeep-e2e-host")
	w.on("n3", append(create, "podkeep-e2e-host", "/etc/hostname")...)
	w.on("n3", "podman", "volume", "create", "podkeep-e2e_claim_default_data")
	w.start()
	w.reads("n3 is held")
	w.checks("✗ n3 identity")
	w.types("ssh root@192.0.2.13 podman secret rm")
	w.reads("n3 has an older volume of claim data")
	w.runs("web", 3)
	w.runs("db", 1)
	if one, other := w.identity("n2"), w.identity("n3"); one == other {
		w.Errorf("both are %s", one)
	}
}

// moved reaches n2 in another way, under another name.
func (w *walk) moved() {
	before := w.census()
	n, err := w.fleet.Node("n2")
	w.ok(err)
	w.edit("nodes.yaml", "name: n2\n", "name: edge\n  labels: {kubernetes.io/hostname: n2}\n")
	w.edit("nodes.yaml", n.ProviderID(), "podman+unix://"+n.Socket)
	w.push("n2 is edge, and is reached in another way")
	w.awaits("edge Ready")
	w.awaits("data Bound edge")
	w.await(func() error {
		if secrets := w.on("n1", "podman", "secret", "ls", "--format", "{{.Name}}"); !strings.Contains(secrets, "receipt-n2-g1-done") {
			return fmt.Errorf("that n2 was a way to edge is not written down: %s", secrets)
		}
		return nil
	})
	w.runs("web", 3)
	w.runs("db", 1)
	w.unharmed(before)
}

// blank is a fleet that nobody remembers.
func (w *walk) blank() {
	w.stop()
	for _, n := range w.fleet.Nodes {
		w.ok(w.fleet.Wipe(w.Context(), n.Name))
	}
	w.plans(w.line("text", "no host remembers anything"))
}

// walk is a fleet that is reached by SSH, and the page that is walked through on it.
type walk struct {
	*stage
	page string
	seen map[string]bool
	real *strings.Replacer // what stands in the page, as the fleet has it
}

func walks(t *testing.T, name string) *walk {
	t.Helper()
	w := &walk{stage: &stage{T: t, binary: podkeep(t), listen: freeAddress(t), nodeSide: "auto"}, seen: map[string]bool{}}
	w.page = w.read("../docs/hosts.md")
	w.ok(devfleet.Down(t.Context(), name, ""))
	t.Cleanup(func() { w.lower(name) })
	var err error
	w.fleet, err = devfleet.Up(t.Context(), devfleet.Options{Name: name, Nodes: 3, SSH: []string{"n1", "n2", "n3"}})
	w.ok(err)
	w.log, err = os.Create(w.path("controller.log"))
	w.ok(err)
	w.load("n1", "n2", "n3")
	w.command(w.fleet.Dir, "git", "init", "--quiet", "--bare", "--initial-branch=main", "fleet.git")
	w.command(w.fleet.Dir, "git", "clone", "--quiet", "fleet.git", "work")
	w.command(w.path("work"), "git", "checkout", "--quiet", "-B", "main")
	w.command(w.path("work"), "git", "config", "user.name", "e2e")
	w.command(w.path("work"), "git", "config", "user.email", "e2e@example.com")
	w.write("nodes.yaml", strings.ReplaceAll(string(w.fleet.Manifests()), "  annotations:\n", "  annotations:\n    podkeep.io/silence-grace: 15m\n"))
	w.source = []string{"--source", w.path("fleet.git"), "--branch", "main"}
	pairs := []string{"~/.ssh/known_hosts", w.fleet.KnownHosts(), "podkeep-default", "podkeep-e2e"}
	for i, n := range w.fleet.Nodes {
		pairs = append(pairs, fmt.Sprintf("192.0.2.1%d", i+1), n.Address)
	}
	w.real = strings.NewReplacer(pairs...)
	w.ok(os.Mkdir(w.path("bin"), 0o755))
	own := w.podkeep()
	w.program("podkeep", fmt.Sprintf("cd %s\nexec %s \"$@\" %s", w.path("work"), own.Path, strings.Join(own.Args[1:], " ")))
	w.program("ssh", fmt.Sprintf("exec /usr/bin/ssh -F none -i %s -o UserKnownHostsFile=%s -o BatchMode=yes \"$@\"", w.fleet.Identity(), w.fleet.KnownHosts()))
	return w
}

func (w *walk) program(name, script string) {
	w.Helper()
	w.ok(os.WriteFile(w.path("bin", name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
}

// scene is a section of the page.
func (w *walk) scene(claim string, play func()) {
	w.Helper()
	w.stage.scene(claim, func(s *stage) {
		whole := w.stage
		w.stage = s
		defer func() { w.stage = whole }()
		play()
	})
}

// load puts the image of all pods onto nodes.
func (w *walk) load(nodes ...string) {
	w.Helper()
	for _, n := range nodes {
		w.ok(w.fleet.LoadImage(w.Context(), n, drivertest.Archive(w.T)))
	}
}

// writes pushes manifests, in place of those before.
func (w *walk) writes(message string, manifests ...string) {
	w.Helper()
	w.write("all.yaml", strings.ReplaceAll(strings.Join(manifests, "---\n"), "IMAGE", drivertest.Ref))
	w.push(message)
}

// disk turns a node off, lets something be done with its disk, and turns it on again.
func (w *walk) disk(node string, do func(storage string)) {
	w.Helper()
	w.ok(w.fleet.PowerOff(w.Context(), node))
	do(w.path(node, "storage"))
	w.ok(w.fleet.Heal(w.Context(), node))
}

// renewHostKey takes effect when the node's sshd starts again.
func (w *walk) renewHostKey(node string) {
	w.Helper()
	key := w.path("ssh", node)
	w.ok(os.Remove(key))
	w.command(w.fleet.Dir, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
}

// line is the one line of the page's blocks in a language that begins with the text.
func (w *walk) line(language, text string) string {
	w.Helper()
	var found []string
	for _, l := range w.lines(language) {
		if strings.HasPrefix(l, text) && !slices.Contains(found, l) {
			found = append(found, l)
		}
	}
	if len(found) != 1 {
		w.Fatalf("docs/hosts.md: %q begins these lines of ```%s: %q", text, language, found)
	}
	w.seen[language+" "+found[0]] = true
	return w.real.Replace(found[0])
}

func (w *walk) lines(language string) (all []string) {
	for _, block := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(w.page, -1) {
		all = append(all, strings.Split(strings.TrimSpace(block[1]), "\n")...)
	}
	return all
}

// types has a shell run a command of the page.
func (w *walk) types(text string) {
	w.Helper()
	w.shell(w.line("sh", text))
}

// obeys waits until the status has a line, and types what that says.
func (w *walk) obeys(line string) {
	w.Helper()
	w.awaits(line)
	text, err := w.status()
	w.ok(err)
	said := regexp.MustCompile(`run: (echo '[^']+' >> \S+)`).FindStringSubmatch(text)
	if said == nil {
		w.Fatalf("nothing is said to be run:\n%s", text)
	}
	w.shell(said[1])
}

func (w *walk) shell(command string) {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), "sh", "-c", command)
	cmd.Dir = w.fleet.Dir
	cmd.Env = append(w.environ(), "PATH="+w.path("bin")+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	w.Logf("$ %s\n%s", cmd.Args[2], out)
	if err != nil {
		w.Fatalf("%s: %v", cmd.Args[2], err)
	}
}

// reads waits until the controller's status has a line of the page.
func (w *walk) reads(text string) {
	w.Helper()
	w.awaits(w.line("text", text))
}

// checks waits until `podkeep check` has it, and goes on with that line.
func (w *walk) checks(text string) {
	w.Helper()
	want := w.line("text", text)
	w.await(func() error {
		cmd := w.podkeep("check")
		cmd.Stdout = nil
		out, _ := cmd.Output() // it fails when it finds something
		return has(string(out), want)
	})
}

// awaits waits until the status has a line.
func (w *walk) awaits(line string) {
	w.Helper()
	w.await(func() error {
		text, err := w.status()
		if err != nil {
			return err
		}
		return has(text, line)
	})
}

// has looks for a line in a text, blanks aside, or a part of one. In it … stands for whatever is there.
func has(text, line string) error {
	var parts []string
	for _, part := range strings.Split(strings.Join(strings.Fields(line), " "), "…") {
		parts = append(parts, regexp.QuoteMeta(part))
	}
	want := regexp.MustCompile(strings.Join(parts, ".*"))
	for l := range strings.Lines(text) {
		if want.MatchString(strings.Join(strings.Fields(l), " ")) {
			return nil
		}
	}
	return fmt.Errorf("%q is not said:\n%s", line, text)
}

// readAll checks that the page holds no line that was not typed or read.
func (w *walk) readAll() {
	w.Helper()
	for _, language := range []string{"sh", "text"} {
		for _, l := range w.lines(language) {
			if !w.seen[language+" "+l] {
				w.Errorf("docs/hosts.md: nothing here has to do with %q", l)
			}
		}
	}
}

// runs waits until a workload has as many pods as it asks for, as the controller and Podman see them.
func (w *walk) runs(name string, pods int) {
	w.Helper()
	w.await(func() error {
		text, err := w.status()
		if err != nil {
			return err
		}
		if !regexp.MustCompile(fmt.Sprintf(`(?m)^%s +%d/%d +%[2]d +Converged`, name, pods, pods)).MatchString(text) {
			return fmt.Errorf("%s is not there:\n%s", name, text)
		}
		return nil
	})
}

// count wants a node to have so many running containers of a workload.
func (w *walk) count(node, name string, want int) error {
	n, err := w.fleet.Node(node)
	if err != nil {
		return err
	}
	found, err := listed(n, fmt.Sprintf(`{"label":["%s=Deployment/default/%s","%s"],"status":["running"]}`, live.LabelApp, name, live.LabelContainer))
	if err == nil && len(found) != want {
		err = fmt.Errorf("%s runs %d of %s, want %d", node, len(found), name, want)
	}
	return err
}

// ran is how many containers there are of a Job.
func (w *walk) ran(job string) (all int) {
	w.Helper()
	for _, n := range w.fleet.Nodes {
		found, err := listed(n, fmt.Sprintf(`{"label":["%s=Job/default/%s","%s"]}`, live.LabelApp, job, live.LabelContainer))
		w.ok(err)
		all += len(found)
	}
	return all
}

// began is how often the controller began pods of a workload.
func (w *walk) began(name string) int {
	w.Helper()
	return len(regexp.MustCompile(`(?m)msg="run `+name+`-`).FindAllString(w.read(w.path("controller.log")), -1))
}

func (w *walk) identity(node string) (id string) {
	w.Helper()
	w.await(func() error {
		var err error
		id, err = w.fleet.Output(w.Context(), node, "podman", "secret", "inspect", "--format", `{{index .Spec.Labels "`+live.LabelHost+`"}}`, "podkeep-e2e-host")
		return err
	})
	return strings.TrimSpace(id)
}

const onAny = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: app, image: IMAGE, imagePullPolicy: IfNotPresent, args: [term]}]
`

const onN2Alone = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      nodeSelector: {kubernetes.io/hostname: n2}
      terminationGracePeriodSeconds: 1
      containers: [{name: app, image: IMAGE, imagePullPolicy: IfNotPresent, args: [term], volumeMounts: [{name: data, mountPath: /data}]}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
`

func onN2Once(name string) string {
	return fmt.Sprintf(`
apiVersion: batch/v1
kind: Job
metadata: {name: %s}
spec:
  template:
    spec:
      nodeSelector: {kubernetes.io/hostname: n2}
      restartPolicy: Never
      containers: [{name: app, image: IMAGE, imagePullPolicy: IfNotPresent, args: [exit, "0"]}]
`, name)
}

func onN2Deployed(name string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      nodeSelector: {kubernetes.io/hostname: n2}
      terminationGracePeriodSeconds: 1
      containers: [{name: app, image: IMAGE, imagePullPolicy: IfNotPresent, args: [term]}]
`, name)
}
