// Command testapp is the workload of driver tests: a static program for a scratch image that does what its
// arguments say, one after the other, and then ends.
//
//	env NAME        print NAME=VALUE, or "NAME is not set"
//	cat PATH        print the file
//	ls DIR          print each entry as "NAME MODE UID:GID SIZE", links resolved
//	write PATH TEXT write the file
//	fill PATH BYTES write so many bytes
//	link TO PATH    make a symbolic link
//	mkdir DIR       make the directory
//	append PATH TEXT add to the file
//	ns NAME         print "NAME ID" of a namespace of its own
//	to PATH         print what follows into the file
//	beget           start a process that is stubborn
//	pid             print "pid N"
//	procmounts      print "proc mounts N", how many there are at or below /proc
//	tty             print "a terminal" or "no terminal"
//	say TEXT        print
//	err TEXT        print on stderr
//	count N RATE    print "line 1" to "line N", so many a second
//	echo            print what comes in, to its end
//	size            print the terminal's size, "ROWS x COLUMNS", whenever it changes
//	id              print "uid U gid G groups […]"
//	caps            print the lines about capabilities, privileges and seccomp of /proc/self/status
//	await PATH      wait until the file is there and print it
//	listen ADDRESS  listen, print "listening on ADDRESS", and close what connects
//	cwd             print the working directory
//	hostname        print the host's name
//	sleep DURATION  wait
//	term            wait for SIGTERM
//	usr1            ignore SIGTERM and wait for SIGUSR1
//	stubborn        ignore SIGTERM and wait for ever
//	exit CODE       end
//	node run …      play podkeep's node side: print PODKEEP_PODMAN and say back what comes in on its socket
//	node attach     join the input and the output to that socket
//	door run …      play a door: print what it may do, leave a file where it meets the node side, and listen at a low port
//
// A step that does not work prints "error: …" and goes on.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	args := os.Args[1:]
	next := func() (s string) {
		if len(args) > 0 {
			s, args = args[0], args[1:]
		}
		return s
	}
	for len(args) > 0 {
		if err := step(next(), next, term); err != nil {
			fmt.Println("error:", err)
		}
	}
}

func step(verb string, next func() string, term chan os.Signal) error {
	switch verb {
	case "env":
		env(next())
	case "cat":
		return cat(next())
	case "ls":
		return ls(next())
	case "write":
		return os.WriteFile(next(), []byte(next()), 0o644)
	case "fill":
		return fill(next(), next())
	case "link":
		return os.Symlink(next(), next())
	case "remove":
		return os.Remove(next())
	case "mkdir":
		return os.Mkdir(next(), 0o755)
	case "append":
		return add(next(), next())
	case "ns":
		return namespace(next())
	case "to":
		return printTo(next())
	case "beget":
		return exec.Command("/proc/self/exe", "stubborn").Start()
	case "pid":
		fmt.Println("pid", os.Getpid())
	case "procmounts":
		return procMounts()
	case "tty":
		fmt.Println(map[bool]string{true: "a terminal", false: "no terminal"}[isTerminal()])
	case "usr1":
		usr1 := make(chan os.Signal, 1)
		signal.Notify(usr1, syscall.SIGUSR1)
		<-usr1
	case "say":
		fmt.Println(next())
	case "err":
		fmt.Fprintln(os.Stderr, next())
	case "count":
		return count(next(), next())
	case "echo":
		_, err := io.Copy(os.Stdout, os.Stdin)
		return err
	case "size":
		return size()
	case "id":
		groups, err := os.Getgroups()
		fmt.Println("uid", os.Getuid(), "gid", os.Getgid(), "groups", groups)
		return err
	case "caps":
		return caps()
	case "await":
		return await(next())
	case "listen":
		return listen(next())
	case "cwd":
		dir, err := os.Getwd()
		fmt.Println("cwd", dir)
		return err
	case "hostname":
		name, err := os.Hostname()
		fmt.Println("hostname", name)
		return err
	case "sleep":
		d, err := time.ParseDuration(next())
		time.Sleep(d)
		return err
	case "term":
		<-term
	case "stubborn":
		for range term {
		}
	case "exit":
		code, err := strconv.Atoi(next())
		if err != nil {
			return err
		}
		os.Exit(code)
	case "node":
		return node(next(), term)
	case "door":
		return door(next, term)
	default:
		return fmt.Errorf("no step %q", verb)
	}
	return nil
}

// count prints as many lines as are due, then waits a little, so that the rate holds however long a wait takes.
func count(n, rate string) error {
	last, err := strconv.Atoi(n)
	if err != nil {
		return err
	}
	perSecond, err := strconv.Atoi(rate)
	if err != nil {
		return err
	}
	began := time.Now()
	for i := 0; i < last; time.Sleep(5 * time.Millisecond) {
		due := int(time.Since(began).Seconds() * float64(perSecond))
		for ; i < min(due, last); i++ {
			fmt.Println("line", i+1)
		}
	}
	return nil
}

func size() error {
	last := ""
	for range 500 {
		w, h, err := term.GetSize(0)
		if err != nil {
			return err
		}
		if now := fmt.Sprint(h, " x ", w); now != last {
			fmt.Println(now)
			last = now
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

func caps() error {
	data, err := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "Cap") || strings.HasPrefix(line, "Seccomp:") || strings.HasPrefix(line, "NoNewPrivs") {
			fmt.Print(line)
		}
	}
	return err
}

func fill(path, bytes string) error {
	n, err := strconv.Atoi(bytes)
	if err != nil {
		return err
	}
	return os.WriteFile(path, make([]byte, n), 0o644)
}

func add(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

func namespace(name string) error {
	id, err := os.Readlink("/proc/self/ns/" + name)
	fmt.Println(name, id)
	return err
}

func procMounts() error {
	data, err := os.ReadFile("/proc/self/mounts")
	n := 0
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 1 && (fields[1] == "/proc" || strings.HasPrefix(fields[1], "/proc/")) {
			n++
		}
	}
	fmt.Println("proc mounts", n)
	return err
}

func printTo(path string) error {
	f, err := os.Create(path)
	if err == nil {
		os.Stdout = f
	}
	return err
}

func isTerminal() bool { return term.IsTerminal(0) }

func await(path string) error {
	for {
		if data, err := os.ReadFile(path); err == nil && len(data) > 0 {
			return cat(path)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("listening on", l.Addr())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	return nil
}

func env(name string) {
	value, ok := os.LookupEnv(name)
	if !ok {
		fmt.Println(name, "is not set")
		return
	}
	fmt.Printf("%s=%s\n", name, value)
}

func cat(path string) error {
	data, err := os.ReadFile(path)
	if err == nil {
		fmt.Printf("%s: %s\n", path, data)
	}
	return err
}

func ls(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		fmt.Printf("%s %s %d:%d %d\n", e.Name(), info.Mode(), stat.Uid, stat.Gid, info.Size())
	}
	return err
}
