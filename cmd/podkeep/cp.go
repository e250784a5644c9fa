package main

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/live"
)

type cpOptions struct {
	settings
	namespace, container string
}

func cpCommand() *cobra.Command {
	var o cpOptions
	cmd := &cobra.Command{
		Use:   "cp FROM TO",
		Short: "Copy files into a container, or out of it",
		Long: paragraphs(`
Copies a file, or a directory with all in it, between this machine and a container that runs: one of FROM and TO is
POD:PATH, KIND/NAME:PATH or, as kubectl has it, NAMESPACE/POD:PATH. Into a directory that is there it copies below that; else
TO is the copy's own name.

The container needs no program for it. Links are copied in as links, and left out on the way out, which is said.`),
		Example: examples(`
podkeep cp report.conf web-3fa9c1-0:/etc/app/report.conf
podkeep cp deploy/web:/var/log/app ./logs
podkeep cp ./site shop/web-3fa9c1-0:/srv -c app`),
		Args: takes(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0], args[1]) },
	}
	o.bind(cmd)
	o.namespaceFlag(cmd, &o.namespace)
	cmd.Flags().StringVarP(&o.container, "container", "c", "", "the container (default: the pod's first)")
	completed(cmd, o.completeContainer, "container")
	cmd.ValidArgsFunction = o.inPods(&o.namespace, 2)
	return cmd
}

// completeContainer offers the containers of what is named, if something is.
func (o *cpOptions) completeContainer(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	for _, arg := range args {
		if p, ok := parseInPod(arg+".", o.namespace); ok {
			return o.containers(&p.namespace)(cmd, []string{p.object}, begun)
		}
	}
	return o.containers(&o.namespace)(cmd, nil, begun)
}

// inPod is a path in a container of a pod.
type inPod struct{ namespace, object, path string }

// parseInPod reads [NAMESPACE/]POD:PATH or KIND/NAME:PATH. A path here is none: it has no colon, or begins with a slash or a dot.
func parseInPod(arg, namespace string) (p inPod, ok bool) {
	object, at, ok := strings.Cut(arg, ":")
	if !ok || object == "" || at == "" || strings.HasPrefix(arg, "/") || strings.HasPrefix(arg, ".") {
		return p, false
	}
	if first, pod, has := strings.Cut(object, "/"); has {
		if _, isKind := kindOf(first); !isKind {
			return inPod{first, pod, at}, true
		}
	}
	return inPod{namespace, object, at}, true
}

func (o *cpOptions) run(cmd *cobra.Command, from, to string) error {
	out, outwards := parseInPod(from, o.namespace)
	in, inwards := parseInPod(to, o.namespace)
	if outwards == inwards {
		return errors.New("one of the two is in a pod: write podkeep cp FILE POD:PATH or podkeep cp POD:PATH FILE")
	}
	p := in
	if outwards {
		p = out
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	c, err := o.crew(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	m, k, err := c.pick(p.object, p.namespace, o.container, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	copier, ok := c.drivers[m.node].(drivers.Copier)
	if !ok {
		return fmt.Errorf("%s: files cannot be copied there", m.node)
	}
	if inwards {
		err = copyIn(ctx, copier, k.ID, from, p.path)
	} else {
		err = copyOut(ctx, copier, k.ID, p.path, to, cmd.ErrOrStderr())
	}
	switch {
	case ctx.Err() != nil:
		return exit{130, errors.New("interrupted: what was copied so far is there")}
	case err != nil:
		return fmt.Errorf("%s: %s/%s: %w", m.node, m.Name, k.Name, err)
	}
	return nil
}

// copyIn copies a file or a directory to a path in a container.
func copyIn(ctx context.Context, c drivers.Copier, container, from, to string) error {
	if _, err := os.Stat(from); err != nil {
		return err
	}
	whole, err := filepath.Abs(from)
	if err != nil {
		return err
	}
	dir, name := to, filepath.Base(whole)
	if is, err := c.Folder(ctx, container, to); !is {
		if strings.HasSuffix(to, "/") {
			return cmp.Or(err, fmt.Errorf("%s is no directory", to))
		}
		dir, name = path.Dir(to), path.Base(to)
		if is, err = c.Folder(ctx, container, dir); !is {
			return cmp.Or(err, fmt.Errorf("%s is no directory", dir))
		}
	}
	r, w := io.Pipe()
	packed := make(chan struct{})
	go func() {
		defer close(packed)
		_ = w.CloseWithError(pack(w, whole, name))
	}()
	err = c.Unpack(ctx, container, dir, r)
	_ = r.CloseWithError(io.ErrClosedPipe)
	<-packed
	return err
}

// pack writes a file, or a directory with all in it, as tar under a name.
func pack(w io.Writer, from, name string) error {
	out := tar.NewWriter(w)
	err := filepath.WalkDir(from, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, at)
		if err != nil {
			return err
		}
		return packOne(out, at, path.Join(name, filepath.ToSlash(below)))
	})
	if err != nil {
		return err
	}
	return out.Close()
}

func packOne(out *tar.Writer, at, name string) error {
	info, err := os.Lstat(at)
	if err != nil {
		return err
	}
	link := ""
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		if link, err = os.Readlink(at); err != nil {
			return err
		}
	case !info.Mode().IsRegular() && !info.IsDir():
		return fmt.Errorf("%s is neither a file, a directory nor a link", at)
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	h.Name, h.Uid, h.Gid, h.Uname, h.Gname = name, 0, 0, "", ""
	if info.IsDir() {
		h.Name += "/"
	}
	if err := out.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
		return err
	}
	file, err := os.Open(at)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	_, err = io.Copy(out, io.LimitReader(file, h.Size)) // one that grows meanwhile, as logs do, is copied as long as it was
	return err
}

