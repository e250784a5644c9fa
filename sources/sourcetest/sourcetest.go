// Package sourcetest holds the contract of sources.Source, and real Git servers on loopback to hold it over.
//
// Every source passes Run. Fixtures may use the git binary; what is tested never does.
package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources"
)

// Fixture is a place that holds manifests, in the hands of a test.
type Fixture interface {
	// Write makes the place hold exactly these files. A content that begins with "-> " is a symbolic link.
	Write(t *testing.T, files map[string]string)
	// Open opens the place as a source. It may be called more than once.
	Open(t *testing.T) sources.Source
	// Missing is the name of a commit that never was.
	Missing() string
	// Break makes the place unreadable, and gives what mends it.
	Break(t *testing.T) (mend func())
}

// Patience is how long a test waits for what must come: far longer than the slowest machine takes.
const Patience = 2 * time.Minute

// Run holds the contract. place makes an empty fixture.
func Run(t *testing.T, place func(t *testing.T) Fixture) {
	for _, c := range contract {
		t.Run(c.claim, func(t *testing.T) {
			t.Parallel()
			c.test(t, place(t))
		})
	}
}

var contract = []struct {
	claim string
	test  func(t *testing.T, f Fixture)
}{
	{"head names what was written and load gives it", gives},
	{"a commit loads the same again and in another process", same},
	{"a new content has the one before as its parent, and both load", parents},
	{"a commit that never was is gone", gone},
	{"a broken file is a problem and stops no neighbour", broken},
	{"manifests are read in any directory, and nothing else is", onlyManifests},
	{"signers are read at the path itself, and break nothing else", signers},
	{"a link is followed inside and refused when it leads out", links},
	{"a file of more than 4 MiB is a problem", large},
	{"windows line ends and a byte order mark do no harm", windows},
	{"watch pokes after a change, and after the last of a burst", pokes},
	{"a poke waits for who takes it", patient},
	{"watch ends with its context", ends},
	{"a place that breaks is an error beside the last head, and comes back", breaks},
	{"a name is the same when opened again", named},
	{"who has a past knows what was taken out and came anew", renews},
}

// ConfigMap is a manifest that is valid by itself.
func ConfigMap(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {key: %q}\n", name, value)
}

// Node is a manifest of a host.
func Node(name, address string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Node\nmetadata: {name: %s}\nspec: {providerID: \"podman+ssh://root@%s:22\"}\n", name, address)
}

// Head is what the source's head is, which must be known.
func Head(t *testing.T, s sources.Source) string {
	t.Helper()
	before := time.Now()
	commit, fetched, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if fetched.Before(before) || fetched.After(time.Now()) {
		t.Fatalf("fetched %s is not between the call %s and now", fetched, before)
	}
	return commit
}

// Load loads what must load.
func Load(t *testing.T, s sources.Source, commit string) manifest.Set {
	t.Helper()
	set, err := s.Load(t.Context(), commit)
	if err != nil {
		t.Fatal(err)
	}
	if set.Commit != commit {
		t.Fatalf("loaded %s, got the set of %s", commit, set.Commit)
	}
	return set
}

// Values are the ConfigMaps of a set as name=value.
func Values(set manifest.Set) []string {
	out := []string{}
	for _, c := range set.ConfigMaps {
		out = append(out, c.Name+"="+c.Object.Data["key"])
	}
	return out
}

func equal(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("want - got +\n%s", d)
	}
}

func gives(t *testing.T, f Fixture) {
	f.Write(t, map[string]string{"a.yaml": ConfigMap("a", "1"), "deep/er/b.yml": ConfigMap("b", "2")})
	s := f.Open(t)
	set := Load(t, s, Head(t, s))
	equal(t, []string{"a.yaml", "deep/er/b.yml"}, set.Files)
	equal(t, []string{"a=1", "b=2"}, Values(set))
	equal(t, "", set.Parent)
}

func same(t *testing.T, f Fixture) {
	f.Write(t, map[string]string{"a.yaml": ConfigMap("a", "1")})
	s := f.Open(t)
	head := Head(t, s)
	first := Load(t, s, head)
	equal(t, Values(first), Values(Load(t, s, head)))
	other := f.Open(t)
	equal(t, head, Head(t, other))
	second := Load(t, other, head)
	equal(t, Values(first), Values(second))
	equal(t, first.Time, second.Time)
}

func parents(t *testing.T, f Fixture) {
	f.Write(t, map[string]string{"a.yaml": ConfigMap("a", "1")})
	s := f.Open(t)
	first := Head(t, s)
	f.Write(t, map[string]string{"a.yaml": ConfigMap("a", "2")})
	second := Head(t, s)
	if first == second {
		t.Fatal("a change left the head as it was")
	}
	equal(t, first, Load(t, s, second).Parent)
	equal(t, []string{"a=2"}, Values(Load(t, s, second)))
	equal(t, []string{"a=1"}, Values(Load(t, s, first)))
}

