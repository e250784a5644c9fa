package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/fake"
	"github.com/podkeep/podkeep/manifest"
)

// TestMain lets scripts run podkeep as it is, and onfakes: podkeep whose nodes n1 and n2 are hosts in memory
// that live as long as the command; podkeep clean finds them at /fake/n1.sock and /fake/n2.sock. What BEFORE holds, commands of podkeep between semicolons, happens to them first.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"podkeep":   main,
		"onrunning": onrunning, "nodeoncrowd": nodeOnCrowd,
		"onfakes": func() {
			hosts := fake.New(time.Now, "n1", "n2")
			for _, name := range hosts.Hosts() {
				hosts.Address("podman+unix:///fake/"+name+".sock", name)
			}
			openDriver = func(_ context.Context, n manifest.Node, o drivers.Options) (drivers.Driver, error) {
				return hosts.Wired(n.Name, o.Cluster, nil), nil
			}
			before(os.Getenv("BEFORE"))
			main()
		},
	})
}

// before runs commands, and ends the program with the first that fails, unless a dash stands before it.
func before(commands string) {
	for _, c := range strings.Split(commands, ";") {
		c, mayFail := strings.CutPrefix(strings.TrimSpace(c), "-")
		args := strings.Fields(c)
		if len(args) == 0 {
			continue
		}
		if code := execute(args, io.Discard, os.Stderr); code != 0 && !mayFail {
			fmt.Fprintf(os.Stderr, "before: %s: exit code %d\n", strings.Join(args, " "), code)
			os.Exit(9)
		}
	}
}

// onrunning is podkeep on such hosts after a sync of a directory: onrunning DIR ARGS...
func onrunning() {
	hosts := fake.New(time.Now, "n1", "n2")
	openDriver = func(_ context.Context, n manifest.Node, o drivers.Options) (drivers.Driver, error) {
		return hosts.Wired(n.Name, o.Cluster, nil), nil
	}
	if code := execute([]string{"sync", "--source", os.Args[1]}, io.Discard, os.Stderr); code != 0 {
		os.Exit(code)
	}
	at := 2 + slices.IndexFunc(os.Args[2:], func(a string) bool { return !strings.HasPrefix(a, "_") })
	os.Exit(execute(slices.Insert(os.Args[2:], at-1, "--source", os.Args[1]), os.Stdout, os.Stderr))
}

func TestTheCommandLineDoesAsItsScriptsSay(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			if _, err := makeKey(env.Getenv("HOME") + "/.local/state/podkeep/key"); err != nil {
				return err
			}
			address, err := freeAddress()
			env.Setenv("ADDRESS", address)
			_, port, _ := net.SplitHostPort(address)
			env.Setenv("PORT", port)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code, "serves": serves, "hears": hears, "records": records},
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

// freeAddress is one on loopback that nobody listens at.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// serves waits until a URL's answer has a text: serves URL TEXT.
func serves(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: serves URL TEXT")
	}
	last := ""
	for deadline := time.Now().Add(10 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if last = answer(args[0]); strings.Contains(last, args[1]) {
			return
		}
	}
	ts.Fatalf("%s never had %q; at last it said\n%s", args[0], args[1], last)
}

// hears waits until who answers at a unix socket says a text: hears SOCKET TEXT.
func hears(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hears SOCKET TEXT")
	}
	for deadline := time.Now().Add(10 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("unix", ts.MkAbs(args[0]))
		if err != nil {
			continue
		}
		lines, heard := bufio.NewScanner(c), false
		for !heard && lines.Scan() {
			heard = strings.Contains(lines.Text(), args[1])
		}
		_ = c.Close()
		if heard {
			return
		}
	}
	ts.Fatalf("%s never said %q", args[0], args[1])
}

// records begins a server whose address is $SERVER, that has nothing, wants a password, and writes down all that it is sent:
// records FILE.
func records(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: records FILE")
	}
	file, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := httputil.DumpRequest(r, true)
		user, password, _ := r.BasicAuth()
		_, _ = fmt.Fprintf(file, "%s\nlogin %q %q\n", sent, user, password)
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	ts.Setenv("SERVER", server.URL)
	ts.Defer(func() {
		server.Close()
		_ = file.Close()
	})
}

func answer(url string) string {
	r, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	return fmt.Sprintf("%s\n%s\n%v", r.Status, body, err)
}

func exitCode(err error) string {
	if s, ok := err.(interface{ ExitCode() int }); ok {
		return string(rune('0' + s.ExitCode()))
	}
	return err.Error()
}
