package node

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/node/wire"
	"github.com/podkeep/podkeep/node/wire/wiretest"
)

// talked is a talk of an older version about pods of the stage: as many as it was about, in the order in which they were born.
func (s *stage) talked(said wiretest.Talk) (ours wiretest.Talk, pods []live.Pod) {
	s.t.Helper()
	var oldnew []string
	for _, tend := range tendsIn(s.t, said) {
		for _, name := range tend.Pods {
			if !slices.Contains(oldnew, name) {
				pods = append(pods, s.has(fmt.Sprintf("web%d", len(pods)), gated))
				oldnew = append(oldnew, name, pods[len(pods)-1].Name)
			}
		}
	}
	return said.With(oldnew...), pods
}

// tendsIn are what it was told to tend, one after the other.
func tendsIn(t *testing.T, said wiretest.Talk) (all []wire.Tend) {
	t.Helper()
	for _, line := range said.Down {
		var down wire.Down
		if err := json.Unmarshal([]byte(line), &down); err != nil {
			t.Fatal(err)
		}
		if down.Tend != nil {
			all = append(all, *down.Tend)
		}
	}
	if len(all) == 0 {
		t.Fatal("nothing is understood")
	}
	return all
}

func TestAnOlderControllerIsObeyedAndFindsWhatItLooksFor(t *testing.T) {
	wiretest.Versions(t, func(t *testing.T, said wiretest.Talk) {
		onStage(t, func(t *testing.T, s *stage) {
			said, pods := s.talked(said)
			s.begins()
			c := s.connects()
			for _, line := range said.Down {
				if _, err := io.WriteString(c, line+"\n"); err != nil {
					t.Fatal(err)
				}
				s.passes(5 * time.Second)
			}
			last, ours := tendsIn(t, said), c.report()
			if want := last[len(last)-1]; len(ours.InForce) != 1 || ours.InForce[0].Source != want.Source || !ours.InForce[0].Equal(want.Tend) {
				t.Errorf("in force is %v, not %v", ours.InForce, want)
			}
			if at := pods[len(pods)-1]; !c.probed(at, "app").Ready {
				t.Errorf("%+v", ours)
			}
			text, err := json.Marshal(wire.Up{Report: &ours})
			if err != nil {
				t.Fatal(err)
			}
			if lacks := wiretest.Lacks(t, said.Up[len(said.Up)-1], string(text)); len(lacks) > 0 {
				t.Errorf("it looks for %v in\n%s", lacks, text)
			}
		})
	})
}

func TestWhatAnOlderNodeSideKeptStaysInForceWithEachVerdictsTime(t *testing.T) {
	wiretest.Versions(t, func(t *testing.T, said wiretest.Talk) {
		onStage(t, func(t *testing.T, s *stage) {
			said, pods := s.talked(said)
			web := pods[0]
			var was kept
			if err := json.Unmarshal([]byte(said.State), &was); err != nil {
				t.Fatal(err)
			}
			is, want := s.container(web, "app"), was.Probing[web.Name]["app"]
			said = said.With(want.ID, is.ID, want.From.Format(time.RFC3339), is.Started.Format(time.RFC3339Nano))
			if err := os.WriteFile(filepath.Join(s.dir, "state.json"), []byte(said.State), 0o600); err != nil {
				t.Fatal(err)
			}
			s.hangs() // nothing is answered anew
			s.begins()
			c := s.connects()
			s.passes(time.Second)
			if got := c.probed(web, "app"); !want.Ready || got.ID != is.ID || got.Started != want.Started || got.Ready != want.Ready || !got.Since.Equal(want.Since) {
				t.Errorf("%+v, kept was %+v", got, want)
			}
			if r := c.report(); r.Trouble != "" || len(r.InForce) != 1 || r.InForce[0].Source != was.Tends[0].Source || !slices.Equal(r.Tends, []string{web.Name}) {
				t.Errorf("%+v", r)
			}
		})
	})
}
