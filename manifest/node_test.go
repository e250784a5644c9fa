package manifest

import (
	"strings"
	"testing"
)

func TestWhatAHostIsCalledThatANodeNoLongerStandsFor(t *testing.T) {
	for id, want := range map[string]string{
		"podman+ssh://root@192.0.2.1":                                "edge1@root@192.0.2.1:22",
		"podman+ssh://root@Host.example:2222/run/podman/podman.sock": "edge1@root@host.example:2222",
		"podman+ssh://ada@[2001:db8::1]":                             "edge1@ada@[2001:db8::1]:22",
		"podman+ssh://192.0.2.1":                                     "edge1@192.0.2.1:22",
		"podman+unix:///run/podman/podman.sock":                      "edge1@/run/podman/podman.sock",
	} {
		n := Node{ProviderID: id}
		n.Name = "edge1"
		if got := n.FormerName(); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
		if n.Name = n.FormerName(); n.RealName() != "edge1" {
			t.Errorf("%s is %s really", n.Name, n.RealName())
		}
	}
}

func TestTheRangeOfANodesPodsIsOneThatTheyCanHave(t *testing.T) {
	for cidr, want := range map[string]string{
		"10.42.1.0/24": "", "10.0.0.0/8": "", "10.42.1.16/28": "",
		"10.42.1.0/29":  "10.42.1.0/29 is too small for pods; write a /24",
		"8.0.0.0/7":     "8.0.0.0/7 is more than the addresses of a network; write a /24",
		"10.42.1.1/24":  "10.42.1.1/24 is an address within a range; write 10.42.1.0/24",
		"fd00:42::/112": `"fd00:42::/112" is not a range of IPv4 addresses such as 10.42.1.0/24`,
		"10.42.1.0":     `"10.42.1.0" is not a range of IPv4 addresses such as 10.42.1.0/24`,
	} {
		got := wrongs(set("c", "x.yaml", strings.Replace(n1, "spec: {", "spec: {podCIDR: \""+cidr+"\", ", 1)))
		if _, got, _ = strings.Cut(got, "spec.podCIDR: "); got != want {
			t.Errorf("%s: %s", cidr, got)
		}
	}
}
