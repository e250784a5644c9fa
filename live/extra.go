package live

import (
	"slices"
	"time"

	"github.com/podkeep/podkeep/manifest"
)

// Extra is how long a Run may take beyond the usual, since it waits for postStart hooks and for sidecars that end.
func Extra(pod manifest.Pod) (d time.Duration) {
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if c.Lifecycle != nil && c.Lifecycle.PostStart != nil {
			d += 10 * time.Minute
		}
	}
	if grace := pod.Spec.TerminationGracePeriodSeconds; grace != nil && len(pod.Spec.InitContainers) > 0 {
		d += time.Duration(*grace) * time.Second * time.Duration(len(pod.Spec.InitContainers))
	}
	return d
}
