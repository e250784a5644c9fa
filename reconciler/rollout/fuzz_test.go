package rollout

import (
	"strings"
	"testing"
)

// FuzzNext tells tales by bytes; when they are used up, nothing goes wrong any more.
func FuzzNext(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte(strings.Repeat("\x07\x01\x02\x03\x05\x0b\x0d\x11", 40)))
	for seed := range 16 {
		mixed := []byte{59}
		for i := range 900 {
			mixed = append(mixed, byte((i+1)*(i+seed)*2654435761>>9))
		}
		f.Add(mixed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := told(func(n int) int {
			if len(data) == 0 {
				return 0
			}
			b := data[0]
			data = data[1:]
			return int(b) % n
		})
		if s.err != nil {
			t.Fatal(s)
		}
	})
}
