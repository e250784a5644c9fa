package kernel

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/node/route"
)

func TestSharesKeepTheProportions(t *testing.T) {
	even := make([]int, 1500)
	for i := range even {
		even[i] = 7
	}
	for _, c := range []struct {
		name         string
		weights, all []int
	}{
		{"alike", []int{5, 5, 5}, []int{1, 1, 1}},
		{"none said", []int{0, 0}, []int{1, 1}},
		{"a hundredth", []int{297, 3}, []int{99, 1}},
		{"too fine", []int{99999, 1}, []int{998, 1}},
		{"alone", []int{1 << 30}, []int{1}},
		{"nobody", nil, []int{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.all, sharesOf(targets(c.weights))); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := len(expand(targets(even))); got != 1500 {
		t.Errorf("%d places for 1500 targets that are alike", got)
	}
	even[0] = 8
	if got := len(expand(targets(even))); got != 1500 {
		t.Errorf("%d places for 1500 targets that are nearly alike", got)
	}
}

func targets(weights []int) (all []route.Target) {
	for i, w := range weights {
		all = append(all, route.Target{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 42, byte(i >> 8), byte(i)}), 80), Weight: w})
	}
	return all
}

func TestOfTwoServicesWithOneFrontTheFirstHasIt(t *testing.T) {
	first, second := service(1, 0), service(2, 1)
	second.IP = first.IP
	first.Ports[0].NodePort, second.Ports[1].NodePort = 30080, 30080
	want := map[front]picks{
		{[4]byte{10, 43, 0, 1}, 6, 80}:  {verdict{modulus: 1}, []place{{podIP(0).As4(), 8080}}},
		{[4]byte{10, 43, 0, 1}, 17, 53}: {verdict{modulus: 1}, []place{{podIP(0).As4(), 8080}}},
		{proto: 6, port: 30080}:         {verdict{modulus: 1}, []place{{podIP(0).As4(), 8080}}},
		{proto: 17, port: 30080}:        {verdict{modulus: 1}, []place{{podIP(1).As4(), 8080}}},
	}
	got, _ := frontsOf(tableOf(first, second), "n1")
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(front{}, picks{}, verdict{}, place{})); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNoIPv4OrHasNoAddressIsLeftOut(t *testing.T) {
	headless, six, other := service(1, 0), service(2, 0), service(3, 0)
	headless.IP = netip.Addr{}
	six.IP = netip.MustParseAddr("fd00::1")
	other.Ports[0].Protocol, other.Ports[1].Protocol = "sctp", ""
	mixed := service(4, 0, 1)
	mixed.Endpoints[0].IP = netip.MustParseAddr("fd00::2")
	table := tableOf(headless, six, other, mixed)
	table.Nodes = append(table.Nodes, route.Node{Name: "n3", Address: netip.MustParseAddr("fd00::3"), Range: netip.MustParsePrefix("fd00::/64")})
	want := wantOf(table, "n3", 1, false)
	if len(want.fronts) != 2 || want.fronts[front{[4]byte{10, 43, 0, 4}, 6, 80}].modulus != 1 {
		t.Errorf("fronts: %v", want.fronts)
	}
	if len(want.sets[setPeers]) != 2 || want.own.IsValid() {
		t.Errorf("peers: %q, own range: %v", want.sets[setPeers], want.own)
	}
}

func TestNeighbouringRangesAreOneInterval(t *testing.T) {
	for _, c := range []struct {
		name   string
		ranges []string
		want   []string
	}{
		{"none", nil, nil},
		{"apart", []string{"10.42.1.0/24", "10.42.3.0/24"}, []string{"\x0a\x2a\x01\x00\x0a\x2a\x02\x00", "\x0a\x2a\x03\x00\x0a\x2a\x04\x00"}},
		{"side by side", []string{"10.42.2.0/24", "10.42.1.0/24"}, []string{"\x0a\x2a\x01\x00\x0a\x2a\x03\x00"}},
		{"one in the other", []string{"10.42.1.0/24", "10.42.0.0/16", "10.42.0.0/24"}, []string{"\x0a\x2a\x00\x00\x0a\x2b\x00\x00"}},
		{"up to the last address", []string{"255.255.255.0/24"}, []string{"\xff\xff\xff\x00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var table route.Table
			for _, r := range c.ranges {
				table.Nodes = append(table.Nodes, route.Node{Range: netip.MustParsePrefix(r)})
			}
			if diff := cmp.Diff(c.want, intervals(ranges(&table))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
