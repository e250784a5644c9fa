package node

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhatARuntimeComplainsOf(t *testing.T) {
	const (
		noFile     = "cannot be started: no such file"
		notAllowed = "cannot be started: permission denied"
		host       = "the host's OCI runtime cannot run a command in the container"
	)
	for _, c := range []struct {
		name, level, msg string
		want             Answer
	}{
		{"nothing", "error", "", Answer{Why: "exited with 1"}},
		{"a warning", "warning", "exec: no such file", Answer{Why: "exited with 1"}},
		{"runc, a path", "error", `exec failed: unable to start container process: exec: "/x": stat /x: no such file or directory`, Answer{Why: noFile}},
		{"runc, a name", "error", `exec failed: unable to start container process: exec: "x": executable file not found in $PATH`, Answer{Why: noFile}},
		{"runc, no program", "error", `exec failed: unable to start container process: exec: "/x": permission denied`, Answer{Why: notAllowed}},
		{"runc, another machine's", "error", `exec failed: unable to start container process: exec /x: exec format error`, Answer{Why: "cannot be started"}},
		{"runc, it has ended", "error", `exec failed: cannot exec in a stopped container`, Answer{Void: true, Why: host}},
		{"runc, it is ending", "error", `exec failed: unable to start container process: error adding pid 7 to cgroups: open /sys/fs/cgroup/x: no such file or directory`, Answer{Void: true, Why: host}},
		{"crun, a path", "error", "executable file `/x` not found: No such file or directory", Answer{Why: noFile}},
		{"crun, a name", "error", "executable file `x` not found in $PATH: No such file or directory", Answer{Why: noFile}},
		{"crun, no program", "error", "exec `/x`: Permission denied", Answer{Why: notAllowed}},
		{"crun, it has ended", "error", "the container `7` is not running", Answer{Void: true, Why: host}},
	} {
		t.Run(c.name, func(t *testing.T) {
			line, err := json.Marshal(map[string]string{"level": c.level, "msg": c.msg, "time": "now"})
			if err != nil {
				t.Fatal(err)
			}
			got := verdict(strings.NewReader("no JSON\n"+string(line)+"\n"), 1)
			_, isVoid := got.(void)
			expect(t, c.want, Answer{Void: isVoid, Why: words(got, time.Second)})
		})
	}
}

func TestACommandIsDescribedAsTheMainProcessIs(t *testing.T) {
	bundle := t.TempDir()
	put(t, bundle, "config.json", `{"ociVersion": "1", "process": {"terminal": true, "consoleSize": {"height": 1, "width": 1}, "user": {"uid": 7, "umask": 18},
		"args": ["/main"], "env": ["A=b"], "cwd": "/d", "noNewPrivileges": true, "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 18446744073709551615, "soft": 1}]}}`)
	root := t.TempDir()
	put(t, filepath.Join(root, "crun"), "status", `{"pid": 1, "bundle": "`+bundle+`"}`)
	put(t, filepath.Join(root, "runc"), "state.json", `{"id": "runc", "config": {"labels": ["a=b", "bundle=`+bundle+`"]}}`)
	want := `{"args":["/probe","-x"],"cwd":"/d","env":["A=b"],"noNewPrivileges":true,` +
		`"rlimits":[{"type":"RLIMIT_NOFILE","hard":18446744073709551615,"soft":1}],"terminal":false,"user":{"uid":7,"umask":18}}`
	for _, id := range []string{"crun", "runc"} {
		got, err := Runtime{Root: root}.process(id, []string{"/probe", "-x"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
	}
	if _, err := (Runtime{Root: root}).process("gone", nil); err == nil {
		t.Error("what is not there is described")
	}
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
