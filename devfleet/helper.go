package devfleet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Helper starts a program on this machine, beside the fleet, that outlives the caller and that Down ends: a controller
// for instance. It runs in dir; what it says goes to the end of the file log in the fleet's directory.
func (f *Fleet) Helper(log, dir, program string, args ...string) error {
	out, err := os.OpenFile(filepath.Join(f.Dir, log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	keep()
	cmd := exec.Command("setsid", append([]string{"--fork", program}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(os.Environ(), mark+"="+f.Dir)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	return nil
}

// Helpers are the process ids of the programs that Helper started and that still run.
func (f *Fleet) Helpers() []int { return marked(f.Dir) }

// endHelpers asks the helpers to end, and after 5 s makes them.
func endHelpers(ctx context.Context, fleetDir string) error {
	signal := func(s syscall.Signal) {
		for _, pid := range marked(fleetDir) {
			_ = syscall.Kill(pid, s)
		}
	}
	signal(syscall.SIGTERM)
	if until(ctx, 5*time.Second, "", gone(fleetDir)) == nil {
		return nil
	}
	ended := gone(fleetDir)
	return until(ctx, patience, fleetDir+": end helpers", func() bool { signal(syscall.SIGKILL); return ended() })
}
