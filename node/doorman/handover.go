package doorman

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podkeep/podkeep/live"
)

// One door of a host is in charge: it has the ports, and gives them to the one that comes after it. It holds a lock, which ends with its process. The other connects
// and says its version, gets one listening socket a packet, serves by them, and says that it does; then the first leaves. A socket is closed by the one only after it is
// open in the other, so whoever has connected is accepted by one of the two. Where either ends or hangs before that, the first serves on.

// Bounds on a handover: how long each step may take, how long a packet is, and how many sockets come.
const (
	handoverStep = 5 * time.Second
	longestWord  = 4 << 10
	mostSockets  = 2 * mostPorts
)

// word is a packet of a handover.
type word struct {
	Version string `json:",omitempty"` // the new one's, first; the old one's, where that is higher
	Port    uint16 `json:",omitempty"` // the old one's, with a socket that listens there
	Last    bool   `json:",omitempty"` // there are no more
	Why     string `json:",omitempty"` // it hands over nothing
	Higher  bool   `json:",omitempty"` // for it is of a higher version
	Accepts bool   `json:",omitempty"` // the new one's: it serves by all that it got
	Leaves  bool   `json:",omitempty"` // the old one's: so it is in charge no more
}

// charge is what the door has that is in charge.
type charge struct {
	lock *os.File
	l    *net.UnixListener
	at   string
}

// takeCharge has the door be the one in charge, or ask the one that is.
func (d *doorman) takeCharge() {
	if d.table == nil || d.charge != nil || d.taking || d.leaving {
		return
	}
	c, err := newCharge(d.at("handover.lock"), d.at(live.DoorHandover))
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		d.taking = true
		d.beside.Go(d.takeOver)
	case err != nil:
		d.untaken = live.Words(fmt.Sprintf("no other door could take over from this one: %v", err))
	default:
		d.charge, d.untaken, d.lower = c, "", false
		d.beside.Go(func() { d.handOver(c) })
	}
}

