package manifest

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

const kib128 = 128 << 10

// podWith is a Pod whose container has these lines beside its name and image; they begin at line 8.
func podWith(lines string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: c\n    image: nginx:1\n" + lines
}

// doubling are n variables of which each is the one before it, twice; A0 is one letter.
func doubling(n int) string {
	lines := "    env:\n    - {name: A0, value: x}\n"
	for i := 1; i < n; i++ {
		lines += fmt.Sprintf("    - {name: A%d, value: \"$(A%d)$(A%[2]d)\"}\n", i, i-1)
	}
	return lines
}

func TestWhatDoublesIsRefusedWhereItPassesTheBound(t *testing.T) {
	job := func(lines string) string {
		pod := strings.ReplaceAll(podWith(lines), "\n", "\n    ")
		_, spec, _ := strings.Cut(pod, "    spec:\n")
		return "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n" + strings.TrimRight(spec, " ")
	}
	early := func(lines string) string {
		return strings.Replace(podWith(lines), "  containers:\n", "  containers: [{name: main, image: \"nginx:1\"}]\n  initContainers:\n", 1)
	}
	const all = "with it the container's variables, command and args have more than 128 KiB once each $(NAME) is replaced; " +
		"write shorter ones, or mount what is long as a volume"
	for n := range 3 {
		count := []int{26, 59, 500}[n]
		for name, c := range map[string]struct{ text, at string }{
			"alone":                {podWith(doubling(count)), "Pod/a: spec.containers[0]"},
			"with an argument":     {podWith(doubling(count) + "    args: [\"$(A25)\"]\n"), "Pod/a: spec.containers[0]"},
			"in an init container": {early(doubling(count)), "Pod/a: spec.initContainers[0]"},
			"in a Job":             {job(doubling(count)), "Job/a: spec.template.spec.containers[0]"},
		} {
			s := set("c", "x.yaml", c.text, "y.yaml", deployment("web", "nginx:1"))
			// A0 to A16 have one byte less than 128 KiB together.
			if want := c.at + ".env[17].value: " + all; len(s.Problems) != 1 || s.Problems[0].brief() != want || s.Problems[0].Line == 1 {
				t.Errorf("%d variables %s: got\n%.500s\nwant\n%s", count, name, wrongs(s), want)
			}
			if len(s.Workloads) != 1 {
				t.Errorf("%d variables %s: the other file has %d workloads", count, name, len(s.Workloads))
			}
		}
	}
}

