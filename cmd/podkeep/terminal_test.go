package main

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestATerminalThatDoesNotSayHowHighItIsHasRoom(t *testing.T) {
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal("no terminal can be had here: ", err)
	}
	defer func() { _ = f.Close() }()
	for size, want := range map[unix.Winsize]int{{Col: 120}: lowest, {Col: 120, Row: 50}: 50} {
		if err := unix.IoctlSetWinsize(int(f.Fd()), unix.TIOCSWINSZ, &size); err != nil {
			t.Fatal(err)
		}
		if width, height, ok := terminal(f); width != 120 || height != want || !ok {
			t.Errorf("%+v: %d by %d, %v", size, width, height, ok)
		}
	}
}