func newCharge(lock, at string) (*charge, error) {
	file, err := os.OpenFile(lock, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	l, err := listenLocked(file, at)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &charge{file, l, at}, nil
}

func listenLocked(lock *os.File, at string) (*net.UnixListener, error) {
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, err
	}
	fresh := at + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: fresh, Net: "unixpacket"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	err = os.Chmod(fresh, 0o600)
	if err == nil {
		err = os.Rename(fresh, at)
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// yield ends it.
func (c *charge) yield() {
	if c == nil {
		return
	}
	_ = c.l.Close()
	_ = os.Remove(c.at)
	_ = c.lock.Close()
}

// handOver gives what the door has to whoever asks, one at a time, until it is in charge no more.
func (d *doorman) handOver(c *charge) {
	for {
		conn, err := c.l.AcceptUnix()
		if err != nil {
			return
		}
		if err := d.handOverTo(conn); err != nil {
			d.Log.WithField("why", live.Words(err.Error())).Warn("another door came and did not take over: this one serves on")
		}
		_ = conn.Close()
	}
}

func (d *doorman) handOverTo(conn *net.UnixConn) error {
	asks, _, err := receive(conn)
	if err != nil {
		return err
	}
	var sockets []socket
	var why string
	d.do(func() { sockets, why = d.sockets(asks.Version) })
	defer closeSockets(sockets)
	if why != "" {
		return errors.Join(errors.New(why), send(conn, word{Why: why, Version: d.Version, Higher: asks.Version < d.Version}, nil))
	}
	for _, s := range sockets {
		if err := send(conn, word{Port: s.port}, s.File); err != nil {
			return err
		}
	}
	if err := send(conn, word{Last: true}, nil); err != nil {
		return err
	}
	says, _, err := receive(conn)
	if err != nil || !says.Accepts {
		return errors.Join(err, errors.New("it has not said that it accepts"))
	}
	d.do(d.leave)
	_ = send(conn, word{Leaves: true}, nil) // it finds out by itself where it does not hear
	return nil
}

// do has the loop call f and waits for that, unless the door's life ends first.
func (d *doorman) do(f func()) {
	done := make(chan struct{})
	d.ask(d.life, func() { f(); close(done) })
	select {
	case <-done:
	case <-d.life.Done():
	}
}

// socket is one that listens at a port.
type socket struct {
	*os.File
	port uint16
}

func closeSockets(all []socket) {
	for _, s := range all {
		_ = s.Close()
	}
}

// sockets are those of a door of that version which takes over, or why it may not.
func (d *doorman) sockets(version string) (all []socket, why string) {
	switch {
	case d.leaving:
		return nil, "the door that serves is about to leave"
	case version < d.Version:
		return nil, "this one is of a higher version"
	}
	for number, p := range d.ports {
		for _, l := range p.open {
			if file, err := l.(*net.TCPListener).File(); err == nil {
				all = append(all, socket{file, number})
			}
		}
	}
	return all, ""
}

// takeOver asks the door in charge for what it has.
func (d *doorman) takeOver() {
	err := d.inherit()
	d.ask(d.life, func() {
		d.taking, d.untaken, d.lower = false, "", errors.Is(err, errHigher)
		if err != nil {
			d.untaken = live.Words(fmt.Sprintf("the door that was here before does not hand over its ports: %v", err))
		} else {
			d.takeCharge()
		}
		d.openPorts()
	})
}

var errHigher = errors.New("a door of a higher version serves")

func (d *doorman) inherit() error {
	dial, cancel := context.WithTimeout(d.life, handoverStep)
	defer cancel()
	c, err := new(net.Dialer).DialContext(dial, "unixpacket", d.at(live.DoorHandover))
	if err != nil {
		return err
	}
	conn := c.(*net.UnixConn)
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(d.life, func() { _ = conn.Close() })()
	if err := send(conn, word{Version: d.Version}, nil); err != nil {
		return err
	}
	sockets, err := receiveSockets(conn)
	defer closeSockets(sockets)
	if err != nil {
		return err
	}
	d.do(func() { err = d.adopt(sockets) })
	if err != nil {
		return err
	}
	if err := send(conn, word{Accepts: true}, nil); err != nil {
		return err
	}
	_, _, err = receive(conn)
	return err
}

func receiveSockets(conn *net.UnixConn) (all []socket, err error) {
	for range mostSockets + 1 {
		says, file, err := receive(conn)
		switch {
		case err != nil:
			return all, err
		case file != nil:
			all = append(all, socket{file, says.Port})
		case says.Higher:
			return all, fmt.Errorf("%w, %s", errHigher, says.Version)
		case says.Why != "":
			return all, errors.New(says.Why)
		case says.Last:
			return all, nil
		}
	}
	return all, fmt.Errorf("it has more than %d sockets", mostSockets)
}

// adopt serves by sockets of the door before, where this one has none of its own.
func (d *doorman) adopt(sockets []socket) error {
	if d.leaving {
		return errors.New("it is about to leave itself")
	}
	for _, s := range sockets {
		l, err := net.FileListener(s.File)
		if err != nil {
			return err
		}
		is, wanted := d.wanted[s.port]
		p := d.ports[s.port]
		if p == nil && wanted {
			p = &port{kind: is, open: map[string]net.Listener{}}
			d.ports[s.port] = p
		}
		address, ok := l.Addr().(*net.TCPAddr)
		if !wanted || !ok || p.open[address.IP.String()] != nil {
			_ = l.Close()
			continue
		}
		d.serveOn(s.port, p, address.IP.String(), l)
	}
	return nil
}

// send says a word, with a file of its own where there is one.
func send(conn *net.UnixConn, w word, file *os.File) error {
	text, err := json.Marshal(w)
	if err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Now().Add(handoverStep)); err != nil {
		return err
	}
	if file == nil {
		_, err = conn.Write(text)
		return err
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	sent := raw.Control(func(fd uintptr) { _, _, err = conn.WriteMsgUnix(text, unix.UnixRights(int(fd)), nil) })
	return errors.Join(sent, err)
}

// receive hears a word, and the file that came with it; nil where none did.
func receive(conn *net.UnixConn) (w word, file *os.File, err error) {
	if err := conn.SetDeadline(time.Now().Add(handoverStep)); err != nil {
		return w, nil, err
	}
	text, rights := make([]byte, longestWord), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := conn.ReadMsgUnix(text, rights)
	if err == nil && n == 0 {
		err = errors.New("it has ended, or hung up")
	}
	if err != nil {
		return w, nil, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	if err != nil {
		return w, nil, err
	}
	for _, message := range messages {
		fds, err := unix.ParseUnixRights(&message)
		if err != nil {
			return w, nil, err
		}
		for _, fd := range fds {
			file = os.NewFile(uintptr(fd), "listener")
		}
	}
	return w, file, json.Unmarshal(text[:n], &w)
}
