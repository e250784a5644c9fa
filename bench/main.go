// Command bench measures podkeep against Podman itself, on real nodes of a local fleet, and prints one table: the
// figure, ours, what it is held against, their ratio and the bound that is promised. Peers run in turn with us in the
// same run, so that the ratio means something on any machine; the times alone mean little.
//
// It needs root and Podman. It exits with 1 when a promise is not kept and 2 when it could not measure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	runs := flag.Int("runs", 3, "how often each way is measured; medians are shown")
	only := flag.String("only", "starts,jobs,crowd,sides,traffic,names,doors,rollouts,logs,think", "which groups of figures")
	name := flag.String("name", "bench", "what the fleet is called that is measured on")
	count := flag.Int("jobs", 60, "how many Jobs")
	probe := flag.String("exec", "", "a container of this host, to run a probe in and no more: what the group sides starts on a node")
	asks := flag.Bool("client", false, "do what standard input orders, and no more: what the group traffic starts on nodes")
	serves := flag.Bool("answers", false, "answer names and no more: what the group names starts")
	asDoor := flag.String("door", "", "a folder of certificates, to be a door with and no more: what the group doors starts")
	asBehind := flag.Bool("behind", false, "answer what comes through doors and no more: what the group doors starts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	var onNode func() error
	switch {
	case *probe != "":
		onNode = func() error { return probeOnce(ctx, *probe) }
	case *asks:
		onNode = func() error { return client(ctx, os.Stdin, os.Stdout) }
	case *serves:
		onNode = func() error { return answers(ctx) }
	case *asDoor != "":
		onNode = func() error { return serveDoor(ctx, *asDoor) }
	case *asBehind:
		onNode = func() error { return serveBehind(ctx) }
	}
	if onNode != nil {
		if err := onNode(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		return
	}
	rows, err := measure(ctx, bench{*runs, *count, *name}, strings.Split(*only, ","))
	stop()
	fmt.Println()
	kept := print(os.Stdout, rows)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	case !kept:
		os.Exit(1)
	}
}

// bench is what was asked for.
type bench struct {
	runs, jobs int
	name       string
}

// measure runs the groups asked for. With an error come the rows that were measured before it.
func measure(ctx context.Context, b bench, groups []string) (rows []row, err error) {
	var f *fleet
	for _, group := range groups {
		narrate("%s", group)
		var more []row
		switch {
		case group == "think":
			more = think(b.runs)
		case group == "logs":
			more, err = logs(ctx, b.name)
		case group == "sides":
			more, err = sides(ctx, b.name, b.runs)
		case group == "traffic":
			more, err = traffic(ctx, b.name, b.runs)
		case group == "names":
			more, err = named(ctx, b.runs)
		case group == "doors":
			more, err = doors(ctx, b.runs)
		case group == "rollouts":
			more, err = rollouts(ctx, b.name, b.runs)
		case group != "starts" && group != "crowd" && group != "jobs":
			err = fmt.Errorf("no group %q: there are starts, jobs, crowd, sides, traffic, names, doors, rollouts, logs and think", group)
		default:
			if f == nil {
				f, err = newFleet(ctx, b.name, 3)
				defer func() { err = errors.Join(err, f.close()) }()
			}
			if err == nil {
				more, err = b.onFleet(ctx, f, group)
			}
		}
		rows = append(rows, more...)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", group, err)
		}
	}
	return rows, nil
}

func (b bench) onFleet(ctx context.Context, f *fleet, group string) ([]row, error) {
	switch group {
	case "starts":
		return starts(ctx, f, b.runs)
	case "jobs":
		return jobs(ctx, f, b.runs, b.jobs)
	}
	return crowd(ctx, f, b.runs)
}

// narrate says what is going on.
func narrate(format string, args ...any) {
	fmt.Printf("%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}
