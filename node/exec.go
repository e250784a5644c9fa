package node

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	longestStart = time.Second // for which a command that runs keeps others from being started
	longestKill  = time.Second // from a command's end by force to its runtime's
	longestLog   = 64 << 10    // bytes of a runtime's log that are read
)

// exec runs a command in a container as its main process is run: user, groups, environment, directory, rights and limits are that one's. It is
// ended by force, with all that descends from it, when it takes longer than timeout.
func (p *Prober) exec(ctx context.Context, id string, command []string, timeout time.Duration) error {
	done, err := p.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	log, err := inMemory()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd, err := start(ctx, p.oci, id, command, log)
	if err != nil {
		return err
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return verdict(log, exit.ExitCode())
	}
	return void("the host's OCI runtime was lost")
}

// turn waits until the host can bear another start, which is what costs it most. A command that hangs keeps nobody waiting for long.
func (p *Prober) turn(ctx context.Context) (done func(), err error) {
	select {
	case p.starts <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	leave := sync.OnceFunc(func() { <-p.starts })
	timer := time.AfterFunc(longestStart, leave)
	return func() { timer.Stop(); leave() }, nil
}

// inMemory is a file without a path: none leads to the same file here and on the host.
func inMemory() (*os.File, error) {
	fd, err := unix.MemfdCreate("probe", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, void("no memory for a command's files")
	}
	return os.NewFile(uintptr(fd), "probe"), nil
}

// verdict says what a code other than 0 means: it is the command's own, or the runtime did not start it.
func verdict(log io.ReaderAt, code int) error {
	complaint := complaintOf(io.NewSectionReader(log, 0, longestLog))
	switch {
	case complaint == "":
		return said(fmt.Sprintf("exited with %d", code))
	case !aboutCommand.MatchString(complaint):
		return void("the host's OCI runtime cannot run a command in the container")
	case notThere.MatchString(complaint):
		return said("cannot be started: no such file")
	case notAllowed.MatchString(complaint):
		return said("cannot be started: permission denied")
	}
	return said("cannot be started")
}

// What runc and crun say when it is the command that cannot be started.
var (
	aboutCommand = regexp.MustCompile("\\bexec(: | /)|^executable file|^open executable|^exec container process|^exec `")
	notThere     = regexp.MustCompile(`(?i)no such file|not found`)
	notAllowed   = regexp.MustCompile(`(?i)permission denied|not permitted`)
)

// complaintOf is the last error in a runtime's log. It quotes the command.
func complaintOf(log io.Reader) (last string) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, longestLog)
	for lines.Scan() {
		var line struct{ Level, Msg string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Level == "error" {
			last = line.Msg
		}
	}
	return last
}