// copyOut copies what is at a path in a container here.
func copyOut(ctx context.Context, c drivers.Copier, container, from, to string, errOut io.Writer) error {
	dir, name := filepath.Split(filepath.Clean(to))
	if info, err := os.Stat(to); err == nil && info.IsDir() {
		if dir, name = to, path.Base(from); nameless(from) {
			name = "." // all that is in it
		}
	} else if strings.HasSuffix(to, "/") {
		return fmt.Errorf("%s: %w", to, fs.ErrNotExist)
	}
	root, err := os.OpenRoot(filepath.Clean(dir))
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	from = path.Clean(from)
	made := &copied{above: root, name: name, bare: nameless(from)}
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := c.Pack(ctx, container, from, w)
		_ = w.CloseWithError(err)
		packed <- err
	}()
	err = unpack(ctx, r, made, errOut)
	_ = r.CloseWithError(io.ErrClosedPipe)
	return errors.Join(err, unlessClosed(<-packed, err))
}

// unlessClosed leaves out an error that only follows from another, or is the same.
func unlessClosed(err, first error) error {
	if first != nil {
		return nil
	}
	return err
}

// nameless says whether a path has no name of its own at its end.
func nameless(at string) bool { return slices.Contains([]string{"/", ".", ".."}, path.Base(at)) }

// unpack makes what an archive holds, and nothing outside of that, whoever wrote it: the first element of each name becomes the target.
func unpack(ctx context.Context, r io.Reader, to *copied, errOut io.Writer) error {
	defer to.close()
	in := tar.NewReader(r)
	for some := false; ; some = true {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			if _, err = io.Copy(io.Discard, r); err == nil && !some {
				err = errors.New("it is no ordinary file and no directory")
			}
			return err
		}
		if err != nil {
			return err
		}
		root, at, err := to.place(h.Name)
		if err != nil {
			return err
		}
		mode := h.FileInfo().Mode().Perm()
		switch {
		case h.Typeflag == tar.TypeDir:
			err = root.MkdirAll(at, mode|0o700)
		case h.Typeflag == tar.TypeReg:
			err = unpackFile(ctx, in, root, at, mode)
		case h.Typeflag == tar.TypeLink:
			err = to.link(h.Linkname, h.Name)
		case root == to.above:
			err = errors.New("it is no ordinary file and no directory")
		default:
			_, _ = fmt.Fprintf(errOut, "podkeep: left out, for it is no file and no directory: %s\n", live.Plain(h.Name))
		}
		if err != nil {
			return err
		}
	}
}

// copied is what a copy out of a container makes here: a file, or a directory with all in it.
type copied struct {
	above *os.Root // of the directory that it is in
	name  string   // its own there
	bare  bool     // the archive has it without a name, so that there is no first element
	all   *os.Root // what is in it; nil until something is
}

// place is where that lies which has a name in the archive. No .. and no link that was here before leads out of the copy.
func (c *copied) place(inArchive string) (root *os.Root, at string, err error) {
	below := strings.Trim(path.Clean("/"+inArchive), "/")
	if !c.bare {
		_, below, _ = strings.Cut(below, "/")
	}
	if below == "" {
		return c.above, c.name, nil
	}
	if c.all == nil {
		if err := c.above.MkdirAll(c.name, 0o755); err != nil {
			return nil, "", err
		}
		if c.all, err = c.above.OpenRoot(c.name); err != nil {
			return nil, "", err
		}
	}
	return c.all, filepath.FromSlash(below), nil
}

// link gives a file that came before it a further name.
func (c *copied) link(of, name string) error {
	root, at, err := c.place(name)
	if err != nil {
		return err
	}
	from, was, err := c.place(of)
	if err != nil {
		return err
	}
	if from != root || root == c.above {
		return fmt.Errorf("%s is a link to itself", name)
	}
	if err := root.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return root.Link(was, at)
}

func (c *copied) close() {
	if c.all != nil {
		_ = c.all.Close()
	}
}

// unpackFile ends with ctx, however much of nothing a sparse file is.
func unpackFile(ctx context.Context, in io.Reader, root *os.Root, at string, mode fs.FileMode) error {
	file, err := root.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode|0o200)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = file.Close() })()
	if _, err := io.Copy(file, in); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}
