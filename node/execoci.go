package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Runtime is the OCI runtime of the host's containers, runc or crun. Podman's exec runs it too, at a third more of the cost, and leaves
// processes and a record behind each time.
type Runtime struct {
	Path string // on the host
	Root string // where it keeps what it knows: /run/runc, /run/crun, or the same below a user's XDG_RUNTIME_DIR
}

// runtimes are those that Podman knows, where Debian, Fedora and their like have them; the first that has a container is its own. A user's own
// Podman has them keep what they know in a directory of that user.
func runtimes() (all []Runtime) {
	run := []string{"/run"}
	if users := variableOf(outside(), "XDG_RUNTIME_DIR"); users != "" {
		run = append(run, users)
	}
	for _, name := range []string{"crun", "runc"} {
		for _, dir := range []string{"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin"} {
			for _, at := range run {
				all = append(all, Runtime{Path: filepath.Join(dir, name), Root: filepath.Join(at, name)})
			}
		}
	}
	return all
}

// variableOf is a variable that a process began with, or "".
func variableOf(pid int, name string) string {
	all, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	for variable := range bytes.SplitSeq(all, []byte{0}) {
		if value, is := bytes.CutPrefix(variable, []byte(name+"=")); is {
			return string(value)
		}
	}
	return ""
}

// has says whether the runtime is there, and the container is its own.
func (r Runtime) has(id string) bool {
	return there(r.Path) && there(filepath.Join(r.Root, id))
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// start starts a command in a container. It reads and prints nothing; what the runtime complains of is in log.
func start(ctx context.Context, of []Runtime, id string, command []string, log *os.File) (cmd *exec.Cmd, err error) {
	process, err := inMemory()
	if err != nil {
		return nil, err
	}
	defer process.Close()
	err = onHost(func() error {
		at := slices.IndexFunc(of, func(r Runtime) bool { return r.has(id) })
		if at < 0 {
			return void("the host's OCI runtime does not have the container")
		}
		r := of[at]
		text, err := r.process(id, command)
		if err != nil {
			return void("the host's OCI runtime does not have the container")
		}
		cmd = exec.CommandContext(ctx, r.Path, "--root", r.Root, "--log", "/proc/self/fd/3", "--log-format", "json", "exec", "--process", "/proc/self/fd/4", id)
		cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
		cmd.Dir = "/"
		cmd.ExtraFiles = []*os.File{log, process}
		cmd.Cancel = func() error { return endBelow(cmd.Process.Pid) }
		cmd.WaitDelay = longestKill
		if _, err := process.Write(text); err != nil {
			return void("no memory for a command's files")
		}
		if cmd.Start() != nil {
			return void("the host's OCI runtime cannot be run")
		}
		return nil
	})
	return cmd, err
}

// process describes a command that is run as a container's main process is. It is given whole, for what a runtime adds by itself to a bare
// command differs: crun leaves no-new-privileges out. The environment in it is nobody's to see.
func (r Runtime) process(id string, command []string) ([]byte, error) {
	bundle, err := r.bundle(id)
	if err != nil {
		return nil, err
	}
	var config struct{ Process map[string]json.RawMessage }
	if err := read(filepath.Join(bundle, "config.json"), &config); err != nil {
		return nil, err
	}
	if config.Process == nil {
		return nil, errors.New("no process")
	}
	args, err := json.Marshal(command)
	if err != nil {
		return nil, err
	}
	config.Process["args"], config.Process["terminal"] = args, json.RawMessage("false")
	delete(config.Process, "consoleSize")
	return json.Marshal(config.Process)
}

// bundle is the folder that a container was made from.
func (r Runtime) bundle(id string) (string, error) {
	var crun struct{ Bundle string }
	if read(filepath.Join(r.Root, id, "status"), &crun) == nil {
		return crun.Bundle, nil
	}
	var runc struct{ Config struct{ Labels []string } }
	if err := read(filepath.Join(r.Root, id, "state.json"), &runc); err != nil {
		return "", err
	}
	for _, l := range runc.Config.Labels {
		if bundle, ok := strings.CutPrefix(l, "bundle="); ok {
			return bundle, nil
		}
	}
	return "", errors.New("no bundle")
}

func read(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
