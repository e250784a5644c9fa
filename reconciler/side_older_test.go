package reconciler

import (
	"encoding/json"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/wire"
	"github.com/podkeep/podkeep/node/wire/wiretest"
)

// plays is a node side of an older version: it says a line when it is told to, and hands on what it hears.
func plays(say <-chan string, heard chan<- string) func(net.Conn) {
	return func(c net.Conn) {
		go func() {
			lines := wire.NewReader(c)
			for {
				var down json.RawMessage
				if lines.Read(&down) != nil {
					return
				}
				heard <- string(down)
			}
		}()
		for line := range say {
			_, _ = io.WriteString(c, line+"\n")
		}
	}
}

func TestAnOlderNodeSideIsHeardAndFindsWhatItLooksFor(t *testing.T) {
	wiretest.Versions(t, func(t *testing.T, said wiretest.Talk) {
		synctest.Test(t, func(t *testing.T) {
			say, heard := make(chan string), make(chan string, 99)
			f := &far{served: plays(say, heard)}
			l, _ := listening(t, f)
			defer close(say)
			l.looked(f, sided)
			var hello string
			reports := 0
			for _, line := range said.Up {
				say <- line
				synctest.Wait()
				var up wire.Up
				if err := json.Unmarshal([]byte(line), &up); err != nil {
					t.Fatal(err)
				}
				if up.Hello != nil {
					hello = up.Hello.Version
				}
				if up.Report != nil {
					believes(t, l, hello, *up.Report)
					reports++
				}
			}
			spoken := []string{<-heard}
			for _, line := range said.Down {
				var down wire.Down
				if err := json.Unmarshal([]byte(line), &down); err != nil {
					t.Fatal(err)
				}
				if down.Tend == nil {
					continue
				}
				l.wants(down.Tend.Source, live.Tend{Pods: down.Tend.Pods, Idle: down.Tend.Idle, Node: "n1"})
				synctest.Wait()
				for len(heard) > 0 {
					spoken = append(spoken, <-heard)
				}
				if lacks := wiretest.Lacks(t, line, spoken[len(spoken)-1]); len(lacks) > 0 {
					t.Errorf("it looks for %v in\n%s", lacks, spoken)
				}
			}
			if reports == 0 || len(spoken) == 1 {
				t.Error("nothing is understood")
			}
			if lacks := wiretest.Lacks(t, said.Down[0], spoken[0]); len(lacks) > 0 {
				t.Errorf("it looks for %v in\n%s", lacks, spoken[0])
			}
		})
	})
}

// believes checks that all of a report is laid over a look.
func believes(t *testing.T, l *line, version string, r wire.Report) {
	t.Helper()
	n := live.Node{}
	for name := range r.Probed {
		n.Pods = append(n.Pods, live.Pod{Name: name})
	}
	l.tell(&n)
	if n.Side.Version != version || cmp.Diff(r.Tends, n.Side.Tends) != "" {
		t.Errorf("%+v, said was %+v by %s", n.Side, r, version)
	}
	for _, p := range n.Pods {
		if diff := cmp.Diff(r.Probed[p.Name], p.Probed); diff != "" || len(p.Probed) == 0 || p.Probed[0].Since.IsZero() {
			t.Errorf("%s: %s", p.Name, diff)
		}
	}
}
