package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// What is asked of the table in the kernel.
const (
	tableChanges = 1000 // under connections, a hundred for each
	tableMoves   = 20   // of one endpoint, of which the mean is one sample
	tableMemory  = 40.0 // MB
)

// tables are how many Services there are, how many pods each has, and what is asked.
var tables = []struct {
	name, size string
	cold, move time.Duration
}{
	{"1,000 Services of 10 pods", "1000x10", 500 * time.Millisecond, 5 * time.Millisecond},
	{"10,000 Services of 2 pods", "10000x2", time.Second, 10 * time.Millisecond},
}

// inKernel has the benchmarks beside what writes the kernel's table say what it takes. Each run is a process of its own, so that its memory is.
func inKernel(ctx context.Context, runs int) (rows []row, err error) {
	dir, err := os.MkdirTemp("", "podkeep-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "kernel.test")
	if said, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, "./node/kernel").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go test: %w: %s", err, said)
	}
	run := func(bench string, times int) (string, error) {
		said, err := exec.CommandContext(ctx, program, "-test.run", "^$", "-test.bench", bench, "-test.benchtime", fmt.Sprint(times, "x")).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%s: %w: %s", bench, err, said)
		}
		return string(said), err
	}
	for _, t := range tables {
		var cold, move []time.Duration
		var memory []float64
		for range runs {
			said, err := run("^BenchmarkPut$/^cold$/^"+t.size+"$", 1)
			if err != nil {
				return rows, err
			}
			took, err := metric(said, "ns/op")
			if err != nil {
				return rows, err
			}
			held, err := metric(said, "anonymous-MB")
			if err != nil {
				return rows, err
			}
			cold, memory = append(cold, time.Duration(took)), append(memory, held)
			if said, err = run("^BenchmarkPut$/^move$/^"+t.size+"$", tableMoves); err != nil {
				return rows, err
			}
			if took, err = metric(said, "ns/op"); err != nil {
				return rows, err
			}
			move = append(move, time.Duration(took))
		}
		mb := median(memory)
		rows = append(rows,
			within("kernel table from nothing, "+t.name, cold, t.cold),
			row{"anonymous memory of who wrote it", fmt.Sprintf("%.1f MB", mb), fmt.Sprintf("asked: %.0f MB", tableMemory), mb / tableMemory, "<= 1.00", mb <= tableMemory},
			within("one endpoint changed among "+t.name, move, t.move))
	}
	said, err := run("^BenchmarkChangeUnderLoad$", tableChanges)
	if err != nil {
		return rows, err
	}
	total, err := metric(said, "connections")
	if err != nil {
		return rows, err
	}
	lost, err := metric(said, "lost")
	if err != nil {
		return rows, err
	}
	if lost > 0 {
		narrate("%s", strings.TrimSpace(said))
	}
	return append(rows, row{figure: fmt.Sprintf("connections lost while the table changes %s times", thousands(tableChanges)),
		ours: fmt.Sprintf("%.0f of %s", lost, thousands(int(total))), bound: "0", ok: lost == 0 && total >= 100*tableChanges}), nil
}
