package podman

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/containers/podman/v4/libpod/define"
	"github.com/containers/podman/v4/pkg/bindings"
	"github.com/containers/podman/v4/pkg/bindings/containers"

	"github.com/podkeep/podkeep/live"
)

// Exec makes a session, takes a connection of its own over for the command's streams, and asks for the code once they end.
func (d *Driver) Exec(ctx context.Context, ask live.Exec) (int, error) {
	session, err := d.session(ctx, ask)
	if err != nil {
		return 0, err
	}
	conn, err := d.client.dialer.dial(ctx)
	if err != nil {
		return 0, err
	}
	code := 0
	if err = d.attach(ctx, conn, session, ask); err == nil {
		code, err = d.code(ctx, session)
	}
	if err != nil && ctx.Err() != nil {
		return 0, cmp.Or(d.endExec(context.WithoutCancel(ctx), ask.Container, session), ctx.Err())
	}
	return code, err
}

// endExec ends a command that runs. Podman has no call for that: the node side can, which sees the host's processes.
func (d *Driver) endExec(ctx context.Context, container, session string) error {
	ctx, cancel := context.WithTimeout(ctx, d.change)
	defer cancel()
	s, err := d.begun(ctx, session)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", live.ErrRunsOn, err)
	case s.CanRemove:
		return nil
	case !s.Running || s.Pid == 0:
		return fmt.Errorf("%w: Podman has not begun it yet", live.ErrRunsOn)
	}
	side, err := d.sideContainer(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", live.ErrRunsOn, err)
	}
	var said brief
	code, err := d.Exec(ctx, live.Exec{
		Container: side, Command: []string{live.SideProgram, "node", "kill", strconv.Itoa(s.Pid), "--container", container}, Out: &said, Err: &said,
	})
	switch {
	case err != nil:
		return fmt.Errorf("%w: the node side: %w", live.ErrRunsOn, err)
	case code != 0:
		return fmt.Errorf("%w: the node side: %s", live.ErrRunsOn, live.Words(plain(string(said.text))))
	}
	return nil
}

// brief is what a command of ours prints. One that prints over longestOutput is not heard to its end.
type brief struct{ text []byte }

func (b *brief) Write(p []byte) (int, error) {
	if len(b.text)+len(p) > longestOutput {
		return 0, fmt.Errorf("it prints over %d KiB", longestOutput>>10)
	}
	b.text = append(b.text, p...)
	return len(p), nil
}

// begun waits until a session that was asked to begin runs or has ended: Podman begins it though whoever asked has left meanwhile.
func (d *Driver) begun(ctx context.Context, session string) (s *define.InspectExecSession, err error) {
	for deadline := time.Now().Add(d.look); ; {
		s, err = d.inspectExec(ctx, session)
		if err != nil || s.Running || s.CanRemove || time.Now().After(deadline) || !pause(ctx, 20*time.Millisecond) {
			return s, err
		}
	}
}

func (d *Driver) inspectExec(ctx context.Context, session string) (s *define.InspectExecSession, err error) {
	err = d.do(ctx, d.look, func(ctx context.Context) (err error) {
		s, err = containers.ExecInspect(ctx, session, nil)
		return err
	})
	return s, err
}

func (d *Driver) session(ctx context.Context, ask live.Exec) (id string, err error) {
	body, err := json.Marshal(map[string]any{
		"Cmd": ask.Command, "Tty": ask.TTY, "AttachStdin": ask.In != nil, "AttachStdout": true, "AttachStderr": true,
	})
	if err != nil {
		return "", err
	}
	var made struct{ ID string }
	err = d.do(ctx, d.change, func(ctx context.Context) error {
		conn, err := bindings.GetClient(ctx)
		if err != nil {
			return err
		}
		answer, err := conn.DoRequest(ctx, bytes.NewReader(body), http.MethodPost, "/containers/%s/exec", nil, nil, ask.Container)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		return answer.Process(&made)
	})
	return made.ID, err
}

