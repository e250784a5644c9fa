package kernel

import (
	"slices"

	"github.com/podkeep/podkeep/node/route"
)

// mostPlaces bounds the places of a front whose targets have weights. Where there are more targets than that, each has one.
const mostPlaces = 1000

// expand gives each target places by its weight, at least one, in the targets' order. It leaves out what is not IPv4.
func expand(targets []route.Target) []place {
	var shares []int // none: one each
	if slices.ContainsFunc(targets, func(t route.Target) bool { return t.Weight != targets[0].Weight }) {
		shares = sharesOf(targets)
	}
	places := make([]place, 0, len(targets))
	for i, t := range targets {
		count := 1
		if shares != nil {
			count = shares[i]
		}
		for range count {
			if t.Addr().Is4() {
				places = append(places, place{t.Addr().As4(), t.Port()})
			}
		}
	}
	return places
}

// sharesOf are how many places each target has: its weight, by the smallest numbers that keep the proportions. Where those come to more than
// mostPlaces, the proportions are kept as near as that allows.
func sharesOf(targets []route.Target) []int {
	divisor, sum := 0, 0
	shares := make([]int, len(targets))
	for i, t := range targets {
		shares[i] = max(1, t.Weight)
		divisor = gcd(shares[i], divisor)
		sum += shares[i]
	}
	if divisor == 0 {
		return shares
	}
	scale, by := 1, divisor
	if sum/divisor > mostPlaces {
		scale, by = max(0, mostPlaces-len(targets)), sum
	}
	for i, w := range shares {
		shares[i] = max(1, (w*scale+by/2)/by)
	}
	return shares
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
