package git

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/podkeep/podkeep/sources/files"
)

// gitted runs git in a directory.
func gitted(t *testing.T, dir string, in io.Reader, args ...string) []byte {
	t.Helper()
	c := exec.Command("git", append([]string{"-c", "core.compression=1", "-c", "pack.threads=1"}, args...)...)
	c.Dir, c.Stdin = dir, in
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", args, err, said.String())
	}
	return out
}

func emptyStore(t *testing.T) *store {
	t.Helper()
	s, err := openStore(t.TempDir(), "https://git.example.com/fleet.git")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.objects.close)
	return s
}

// history makes a repository of n commits with files that change a little, grow beyond what is read, shrink again, and stand there twice.
func history(t *testing.T, rng *rand.Rand, n int) string {
	t.Helper()
	dir := t.TempDir()
	gitted(t, dir, nil, "init", "-q", "--bare", "-b", "main", ".")
	text, large := make([]byte, 3000), make([]byte, files.MaxFile+rng.Intn(files.MaxFile))
	rng.Read(text)
	rng.Read(large[:1000])
	var stream bytes.Buffer
	for i := range n {
		fmt.Fprintf(&stream, "commit refs/heads/main\nmark :%d\ncommitter Ada <ada@example.com> %d +0000\ndata 1\nc\n", i+1, 1_700_000_000+i)
		if i > 3 && rng.Intn(5) == 0 {
			fmt.Fprintf(&stream, "merge :%d\n", i-rng.Intn(3))
		}
		for range 1 + rng.Intn(3) {
			content := &text
			switch at := rng.Intn(len(text)); rng.Intn(40) {
			case 0:
				text = append(text[:at:at], bytes.Repeat(text[at:], 1+rng.Intn(4))...)
			case 1:
				text = text[:at+1]
			case 2, 3:
				content = &large
				rng.Read(large[at : at+40])
			default:
				rng.Read(text[at:min(at+40, len(text))])
			}
			text = text[:min(len(text), 1<<20)]
			fmt.Fprintf(&stream, "M 100644 inline d%d/f%d\ndata %d\n", rng.Intn(3), rng.Intn(4), len(*content))
			stream.Write(*content)
			stream.WriteByte('\n')
		}
	}
	gitted(t, dir, &stream, "fast-import", "--quiet")
	gitted(t, dir, nil, "repack", "-adq", "--window=3")
	return dir
}

// What Git makes of a pack is what is made of it here: the index byte by byte, and every object.
func TestAnIndexIsTheOneThatGitMakes(t *testing.T) {
	t.Parallel()
	seed := time.Now().UnixNano()
	rng := rand.New(rand.NewSource(seed))
	compared := 0
	for round := range 4 {
		repo := history(t, rng, 10+rng.Intn(120))
		args := []string{"pack-objects", "--all", "--stdout", "-q", "--no-reuse-delta", fmt.Sprintf("--window=%d", 1+rng.Intn(20)), fmt.Sprintf("--depth=%d", rng.Intn(80))}
		if rng.Intn(2) == 0 {
			args = append(args, "--delta-base-offset")
		}
		packed := gitted(t, repo, strings.NewReader(""), args...)
		s := emptyStore(t)
		if err := s.keep(t.Context(), bytes.NewReader(packed)); err != nil {
			t.Fatalf("seed %d, round %d, git %s: %v", seed, round, args, err)
		}
		for _, ours := range indexes(t, s) {
			copied := filepath.Join(t.TempDir(), "git.pack")
			if err := os.WriteFile(copied, packed, 0o600); err != nil {
				t.Fatal(err)
			}
			gitted(t, ".", nil, "index-pack", copied)
			if want, got := readFile(t, strings.TrimSuffix(copied, "pack")+"idx"), readFile(t, ours); !bytes.Equal(want, got) {
				t.Fatalf("seed %d, round %d, git %s: the index is another one", seed, round, args)
			}
			compared++
		}
		sameObjects(t, repo, s)
	}
	if compared == 0 {
		t.Error("none was compared")
	}
}

