package node

import (
	"bufio"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

func TestAProcessIsEndedWithAllThatItBegan(t *testing.T) {
	cmd := exec.Command("sh", "-c", `sh -c 'sleep 1000 & sleep 1000 & echo $$; wait' & echo $$; wait`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines, n := bufio.NewScanner(out), 0; n < 2 && lines.Scan(); n++ {
		if _, err := strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(err)
		}
	}
	seen, err := halted(cmd.Process.Pid)
	if err != nil || len(seen) != 4 {
		t.Errorf("%v are halted, %v", seen, err)
	}
	if err := killed(seen); err != nil {
		t.Error(err)
	}
	for pid := range seen {
		if state, _ := stat(pid); state != "" && state != "Z" {
			t.Errorf("%d is %s", pid, state)
		}
	}
	_ = cmd.Wait()
}

func TestWhatIsOfAnotherContainerIsLeftAlone(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, container := range []string{"", strings.Repeat("a", idLength)} {
		if err := Kill(container, cmd.Process.Pid); err == nil {
			t.Errorf("of container %q it was ended", container)
		}
	}
	if state, _ := stat(cmd.Process.Pid); state == "T" || state == "Z" || state == "" {
		t.Errorf("it is %q", state)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err := Kill(strings.Repeat("a", idLength), cmd.Process.Pid); err != nil {
		t.Errorf("of one that is gone: %v", err)
	}
}
