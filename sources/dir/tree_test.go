package dir

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podkeep/podkeep/manifest"
)

// What is no file is named and not waited for, what leads out of the directory is not read, and a file has a bound though it grows.
func TestWhatIsNoManifestIsNamedAndNotRead(t *testing.T) {
	t.Parallel()
	out, in := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(in, name) }
	text := []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
	huge, err := os.Create(at("huge.yaml"))
	for _, err := range []error{
		err, huge.Truncate(1 << 40), huge.Close(), os.WriteFile(out+"/secret.yaml", text, 0o600), os.WriteFile(at("A.yaml"), text, 0o600), os.WriteFile(at("a.yaml"), []byte("# none\n"), 0o600),
		syscall.Mkfifo(at("fifo.yaml"), 0o600), syscall.Mkfifo(at("fifo.txt"), 0o600), os.Mkdir(at(".git"), 0o700), os.WriteFile(at(".git/config"), []byte("s3cret"), 0o600),
		os.Symlink(out+"/secret.yaml", at("absolute.yaml")), os.Symlink("../"+filepath.Base(out)+"/secret.yaml", at("up.yaml")), os.Symlink("/dev/zero", at("zero.yaml")),
		os.Symlink("fifo.txt", at("to-fifo.yaml")), os.Symlink(".git/config", at("config.yaml")), os.Symlink("loop.yaml", at("loop.yaml")), os.WriteFile(at("\xff\n.yaml"), []byte("# none\n"), 0o600),
		syscall.Link(out+"/secret.yaml", at("hard.txt")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	socket, err := net.Listen("unix", at("socket.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	s, err := Open(in, time.Hour, manifest.Admission{})
	if err != nil {
		t.Fatal(err)
	}
	head, _, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	set, err := s.Load(t.Context(), head)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"huge.yaml": "larger than 4 MiB", "fifo.yaml": "is not a file", "socket.yaml": "is not a file", "absolute.yaml": "leads out", "up.yaml": "leads out", "zero.yaml": "leads out",
		"to-fifo.yaml": "is not a file", "config.yaml": "leads out", "loop.yaml": "circle",
	}
	for _, p := range set.Problems {
		if words, ok := want[p.File]; ok && strings.Contains(p.Text, words) {
			delete(want, p.File)
		} else {
			t.Errorf("%q: %s", p.File, p.Text)
		}
	}
	if len(want) > 0 || len(set.ConfigMaps) != 1 || !slices.Contains(set.Files, "A.yaml") || !slices.Contains(set.Files, "a.yaml") {
		t.Errorf("not said: %v; %q", want, set.Files)
	}
}

// A file in whose place a fifo comes after it was listed is not waited for.
func TestAFileThatTurnsIntoAFifoIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	in := t.TempDir()
	if err := syscall.Mkfifo(in+"/a.yaml", 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(in)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, _, err := read(root, "a.yaml"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