func TestTheBoundOfAContainerIsExact(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	cm := func(n int) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {a: \"" + x(n) + "\"}\n"
	}
	sec := func(n int) string {
		return "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: \"" + x(n) + "\"}\n"
	}
	const fromCM, fromSecret = "    envFrom: [{configMapRef: {name: cm}}]\n", "    envFrom: [{secretRef: {name: s}}]\n"
	noted := strings.NewReplacer("{name: a}", "{name: a, annotations: {n: \""+x(1000)+"\"}}")
	for name, c := range map[string]struct {
		text func(more int) string
		want string
	}{
		"a value":     {func(m int) string { return podWith("    env: [{name: A, value: \"" + x(kib128+m) + "\"}]\n") }, "env[0].value: has more than 128 KiB"},
		"an argument": {func(m int) string { return podWith("    args: [\"" + x(kib128+m) + "\"]\n") }, "args[0]: has more than 128 KiB"},
		"a command":   {func(m int) string { return podWith("    command: [\"" + x(kib128+m) + "\"]\n") }, "command[0]: has more than 128 KiB"},
		"all together": {func(m int) string {
			return podWith("    env: [{name: A, value: abcd}]\n    command: [a, b]\n    args: [\"$(A)$(A)\", \"" + x(kib128+m-14) + "\"]\n")
		}, "args[1]: with it the container's"},
		"what is not known":   {func(m int) string { return podWith("    args: [\"$(NO)\", \"" + x(kib128+m-5) + "\"]\n") }, "args[1]: with it the container's"},
		"a ConfigMap's key":   {func(m int) string { return podWith(fromCM) + "---\n" + cm(kib128+m) }, "envFrom[0]: ConfigMap/default/cm has key \"a\" with more than 128 KiB"},
		"a Secret's key":      {func(m int) string { return podWith(fromSecret) + "---\n" + sec(kib128+m) }, "envFrom[0]: Secret/default/s has key \"a\" with more than 128 KiB"},
		"a Secret and a text": {func(m int) string { return podWith(fromSecret+"    args: [abc]\n") + "---\n" + sec(kib128+m-3) }, "args[0]: with it the container's"},
		"dollars of a ConfigMap": {func(m int) string {
			return podWith(fromCM) + "---\n" + strings.ReplaceAll(cm(kib128+m), "x", "$")
		}, "has key \"a\" with more than 128 KiB"},
		"a name of its own": {func(m int) string {
			return podWith("    env: [{name: A, value: \"" + x(kib128+m-len(longName)) + "\"}, {name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]\n")
		}, "env[1].valueFrom.fieldRef: with it the container's"},
		"an annotation twice": {func(m int) string {
			return noted.Replace(podWith("    env: [{name: A, valueFrom: {fieldRef: {fieldPath: \"metadata.annotations['n']\"}}}]\n    args: [\"$(A)\", \"" + x(kib128+m-2000) + "\"]\n"))
		}, "args[1]: with it the container's"},
		"names": {func(m int) string {
			return podWith("    env: [{name: " + x(kib128+m-1) + ", value: a}, {name: B, value: b}]\n")
		}, "env[1].value: with it the names of the container's variables have more than 128 KiB"},
		"a prefix": {func(m int) string {
			return podWith("    envFrom: [{prefix: "+x(kib128+m-1)+", configMapRef: {name: cm}}]\n") + "---\n" + cm(1)
		}, "envFrom[0]: with it the names"},
		"a path": {func(m int) string {
			return strings.Replace(podWith("    env: [{name: A, value: \""+x(kib128/2)+"\"}]\n    volumeMounts: [{name: v, mountPath: /a, subPathExpr: \"$(A)"+x(m)+"\"}]\n"),
				"spec:\n", "spec:\n  volumes: [{name: v, emptyDir: {}}]\n", 1)
		}, "subPathExpr: with it the container's"},
	} {
		if got := wrongs(set("c", "x.yaml", c.text(0))); got != "" {
			t.Errorf("%s of just the bound: %.300s", name, got)
		}
		if got := wrongs(set("c", "x.yaml", c.text(1))); !strings.Contains(got, c.want) || strings.Contains(got, "\n") || strings.Contains(got, "xxx") {
			t.Errorf("%s of a byte more: got\n%.300s\nwant\n%s", name, got, c.want)
		}
	}
}

func TestAStoredRevisionOfTooMuchStaysAsItIsWritten(t *testing.T) {
	r := load(t, "x.yaml", podWith("    args: [a]\n")).Workloads[0].Revision
	k := &r.Spec.Containers[0]
	k.Env = load(t, "x.yaml", podWith(doubling(17))).Workloads[0].Revision.Spec.Containers[0].Env
	for i := 17; i < 500; i++ {
		more := k.Env[16]
		more.Name, more.Value = fmt.Sprint("A", i), fmt.Sprintf("$(A%d)$(A%[1]d)", i-1)
		k.Env = append(k.Env, more)
	}
	k.Args = []string{"$(A16)", "$(A17)"}
	pod := r.Pod("a", nil, nil).Spec.Containers[0]
	total := len(pod.Args[0]) + len(pod.Args[1])
	for _, env := range pod.Env {
		total += len(env.Value)
	}
	if len(pod.Env) != 500 || total > 2*kib128 {
		t.Errorf("%d variables, %d bytes", len(pod.Env), total)
	}
}

