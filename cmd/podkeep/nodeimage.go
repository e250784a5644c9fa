package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/podkeep/podkeep/live"
)

// nodeImageName is what the node side's image of a version is called on hosts.
func nodeImageName(version string) string { return live.SideImage + ":" + version }

// nodeImage is the node side's image: nothing but one static program. The same program and version are the same image. It holds the program
// compressed, 14 MiB: over SSH less than half of the bytes go, and to a host in reach it takes as long as it would otherwise.
type nodeImage struct {
	arch  string // in Podman's words
	tag   name.Tag
	image v1.Image
}

// newNodeImage reads the program.
func newNodeImage(program, version string) (*nodeImage, error) {
	image, err := imageOf(program, version)
	if err != nil {
		return nil, fmt.Errorf("the node side's image of %s: %w", program, err)
	}
	return image, nil
}

func imageOf(program, version string) (*nodeImage, error) {
	arch, err := archOf(program)
	if err != nil {
		return nil, err
	}
	tag, err := name.NewTag(nodeImageName(version), name.StrictValidation)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return layerOf(program) }, tarball.WithCompressedCaching)
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", arch
	config.Config.Entrypoint, config.Config.Labels = []string{live.SideProgram}, map[string]string{live.LabelSide: version}
	image, err = mutate.ConfigFile(image, config)
	return &nodeImage{arch: arch, tag: tag, image: image}, err
}

// archive is the image for drivers.Loader. It is to be closed.
func (i *nodeImage) archive() io.ReadCloser {
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(tarball.Write(i.tag, i.image, w)) }() // ends with what it is read from: at its end or Close
	return r
}

// architectures are those that Go and Podman call the same.
var architectures = map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_RISCV: "riscv64", elf.EM_S390: "s390x", elf.EM_ARM: "arm"}

// archOf is for which a program was built. One that would not run by itself in a container is refused.
func archOf(program string) (string, error) {
	f, err := elf.Open(program)
	var missing *fs.PathError
	switch {
	case errors.As(err, &missing):
		return "", missing.Err
	case err != nil:
		return "", errors.New("it is not a program for Linux")
	}
	defer func() { _ = f.Close() }()
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 {
		return "", errors.New("it needs libraries, which the image has not: build it with CGO_ENABLED=0")
	}
	arch, ok := architectures[f.Machine]
	if !ok {
		return "", fmt.Errorf("podkeep knows no hosts of architecture %s", f.Machine)
	}
	return arch, nil
}

// layerOf is a tar of the program, without times.
func layerOf(program string) (io.ReadCloser, error) {
	f, err := os.Open(program)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	var head, foot bytes.Buffer
	size := info.Size()
	if err := tar.NewWriter(&head).WriteHeader(&tar.Header{Name: strings.TrimPrefix(live.SideProgram, "/"), Mode: 0o755, Size: size}); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	foot.Write(make([]byte, (tarBlock-size%tarBlock)%tarBlock+2*tarBlock))
	return &layer{io.MultiReader(&head, io.LimitReader(f, size), &foot), f}, nil
}

// tarBlock is what a tar is made of; it ends with two empty ones.
const tarBlock = 512

type layer struct {
	io.Reader
	io.Closer
}
