package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/podkeep/podkeep/manifest"
)

// committed is the time of the commit that this is built of, 20261126074800; set by the linker, else read from what Go writes down.
var committed = ""

// sideVersion is the version of the node side that this binary is: the time of its commit, by which one is higher than another, and its name.
func sideVersion() string {
	at := committed
	if info, ok := debug.ReadBuildInfo(); at == "" && ok {
		for _, s := range info.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				at = t.UTC().Format("20060102150405")
			}
		}
	}
	if at == "" {
		at = "00000000000000"
	}
	return at + "-" + strings.ToLower(strings.Trim(strings.Map(tagged, version), ".-"))
}

// tagged keeps what an image's tag may have.
func tagged(r rune) rune {
	if r < 128 && (r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
		return r
	}
	return '-'
}

// sideSettings say which node side hosts are given.
type sideSettings struct {
	nodeSide     string
	nodeBinaries []string

	making sync.Mutex
	images map[string]*nodeImage
}

// Values of --node-side.
const (
	sideAuto  = "auto"
	sideNever = "never"
)

func (s *sideSettings) register(flags *pflag.FlagSet) {
	flags.StringVar(&s.nodeSide, "node-side", sideAuto, "whether hosts get a node side, which runs probes and starts again what ends: auto or never")
	flags.StringSliceVar(&s.nodeBinaries, "node-binary", nil, "`ARCH=PATH` of a podkeep for hosts of another architecture, such as arm64=/usr/lib/podkeep-arm64")
}

func (s *sideSettings) check() error {
	if s.nodeSide != sideAuto && s.nodeSide != sideNever {
		return fmt.Errorf("node-side %q: write auto or never", s.nodeSide)
	}
	for _, b := range s.nodeBinaries {
		if arch, path, ok := strings.Cut(b, "="); !ok || arch == "" || path == "" {
			return fmt.Errorf("node-binary %q: write ARCH=PATH, such as arm64=podkeep-arm64", b)
		}
	}
	return nil
}

// binary is where the podkeep of an architecture is, "" when there is none.
func (s *sideSettings) binary(arch string) string {
	for _, b := range slices.Backward(s.nodeBinaries) {
		if a, path, _ := strings.Cut(b, "="); a == arch {
			return path
		}
	}
	if arch == runtime.GOARCH && runtime.GOOS == "linux" {
		return "/proc/self/exe"
	}
	return ""
}

// offer is the node side that hosts are given.
func (s *sideSettings) offer() manifest.SideOffer {
	o := manifest.SideOffer{Version: sideVersion(), Images: map[string]string{}, Refused: s.nodeSide == sideNever}
	archs := []string{runtime.GOARCH}
	for _, b := range s.nodeBinaries {
		arch, _, _ := strings.Cut(b, "=")
		archs = append(archs, arch)
	}
	for _, arch := range archs {
		if s.binary(arch) != "" {
			o.Images[arch] = nodeImageName(o.Version + "-" + arch)
		}
	}
	return o
}

// image opens the archive of one of the offer's images.
func (s *sideSettings) image(name string) (io.ReadCloser, error) {
	for arch, image := range s.offer().Images {
		if image == name {
			made, err := s.made(arch)
			if err != nil {
				return nil, err
			}
			return made.archive(), nil
		}
	}
	return nil, fmt.Errorf("%s: %w", name, os.ErrNotExist)
}

// made is the image for an architecture. It is made once, whoever asks first: many hosts may want it at a time.
func (s *sideSettings) made(arch string) (*nodeImage, error) {
	s.making.Lock()
	defer s.making.Unlock()
	if image := s.images[arch]; image != nil {
		return image, nil
	}
	image, err := newNodeImage(s.binary(arch), sideVersion()+"-"+arch)
	if err == nil && image.arch != arch {
		err = fmt.Errorf("--node-binary %s=%s: it is a program for %s", arch, s.binary(arch), image.arch)
	}
	if err != nil {
		return nil, err
	}
	if s.images == nil {
		s.images = map[string]*nodeImage{}
	}
	s.images[arch] = image
	return image, nil
}