func TestWhatManyContainersHaveIsBounded(t *testing.T) {
	cm := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata:\n" + strings.Repeat(" ", 2) + "a: \"" + strings.Repeat("x", kib128) + "\"\n"
	text := podWith("    envFrom: [{configMapRef: {name: cm}}]\n")
	for i := range 600 {
		text += fmt.Sprintf("  - {name: c%d, image: \"nginx:1\", envFrom: [{configMapRef: {name: cm}}]}\n", i)
	}
	got := wrongs(set("c", "x.yaml", text+"---\n"+cm))
	if want := "with it the variables of all containers in the repository have more than 64 MiB"; !strings.Contains(got, want) {
		t.Errorf("got %.300q, want %s", got, want)
	}
}

func TestWhatTheDownwardAPIWritesIsBounded(t *testing.T) {
	items := func(n int) string {
		return "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations: {n: \"" + strings.Repeat("x", 1<<10-4) + "\"}\nspec:\n" +
			"  containers: [{name: c, image: \"nginx:1\", volumeMounts: [{name: v, mountPath: /v}]}]\n  volumes:\n  - name: v\n    downwardAPI:\n      items:\n" +
			many(n, "      - {path: p%d, fieldRef: {fieldPath: metadata.annotations}}\n")
	}
	if got := wrongs(set("c", "x.yaml", items(1024))); got != "" {
		t.Errorf("%.300s", got)
	}
	const want = "x.yaml:9: Pod/a: spec.volumes[0]: file \"p1024\": with it what the downward API writes for one pod has more than 1024 KiB; leave out what is not needed"
	if got := wrongs(set("c", "x.yaml", items(9000))); got != want {
		t.Errorf("%.300s", got)
	}
}

func many(n int, line string) string {
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, line, i)
	}
	return all.String()
}

func TestAliasesOfALongValueCountAsWhatTheyStandFor(t *testing.T) {
	for name, text := range map[string]string{
		"texts":  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: &a \"" + strings.Repeat("x", 500_000) + "\"\n" + many(60_000, "  k%d: *a\n"),
		"binary": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nbinaryData:\n  a: &a \"" + strings.Repeat("eHh4", 125_000) + "\"\n" + many(60_000, "  k%d: *a\n"),
	} {
		p := Parse("x.yaml", []byte(text))
		if len(p.objects) > 0 || len(p.Problems) == 0 || !strings.Contains(p.Problems[0].Text, "aliases stand for too many values") {
			t.Errorf("%s: %.300v", name, p.Problems)
		}
	}
	few := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: &a \"" + strings.Repeat("x", 40_000) + "\"\n" + many(20, "  k%d: *a\n")
	if got := wrongs(set("c", "x.yaml", few)); got != "" {
		t.Error(got)
	}
}

