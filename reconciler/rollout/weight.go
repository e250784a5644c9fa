package rollout

// counts is how many of n pods a canary and the stable revision have at a weight of 0 to 100, with so many more allowed (maxSurge): of n pods or, with
// surge, of one more, the share that is closest to the weight, the first of equals; between 1 and 99 either has a pod, where there can be two.
// Argo Rollouts counts so too. Ours: where no share suits it, as at 90 of 5 without surge, all pods but one are the canary's, and not none.
func counts(n, weight, surge int) (canary, stable int) {
	if n == 0 {
		return 0, 0
	}
	up, down := (n*weight+99)/100, n*weight/100
	alone := weight == 0 || weight == 100 || n == 1 && surge == 0
	total := 0
	for of := n; of <= n+min(surge, 1); of++ {
		for _, pods := range [...]int{up, down} {
			if suits := alone || pods > 0 && pods < of; suits && (total == 0 || miss(pods, of, weight)*total < miss(canary, total, weight)*of) {
				canary, total = pods, of
			}
		}
	}
	return canary, total - canary
}

// miss is how far the share of so many pods is from the weight, times 100 and times all of them.
func miss(pods, of, weight int) int { return max(100*pods-weight*of, weight*of-100*pods) }
