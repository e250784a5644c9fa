package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/miekg/dns"
)

// order is what a client is told: this program, run on a node, in the network of one of its pods or in the node's own.
type order struct {
	Do  string // see carry
	To  []string
	For time.Duration
}

// outcome is what came of it.
type outcome struct {
	Took []time.Duration // each that was answered
	Lost int
	Why  string    // of the last of them
	At   time.Time // when it was so

	Places []string // addresses
}

// atOnce is how many connections a client has at a time.
const atOnce = 4

// client carries out order after order, a line of JSON each, and answers with what came of it.
func client(ctx context.Context, in io.Reader, out io.Writer) error {
	runtime.GOMAXPROCS(1) // many run side by side
	orders, outcomes := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		came, err := o.carry(ctx)
		if err != nil {
			return err
		}
		if err := outcomes.Encode(came); err != nil {
			return err
		}
	}
}

func (o order) carry(ctx context.Context) (outcome, error) {
	switch o.Do {
	case "new": // requests, each by a connection of its own
		return o.load(func(n int) asker { return &web{to: o.To, next: n} }), nil
	case "kept": // requests by connections that are kept
		return o.load(func(n int) asker { return &web{to: o.To, next: n, keeps: true} }), nil
	case "names": // queries for To[1] at To[0]
		return o.load(func(n int) asker { return newQuerier(o.To[0], o.To[1], n) }), nil
	case "gone", "there": // waits until the table To[0] has no place at the address To[1], or has one
		ip := netip.MustParseAddr(o.To[1])
		return watch(ctx, o.To[0], func(all []nftables.SetElement) (outcome, bool) {
			there := slices.ContainsFunc(all, func(e nftables.SetElement) bool { return at(e.Val) == ip })
			return outcome{}, there == (o.Do == "there")
		})
	case "places": // waits until the table To[0] has places for the virtual address To[1], and says which
		return watch(ctx, o.To[0], func(all []nftables.SetElement) (outcome, bool) {
			found := places(all, o.To[1])
			return outcome{Places: found}, len(found) > 0
		})
	case "moved": // waits until the table To[0] has places for the virtual address To[1], none of them at one of the addresses that follow
		return watch(ctx, o.To[0], func(all []nftables.SetElement) (outcome, bool) {
			found := places(all, o.To[1])
			return outcome{}, len(found) > 0 && !slices.ContainsFunc(found, func(ip string) bool { return slices.Contains(o.To[2:], ip) })
		})
	}
	return outcome{}, fmt.Errorf("no order %q", o.Do)
}

// asker asks once.
type asker interface {
	ask() error
	close()
}

// load asks from several askers until the time is over.
func (o order) load(asker func(n int) asker) (all outcome) {
	var mu sync.Mutex
	var join sync.WaitGroup
	end := time.Now().Add(o.For)
	for n := range atOnce {
		join.Go(func() {
			var own outcome
			a := asker(n)
			for began := time.Now(); began.Before(end); began = time.Now() {
				if err := a.ask(); err != nil {
					own.Lost, own.Why = own.Lost+1, err.Error()
					continue
				}
				own.Took = append(own.Took, time.Since(began))
			}
			a.close()
			mu.Lock()
			defer mu.Unlock()
			all.Took, all.Lost = append(all.Took, own.Took...), all.Lost+own.Lost
			if own.Why != "" {
				all.Why = own.Why
			}
		})
	}
	join.Wait()
	return all
}

// web asks web servers in turn, or one of them by a connection that it keeps.
type web struct {
	to    []string
	next  int
	keeps bool
	conn  net.Conn
	read  *bufio.Reader
}

func (w *web) ask() (err error) {
	if w.conn == nil {
		to := w.to[w.next%len(w.to)]
		w.next++
		if w.conn, err = net.DialTimeout("tcp4", to, soon); err != nil {
			w.conn = nil
			return err
		}
		w.read = bufio.NewReader(w.conn)
	}
	if err = w.get(); err != nil || !w.keeps {
		w.close()
	}
	return err
}

// soon is when somebody who would answer has.
const soon = 10 * time.Second

func (w *web) get() error {
	question := "GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
	if !w.keeps {
		question = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
	}
	_ = w.conn.SetDeadline(time.Now().Add(soon))
	if _, err := io.WriteString(w.conn, question); err != nil {
		return err
	}
	answer, err := http.ReadResponse(w.read, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

func (w *web) close() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

// querier asks for an address by UDP.
type querier struct {
	conn     net.Conn
	question []byte
	answer   [dns.MaxMsgSize]byte
	err      error
}

func newQuerier(server, name string, n int) *querier {
	q := &querier{}
	m := new(dns.Msg).SetQuestion(name, dns.TypeA)
	m.Id = uint16(n)
	if q.question, q.err = m.Pack(); q.err == nil {
		q.conn, q.err = net.Dial("udp4", server)
	}
	return q
}

func (q *querier) ask() error {
	if q.err != nil {
		return q.err
	}
	_ = q.conn.SetDeadline(time.Now().Add(soon))
	if _, err := q.conn.Write(q.question); err != nil {
		return err
	}
	n, err := q.conn.Read(q.answer[:])
	if err != nil {
		return err
	}
	const head = 12 // bytes, of which the last bits of the fourth are the outcome and the seventh and eighth how many answers there are
	if n < head || q.answer[3]&0xf != 0 || q.answer[6] == 0 && q.answer[7] == 0 {
		return fmt.Errorf("the name has no address: % x", q.answer[:min(n, head)])
	}
	return nil
}

func (q *querier) close() {
	if q.conn != nil {
		_ = q.conn.Close()
	}
}

// watch looks at where the kernel's table of that name in this process's network sends connections until what is waited for is so.
func watch(ctx context.Context, table string, so func([]nftables.SetElement) (outcome, bool)) (outcome, error) {
	c, err := nftables.New()
	if err != nil {
		return outcome{}, err
	}
	slots, err := c.GetSetByName(&nftables.Table{Name: table, Family: nftables.TableFamilyIPv4}, "slots")
	if err != nil {
		return outcome{}, err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		all, err := c.GetSetElements(slots)
		seen := time.Now()
		if err != nil {
			return outcome{}, err
		}
		if came, is := so(all); is {
			came.At = seen
			return came, nil
		}
		select {
		case <-ctx.Done():
			return outcome{}, ctx.Err()
		case <-late:
			return outcome{}, fmt.Errorf("%s: what is waited for did not come within %v", table, patience)
		case <-tick.C:
		}
	}
}

// places are the addresses to which the table sends connections to a virtual one.
func places(all []nftables.SetElement, virtual string) (found []string) {
	for _, e := range all {
		if at(e.Key) == netip.MustParseAddr(virtual) {
			found = append(found, at(e.Val).String())
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// at is the address that a key or a value begins with.
func at(data []byte) netip.Addr {
	if len(data) < 4 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(data))
}