func TestWhatNoVariableCanHoldIsRefusedWhereItIsOne(t *testing.T) {
	secret := func(value string) string {
		return "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\ndata: {token: \"" + base64.StdEncoding.EncodeToString([]byte(value)) + "\"}\n"
	}
	const cm = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: keys}\ndata: {token: \"hunter2\\0tail\"}\n"
	const nul, latin = "hunter2\x00tail", "hunter2\xfftail"
	for name, c := range map[string]struct{ text, want string }{
		"all of a Secret": {podWith("    envFrom:\n    - secretRef: {name: keys}\n") + "---\n" + secret(nul),
			"x.yaml:9: Pod/a: spec.containers[0].envFrom[0]: Secret/default/keys has key \"token\" with a NUL byte, which no variable can hold; mount it as a volume"},
		"a key of it": {podWith("    env:\n    - {name: A, valueFrom: {secretKeyRef: {name: keys, key: token}}}\n") + "---\n" + secret(nul),
			"x.yaml:9: Pod/a: spec.containers[0].env[0].valueFrom.secretKeyRef.key: Secret/default/keys has key \"token\" with a NUL byte, which no variable can hold; mount it as a volume"},
		"all of a ConfigMap": {podWith("    envFrom:\n    - {prefix: P_, configMapRef: {name: keys}}\n") + "---\n" + cm,
			"x.yaml:9: Pod/a: spec.containers[0].envFrom[0]: ConfigMap/default/keys has key \"token\" with a NUL byte, which no variable can hold; mount it as a volume"},
		"no UTF-8": {podWith("    envFrom:\n    - secretRef: {name: keys}\n") + "---\n" + secret(latin),
			"x.yaml:9: Pod/a: spec.containers[0].envFrom[0]: Secret/default/keys has key \"token\" with bytes that are no UTF-8, which no variable can hold; mount it as a volume"},
		"a value in place": {podWith("    env:\n    - {name: A, value: \"hunter2\\0tail\"}\n"),
			"x.yaml:9: Pod/a: spec.containers[0].env[0].value: has a NUL byte, which no program can be given; leave it out, or mount it as a file"},
		"an argument": {podWith("    args:\n    - \"hunter2\\0tail\"\n"),
			"x.yaml:9: Pod/a: spec.containers[0].args[0]: has a NUL byte, which no program can be given; leave it out, or mount it as a file"},
		"an annotation": {strings.Replace(podWith("    env:\n    - {name: A, valueFrom: {fieldRef: {fieldPath: \"metadata.annotations['n']\"}}}\n"),
			"{name: a}", "{name: a, annotations: {n: \"hunter2\\0tail\"}}", 1),
			"x.yaml:9: Pod/a: spec.containers[0].env[0].valueFrom.fieldRef: has a NUL byte, which no program can be given; leave it out, or mount it as a file"},
		"a name with =": {podWith("    env:\n    - {name: A=B, value: a}\n"), "a valid environment variable name must consist only of printable ASCII characters other than '='"},
		"no name":       {podWith("    env:\n    - {name: \"\", value: a}\n"), "is missing; give the variable a name"},
		"a key with =": {podWith("    envFrom: [{configMapRef: {name: keys}}]\n---\n") + strings.Replace(cm, "token", "\"a=b\"", 1),
			"x.yaml:13: ConfigMap/keys: data[a=b]: a valid config key must consist of alphanumeric characters, '-', '_' or '.'"},
	} {
		got := wrongs(set("c", "x.yaml", c.text))
		if !strings.Contains(got, c.want) || strings.Contains(got, "hunter2") || strings.Contains(got, "tail") {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

func TestWhatNoVariableCanHoldIsFineAsAFile(t *testing.T) {
	for name, config := range map[string]string{
		"a Secret":    "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\ndata: {token: \"AP8=\"}\n",
		"a ConfigMap": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: keys}\ndata: {token: \"a\\0b\"}\nbinaryData: {more: \"AP8=\"}\n",
	} {
		volume := map[string]string{"a Secret": "secret: {secretName: keys}", "a ConfigMap": "configMap: {name: keys}"}[name]
		pod := podWith("    volumeMounts: [{name: v, mountPath: /v}]\n  volumes: [{name: v, " + volume + "}]\n")
		if got := wrongs(set("c", "x.yaml", pod+"---\n"+config)); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Kubernetes took names such as these for keys to be skipped until 1.34, and takes them for names since.
func TestEveryKeyIsAName(t *testing.T) {
	cm := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {1st: a, -x: b, nginx.conf: c, .hidden: d}\nbinaryData: {logo: iVBORw==}\n"
	var names []string
	for _, env := range load(t, "x.yaml", podWith("    envFrom: [{configMapRef: {name: cm}}]\n")+"---\n"+cm).Workloads[0].Revision.Spec.Containers[0].Env {
		names = append(names, env.Name)
	}
	if got := strings.Join(names, " "); got != "-x .hidden 1st nginx.conf" {
		t.Error(got)
	}
}
