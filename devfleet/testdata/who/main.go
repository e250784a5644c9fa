// Who answers at its port, by HTTP and by UDP, with its name and the address of who asks: `who serve ADDRESS NAME`.
// `who ask URL` asks twenty times, each time anew, and says which answers came: `refused` and `silent` are such too.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	switch args := os.Args[1:]; {
	case len(args) == 3 && args[0] == "serve":
		serve(args[1], args[2])
	case len(args) == 2 && args[0] == "ask":
		fmt.Println(strings.Join(ask(args[1]), ", "))
	default:
		log.Fatalf("%q: want serve ADDRESS NAME, or ask URL", args)
	}
}

func serve(at, name string) {
	listener, err := net.Listen("tcp", at)
	if err != nil {
		log.Fatal(err)
	}
	packets, err := net.ListenPacket("udp", at)
	if err != nil {
		log.Fatal(err)
	}
	answer := func(to string) string {
		host, _, _ := net.SplitHostPort(to)
		return name + " " + host
	}
	go func() {
		question := make([]byte, 64)
		for {
			_, from, err := packets.ReadFrom(question)
			if err != nil {
				log.Fatal(err)
			}
			_, _ = packets.WriteTo([]byte(answer(from.String())), from)
		}
	}()
	log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, answer(r.RemoteAddr)) })))
}

// ask gives the answers, sorted. One that does not come is the last.
func ask(where string) (all []string) {
	u, err := url.Parse(where)
	if err != nil {
		log.Fatal(err)
	}
	for range 20 {
		said, err := once(u)
		if err != nil {
			said = failure(err)
		}
		if !slices.Contains(all, said) {
			all = append(all, said)
		}
		if err != nil {
			break
		}
	}
	slices.Sort(all)
	return all
}

const patience = 3 * time.Second

func once(u *url.URL) (string, error) {
	if u.Scheme == "udp" {
		return datagram(u.Host)
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(u.String())
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		return fmt.Sprintf("%d %s", response.StatusCode, body), err
	}
	return string(body), err
}

func datagram(to string) (string, error) {
	conn, err := net.Dial("udp4", to)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write([]byte("who")); err != nil {
		return "", err
	}
	answer := make([]byte, 64)
	n, err := conn.Read(answer)
	return string(answer[:n]), err
}

func failure(err error) string {
	switch timeout := net.Error(nil); {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "silent"
	}
	return err.Error()
}
