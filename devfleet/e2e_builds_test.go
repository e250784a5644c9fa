package devfleet_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/podkeep/podkeep/devfleet"
)

// What the tests build is built once for all of them.

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
var programs = map[string][]byte{}

// image is an archive of an image with the program in this folder.
func image(t *testing.T, ref, folder string, variables ...string) []byte {
	t.Helper()
	key := folder + " " + strings.Join(variables, " ")
	if programs[key] == nil {
		program, err := devfleet.Build(t.Context(), folder, variables...)
		if err != nil {
			t.Fatal(err)
		}
		programs[key] = program
	}
	archive, err := devfleet.Image(ref, programs[key], devfleet.ImageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return archive
}
