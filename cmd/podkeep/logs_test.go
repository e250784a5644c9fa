package main

import (
	"io"
	"testing"

	"github.com/podkeep/podkeep/live"
)

func TestAContainerThatIsNotMadeYetHasNoLogAndThatIsSaid(t *testing.T) {
	half := []member{{Pod: live.Pod{Name: "web-c90444-0", Expect: []string{"app", "proxy"}}}}
	o := logsOptions{container: "app"}
	err := o.read(t.Context(), io.Discard, &crew{}, half, newPress(io.Discard, false, false))
	if err == nil || err.Error() != "web-c90444-0/app is not made yet" {
		t.Error(err)
	}
}
