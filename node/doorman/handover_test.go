package doorman

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/route"
)

// load asks without a pause, by kept connections and by new ones, until it is told to stop, and says how many requests there were and what failed.
func load(port uint16) (asked *atomic.Int64, stop func() []error) {
	asked = &atomic.Int64{}
	var failed []error
	var mu sync.Mutex
	var join sync.WaitGroup
	done := make(chan struct{})
	for i := range 8 {
		client := fresh()
		if i%2 == 0 {
			client = &http.Client{Transport: &http.Transport{}}
		}
		join.Go(func() {
			for {
				select {
				case <-done:
					client.CloseIdleConnections()
					return
				default:
				}
				if _, err := ask(client, port, "/"); err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
				asked.Add(1)
			}
		})
	}
	return asked, func() []error { close(done); join.Wait(); return failed }
}

func more(t *testing.T, asked *atomic.Int64, n int64) {
	t.Helper()
	until := asked.Load() + n
	eventually(t, "requests are answered", func() error {
		if got := asked.Load(); got < until {
			return fmt.Errorf("%d of %d", got, until)
		}
		return nil
	})
}

func TestOneDoorFollowsAnotherUnderLoadAndNoRequestFails(t *testing.T) {
	s, ports := newSide(t), free(t, 2)
	s.tells(1, 0, route.DoorPort{Port: ports[0]}, route.DoorPort{Port: ports[1]})
	old := s.door("0", "v0")
	s.listens("0", 1, ports...)
	asked, stop := load(ports[0])
	for i := range 5 {
		more(t, asked, 2000)
		was, is := fmt.Sprint(i), fmt.Sprint(i+1)
		next := s.door(is, "v"+is)
		s.listens(is, 1, ports...)
		s.until(was, "leaves", leaves)
		more(t, asked, 2000)
		select {
		case <-old.ended:
			t.Fatal("it has ended though nobody told it to: it would be started again")
		default:
		}
		old.end()
		<-old.ended
		if next.engine.served.Load() == 0 {
			t.Errorf("door %s serves nothing", is)
		}
		old = next
	}
	if failed := stop(); len(failed) > 0 {
		t.Errorf("%d of %d requests failed: %v", len(failed), asked.Load(), failed[0])
	}
}

// TestMain is a door of its own process where a test asks for one.
func TestMain(m *testing.M) {
	dir := os.Getenv("PODKEEP_TEST_DOOR")
	if dir == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	_ = Run(ctx, options(dir, os.Getenv("PODKEEP_TEST_POD"), "v1", &aDoor{engine: &engine{}, ring: &ring{}}))
	stop()
}

// process is a door in a process of its own.
func (s *aSide) process(pod string) *os.Process {
	s.t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "PODKEEP_TEST_DOOR="+s.dir, "PODKEEP_TEST_POD="+pod)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd.Process
}

