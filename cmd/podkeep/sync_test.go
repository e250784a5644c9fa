package main

import (
	"bytes"
	"os"
	"regexp"
	"testing"

	"github.com/podkeep/podkeep/sources/sourcetest"
)

// mends is output that has a server mended as soon as something was said.
type mends struct {
	bytes.Buffer
	server *sourcetest.HTTPS
}

func (m *mends) Write(p []byte) (int, error) {
	m.server.Down.Store(false)
	return m.Buffer.Write(p)
}

func TestASyncThatSaysHowLongOutlivesAServerThatIsDownForAWhile(t *testing.T) {
	onFakes(t)
	repository := sourcetest.NewRepository(t)
	repository.Commit(t, map[string]string{"n1.yaml": aNode, "web.yaml": aDeployment})
	server := sourcetest.ServeHTTPS(t, repository)
	server.Down.Store(true)
	out := &mends{server: server}
	code := execute([]string{"sync", "--source", server.URL, "--ca-file", server.CAFile, "--timeout", "5m"}, out, os.Stderr)
	if want := regexp.MustCompile(`^ +0s  waits: .*503.*\n(.*\n)+converged at `); code != 0 || !want.MatchString(out.String()) {
		t.Errorf("exit code %d, said\n%s", code, out.String())
	}
}
