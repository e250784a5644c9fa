package kernel

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Crowd is how full conntrack is, of the network namespace of the thread that asks. Once it is full the kernel lets no new connection begin, and says so to
// nobody: a probe of a pod that is well is not answered then either.
type Crowd struct{ Count, Most int }

// CrowdOf reads it; what is not there has room.
func CrowdOf() Crowd {
	number := func(name string) int {
		text, _ := os.ReadFile(filepath.Join("/proc/sys/net/netfilter", name))
		n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return n
	}
	return Crowd{number("nf_conntrack_count"), number("nf_conntrack_max")}
}

// Full says whether there is no room, or hardly any.
func (c Crowd) Full() bool { return c.over(95) }

func (c Crowd) over(percent int) bool { return c.Most > 0 && c.Count > c.Most/100*percent }

// still is Full where it was not before, and where it was until a good part has room again: so that it is not said, and taken back, over and over.
func (c Crowd) still(full bool) bool { return c.Full() || full && c.over(80) }
