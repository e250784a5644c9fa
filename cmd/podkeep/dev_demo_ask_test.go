package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

func TestTheDemoFailsWithOneRequestToTheService(t *testing.T) {
	var asked atomic.Int32
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, "hello from a pod")
	}))
	defer service.Close()
	d := &demo{out: t.Output(), doors: []string{service.URL}}
	until := func(n int32) func(context.Context) error {
		return func(context.Context) error {
			for asked.Load() < n {
				runtime.Gosched()
			}
			return nil
		}
	}
	err := d.asked(until(5))(t.Context())
	if err == nil || !strings.Contains(err.Error(), "1 of ") || !strings.Contains(err.Error(), "503") {
		t.Error(err)
	}
	if err := d.asked(until(9))(t.Context()); err != nil {
		t.Error(err)
	}
}
