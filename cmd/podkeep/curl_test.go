package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAnAnswerDoesNothingToATerminal(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "",
		"plain\n":                         "plain\n",
		"no end":                          "no end\n",
		"\x1b]0;owned\x07a \x1b[31mred\n": "a red\n",
		"a\tb\r\nc":                       "a    b \nc\n",
	} {
		var b bytes.Buffer
		if err := plainly(&b, strings.NewReader(text)); err != nil || b.String() != want {
			t.Errorf("%q: %q, %v", text, b.String(), err)
		}
	}
	var b bytes.Buffer
	long := strings.Repeat("x", 200<<10)
	if err := plainly(&b, strings.NewReader(long)); err != nil || b.String() != long+"\n" {
		t.Errorf("of %d bytes without an end came %d, %v", len(long), b.Len(), err)
	}
}

func TestATerminalWithoutASizeIsOneToo(t *testing.T) {
	outer, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal("no terminal can be had here: ", err)
	}
	defer func() { _ = outer.Close() }()
	number, err := unix.IoctlGetInt(int(outer.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(outer.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	inner, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = inner.Close() }()
	if err := (&curlOptions{}).print(&sink{Writer: inner}, &http.Response{Body: io.NopCloser(strings.NewReader("\x1b]0;owned\x07a \x1b[31mred"))}); err != nil {
		t.Fatal(err)
	}
	shown := make([]byte, 64)
	if n, err := outer.Read(shown); err != nil || string(shown[:n]) != "a red\r\n" {
		t.Errorf("%q, %v", shown[:n], err)
	}
}

func TestWhatIsNoTerminalGetsTheBytesAndAPlainHead(t *testing.T) {
	answer := &http.Response{
		Proto: "HTTP/1.1", Status: "200 \x1b[31mOK", Header: http.Header{"X-Name": {"\x1b]0;owned\x07a"}}, Body: io.NopCloser(strings.NewReader("\x1b[31m\x00")),
	}
	var b bytes.Buffer
	if err := (&curlOptions{include: true}).print(&b, answer); err != nil || b.String() != "HTTP/1.1 200 OK\nX-Name: a\n\n\x1b[31m\x00" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestAnAnswerFrom400OnFailsWhereThatIsAskedFor(t *testing.T) {
	for status, want := range map[int]int{399: 0, 400: 22, 503: 22} {
		var b bytes.Buffer
		err := (&curlOptions{fail: true}).print(&b, &http.Response{StatusCode: status, Status: "so it is", Body: io.NopCloser(strings.NewReader("text"))})
		var code exit
		if errors.As(err, &code); code.code != want || (b.Len() > 0) != (want == 0) {
			t.Errorf("%d: %v, and it printed %q", status, err, b.String())
		}
	}
}
