package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// printing is a way to run each command that can be run without hosts of its own. The others are named with why they cannot.
var printing = map[string][][]string{
	"abort": {}, "pause": {}, "promote": {}, "retry": {}, "skip": {}, // a repository: see the script of decide
	"adopt":      {}, // what it takes over must be there
	"check":      {{}, {"-o", "json"}},
	"clean":      {{"n2"}},
	"cp":         {}, // it prints nothing
	"curl":       {{"deploy/web:80"}},
	"completion": {{"bash"}, {"zsh"}, {"fish"}},
	"dev build":  {}, "dev demo": {}, "dev down": {}, "dev exec": {}, "dev heal": {}, "dev kill": {}, "dev load": {}, "dev status": {}, "dev up": {}, "node attach": {}, "node kill": {}, "node reach": {}, "node run": {}, "door run": {}, // a fleet, or what runs on one
	"dev list":     {{}},
	"diff":         {{}, {"-o", "yaml"}},
	"exec":         {{"web", "--", "echo", "hello"}},
	"history":      {{}, {"-o", "json"}},
	"image load":   {{"web.tar"}},
	"logs":         {{"web"}, {"-f", "once"}},
	"node use":     {{"--for", "1ms", "--dir", "/"}},
	"plan":         {{}, {"-o", "json"}},
	"port-forward": {}, // it goes on: see the script of reach
	"restart":      {{"web"}},
	"resume":       {{"web"}},
	"revert":       {}, // a clone: see its script
	"run":          {}, // it prints nothing
	"status":       {{}, {"-o", "wide"}, {"-o", "json"}, {"web"}, {"-w"}},
	"suspend":      {{"web"}},
	"sync":         {{}},
	"top":          {{"pods", "--window", "1ms"}, {"nodes", "-o", "json", "--window", "1ms"}},
	"trust":        {{}, {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDLSYwFJ84La0JQPAZNUTM1W0z9j8JnW8CM805nFlmpA"}},
	"version":      {{}},
}

func TestEveryCommandFailsWhenItsOutputCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = full.Close() })
	onFakes(t)
	dir := fleetOf(t, map[string]string{
		"node.yaml": aNode, "web.yaml": aDeployment,
		"once.yaml": `{apiVersion: v1, kind: Pod, metadata: {name: once}, spec: {restartPolicy: Never, containers: [{name: app, image: "registry.example.com/once:1s"}]}}`,
	})
	t.Chdir(fleetOf(t, map[string]string{"manifest.json": `[{"Config": "c.json", "RepoTags": ["localhost/web:1"], "Layers": []}]`}))
	if out, err := exec.Command("tar", "cf", "web.tar", "manifest.json").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if code := execute([]string{"sync", "--source", dir}, io.Discard, os.Stderr); code != 0 {
		t.Fatal(code)
	}
	for _, cmd := range runnable(rootCommand()) {
		name := strings.TrimPrefix(cmd.CommandPath(), "podkeep ")
		ways, known := printing[name]
		if !known {
			t.Errorf("%s: say how it is run, or why it cannot be", name)
		}
		for _, way := range append(ways, []string{"--help"}) {
			args := append(strings.Fields(name), way...)
			if cmd.Flags().Lookup("source") != nil {
				args = append(strings.Fields(name), append([]string{"--source", dir}, way...)...)
			}
			t.Run(name+" "+strings.Join(way, " "), func(t *testing.T) { failsWithOneLine(t, full, args) })
		}
	}
	for _, args := range [][]string{{}, {"--help"}, {"dev"}, {"image"}} {
		failsWithOneLine(t, full, args)
	}
}

func failsWithOneLine(t *testing.T, full *os.File, args []string) {
	t.Helper()
	var said bytes.Buffer
	code := execute(args, full, &said)
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	last, want := lines[len(lines)-1], 1
	if len(args) > 0 && args[0] == "diff" && !slices.Contains(args, "--help") {
		want = 2 // since 1 is a difference
	}
	others := slices.DeleteFunc(lines[:len(lines)-1], func(s string) bool {
		return strings.HasPrefix(s, "podkeep: in ") || strings.HasPrefix(s, "podkeep: from ")
	}) // exec and curl say where
	if code != want || len(others) > 0 || !strings.HasPrefix(last, "podkeep: ") || !strings.Contains(last, "no space left on device") {
		t.Errorf("%q: exit code %d, and on standard error\n%s", args, code, said.String())
	}
}

// runnable are all commands that do something themselves.
func runnable(cmd *cobra.Command) (all []*cobra.Command) {
	for _, sub := range cmd.Commands() {
		all = append(all, runnable(sub)...)
	}
	if !cmd.HasSubCommands() && !cmd.Hidden {
		all = append(all, cmd)
	}
	return all
}
