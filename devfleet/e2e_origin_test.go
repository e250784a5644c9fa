package devfleet_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/node/route"
)

// pidsAndIPs says of each of hello's pods on a node which process it is, and which address it has.
const pidsAndIPs = `for c in $(podman ps --quiet --filter label=podkeep.io/app=Deployment/default/hello --filter label=podkeep.io/container); do
	pid=$(podman inspect --format '{{.State.Pid}}' $c)
	echo $pid $(nsenter --target $pid --net ip -4 -o address show dev eth0 | awk '{print $4}' | cut -d/ -f1)
done`

// TestPodsAreHeardAsThemselvesAlone has a pod, which may do so, give itself another address, and speak by it.
func TestPodsAreHeardAsThemselvesAlone(t *testing.T) {
	s := asked(t, "origin")
	s.start()
	s.converges(s.push("origin"))
	pods := func(node string) (all [][]string) {
		for line := range strings.Lines(s.on(node, "sh", "-c", pidsAndIPs)) {
			all = append(all, strings.Fields(line))
		}
		return all
	}
	here, there := pods("n1"), pods("n2")
	if len(here) < 2 || len(there) < 1 {
		t.Fatalf("pods on n1: %v, on n2: %v", here, there)
	}
	pid, ip := here[0][0], here[0][1]
	s.scene("each node comes to know which port is whose", func(s *stage) {
		s.await(func() error {
			bound := s.on("n1", "nft", "list", "set", "bridge", route.NamedOf("e2e").Table, "bound")
			for _, p := range here {
				if !strings.Contains(bound, p[1]) {
					return fmt.Errorf("%s is not in %s", p[1], bound)
				}
			}
			return nil
		})
	})
	speaks := func(s *stage, as, to string) error {
		_, err := s.fleet.Output(s.Context(), "n1", "nsenter", "--target", pid, "--net", "curl", "--silent", "--max-time", "5", "--interface", as, "http://"+to+":8080/")
		return err
	}
	for name, to := range map[string]string{"of its node": here[1][1], "of another": there[0][1]} {
		s.scene("a pod speaks to one "+name+" as itself, and not by an address that it gave itself", func(s *stage) {
			other := ip[:strings.LastIndex(ip, ".")] + ".254"
			s.on("n1", "nsenter", "--target", pid, "--net", "ip", "address", "replace", other+"/32", "dev", "eth0")
			s.ok(speaks(s, ip, to))
			if speaks(s, other, to) == nil {
				s.Errorf("%s was answered", other)
			}
			s.ok(speaks(s, ip, to))
		})
	}
}
