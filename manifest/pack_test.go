package manifest

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"strings"
	"testing"
)

// noise is so many bytes that nothing makes much shorter.
func noise(n int) string {
	dice := rand.New(rand.NewSource(int64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[dice.Intn(64)]
	}
	return string(b)
}

func TestWhatIsPackedComesBackAndNeedsNoEscapes(t *testing.T) {
	for _, text := range []string{"", "{}", strings.Repeat("a", MaxUnpacked), noise(1000), "\x00\xff?&=+ /"} {
		packed := Pack([]byte(text))
		if strings.Trim(packed, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%.40q", packed)
		}
		if packed != Pack([]byte(text)) {
			t.Error("it is packed in two ways")
		}
		if back, err := Unpack(packed); err != nil || string(back) != text {
			t.Errorf("%v, %d bytes of %d", err, len(back), len(text))
		}
	}
}

func TestAPackerPacksEachTextAsIfItWereTheFirst(t *testing.T) {
	var p Packer
	for i, text := range []string{noise(1000), "", "{}", strings.Repeat("a", 100_000), noise(1000), "{}"} {
		if got, want := p.Pack([]byte(text)), Pack([]byte(text)); got != want {
			t.Errorf("text %d is %.40q, alone %.40q", i, got, want)
		}
	}
}

func TestNoMoreIsUnpackedThanThereMayBe(t *testing.T) {
	for _, bad := range []string{Pack(make([]byte, MaxUnpacked+1)), Pack(make([]byte, 1<<28)), "x", "!", Pack([]byte("cut off"))[:20], `{"App":{}}`} {
		if text, err := Unpack(bad); err == nil {
			t.Errorf("%.40q is %d bytes", bad, len(text))
		}
	}
}

// long is a Pod whose containers have an argument of each of these sizes.
func long(sizes ...int) string {
	text := "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n"
	for i, n := range sizes {
		text += fmt.Sprintf("  - name: c%d\n    image: a\n    args: [%q]\n", i, noise(n))
	}
	return text
}

func TestAFormThatDoesNotGoIntoALabelIsRefused(t *testing.T) {
	const most = 124_000 // of one container
	fits := load(t, "x.yaml", long(most, most, most, 127_000)).Workloads[0].Revision
	text, err := json.Marshal(fits)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(Pack(text)); n > MaxPacked || n < MaxPacked-16<<10 {
		t.Errorf("the largest form takes %d bytes, and %d may be", n, MaxPacked)
	}
	s := set("a1", "x.yaml", long(most, most, most, 100_000, 127_000))
	if want := "x.yaml:20: Pod/web: spec.containers[4].args: with it what a pod is made of takes"; len(s.Workloads) != 0 || !strings.Contains(wrongs(s), want) {
		t.Errorf("got  %s\nwant %s", wrongs(s), want)
	}
	var same []string
	for i := range 40 {
		same = append(same, fmt.Sprintf("  - {name: c%d, image: a, args: [%q]}\n", i, strings.Repeat("a", 120_000)))
	}
	s = set("a1", "x.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n"+strings.Join(same, ""))
	if len(s.Workloads) != 0 || !strings.Contains(wrongs(s), "with it what a pod is made of has more than 4 MiB") {
		t.Errorf("what is packed well may be %d bytes: %s", MaxUnpacked, wrongs(s))
	}
}
