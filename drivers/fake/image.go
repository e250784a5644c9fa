package fake

import (
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Image is how containers of an image behave. The zero value starts at once and runs for ever.
type Image struct {
	Denied string        // why it cannot be pulled; empty when it can
	Starts time.Duration // from the start call to running
	Ends   time.Duration // from running to exited; 0 means never
	Exit   int
	Works  int           // from this attempt of a Job's pod on it exits with 0; 0 means never
	Index  string        // at other completion indexes than this it exits with 0
	Heals  int           // after so many restarts it runs for ever; 0 means never
	Ended  bool          // healed, it ends as before, but with 0
	Stops  time.Duration // from the stop call, which times out meanwhile, to exited

	// What its probes come to, all of them counted from running.
	Opens   time.Duration // until its startup probe succeeds
	Readies time.Duration // until its readiness probe does
	Flaps   time.Duration // for so long it is ready, then not ready, a few times
	Hangs   time.Duration // until its liveness probe fails; 0 means never. Healed, it does not
}

// Tags are how images behave whose tag, up to the first "-", is one of these. A tag 5s ends after five seconds, 5s.3 with exit code 3,
// and 5s.3.2 does so until it was restarted twice and then ends with 0. Others run for ever.
var Tags = map[string]Image{
	"bad":      {Ends: time.Second, Exit: 1},
	"fade":     {Ends: 30 * time.Second, Exit: 1},
	"flaky":    {Ends: time.Second, Exit: 1, Heals: 2},
	"missing":  {Denied: "manifest unknown"},
	"once":     {Ends: 10 * time.Second},
	"third":    {Ends: 10 * time.Second, Exit: 3, Works: 2},
	"odd":      {Ends: 10 * time.Second, Exit: 3, Index: "1"},
	"hour":     {Ends: time.Hour},
	"fail":     {Ends: 10 * time.Second, Exit: 3},
	"slow":     {Starts: 20 * time.Second},
	"stubborn": {Stops: 25 * time.Second},
	"late":     {Readies: 30 * time.Second},
	"unready":  {Readies: forever},
	"warm":     {Opens: 30 * time.Second},
	"dull":     {Opens: forever},
	"flap":     {Flaps: 20 * time.Second},
	"hang":     {Hangs: time.Minute, Heals: 2},
}

// Image sets how containers of an image behave that start from now on.
func (w *World) Image(name string, image Image) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.images[name] = image
}

func (w *World) image(name string) Image {
	if image, ok := w.images[name]; ok {
		return image
	}
	tag := name[strings.LastIndexByte(name, ':')+1:]
	tag, _, _ = strings.Cut(tag, "-")
	if image, ok := Tags[tag]; ok {
		return image
	}
	return ending(tag)
}

// ending reads DURATION[.EXIT[.HEALS]].
func ending(tag string) (image Image) {
	parts := append(strings.Split(tag, "."), "", "")
	ends, err := time.ParseDuration(parts[0])
	if err != nil {
		return Image{}
	}
	image.Ends, image.Ended = ends, true
	image.Exit, _ = strconv.Atoi(parts[1])
	image.Heals, _ = strconv.Atoi(parts[2])
	return image
}

// at is how the image behaves in a container of a Job's pod, which knows from its environment which attempt it is and of which index.
func (image Image) at(spec corev1.PodSpec, name string) Image {
	for _, c := range containers(spec) {
		if c.Name != name {
			continue
		}
		for _, env := range c.Env {
			attempt, _ := strconv.Atoi(env.Value)
			switch {
			case env.Name == "PODKEEP_ATTEMPT" && image.Works > 0 && attempt >= image.Works:
				image.Exit = 0
			case env.Name == "JOB_COMPLETION_INDEX" && image.Index != "" && env.Value != image.Index:
				image.Exit = 0
			}
		}
	}
	return image
}
