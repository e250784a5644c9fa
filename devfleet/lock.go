package devfleet

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lock holds the directory against other processes until unlock. A directory that was removed and made anew
// meanwhile is locked as the new one; one that was removed is made again.
func lock(ctx context.Context, dir string) (unlock func(), err error) {
	for {
		held, err := tryLock(dir)
		if err != nil {
			return nil, err
		}
		if held != nil {
			return func() { _ = held.Close() }, nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, fmt.Errorf("%s: another process is making or removing this fleet: %w", dir, err)
		}
	}
}

func tryLock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil || !same(file, dir) {
		_ = file.Close()
		return nil, nil
	}
	return file, nil
}

func same(file *os.File, path string) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(path)
	return err == nil && os.SameFile(opened, now)
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// until asks every 20 ms until the answer is yes. It gives up after the time given, or with the context.
func until(ctx context.Context, limit time.Duration, what string, yes func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !yes() {
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%s: not within %s", what, limit)
		}
	}
	return nil
}
