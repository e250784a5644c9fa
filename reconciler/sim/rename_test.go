package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
)

// A commit that gives a Node another name, and leaves the host and its address as they are, touches nothing that runs there.
func TestANodeThatIsRenamedKeepsItsPodsAndItsData(t *testing.T) {
	s := New()
	s.care = none
	play := func(line string) string {
		t.Helper()
		said, err := s.Do(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return said
	}
	play("fleet n1 n2")
	play("commit a1 web image=v1 replicas=4 surge=1 unavail=0; pvc/data; db image=v1 replicas=1 claim=data")
	play("settle")
	home := ""
	for _, host := range []string{"n1", "n2"} {
		for _, p := range s.world.Truth(host, cluster).Pods {
			if p.App.Name == "db" {
				home = host
			}
		}
	}
	if home == "" {
		t.Fatal("db runs nowhere")
	}
	before := everything(s)
	play("commit b2 remove node/" + home + "; node/edge1 file=nodes.yaml at=" + home)
	for range 40 {
		if plan := play("pass"); strings.Contains(plan, "stop ") || strings.Contains(plan, "run ") {
			t.Fatalf("renaming %s:\n%s", home, plan)
		}
		s.now = s.now.Add(3 * time.Second)
	}
	if now := everything(s); now != before {
		t.Errorf("before\n%snow\n%s", before, now)
	}
	play("commit c3 db image=v2")
	play("settle")
	if now := everything(s); strings.Count(now, home+" db") != 1 {
		t.Errorf("db does not follow its data on %s:\n%s", home, now)
	}
}

// everything is which container runs where, since when.
func everything(s *Sim) string {
	var b strings.Builder
	for _, host := range []string{"n1", "n2"} {
		for _, p := range s.world.Truth(host, cluster).Pods {
			for _, c := range p.Containers {
				if c.State == live.Running {
					b.WriteString(host + " " + p.Name + " " + c.ID + " " + c.Started.String() + "\n")
				}
			}
		}
	}
	return b.String()
}
