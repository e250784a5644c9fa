package manifest

import "testing"

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
