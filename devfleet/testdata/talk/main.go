// Talk is both ends of what policies are about. Given ports, it listens there, by TCP and UDP, and tells whoever connects which addresses ever reached
// it. `talk ask HOST:PORT ..` prints which of these answer, with what they say; `talk look NAME ..` prints addresses; and `talk tell HOST:PORT ..` speaks
// to them from its first instruction on, again and again, and says how often it has.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// patience is how long a connection may take. What is dropped says nothing.
const patience = 2 * time.Second

func main() {
	verbs := map[string]func([]string){"ask": ask, "look": look, "tell": tell}
	if do, ok := verbs[os.Args[1]]; ok {
		do(os.Args[2:])
		return
	}
	listen(os.Args[1:])
}

// heard are the addresses that ever reached this program.
type heard struct {
	sync.Mutex
	from map[string]bool
}

func (h *heard) add(from net.Addr) string {
	h.Lock()
	defer h.Unlock()
	host, _, _ := net.SplitHostPort(from.String())
	h.from[host] = true
	return strings.Join(slices.Sorted(maps.Keys(h.from)), " ")
}

func listen(ports []string) {
	h := &heard{from: map[string]bool{}}
	var join sync.WaitGroup
	for _, port := range ports {
		join.Go(func() { log.Fatal(h.connections(port)) })
		join.Go(func() { log.Fatal(h.datagrams(port)) })
	}
	join.Wait()
}

func (h *heard) connections(port string) error {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintln(conn, h.add(conn.RemoteAddr()))
		_ = conn.Close()
	}
}

func (h *heard) datagrams(port string) error {
	conn, err := net.ListenPacket("udp", ":"+port)
	if err != nil {
		return err
	}
	for {
		_, from, err := conn.ReadFrom(make([]byte, 64))
		if err != nil {
			return err
		}
		h.add(from)
	}
}

func ask(targets []string) {
	answers := make([]string, len(targets))
	var join sync.WaitGroup
	for i, target := range targets {
		join.Go(func() {
			conn, err := net.DialTimeout("tcp", target, patience)
			if err != nil {
				return
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(patience))
			if said, err := io.ReadAll(conn); err == nil && len(said) > 0 {
				answers[i] = target + " " + string(said)
			}
		})
	}
	join.Wait()
	fmt.Print(strings.Join(answers, ""))
}

func look(names []string) {
	for _, name := range names {
		found, err := net.LookupHost(name)
		fmt.Println(name, found, err)
	}
}

func tell(targets []string) {
	tick := time.NewTicker(10 * time.Millisecond)
	for times := 1; ; times++ {
		for _, target := range targets {
			go func() {
				if conn, err := net.Dial("udp", target); err == nil {
					_, _ = conn.Write([]byte("I"))
					_ = conn.Close()
				}
			}()
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				if conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", target); err == nil {
					_ = conn.Close()
				}
			}()
		}
		if times%100 == 0 {
			fmt.Println(times)
		}
		<-tick.C
	}
}