func gone(t *testing.T, f Fixture) {
	f.Write(t, map[string]string{"a.yaml": ConfigMap("a", "1")})
	s := f.Open(t)
	Head(t, s)
	if _, err := s.Load(t.Context(), f.Missing()); !errors.Is(err, sources.ErrGone) {
		t.Fatalf("not ErrGone: %v", err)
	}
}

func broken(t *testing.T, f Fixture) {
	f.Write(t, map[string]string{"a.yaml": ConfigMap("a", "1"), "b.yaml": "kind: [\n"})
	s := f.Open(t)
	set := Load(t, s, Head(t, s))
	equal(t, []string{"a=1"}, Values(set))
	equal(t, []string{"b.yaml"}, problemFiles(set))
}

func problemFiles(set manifest.Set) []string {
	var out []string
	for _, p := range set.Problems {
		out = append(out, p.File)
	}
	return slices.Compact(out)
}

func onlyManifests(t *testing.T, f Fixture) {
	json := `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"key": "3"}}`
	f.Write(t, map[string]string{
		"a.yaml": ConfigMap("a", "1"), "x/b.yml": ConfigMap("b", "2"), "y/c.json": json,
		"README.md": "kind: [", ".hidden.yaml": "kind: [", ".github/w.yaml": "kind: [", "a.yaml~": "kind: [", "#a.yaml#": "kind: [",
		"a.yaml.swp": "kind: [", "4913": "kind: [",
	})
	s := f.Open(t)
	set := Load(t, s, Head(t, s))
	equal(t, []string{"a.yaml", "x/b.yml", "y/c.json"}, set.Files)
	equal(t, 0, len(set.Problems))
	equal(t, []string{"a=1", "b=2", "c=3"}, Values(set))
}

// signer is a line of podkeep.signers.
const signer = "anna ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c\n"

func signers(t *testing.T, f Fixture) {
	key := strings.TrimPrefix(strings.TrimSpace(signer), "anna ")
	f.Write(t, map[string]string{"a.yaml": ConfigMap("a", "1"), "podkeep.signers": signer, "deep/podkeep.signers": "no key at all"})
	s := f.Open(t)
	set := Load(t, s, Head(t, s))
	equal(t, []string{key}, set.Signers)
	equal(t, []string{"a.yaml"}, set.Files)
	equal(t, 0, len(set.Problems))
	for _, wrong := range []string{"no key at all", strings.Repeat("#", 5<<20), "-> ../podkeep.signers"} {
		f.Write(t, map[string]string{"a.yaml": ConfigMap("a", "1"), "podkeep.signers": wrong})
		set = Load(t, s, Head(t, s))
		equal(t, []string{"podkeep.signers"}, problemFiles(set))
		equal(t, []string{"a=1"}, Values(set))
		h := set.After(Load(t, s, set.Parent))
		equal(t, []string{key}, h.Signers())
		f.Write(t, map[string]string{"a.yaml": ConfigMap("a", "1"), "podkeep.signers": "-> keys.yaml", "keys.yaml": signer})
		equal(t, []string{key}, Load(t, s, Head(t, s)).Signers)
	}
}

func links(t *testing.T, f Fixture) {
	f.Write(t, map[string]string{
		"a.yaml": ConfigMap("a", "1"), "again.yaml": "-> a.yaml", ".data/b.yaml": ConfigMap("b", "2"), "b.yaml": "-> .data/b.yaml",
		".more/c.yaml": ConfigMap("c", "3"), "sub/more": "-> ../.more", "circle.yaml": "-> circle.yaml", "loop": "-> .",
		"out.yaml": "-> ../secret.yaml", "sub/out": "-> ../../..", "out-abs.yaml": "-> /etc/passwd", "out-root.yaml": "-> /a.yaml", "void.yaml": "-> nothing.yaml",
		"through.yaml": "-> a.yaml/b.yaml",
	})
	s := f.Open(t)
	set := Load(t, s, Head(t, s))
	equal(t, []string{"a=1", "b=2", "c=3"}, Values(set))
	equal(t, []string{"circle.yaml", "out-abs.yaml", "out-root.yaml", "out.yaml", "sub/out", "through.yaml", "void.yaml"}, problemFiles(set))
	for _, p := range set.Problems {
		if strings.Contains(p.File, "out") && !strings.Contains(p.Text, "leads out of") {
			t.Errorf("%v", p)
		}
	}
}

