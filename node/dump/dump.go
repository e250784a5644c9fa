// Package dump reads lists that the kernel sends in parts: links, addresses, routes, flows.
package dump

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// mostTries bounds how often a list is read: only a kernel that never rests needs more.
const mostTries = 20

// Whole lists again where something changed meanwhile: the kernel marks such a list (NLM_F_DUMP_INTR, netlink(7)), since some may be missing from it. The error is list's own,
// or netlink.ErrDumpInterrupted where it changed each time.
func Whole[T any](list func() ([]T, error)) (all []T, err error) {
	for range mostTries {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}
