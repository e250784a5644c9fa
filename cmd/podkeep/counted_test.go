package main

import (
	"testing"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

func TestADriverThatIsCountedCanDoWhatTheLoopAsksOfIt(t *testing.T) {
	d, err := drivers.Open(t.Context(), manifest.Node{ProviderID: "podman+unix:///nowhere/podman.sock"}, drivers.Options{Cluster: "default"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	tried := 0
	c := counted(d, func(plan.Verb, time.Duration, error) { tried++ })
	if err := c.Stop(t.Context(), "web"); err == nil || tried != 1 {
		t.Fatalf("%v, counted %d", err, tried)
	}
	if _, ok := c.(drivers.Puller); !ok {
		t.Error("it pulls nothing")
	}
	if _, ok := c.(drivers.Watcher); !ok {
		t.Error("it watches nothing")
	}
	if _, ok := c.(drivers.Attacher); !ok {
		t.Error("it reaches no node side")
	}
	if _, ok := c.(drivers.Cleaner); !ok {
		t.Error("it leaves a node side's volume behind")
	}
	if _, ok := c.(drivers.Pinger); !ok {
		t.Error("a host that is busy is taken to be silent")
	}
}