func large(t *testing.T, f Fixture) {
	f.Write(t, map[string]string{"a.yaml": ConfigMap("a", "1"), "big.yaml": ConfigMap("big", strings.Repeat("x", 5<<20))})
	s := f.Open(t)
	set := Load(t, s, Head(t, s))
	equal(t, []string{"a=1"}, Values(set))
	equal(t, []string{"big.yaml"}, problemFiles(set))
}

func windows(t *testing.T, f Fixture) {
	crlf := strings.ReplaceAll(ConfigMap("a", "1"), "\n", "\r\n")
	f.Write(t, map[string]string{"a.yaml": "\ufeff" + crlf})
	s := f.Open(t)
	equal(t, []string{"a=1"}, Values(Load(t, s, Head(t, s))))
}

// Watching runs Watch until the test ends, and gives what it pokes.
func Watching(t *testing.T, s sources.Source, buffer int) <-chan struct{} {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	poke, done := make(chan struct{}, buffer), make(chan error)
	go func() { done <- s.Watch(ctx, poke) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("watch: %v", err)
		}
	})
	return poke
}

// Until takes pokes until head is no longer old, and gives it.
func Until(t *testing.T, s sources.Source, poke <-chan struct{}, old string) string {
	t.Helper()
	limit := time.After(Patience)
	for {
		select {
		case <-poke:
		case <-limit:
			t.Fatalf("no poke told of a head other than %s", old)
		}
		if head, _, err := s.Head(t.Context()); err == nil && head != old {
			return head
		}
	}
}

func pokes(t *testing.T, f Fixture) {
	f.Write(t, map[string]string{"a.yaml": ConfigMap("a", "1")})
	s := f.Open(t)
	head := Head(t, s)
	poke := Watching(t, s, 1)
	f.Write(t, map[string]string{"a.yaml": ConfigMap("a", "2")})
	head = Until(t, s, poke, head)
	many := map[string]string{}
	for i := range 50 {
		many[fmt.Sprintf("new/%d/a.yaml", i)] = ConfigMap(fmt.Sprintf("a%d", i), "1")
	}
	f.Write(t, many)
	limit := time.After(Patience)
	for len(Load(t, s, head).Files) != 50 {
		select {
		case <-poke:
		case <-limit:
			t.Fatal("the burst was not all seen")
		}
		head = Head(t, s)
	}
}

func patient(t *testing.T, f Fixture) {
	f.Write(t, map[string]string{"a.yaml": ConfigMap("a", "1")})
	s := f.Open(t)
	head := Head(t, s)
	poke := Watching(t, s, 0)
	for i := range 5 {
		f.Write(t, map[string]string{"a.yaml": ConfigMap("a", fmt.Sprint("later ", i))})
	}
	Until(t, s, poke, head)
}

func ends(t *testing.T, f Fixture) {
	f.Write(t, map[string]string{"a.yaml": ConfigMap("a", "1")})
	s := f.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Watch(ctx, make(chan struct{})) }()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(Patience):
		t.Fatal("watch goes on")
	}
}

func breaks(t *testing.T, f Fixture) {
	f.Write(t, map[string]string{"a.yaml": ConfigMap("a", "1")})
	s := f.Open(t)
	head, fetched, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mend := f.Break(t)
	last, at, err := s.Head(t.Context())
	if err == nil {
		t.Fatal("a broken place is no error")
	}
	equal(t, head, last)
	equal(t, fetched, at)
	mend()
	equal(t, head, Head(t, s))
	equal(t, []string{"a=1"}, Values(Load(t, s, head)))
}

func named(t *testing.T, f Fixture) {
	f.Write(t, map[string]string{"a.yaml": ConfigMap("a", "1")})
	one, two := f.Open(t), f.Open(t)
	equal(t, one.Name(), two.Name())
	if one.Name() == "" || strings.ContainsAny(one.Name(), "@ ") {
		t.Fatalf("name %q", one.Name())
	}
}

func renews(t *testing.T, f Fixture) {
	a, b := map[string]string{"a.yaml": ConfigMap("a", "1"), "b.yaml": ConfigMap("b", "1")}, map[string]string{"b.yaml": ConfigMap("b", "2")}
	f.Write(t, a)
	s := f.Open(t)
	past, ok := s.(sources.Historian)
	if !ok {
		t.Skip("it has none")
	}
	first := Head(t, s)
	f.Write(t, b)
	without := Head(t, s)
	f.Write(t, a)
	again := Head(t, s)
	id := func(name string) manifest.ID { return manifest.ID{Kind: "ConfigMap", Namespace: "default", Name: name} }
	all := []string{first, without, again, f.Missing(), "nonsense", ""}
	got, err := past.Renewed(t.Context(), again, map[manifest.ID][]string{id("a"): all, id("b"): all, id("c"): all})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, map[manifest.ID][]string{id("a"): {first, without}}, got)
}
