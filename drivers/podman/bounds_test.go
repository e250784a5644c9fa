package podman

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/live"
)

// playing is a driver of a host that a handler plays.
func playing(t *testing.T, h http.HandlerFunc) *Driver {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(listener) }()
	d, err := New(node("podman+unix://"+socket), Options{Cluster: "c", Look: examination, Change: examination})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = d.Close(), server.Close() })
	return d
}

func TestAHostThatHasTooManyLabelsIsCutShortUntilTheyAreGone(t *testing.T) {
	listed, long := 8, strings.Repeat("x", 8<<10)
	d := playing(t, func(w http.ResponseWriter, r *http.Request) {
		secret := func(i string) map[string]any {
			labels := map[string]string{live.LabelCluster: "c", labelFile: "f" + i, "long": long}
			return map[string]any{"ID": i, "Spec": map[string]any{"Name": "podkeep-c-f" + i, "Labels": labels}}
		}
		var answer any
		if id, one := strings.CutSuffix(r.URL.Path, "/json"); one && !strings.HasSuffix(id, "secrets") {
			answer = secret(id[strings.LastIndexByte(id, '/')+1:])
		} else {
			all := []any{}
			for i := range listed {
				all = append(all, secret(fmt.Sprint(i)))
			}
			answer = all
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	})
	d.seen.left = 32 << 10
	look := func() (n int, err error) {
		err = d.do(t.Context(), examination, func(ctx context.Context) (err error) {
			files, _, err := d.files(ctx)
			n = len(files)
			return err
		})
		return n, err
	}
	if n, err := look(); err == nil || !strings.Contains(err.Error(), "its answer has over 64 MiB of Files' labels: remove those") || len(d.seen.byID) > 3 {
		t.Errorf("%d Files, %d kept: %v", n, len(d.seen.byID), err)
	}
	listed = 3
	if n, err := look(); err != nil || n != 3 {
		t.Errorf("%d Files: %v", n, err)
	}
}

func TestAnArchiveThatUnpacksToMoreThanItIsIsNotTaken(t *testing.T) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, name := range []string{"a", "b"} {
		if err := w.WriteHeader(&tar.Header{Name: "files/" + name, Size: 3, Mode: 0o400, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, "abc")
	}
	sound := bytes.Clone(archive.Bytes())
	if content, err := unpacked(bytes.NewReader(sound)); err != nil || len(content) != 2 || string(content["b"]) != "abc" {
		t.Errorf("%q, %v", content, err)
	}
	if content, err := unpacked(bytes.NewReader(sparse(1 << 20))); err != nil || len(content["big"]) != 1<<20 {
		t.Fatalf("%d bytes, %v", len(content["big"]), err)
	}
	if content, err := unpacked(bytes.NewReader(sparse(1 << 40))); err == nil || err.Error() != "the files of its answer have over 64 MiB together" {
		t.Errorf("%d files: %v", len(content), err)
	}
}

// sparse is an archive of one file that is said to be so long, all of it a hole: GNU's tar writes such, and Go's does not.
func sparse(size int64) []byte {
	record := func(key string, value any) string {
		text := fmt.Sprintf(" GNU.sparse.%s=%v\n", key, value)
		return fmt.Sprint(len(text)+2) + text // of two digits
	}
	said := record("major", 0) + record("minor", 1) + record("numblocks", 1) + record("map", fmt.Sprintf("%d,0", size)) + record("size", size)
	var archive bytes.Buffer
	block := func(name string, kind byte, content string) {
		h := make([]byte, 512)
		copy(h, name)
		copy(h[100:], "0000600\x000000000\x000000000\x00")
		copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00        ", len(content)))
		h[156] = kind
		copy(h[257:], "ustar\x0000")
		sum := 0
		for _, b := range h {
			sum += int(b)
		}
		copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
		archive.Write(append(h, content...))
		archive.Write(make([]byte, -len(content)&511))
	}
	block("pax", 'x', said)
	block("files/big", '0', "")
	archive.Write(make([]byte, 1024))
	return archive.Bytes()
}

func TestACommandThatPrintsWithoutEndIsNotHeardToItsEnd(t *testing.T) {
	var said brief
	n, err := io.Copy(&said, io.LimitReader(zeros{}, 1<<30))
	if err == nil || err.Error() != "it prints over 64 KiB" || n > longestOutput || len(said.text) > longestOutput {
		t.Errorf("%d bytes, %d kept: %v", n, len(said.text), err)
	}
}

func TestWhereLogsWereReadIsNotRememberedForEver(t *testing.T) {
	var p places
	at := time.Unix(1, 0)
	for i := range 2*mostPlaces + 1 {
		p.put(fmt.Sprint(i), place{at: at})
		p.put(fmt.Sprint(i), place{at: at})
	}
	if len(p.of) > mostPlaces || p.get(fmt.Sprint(2*mostPlaces)).at != at {
		t.Errorf("%d are remembered", len(p.of))
	}
}

func TestALineOfALogThatDoesNotEndComesInPiecesOrIsNone(t *testing.T) {
	piece := "\x01\x00\x00\x00\x00\x01\x00\x152026-01-02T03:04:05Z " + strings.Repeat("a", 64<<10)
	pieces, longestOne := 0, 0
	err := lines(bufio.NewReader(strings.NewReader(strings.Repeat(piece, 3*longest/(64<<10)))), func(l live.Line) error {
		pieces, longestOne = pieces+1, max(longestOne, len(l.Text))
		return nil
	})
	if err != nil || pieces != 3 || longestOne > longest {
		t.Errorf("%d pieces, of %d bytes at most: %v", pieces, longestOne, err)
	}
	endless := &io.LimitedReader{R: zeros{}, N: 1 << 40}
	if err := new(Driver).scan(bufio.NewReaderSize(endless, 64<<10), live.Log{}, 0, func(live.Line) error { return nil }); err == nil {
		t.Error("a file without a line end is a log")
	}
	if read := 1<<40 - endless.N; read > 2*longest {
		t.Errorf("%d bytes of it are read", read)
	}
}
