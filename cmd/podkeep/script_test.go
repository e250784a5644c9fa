package main

import (
	"context"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/fake"
	"github.com/podkeep/podkeep/manifest"
)

// TestMain lets scripts run podkeep as it is, and onfakes: podkeep whose nodes n1 and n2 are hosts in memory
// that live as long as the command.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"podkeep": main,
		"onfakes": func() {
			hosts := fake.New(time.Now, "n1", "n2")
			openDriver = func(_ context.Context, n manifest.Node, o drivers.Options) (drivers.Driver, error) {
				return hosts.Open(n.Name, o.Cluster, nil), nil
			}
			main()
		},
	})
}

func TestTheCommandLineDoesAsItsScriptsSay(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("NO_COLOR", "")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code},
	})
}

// code runs a command and wants its exit code: code 2 podkeep plan.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command [args...]")
	}
	want, got := args[0], "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		got = exitCode(err)
	}
	if got != want {
		ts.Fatalf("%v: exit code %s, want %s", args[1:], got, want)
	}
}

func exitCode(err error) string {
	if s, ok := err.(interface{ ExitCode() int }); ok {
		return string(rune('0' + s.ExitCode()))
	}
	return err.Error()
}

