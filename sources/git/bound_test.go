package git_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/sources/sourcetest"
)

func TestMoreRefsThanAreReadAreSaid(t *testing.T) {
	t.Parallel()
	a, _ := newHTTPS(t)
	b, _ := newSSH(t)
	for _, a := range []away{a, b} {
		head := a.push(t, one("1"))
		var all strings.Builder
		for i := range 100_000 {
			fmt.Fprintf(&all, "%s refs/heads/%s/%06d\n", head, strings.Repeat("x", 130), i)
		}
		sourcetest.WriteFile(t, a.bare.Dir+"/packed-refs", []byte("# pack-refs with: peeled fully-peeled sorted \n"+all.String()))
		refused(t, headError(t, open(t, a.options)), "the server advertises more than 16 MiB of refs", "transfer.hideRefs")
	}
}

// pkt is a line about a commit, as the protocol has it.
func pkt(text string) string {
	return fmt.Sprintf("%04x%s%s", 44+len(text), strings.Repeat("1", 40), text)
}

// endless is a server that does not stop talking. What it says begins with a text.
func endless(t *testing.T, status int, begins, goesOn string, header int) git.Options {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && status == 0 {
			_, _ = io.WriteString(w, "001e# service=git-upload-pack\n0000"+pkt(" HEAD\x00side-band-64k ofs-delta\n")+"0000")
			return
		}
		w.Header().Set("X-Words", strings.Repeat("x", header))
		w.WriteHeader(max(status, http.StatusOK))
		_, err := io.WriteString(w, begins)
		for err == nil {
			_, err = io.WriteString(w, goesOn)
		}
	}))
	t.Cleanup(server.Close)
	return git.Options{URL: server.URL + "/fleet.git", Cache: t.TempDir()}
}

func TestAServerThatDoesNotStopTalkingIsNotListenedTo(t *testing.T) {
	t.Parallel()
	much := strings.Repeat("x", 1<<16)
	for says, o := range map[string]git.Options{
		"status code: 500":       endless(t, http.StatusInternalServerError, "", much, 0),
		"headers exceeded":       endless(t, http.StatusOK, "", much, 1<<20),
		"more than 16 MiB":       endless(t, http.StatusOK, "001e# service=git-upload-pack\n0000"+pkt(" HEAD\x00ofs-delta\n"), strings.Repeat(pkt(" refs/heads/main\n"), 1000), 0),
		"more than 1 MiB before": endless(t, 0, "", strings.Repeat("0031ACK "+strings.Repeat("1", 40)+"\n", 1000), 0),
	} {
		refused(t, headError(t, open(t, o)), says)
	}
}