func signals(t *testing.T, p *os.Process, sig syscall.Signal) {
	t.Helper()
	if err := p.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func TestOneProcessFollowsAnotherUnderLoadAndNoRequestFails(t *testing.T) {
	s, ports := newSide(t), free(t, 1)
	s.tells(1, 0, route.DoorPort{Port: ports[0]})
	old := s.process("0")
	s.listens("0", 1, ports...)
	asked, stop := load(ports[0])
	for i := range 3 {
		more(t, asked, 2000)
		was, is := fmt.Sprint(i), fmt.Sprint(i+1)
		next := s.process(is)
		s.listens(is, 1, ports...)
		s.until(was, "leaves", leaves)
		signals(t, old, syscall.SIGTERM)
		more(t, asked, 2000)
		old = next
	}
	if failed := stop(); len(failed) > 0 {
		t.Errorf("%d of %d requests failed: %v", len(failed), asked.Load(), failed[0])
	}
}

func TestAFrozenDoorKeepsItsPortsUntilItThawsAndThatIsSaid(t *testing.T) {
	s, ports := newSide(t), free(t, 1)
	s.tells(1, 0, route.DoorPort{Port: ports[0]})
	old := s.process("old")
	s.listens("old", 1, ports...)
	signals(t, old, syscall.SIGSTOP)
	s.process("new")
	s.until("new", "says that the old one does not answer", func(d live.Door) bool {
		return hasTrouble("the door that was here before does not hand over its ports: ")(d) && hasTrouble("the host has it already")(d)
	})
	signals(t, old, syscall.SIGCONT)
	s.listens("new", 1, ports...)
	answers(t, ports[0], "table 1")
}

func TestAfterADoorThatWasKilledTheNextTakesItsPorts(t *testing.T) {
	s, ports := newSide(t), free(t, 1)
	s.tells(1, 0, route.DoorPort{Port: ports[0]})
	old := s.process("old")
	s.listens("old", 1, ports...)
	signals(t, old, syscall.SIGKILL)
	s.door("new", "v1")
	s.listens("new", 1, ports...)
	next := s.door("newer", "v1") // the socket of the first, which is left, is in nobody's way
	s.listens("newer", 1, ports...)
	s.until("new", "leaves", leaves)
	answers(t, ports[0], "table 1")
	if next.engine.served.Load() == 0 {
		t.Error("another one answers")
	}
}

func TestADoorServesOnWhenTheOneThatComesDoesNotTakeOver(t *testing.T) {
	s, ports := newSide(t), free(t, 1)
	s.tells(1, 0, route.DoorPort{Port: ports[0]})
	s.door("a", "v1")
	s.listens("a", 1, ports...)
	asked, stop := load(ports[0])
	for claim, does := range map[string]func(*net.UnixConn){
		"it ends at once":           func(*net.UnixConn) {},
		"it ends before it has any": func(c *net.UnixConn) { _ = send(c, word{Version: "v2"}, nil) },
		"it ends with all of them":  func(c *net.UnixConn) { _ = send(c, word{Version: "v2"}, nil); closeAll(receiveSockets(c)) },
		"it says that it does not": func(c *net.UnixConn) {
			_ = send(c, word{Version: "v2"}, nil)
			closeAll(receiveSockets(c))
			_ = send(c, word{}, nil)
		},
		"it says more than one listens": func(c *net.UnixConn) { _, _ = c.Write([]byte(strings.Repeat("x", 2*longestWord))) },
	} {
		conn := s.successor()
		does(conn)
		_ = conn.Close()
		more(t, asked, 100)
		if is := s.of("a"); is.Leaving || !slices.Equal(is.Ports, ports) {
			t.Errorf("%s: %+v", claim, is)
		}
	}
	frozen := s.successor() // and never says a word
	defer func() { _ = frozen.Close() }()
	s.door("b", "v1")
	s.listens("b", 1, ports...)
	if failed := stop(); len(failed) > 0 {
		t.Errorf("%d of %d requests failed: %v", len(failed), asked.Load(), failed[0])
	}
}

func closeAll(all []socket, _ error) { closeSockets(all) }

// successor is connected as a door is that comes after another.
func (s *aSide) successor() *net.UnixConn {
	s.t.Helper()
	c, err := net.DialTimeout("unixpacket", filepath.Join(s.dir, live.DoorHandover), time.Minute)
	if err != nil {
		s.t.Fatal(err)
	}
	return c.(*net.UnixConn)
}

func TestADoorOfALowerVersionTakesNothingOver(t *testing.T) {
	s, ports := newSide(t), free(t, 1)
	s.tells(1, 0, route.DoorPort{Port: ports[0]})
	high := s.door("high", "v2")
	s.listens("high", 1, ports...)
	s.door("low", "v1")
	s.until("low", "says why", hasTrouble("a door of a higher version serves, v2"))
	s.listens("high", 1, ports...)
	high.end()
	s.listens("low", 1, ports...)
}

func TestOfPortsThatBecomeFreeADoorOfALowerVersionTakesNone(t *testing.T) {
	s, ports := newSide(t), free(t, 2)
	s.tells(1, 0, route.DoorPort{Port: ports[0]}, route.DoorPort{Port: ports[1]})
	another, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", ports[1]))
	if err != nil {
		t.Fatal(err)
	}
	s.door("high", "v2")
	s.until("high", "listens at the other one", func(d live.Door) bool { return slices.Equal(d.Ports, ports[:1]) })
	s.door("low", "v1")
	s.until("low", "says why", hasTrouble("a door of a higher version serves, v2"))
	low := s.of("low")
	_ = another.Close()
	s.listens("high", 1, ports...)
	if low = s.of("low"); len(low.Ports) > 0 {
		t.Errorf("the lower one listens at %d", low.Ports)
	}
}

func TestOfADoorBeforeSoManySocketsAreTaken(t *testing.T) {
	here, there := packets(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	go func() {
		for send(there, word{Port: 80}, file) == nil {
		}
	}()
	all, err := receiveSockets(here)
	closeSockets(all)
	if err == nil || !strings.Contains(err.Error(), "it has more than 512 sockets") {
		t.Errorf("%d, %v", len(all), err)
	}
	_ = here.Close()
}

// packets are both ends of a handover.
func packets(t *testing.T) (here, there *net.UnixConn) {
	t.Helper()
	s := newSide(t)
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(s.dir, live.DoorHandover), Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	here = s.successor()
	if there, err = l.AcceptUnix(); err != nil {
		t.Fatal(err)
	}
	return here, there
}
