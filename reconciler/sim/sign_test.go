package sim

import (
	"strings"
	"testing"

	"github.com/podkeep/podkeep/live"
)

func TestAllThatStandsOnHostsIsSignedForThem(t *testing.T) {
	s := New()
	hosts := map[string]bool{}
	for _, line := range []string{
		"fleet n1 n2", "commit a1 web image=v1 replicas=3 config=a:b; job/once image=ok", "settle", "commit b2 web image=v2", "settle",
		"wipe n1", "settle", "reboot n2", "settle",
	} {
		if _, err := s.Do(line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for _, host := range s.world.Hosts() {
			n := s.world.Truth(host, cluster)
			for _, id := range live.HostsOf(n.Files) {
				hosts[id] = true
			}
			for _, p := range n.Pods {
				if p.Signer == "" || p.Host != live.HostsOf(n.Files)[0] {
					t.Errorf("%s: pod %s on %s is signed by %q for %q", line, p.Name, host, p.Signer, p.Host)
				}
			}
			for _, r := range n.Receipts {
				if r.Signer == "" {
					t.Errorf("%s: %s on %s is signed by nobody", line, r.File, host)
				}
			}
			for _, f := range n.Files {
				if f.Signer == "" && !strings.HasPrefix(f.Name, "cfg-") && !strings.HasPrefix(f.Name, "sec-") {
					t.Errorf("%s: %s on %s is signed by nobody", line, f.Name, host)
				}
			}
		}
	}
	if len(hosts) != 3 {
		t.Errorf("two hosts, one of which was made anew, were %v", hosts)
	}
}
