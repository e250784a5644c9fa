package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestWhatHostsCallTheirPodsDoesNothingToATerminal(t *testing.T) {
	var b bytes.Buffer
	o := topOptions{all: true, containers: true, output: "wide"}
	if err := o.showPods(&b, []used{{Namespace: "a\x1b[31m", Name: "web\nn2", Container: "\x1b]0;owned\x07app", Node: "n1", MilliCPU: 10, Memory: 469 << 10}}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	if len(lines) != 3 || strings.Join(strings.Fields(lines[1]), " ") != "a web n2 app 10m 469Ki n1" {
		t.Errorf("%q", b.String())
	}
}

func TestWhatWasNotMeasuredIsSaid(t *testing.T) {
	lines := []used{{Name: "web-1-0", of: "web"}}
	for want, names := range map[string][]string{"": {"web"}, "nothing was measured of api, db": {"api", "web-1-0", "db"}} {
		if err := unmeasured(lines, names); err != nil && err.Error() != want || err == nil && want != "" {
			t.Errorf("%v: %v", names, err)
		}
	}
	if unmeasured(nil, nil) == nil {
		t.Error("of nothing at all nothing is said")
	}
}
