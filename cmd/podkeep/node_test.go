package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAUsersOwnPodmanIsKnownByItsNamespace(t *testing.T) {
	for _, c := range []struct {
		uids string
		root bool
	}{
		{"         0          0 4294967295\n", true},
		{"         0       1000          1\n         1     100000      65536\n", false},
	} {
		path := filepath.Join(t.TempDir(), "uid_map")
		if err := os.WriteFile(path, []byte(c.uids), 0o600); err != nil {
			t.Fatal(err)
		}
		if root := asRoot(path); root != c.root {
			t.Errorf("%q: %t", c.uids, root)
		}
	}
}
