package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/sources"
	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/status"
)

type revertOptions struct {
	settings
	yes bool
}

func revertCommand() *cobra.Command {
	var o revertOptions
	cmd := &cobra.Command{
		Use:   "revert [COMMIT]",
		Short: "Take a commit back: show the plan, then make and push the revert commit",
		Long: paragraphs(`
Reverts a commit, by default the newest of the branch, as git revert does: the history goes on. It shows what the
fleet would do, as podkeep plan does for a directory, and asks. Then it commits and pushes with your own git: your
identity, signing, hooks and credentials.

It works in the clone that you stand in if that is one of --source, else in a temporary one, and there in a work tree of
its own: yours may be dirty and stays as it is. A branch that follows a remote's is reverted as it is there, so that
no other commit of yours is pushed along; git pull brings the revert home. A branch that follows none moves here.

Exit codes: 0 pushed, 1 an error, 4 not agreed to.`),
		Example: examples(`
# take the newest commit back
podkeep revert
# an older one, without being asked
podkeep revert 3f2a9c1 --yes
# without a clone
podkeep revert --source git@git.example.com:fleet.git --branch main`),
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.bind(cmd)
	cmd.ValidArgsFunction = o.revisions(true)
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

func (o *revertOptions) run(cmd *cobra.Command, args []string) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	rev := ""
	if len(args) > 0 {
		rev = args[0]
	}
	c, sub, err := o.clone(ctx)
	if err != nil {
		return err
	}
	if c.temporary {
		defer func() { _ = os.RemoveAll(c.dir) }()
	}
	at, err := c.place(ctx, o.branch)
	if err != nil {
		return err
	}
	x, err := c.prepare(ctx, at, rev)
	if err != nil {
		return err
	}
	defer x.cleanUp()
	out := cmd.OutOrStdout()
	_, _ = fmt.Fprintf(out, "revert %s %q on %s\n", x.commit[:7], x.subject, at)
	o.preview(cmd, filepath.Join(x.tree.dir, sub))
	if err := agreed(ctx, cmd, o.yes, fmt.Sprintf("push this to %s?", at)); err != nil {
		return err
	}
	made, err := x.publish(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s is at %s now\n", at, made[:7])
	return err
}

// clone finds the repository to work in, and the folder in it that holds the manifests.
func (o *revertOptions) clone(ctx context.Context) (c clone, sub string, err error) {
	if plain, ok := strings.CutPrefix(o.source, "dir:"); ok {
		return c, "", fmt.Errorf("%s: a plain directory has no commits to revert", plain)
	}
	if local, ok := git.Local(o.source); ok {
		at, ok, err := git.Find(local)
		if err != nil {
			return c, "", err
		}
		if !ok {
			return c, "", fmt.Errorf("%s: is in no Git repository, so there are no commits to revert", local)
		}
		return clone{dir: at.Root, env: o.env()}, filepath.Join(at.Sub, o.path), nil
	}
	if at, ok, err := git.Find("."); err == nil && ok && o.isOf(ctx, clone{dir: at.Root}) {
		return clone{dir: at.Root, env: o.env()}, o.path, nil
	}
	c, err = o.temporary(ctx)
	return c, o.path, err
}

// env tells git of the key, the certificates and the login that the flags and podkeep's variables name. What its own say goes before: a
// helper of the user's is asked first.
func (s *settings) env() (env []string) {
	if os.Getenv("GIT_SSH_COMMAND") == "" && s.sshKey+s.knownHosts != "" {
		command := "ssh"
		if s.sshKey != "" {
			command += " -o IdentitiesOnly=yes -i " + quoted(s.sshKey)
		}
		if s.knownHosts != "" {
			command += " -o UserKnownHostsFile=" + quoted(s.knownHosts)
		}
		env = append(env, "GIT_SSH_COMMAND="+command)
	}
	if os.Getenv("GIT_SSL_CAINFO") == "" && s.caFile != "" {
		env = append(env, "GIT_SSL_CAINFO="+absolute(s.caFile))
	}
	url, user, password, err := git.Login(s.where(s.source, s.branch))
	if err != nil || password == "" {
		return env
	}
	n, _ := strconv.Atoi(os.Getenv("GIT_CONFIG_COUNT"))
	return append(env, "PODKEEP_LOGIN="+user+"\npassword="+password,
		fmt.Sprintf("GIT_CONFIG_COUNT=%d", n+1), fmt.Sprintf("GIT_CONFIG_KEY_%d=credential.%s.helper", n, host(url)),
		fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", n, `!f() { test "$1" != get || printf 'username=%s\n' "$PODKEEP_LOGIN"; }; f`))
}

// host is a URL without its path.
func host(url string) string {
	if at := strings.Index(url, "://"); at >= 0 {
		name, _, _ := strings.Cut(url[at+3:], "/")
		return url[:at+3] + name
	}
	return url
}

// quoted is a path as a shell takes it, wherever it is read from.
func quoted(path string) string { return "'" + strings.ReplaceAll(absolute(path), "'", `'\''`) + "'" }

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// isOf says whether some remote of a repository is the source.
func (s *settings) isOf(ctx context.Context, c clone) bool { return s.remoteOf(ctx, c) != "" }

// remoteOf is the remote of a repository that is the source; empty if none is.
func (s *settings) remoteOf(ctx context.Context, c clone) string {
	want, err := s.name(ctx, s.source)
	if err != nil {
		return ""
	}
	remotes, _ := c.git(ctx, "remote")
	for _, remote := range strings.Fields(remotes) {
		url, err := c.git(ctx, "remote", "get-url", "--", remote)
		if err != nil {
			continue
		}
		if name, err := s.name(ctx, url); err == nil && name == want {
			return remote
		}
	}
	return ""
}

// name is what the fleet knows a source by.
func (s *settings) name(ctx context.Context, url string) (string, error) {
	source, err := sources.Open(ctx, s.where(url, s.branch))
	if err != nil {
		return "", err
	}
	defer func() { _ = source.Close() }()
	return source.Name(), nil
}

// temporary clones the source.
func (o *revertOptions) temporary(ctx context.Context) (clone, error) {
	dir, err := os.MkdirTemp("", "podkeep-clone-")
	if err != nil {
		return clone{}, err
	}
	c := clone{dir: dir, temporary: true, env: o.env()}
	args := []string{"clone", "--quiet", "--no-checkout"}
	if o.branch != "" {
		args = append(args, "--branch", o.branch)
	}
	url, _, _, err := git.Login(o.where(o.source, o.branch))
	if err == nil {
		_, err = c.git(ctx, append(args, "--", url, ".")...)
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return clone{}, err
	}
	return c, nil
}

// preview shows what the fleet would do. That a fleet cannot be looked at keeps nobody from reverting.
func (o *revertOptions) preview(cmd *cobra.Command, dir string) {
	world, err := o.proposed(cmd, dir)
	if err == nil {
		p := status.PreviewOf(world)
		p.Report.WriteProblems(cmd.ErrOrStderr(), look(cmd.ErrOrStderr()))
		if err = lost(world); err == nil {
			p.Text(cmd.OutOrStdout(), look(cmd.OutOrStdout()))
		}
	}
	if err != nil {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "podkeep: what the fleet would do is not known: %s\n", live.Plain(err.Error()))
	}
}

func (o *revertOptions) proposed(cmd *cobra.Command, dir string) (status.World, error) {
	source, err := o.openFor(cmd.Context(), "", dir, true)
	if err != nil {
		return status.World{}, err
	}
	defer func() { _ = source.Close() }()
	return o.look(cmd, source, lookOptions{proposal: true})
}

// agreed asks, unless --yes was given. To what could not be shown nobody agrees.
func agreed(ctx context.Context, cmd *cobra.Command, yes bool, question string) error {
	if err := written(cmd.OutOrStdout()); err != nil || yes {
		return err
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return errors.New("nothing was changed: there is no terminal to ask at; --yes agrees beforehand")
	}
	_, _ = fmt.Fprint(cmd.OutOrStdout(), question+" [y/N] ")
	answer, err := line(ctx, in)
	if err != nil {
		return err
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return exit{code: 4, err: errors.New("nothing was changed")}
	}
	return nil
}

// line reads one. A read from a terminal cannot be broken off, so when ctx ends it is left to end with the program.
func line(ctx context.Context, in io.Reader) (string, error) {
	read := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(in).ReadString('\n')
		read <- text
	}()
	select {
	case text := <-read:
		return text, nil
	case <-ctx.Done():
		return "", errors.New("interrupted; nothing was changed")
	}
}
