package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/node/turnstile"
)

// Bounds on who asks: there is no authentication, and nobody keeps the controller from its work.
const (
	mostConnections = 64
	mostOfOne       = 32 // of one address, which may be a proxy's
	longestHeader   = 16 << 10
	headerWithin    = 10 * time.Second
	answerWithin    = time.Minute
	idleFor         = time.Minute
)

// serve listens and answers until the function it gives is called. An address that is taken is an error only if it
// was asked for.
func serve(address string, names []string, handler http.Handler, log *logrus.Logger, asked bool) (func(), error) {
	if address == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && !asked:
		log.WithField("listen", address).Warn("is taken: nothing is served; --listen gives another address")
		return func() {}, nil
	case err != nil:
		return nil, fmt.Errorf("--listen %s: %w", address, err)
	}
	if at := listener.Addr().(*net.TCPAddr); !at.IP.IsLoopback() {
		log.WithField("listen", at.String()).Warn("whoever reaches this address can read /status and /metrics: there is no authentication")
	}
	return answered(listener, byName(names, handler), log), nil
}

// answered answers whom there is room for until the function it gives is called.
func answered(listener net.Listener, handler http.Handler, log *logrus.Logger) func() {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerWithin, ReadTimeout: headerWithin, WriteTimeout: answerWithin, IdleTimeout: idleFor, MaxHeaderBytes: longestHeader,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(turnstile.New(listener, mostConnections, mostOfOne, 0)); !errors.Is(err, http.ErrServerClosed) {
			log.WithError(err).Error("serves no more")
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		<-done
	}
}

// byName answers those alone who ask for an address, for this machine, or for a name that was given. A page that somebody's browser has loaded from elsewhere can have it
// ask for a name of its own that leads here, and read the answer.
func byName(names []string, handler http.Handler) http.Handler {
	known := map[string]bool{"localhost": true}
	if own, err := os.Hostname(); err == nil {
		known[strings.ToLower(own)] = true
	}
	for _, n := range names {
		known[strings.ToLower(n)] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if net.ParseIP(strings.Trim(host, "[]")) == nil && !known[strings.ToLower(strings.TrimSuffix(host, "."))] {
			http.Error(w, fmt.Sprintf("%q is not a name of this server: ask by its address, or begin podkeep with --listen-name", host), http.StatusMisdirectedRequest)
			return
		}
		handler.ServeHTTP(w, r)
	})
}
