package dump

import (
	"errors"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestAListThatChangedMeanwhileIsReadAgain(t *testing.T) {
	other := errors.New("not permitted")
	for _, c := range []struct {
		says        string
		interrupted int
		then        error
		reads       int
	}{
		{"nothing changed", 0, nil, 1},
		{"it changed twice", 2, nil, 3},
		{"it changes each time", 1000, nil, mostTries},
		{"it fails", 0, other, 1},
		{"it changed, then it fails", 1, other, 2},
	} {
		t.Run(c.says, func(t *testing.T) {
			reads := 0
			all, err := Whole(func() ([]int, error) {
				if reads++; reads <= c.interrupted {
					return []int{1}, netlink.ErrDumpInterrupted
				}
				return []int{1, 2}, c.then
			})
			want := c.then
			if c.interrupted >= mostTries {
				want = netlink.ErrDumpInterrupted
			}
			if !errors.Is(err, want) {
				t.Errorf("the error is %v, not %v", err, want)
			}
			if err == nil && !slices.Equal(all, []int{1, 2}) {
				t.Errorf("got %v, which is not all", all)
			}
			if reads != c.reads {
				t.Errorf("was read %d times, not %d", reads, c.reads)
			}
		})
	}
}
