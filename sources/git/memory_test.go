package git_test

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/sources/sourcetest"
)

// peak is this process's largest resident memory so far, in MiB.
func peak(t *testing.T) (mib int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			_, err = fmt.Sscan(rest, &mib)
			must(t, err)
		}
	}
	return mib >> 10
}

// TestAFetchAlone fetches what PODKEEP_TEST_URL names in a process of its own, and says how much memory that took at most.
func TestAFetchAlone(t *testing.T) {
	url := os.Getenv("PODKEEP_TEST_URL")
	if url == "" {
		t.Skip("is run by TestMemoryDoesNotFollowTheLargestBlob")
	}
	s := open(t, git.Options{URL: url, Cache: t.TempDir(), Timeout: time.Minute, Credentials: git.Credentials{CAFile: os.Getenv("PODKEEP_TEST_CA")}})
	head := sourcetest.Head(t, s)
	if set := sourcetest.Load(t, s, head); len(sourcetest.Values(set)) != 1 {
		t.Fatal(set.Problems)
	}
	fmt.Println("peak", peak(t))
}

// The server is one that knows no filter: it sends everything.
func TestMemoryDoesNotFollowTheLargestBlob(t *testing.T) {
	t.Parallel()
	const size = 100 << 20
	fetched := func(large ...io.Reader) (mib int) {
		a, h := newHTTPS(t)
		a.Commit(t, one("1"))
		for i, r := range large {
			f, err := os.Create(fmt.Sprintf("%s/%d.yaml", a.Dir, i))
			must(t, err)
			_, err = io.Copy(f, r)
			must(t, err)
			must(t, f.Close())
		}
		a.Git(t, "-c", "core.compression=1", "add", "-A")
		a.Git(t, "-c", "core.compression=1", "commit", "-q", "--allow-empty", "-m", "large")
		a.bare.Git(t, "config", "core.compression", "1")
		must(t, os.RemoveAll(a.bare.Dir+"/objects"))
		must(t, os.Rename(a.Dir+"/.git/objects", a.bare.Dir+"/objects"))
		sourcetest.WriteFile(t, a.bare.Dir+"/refs/heads/main", []byte(readFile(t, a.Dir+"/.git/refs/heads/main")))
		c := exec.Command(os.Args[0], "-test.run=^TestAFetchAlone$")
		c.Env = append(os.Environ(), "PODKEEP_TEST_URL="+h.URL, "PODKEEP_TEST_CA="+h.CAFile, "GOMEMLIMIT=off", "GOGC=100")
		out, err := c.CombinedOutput()
		if _, e := fmt.Sscanf(string(out), "peak %d", &mib); err != nil || e != nil {
			t.Fatalf("%v, %v: %s", err, e, out)
		}
		return mib
	}
	small := fetched()
	large := fetched(io.LimitReader(rand.New(rand.NewSource(1)), size), io.LimitReader(zeros{}, 2*size))
	if large > small+24 {
		t.Errorf("with 100 MiB of noise and 200 MiB of zeros %d MiB, without them %d MiB", large, small)
	}
	t.Logf("with 100 MiB of noise and 200 MiB of zeros %d MiB, without them %d MiB", large, small)
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}
