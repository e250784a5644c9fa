package live

import (
	"testing"

	"github.com/podkeep/podkeep/manifest"
)

func TestNamesThatAreJoinedDoNotMeet(t *testing.T) {
	pod := func(namespace, name string) string {
		return PodName("c", manifest.ID{Kind: "Deployment", Namespace: namespace, Name: name}, "v1-abcdef", 0)
	}
	taken := map[string]bool{}
	for _, name := range []string{
		pod("a-b", "c"), pod("a", "b-c"), pod("default", "a-b-c"), PodVolume(pod("a", "b"), "0-c"), PodVolume(pod("a", "b"), "c"), PodVolume(pod("a", "b")+"-0", "c"),
		ClaimVolume("c", "a-b", "c"), ClaimVolume("c", "a", "b-c"), ClaimVolume("c-a", "b", "c"), ClaimVolume("c-claim", "a", "b-c"), ClaimVolume("c", "claim-a", "b-c"),
	} {
		if taken[name] {
			t.Errorf("two things are called %s", name)
		}
		taken[name] = true
	}
}