// attach starts the command and carries its streams until both of its outputs have ended.
func (d *Driver) attach(ctx context.Context, conn net.Conn, session string, ask live.Exec) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	gate := gateOf(ctx)
	out, err := upgrade(conn, session, ask.TTY, gate)
	if err != nil {
		return cause(ctx, gate.Error(err))
	}
	var sizes sync.WaitGroup
	defer sizes.Wait()
	resizing, done := context.WithCancel(ctx)
	defer done()
	sizes.Go(func() { d.resize(resizing, session, ask.Size) })
	go give(conn, ask.In)
	return cause(ctx, gate.Error(take(out, ask)))
}

func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// upgrade asks for the command's start. What follows the answer's header are the command's streams.
func upgrade(conn net.Conn, session string, tty bool, gate live.Gate) (*bufio.Reader, error) {
	body, err := json.Marshal(map[string]any{"Detach": false, "Tty": tty})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequest(http.MethodPost, "http://podman/v4.0.0/libpod/exec/"+session+"/start", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "tcp")
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	limit := &io.LimitedReader{R: conn, N: longestHeader}
	r := bufio.NewReader(limit)
	answer, err := http.ReadResponse(r, request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols && answer.StatusCode != http.StatusOK {
		return nil, refusal(gate, answer)
	}
	limit.N = math.MaxInt64
	return r, nil
}

func refusal(gate live.Gate, answer *http.Response) error {
	answer, err := refused(gate, answer)
	if err != nil {
		return err
	}
	var said struct{ Message string }
	if json.NewDecoder(answer.Body).Decode(&said) == nil && said.Message != "" {
		return errors.New(said.Message)
	}
	return errors.New(gate.Words(answer.Status))
}

// give sends the input and says where it ends. It may outlive the command, waiting for input that nobody wants.
func give(conn net.Conn, in io.Reader) {
	if in == nil {
		return
	}
	_, _ = io.Copy(conn, in)
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// take writes what the command prints.
func take(r *bufio.Reader, ask live.Exec) error {
	if ask.TTY {
		_, err := io.Copy(orNowhere(ask.Out), r)
		return err
	}
	to := map[byte]io.Writer{0: orNowhere(ask.Out), 1: orNowhere(ask.Out), 2: orNowhere(ask.Err)}
	var frame []byte
	for {
		stream, err := next(r, &frame)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && to[stream] == nil {
			err = errors.New(plain(string(frame)))
		}
		if err != nil {
			return err
		}
		if _, err := to[stream].Write(frame); err != nil {
			return err
		}
	}
}

func orNowhere(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// resize tells the terminal's size. One that was told too early, before the command began, is told again.
func (d *Driver) resize(ctx context.Context, session string, sizes <-chan live.Size) {
	for {
		select {
		case <-ctx.Done():
			return
		case size, ok := <-sizes:
			if !ok {
				return
			}
			d.resizeTo(ctx, session, size)
		}
	}
}

func (d *Driver) resizeTo(ctx context.Context, session string, size live.Size) {
	for range 20 {
		err := d.do(ctx, d.look, func(ctx context.Context) error {
			return containers.ResizeExecTTY(ctx, session, new(containers.ResizeExecTTYOptions).WithHeight(size.Height).WithWidth(size.Width))
		})
		if err == nil || !pause(ctx, 100*time.Millisecond) {
			return
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// code waits for the session's end, of which Podman may hear a little after the streams have ended.
func (d *Driver) code(ctx context.Context, session string) (int, error) {
	for deadline := time.Now().Add(d.change); ; {
		s, err := d.inspectExec(ctx, session)
		switch {
		case err != nil:
			return 0, err
		case !s.Running:
			return s.ExitCode, nil
		case time.Now().After(deadline):
			return 0, errors.New("the command's output ended, and Podman does not say with which code")
		case !pause(ctx, 20*time.Millisecond):
			return 0, ctx.Err()
		}
	}
}
