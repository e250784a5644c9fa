package manifest

import (
	"fmt"
	"strings"
	"testing"
)

// deployment is a manifest that loads.
func deployment(name, image string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: %s
spec:
  selector:
    matchLabels: {app: %[1]s}
  template:
    metadata:
      labels: {app: %[1]s}
    spec:
      containers:
      - name: main
        image: %[2]s
`, name, image)
}

// set assembles a commit from files given as path, text, path, text. Problems do not fail the test.
func set(commit string, files ...string) Set {
	var parsed []Parsed
	for i := 0; i+1 < len(files); i += 2 {
		parsed = append(parsed, Parse(files[i], []byte(files[i+1])))
	}
	return Assemble(Info{Commit: commit}, parsed)
}

// load assembles files that must be in order.
func load(t *testing.T, files ...string) Set {
	t.Helper()
	s := set("a1b2c3d4", files...)
	for _, p := range s.Problems {
		t.Fatal(p)
	}
	return s
}

// wrongs are the problems, a line each.
func wrongs(s Set) string {
	var lines []string
	for _, p := range s.Problems {
		lines = append(lines, p.Error())
	}
	return strings.Join(lines, "\n")
}
