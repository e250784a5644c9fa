// Command mutants breaks on purpose, one thing at a time, what thinks: list.txt says what, as a reviewer would fear it. It tells which breaks
// the tests of the package or the stories notice, and fails when one survives of which the list does not say why it may. Run it at the
// module's root.
package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const listFile = "reconciler/mutants/list.txt"

//go:embed list.txt
var list string

var (
	jobs    = flag.Int("jobs", 1, "how many mutants at once")
	quick   = flag.Bool("quick", false, "tell each story once and no more")
	only    = flag.String("run", "", "only mutants whose file and description match this")
	timeout = flag.Duration("timeout", 15*time.Minute, "how long one trial may take; a mutant that makes it longer is noticed")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	survivors, err := run(ctx)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	case survivors > 0:
		os.Exit(1)
	}
}

// run tries the mutants that are asked for, and gives how many survived that should not have.
func run(ctx context.Context) (survivors int, err error) {
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return 0, err
	}
	all, err := parse(list)
	if err != nil {
		return 0, err
	}
	all = slices.DeleteFunc(all, func(m mutant) bool { return !pattern.MatchString(m.file + ": " + m.breaks) })
	tmp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(tmp)
	b := &bench{tmp: tmp, timeout: *timeout, proven: map[string]error{}}
	if b.trials, err = trials(); err != nil {
		return 0, err
	}
	if *quick {
		b.trials = b.trials[:len(b.trials)-1]
	}
	if err := b.build(ctx, all); err != nil {
		return 0, err
	}
	verdicts := make([]verdict, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(*jobs)
	for i, m := range all {
		group.Go(func() (err error) {
			verdicts[i], err = b.judge(ctx, m)
			fmt.Printf("%-34s %-72s %s\n", m.file, m.breaks, verdicts[i].in(m))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	return tell(all, verdicts), nil
}

// in is the verdict on a mutant in words.
func (v verdict) in(m mutant) string {
	switch {
	case v.by != "":
		return "noticed by " + v.by
	case m.survives != "":
		return "survives: " + m.survives
	}
	return "SURVIVES"
}

// tell sums up, and gives how many survived that should not have.
func tell(all []mutant, verdicts []verdict) (survivors int) {
	noticed, known := map[string]int{}, 0
	for i, m := range all {
		switch v := verdicts[i]; {
		case v.by != "":
			noticed[v.trial]++
		case m.survives != "":
			known++
		default:
			survivors++
		}
	}
	fmt.Printf("\nmutants: %d", len(all))
	for _, by := range []string{unit, story, kills} {
		fmt.Printf(", %d noticed by %s", noticed[by], by)
	}
	fmt.Printf(", %d survive", survivors+known)
	if known > 0 {
		fmt.Printf(", of which the list explains %d", known)
	}
	fmt.Println()
	return survivors
}
