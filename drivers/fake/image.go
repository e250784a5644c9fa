package fake

import (
	"strings"
	"time"
)

// Image is how containers of an image behave. The zero value starts at once and runs for ever.
type Image struct {
	Denied string        // why it cannot be pulled; empty when it can
	Starts time.Duration // from the start call to running
	Ends   time.Duration // from running to exited; 0 means never
	Exit   int
	Heals  int // after so many restarts it runs for ever; 0 means never
}

// Tags are how images behave whose tag, up to the first "-", is one of these. Others run for ever.
var Tags = map[string]Image{
	"bad":     {Ends: time.Second, Exit: 1},
	"fade":    {Ends: 30 * time.Second, Exit: 1},
	"flaky":   {Ends: time.Second, Exit: 1, Heals: 2},
	"missing": {Denied: "manifest unknown"},
	"once":    {Ends: 10 * time.Second},
	"fail":    {Ends: 10 * time.Second, Exit: 3},
	"slow":    {Starts: 20 * time.Second},
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
	return Tags[tag]
}
