package devfleet_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/podkeep/podkeep/devfleet"
)

// What the tests build is built once for all of them. Those that mostly wait, for pods to be ready, for graces and for pulls, run
// in parallel; those that look for traces of a fleet run before, alone.

// podkeep is the path of the program.
func podkeep(t *testing.T) string {
	t.Helper()
	path, err := buildPodkeep()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var buildPodkeep = sync.OnceValues(func() (string, error) {
	path := filepath.Join(os.TempDir(), "podkeep")
	if out, err := exec.Command("go", "build", "-o", path, "../cmd/podkeep").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return path, nil
})

// programs are those that were built, by folder and variables.
var programs = struct {
	sync.Mutex
	built map[string][]byte
}{built: map[string][]byte{}}

// image is an archive of an image with the program in this folder.
func image(t *testing.T, ref, folder string, variables ...string) []byte {
	t.Helper()
	program, err := program(t.Context(), folder, variables...)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := devfleet.Image(ref, program, devfleet.ImageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

func program(ctx context.Context, folder string, variables ...string) (program []byte, err error) {
	programs.Lock()
	defer programs.Unlock()
	key := folder + " " + strings.Join(variables, " ")
	if programs.built[key] == nil {
		programs.built[key], err = devfleet.Build(ctx, folder, variables...)
	}
	return programs.built[key], err
}
