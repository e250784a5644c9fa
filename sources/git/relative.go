package git

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/podkeep/podkeep/sources/files"
)

// mostBack is how many generations a name may go back; more is a slip of the finger.
const mostBack = 100_000

// climb is one step from a commit to one of its parents, counted from 1.
type climb int

var (
	relative = regexp.MustCompile(`^(.*?)((?:[~^][0-9]*)+)$`)
	ascent   = regexp.MustCompile(`[~^][0-9]*`)
)

// ascend splits a name such as main~2 or v1^2 into what Git's refs know and the way back from there.
func ascend(name string) (base string, way []climb, err error) {
	m := relative.FindStringSubmatch(name)
	if m == nil {
		return name, nil, nil
	}
	for _, step := range ascent.FindAllString(m[2], -1) {
		n, err := strconv.Atoi(step[1:])
		switch {
		case step[1:] == "":
			n = 1
		case err != nil || n > mostBack:
			return "", nil, files.Lasting(fmt.Errorf("%q: %s goes back too far", name, step))
		}
		switch {
		case step[0] == '~':
			for range n {
				way = append(way, 1)
			}
		case n > 0: // ^0 is the commit itself
			way = append(way, climb(n))
		}
	}
	return m[1], way, nil
}

// climb goes from a commit to its parents.
func (o *objects) climb(h plumbing.Hash, way []climb) (plumbing.Hash, error) {
	for i, n := range way {
		c, err := o.commit(h)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		if len(c.ParentHashes) < int(n) {
			return plumbing.ZeroHash, files.Lasting(fmt.Errorf("%s has no parent %d, which is step %d of %d back", short(h), n, i+1, len(way)))
		}
		h = c.ParentHashes[n-1]
	}
	return h, nil
}
