package main

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/node"
)

func TestAUsersOwnPodmanHasNoPodProbedThatCannotBeReached(t *testing.T) {
	for _, c := range []struct {
		uids string
		runs bool
	}{
		{"         0          0 4294967295\n", true},
		{"         0       1000          1\n         1     100000      65536\n", false},
	} {
		path := filepath.Join(t.TempDir(), "uid_map")
		if err := os.WriteFile(path, []byte(c.uids), 0o600); err != nil {
			t.Fatal(err)
		}
		p := prober(asRoot(path))
		if _, runs := p.(*node.Prober); runs != c.runs {
			t.Errorf("%q: %T", c.uids, p)
		}
		if c.runs {
			continue
		}
		if a := p.Run(t.Context(), node.Target{}, &corev1.Probe{}); a.OK || !a.Void || a.Why == "" {
			t.Errorf("%+v", a)
		}
	}
}