func indexes(t *testing.T, s *store) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(s.dir, "objects", "pack", "*.idx"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sameObjects wants every object of a repository in the store, and those that are too large by their size.
func sameObjects(t *testing.T, repo string, s *store) {
	t.Helper()
	names := gitted(t, repo, nil, "rev-list", "--objects", "--no-object-names", "--all")
	for line := range strings.Lines(string(gitted(t, repo, bytes.NewReader(names), "cat-file", "--batch-check"))) {
		var name, kind string
		var size int64
		if _, err := fmt.Sscan(line, &name, &kind, &size); err != nil {
			t.Fatal(err)
		}
		h := plumbing.NewHash(name)
		got, err := s.objects.get(h, plumbing.AnyObject, -1)
		if err != nil || got.size != size || got.kind.String() != kind {
			t.Fatalf("%s is %s of %d bytes, want %s: %v", name, got.kind, got.size, line, err)
		}
		data, err := s.objects.read(h, plumbing.AnyObject, files.MaxFile)
		if size > files.MaxFile && !errors.Is(err, files.ErrTooLarge) || size <= files.MaxFile && (err != nil || int64(len(data)) != size) {
			t.Fatalf("%s: %d bytes: %v", line, len(data), err)
		}
	}
}

// A thin pack builds on objects that were there before; kept, it stands on its own.
func TestAThinPackIsMadeWhole(t *testing.T) {
	t.Parallel()
	seed := time.Now().UnixNano()
	rng := rand.New(rand.NewSource(seed))
	refused := 0
	for range 3 {
		repo := history(t, rng, 80)
		tip := string(gitted(t, repo, nil, "rev-parse", "main"))
		old := string(gitted(t, repo, nil, "rev-parse", "main~30"))
		s := emptyStore(t)
		first := gitted(t, repo, strings.NewReader(old), "pack-objects", "--revs", "--stdout", "-q")
		rest := gitted(t, repo, strings.NewReader(tip+"^"+old), "pack-objects", "--revs", "--thin", "--stdout", "-q")
		for _, pack := range [][]byte{first, rest} {
			if err := s.keep(t.Context(), bytes.NewReader(pack)); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		for _, idx := range indexes(t, s) {
			gitted(t, ".", nil, "verify-pack", idx)
		}
		sameObjects(t, repo, s)
		if err := emptyStore(t).keep(t.Context(), bytes.NewReader(rest)); err != nil {
			if refused++; isDamage(err) || !strings.Contains(err.Error(), "or on what is not there") {
				t.Errorf("without what it builds on: %v", err)
			}
		}
	}
	if refused == 0 {
		t.Errorf("seed %d: none was thin", seed)
	}
}

// made is an object for a pack.
type made struct {
	kind  plumbing.ObjectType
	base  string // what stands before the content
	data  []byte
	claim int64 // its size, where that is another one
}

func blob(data string) made { return made{kind: plumbing.BlobObject, data: []byte(data)} }

// packOf is a pack of objects, whose checksum is right.
func packOf(t *testing.T, all ...made) []byte {
	t.Helper()
	b := bytes.NewBufferString("PACK\x00\x00\x00\x02")
	_ = binary.Write(b, binary.BigEndian, uint32(len(all)))
	z := zlib.NewWriter(nil)
	for _, m := range all {
		size := int64(len(m.data))
		if m.claim != 0 {
			size = m.claim
		}
		c := byte(m.kind)<<4 | byte(size&15)
		for size >>= 4; size > 0; size >>= 7 {
			b.WriteByte(c | 0x80)
			c = byte(size & 0x7f)
		}
		b.WriteByte(c)
		b.WriteString(m.base)
		z.Reset(b)
		_, _ = z.Write(m.data)
		_ = z.Close()
	}
	return summed(b.Bytes())
}

func summed(pack []byte) []byte {
	sum := sha1.Sum(pack)
	return append(pack[:len(pack):len(pack)], sum[:]...)
}

// delta is one for a base of some size that makes something of some size.
func delta(base, makes int, ops string) []byte {
	b := binary.AppendUvarint(nil, uint64(base))
	return append(binary.AppendUvarint(b, uint64(makes)), ops...)
}

func onto(name plumbing.Hash, d []byte) made {
	return made{kind: plumbing.REFDeltaObject, base: string(name[:]), data: d}
}

func back(by string, d []byte) made { return made{kind: plumbing.OFSDeltaObject, base: by, data: d} }

func TestAHostilePackIsRefusedAndTakesNoMemory(t *testing.T) {
	abc := plumbing.ComputeHash(plumbing.BlobObject, []byte("abc"))
	abcabc := plumbing.ComputeHash(plumbing.BlobObject, []byte("abcabc"))
	twice := "\x90\x03\x90\x03"
	good := packOf(t, blob("abc"), onto(abc, delta(3, 6, twice)), onto(abcabc, delta(6, 4, "\x90\x03\x01d")))
	long := []made{blob("abc")}
	for range maxDepth + 1 {
		last := plumbing.ComputeHash(plumbing.BlobObject, []byte(strings.Repeat("abc", len(long))))
		n := 3 * len(long)
		long = append(long, onto(last, delta(n, n+3, "\xb0"+string([]byte{byte(n), byte(n >> 8)})+"\x03abc")))
	}
	hostile := map[string]struct {
		pack []byte
		says string
	}{
		"an object that is larger than it says":        {packOf(t, made{kind: plumbing.BlobObject, data: []byte("abcd"), claim: 3}), "larger than it says"},
		"one that is smaller":                          {packOf(t, made{kind: plumbing.BlobObject, data: []byte("abc"), claim: 4}), "smaller than it says"},
		"one that says it is very large":               {packOf(t, made{kind: plumbing.BlobObject, data: []byte("abc"), claim: maxPack}), "smaller than it says"},
		"one that says it is larger than is taken":     {packOf(t, made{kind: plumbing.BlobObject, claim: maxPack + 1}), "more than 4 GiB is not taken"},
		"one whose size has no end":                    {summed([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01\xb0" + strings.Repeat("\xff", 20))), "too many digits"},
		"a type that there is none of":                 {packOf(t, made{kind: 5}), "an object of type 5"},
		"a zero that inflates to a megabyte":           {packOf(t, made{kind: plumbing.BlobObject, data: make([]byte, 1<<20), claim: 10}), "larger than it says"},
		"a delta that is larger than it says":          {packOf(t, blob("abc"), made{kind: plumbing.REFDeltaObject, base: string(abc[:]), data: delta(3, 6, twice), claim: 3}), "larger than it says"},
		"a delta on a base of another size":            {packOf(t, blob("abc"), onto(abc, delta(4, 6, twice))), "for a base of 4 bytes, which has 3"},
		"a delta that makes less than it says":         {packOf(t, blob("abc"), onto(abc, delta(3, 7, twice))), "unexpected EOF"},
		"a delta that makes more":                      {packOf(t, blob("abc"), onto(abc, delta(3, 5, twice))), "makes more than it says"},
		"a delta that goes on":                         {packOf(t, blob("abc"), onto(abc, delta(3, 3, twice))), "goes on after its end"},
		"a delta that copies what is not there":        {packOf(t, blob("abc"), onto(abc, delta(3, 3, "\x91\x01\x03"))), "beyond its base"},
		"a delta with no instruction":                  {packOf(t, blob("abc"), onto(abc, delta(3, 3, "\x00"))), "reserved"},
		"a delta that says it makes very much":         {packOf(t, blob("abc"), onto(abc, delta(3, maxPack+1, twice))), "more than 4 GiB is not taken"},
		"a delta on one that says so":                  {packOf(t, blob("abc"), onto(abc, delta(3, maxBase+1, twice)), onto(abcabc, delta(6, 4, "\x90\x03\x01d"))), "core.bigFileThreshold"},
		"a delta on what is before the pack":           {packOf(t, blob("abc"), back("\x7f", delta(3, 6, twice))), "not in the pack"},
		"a delta on the middle of an object":           {packOf(t, blob("abc"), back("\x02", delta(3, 6, twice))), "not in the pack"},
		"a delta on itself":                            {packOf(t, blob("abc"), back("\x00", delta(3, 6, twice))), "not in the pack"},
		"a delta on what is very far away":             {packOf(t, blob("abc"), back("\xff\xff\xff\xff\xff\xff\xff\xff\x00", delta(3, 6, twice))), "too far away"},
		"two deltas that build on each other":          {packOf(t, onto(abc, delta(3, 6, twice)), onto(abcabc, delta(6, 3, "\x90\x03"))), "2 deltas build on each other"},
		"a delta on what nobody has":                   {packOf(t, blob("x"), onto(abc, delta(3, 6, twice))), "1 deltas build on each other, or on what is not there"},
		"more deltas of deltas than Git makes":         {packOf(t, long...), "more than 4095 deltas of deltas"},
		"more objects than there are":                  {summed(append(append(bytes.Clone(good[:8]), 0, 0, 0, 9), good[12:len(good)-20]...)), ""},
		"more objects than are taken":                  {summed([]byte("PACK\x00\x00\x00\x02\xff\xff\xff\xff")), "4294967295 objects"},
		"fewer objects than there are":                 {summed(append(append(bytes.Clone(good[:8]), 0, 0, 0, 1), good[12:len(good)-20]...)), ""},
		"another version":                              {summed([]byte("PACK\x00\x00\x00\x07\x00\x00\x00\x00")), "it begins with"},
		"something else":                               {[]byte("<!DOCTYPE html><html></html>"), "it begins with"},
		"nothing":                                      {nil, "unexpected EOF"},
		"a checksum of something else":                 {append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1), "its checksum is another one's"},
		"something behind it":                          {append(bytes.Clone(good), 'x'), "goes on after its end"},
		"a zlib stream that is none":                   {summed([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01\x33xyz123456789")), "zlib"},
		"a zlib stream with a dictionary that we lack": {summed([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01\x33\x78\xbb\x00\x00\x00\x02")), "zlib"},
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for claim, c := range hostile {
		s := emptyStore(t)
		err := s.keep(t.Context(), bytes.NewReader(c.pack))
		if err == nil || isDamage(err) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", claim, err)
		}
		if left := everything(t, s.dir); len(left) > 0 {
			t.Errorf("%s leaves %s", claim, left)
		}
	}
	for n := range good {
		if err := emptyStore(t).keep(t.Context(), bytes.NewReader(good[:n])); err == nil || isDamage(err) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; grown > 400 { // of which each try has 64 KiB to read by, and zlib as much
		t.Errorf("%d MiB were asked for", grown)
	}
	s := emptyStore(t)
	if err := s.keep(t.Context(), bytes.NewReader(good)); err != nil || !s.objects.has(abc) || !s.objects.has(abcabc) || len(everything(t, s.dir)) != 3 {
		t.Error(err, everything(t, s.dir))
	}
}

// everything are the files below a directory.
func everything(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Whatever byte of a pack is another one, it is refused, or each object in it is what its name says.
func TestAPackOfWhichAByteIsAnotherIsNoHarm(t *testing.T) {
	t.Parallel()
	abc := plumbing.ComputeHash(plumbing.BlobObject, []byte("abc"))
	good := packOf(t, blob("abc"), back("\x0c", delta(3, 6, "\x90\x03\x90\x03")), onto(abc, delta(3, 4, "\x90\x03\x01d")), blob("abc"))
	for i := range len(good) - 20 {
		for _, bit := range []int{0, 4, 7} {
			bad := bytes.Clone(good[:len(good)-20])
			bad[i] ^= 1 << bit
			s := emptyStore(t)
			if err := s.keep(t.Context(), bytes.NewReader(summed(bad))); err != nil {
				continue
			}
			for _, path := range everything(t, filepath.Join(s.dir, "objects")) {
				h := plumbing.NewHash(filepath.Base(filepath.Dir(path)) + filepath.Base(path))
				if _, err := s.objects.read(h, plumbing.AnyObject, files.MaxFile); err != nil {
					t.Errorf("bit %d of byte %d: %v", bit, i, err)
				}
			}
		}
	}
}

// Objects that build on large ones, and large ones that are built on, are named and read without being held.
func TestDeltasOfLargeObjectsTakeNoMemory(t *testing.T) {
	const size, copies = 96 << 20, 6 // of 16 MiB
	zeros := make([]byte, size)
	base := plumbing.ComputeHash(plumbing.BlobObject, zeros)
	whole := strings.Repeat("\xf0\xff\xff\xff", copies)
	left := size - copies*(1<<24-1)
	more := delta(size, size+1, whole+string([]byte{0xf0, byte(left), 0, 0})+"\x01x")
	grown := plumbing.ComputeHash(plumbing.BlobObject, append(zeros, 'x'))
	zeros = nil
	small := plumbing.ComputeHash(plumbing.BlobObject, []byte("\x00\x00\x00x"))
	pack := packOf(t, made{kind: plumbing.BlobObject, data: make([]byte, size)}, onto(base, more),
		onto(grown, delta(size+1, 4, "\x90\x03\x01x")))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := emptyStore(t)
	if err := s.keep(t.Context(), bytes.NewReader(pack)); err != nil {
		t.Fatal(err)
	}
	for h, n := range map[plumbing.Hash]int64{base: size, grown: size + 1, small: 4} {
		if got, err := s.objects.get(h, plumbing.BlobObject, -1); err != nil || got.size != n {
			t.Errorf("%s has %d bytes, want %d: %v", h, got.size, n, err)
		}
	}
	if _, err := s.objects.read(grown, plumbing.BlobObject, files.MaxFile); !errors.Is(err, files.ErrTooLarge) {
		t.Error(err)
	}
	if data, err := s.objects.read(small, plumbing.BlobObject, files.MaxFile); err != nil || string(data) != "\x00\x00\x00x" {
		t.Errorf("%q: %v", data, err)
	}
	runtime.ReadMemStats(&after)
	if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; grown > 16 {
		t.Errorf("%d MiB were asked for", grown)
	}
}

func TestAPackIsReadUpToItsBound(t *testing.T) {
	t.Parallel()
	s := &packStream{from: strings.NewReader("twelve bytes"), before: maxPack - 11, to: io.Discard, sum: sha1.New()}
	if _, err := s.ReadByte(); err == nil || !strings.Contains(err.Error(), "more than 4 GiB: give the manifests a repository of their own") {
		t.Error(err)
	}
}

// Many packs and single objects become one pack, without a server.
func TestACrowdedCacheIsTidied(t *testing.T) {
	t.Parallel()
	s := emptyStore(t)
	keep := func(all ...made) {
		t.Helper()
		if err := s.keep(t.Context(), bytes.NewReader(packOf(t, all...))); err != nil {
			t.Fatal(err)
		}
	}
	var names []plumbing.Hash
	for i := range manyPacks + 1 {
		var all []made
		for j := range unpackLimit {
			all = append(all, blob(fmt.Sprint("blob ", i, " ", j)))
		}
		last := all[len(all)-1].data
		of := plumbing.ComputeHash(plumbing.BlobObject, last)
		keep(append(all, onto(of, delta(len(last), len(last)+1, "\x90"+string([]byte{byte(len(last))})+"\x01!")))...)
		names = append(names, of, plumbing.ComputeHash(plumbing.BlobObject, append(last, '!')))
	}
	keep(blob("single"))
	single := plumbing.ComputeHash(plumbing.BlobObject, []byte("single"))
	broken := filepath.Join(s.dir, "objects", "17", strings.Repeat("0", 38))
	if err := errors.Join(os.MkdirAll(filepath.Dir(broken), 0o700), os.WriteFile(broken, []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if !s.objects.has(single) || !s.crowded() {
		t.Fatal("is not crowded")
	}
	if err := s.tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := everything(t, s.dir); len(all) != 2 || s.crowded() {
		t.Errorf("there are %d files: %s", len(all), all[:min(5, len(all))])
	}
	for _, idx := range indexes(t, s) {
		gitted(t, ".", nil, "verify-pack", idx)
	}
	for _, h := range append(names, single) {
		if _, err := s.objects.read(h, plumbing.BlobObject, files.MaxFile); err != nil {
			t.Error(err)
		}
	}
	if err := s.tidy(t.Context()); err != nil || len(everything(t, s.dir)) != 2 {
		t.Error("a second time:", err)
	}
}
