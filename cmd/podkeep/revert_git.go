package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/podkeep/podkeep/live"
)

// clone is a repository in which the user's own git works, with their identity, signing, hooks and credentials.
type clone struct {
	dir       string
	temporary bool
	env       []string // what git is told beside its own environment
}

// git runs a command there and gives what it printed, without the last line end.
func (c clone) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = c.dir
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == "GIT_DIR" || name == "GIT_WORK_TREE" || name == "GIT_INDEX_FILE" || name == "LC_ALL"
	})
	cmd.Env = append(append(cmd.Env, "LC_ALL=C"), c.env...)
	cmd.Stdin = os.Stdin // for who is asked for a passphrase
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("there is no git here, and commits are made with yours: install it")
	case err != nil && ctx.Err() != nil:
		return "", errors.New("interrupted; nothing was changed")
	case err != nil:
		verb := slices.IndexFunc(args, func(a string) bool { return a != "-c" && !strings.Contains(a, "=") })
		return "", fmt.Errorf("git %s: %s", args[max(verb, 0)], strings.TrimSpace(said.String()))
	}
	return strings.TrimRight(out.String(), "\n"), nil
}

// has says whether a command succeeds.
func (c clone) has(ctx context.Context, args ...string) bool {
	_, err := c.git(ctx, args...)
	return err == nil
}

// place is where a revert goes: a branch here, or one of a remote that it follows, and the commit that it is at.
type place struct {
	branch         string // here; empty in no case
	remote, theirs string // the remote and the branch's full ref there; empty when it follows none
	tip            string
}

func (p place) String() string {
	if p.remote == "" {
		return live.OneLine(p.branch)
	}
	return live.OneLine(p.remote + "/" + strings.TrimPrefix(p.theirs, "refs/heads/"))
}

// place finds the branch. One that follows a remote's is taken as it is there, so that nothing else is pushed.
func (c clone) place(ctx context.Context, branch string) (p place, err error) {
	if p.branch = branch; branch == "" {
		if p.branch, err = c.git(ctx, "symbolic-ref", "--quiet", "--short", "HEAD"); err != nil {
			return p, errors.New("HEAD is at no branch: say which with --branch")
		}
	}
	remote, theirs := c.follows(ctx, p.branch)
	if remote == "" {
		p.tip, err = c.git(ctx, "rev-parse", "--verify", "--quiet", "refs/heads/"+p.branch+"^{commit}")
		if err != nil {
			return p, fmt.Errorf("no branch %q: a revert is pushed to a branch", p.branch)
		}
		return p, nil
	}
	p.remote, p.theirs = remote, theirs
	if _, err := c.git(ctx, "fetch", "--quiet", "--", remote, theirs); err != nil {
		return p, err
	}
	p.tip, err = c.git(ctx, "rev-parse", "--verify", "FETCH_HEAD^{commit}")
	return p, err
}

// follows is the remote that a branch follows, and the branch's full ref there; both are empty where it follows none.
func (c clone) follows(ctx context.Context, branch string) (remote, theirs string) {
	remote, _ = c.git(ctx, "config", "--get", "branch."+branch+".remote")
	theirs, _ = c.git(ctx, "config", "--get", "branch."+branch+".merge")
	if remote == "" && c.has(ctx, "show-ref", "--verify", "--quiet", "refs/remotes/origin/"+branch) {
		return "origin", "refs/heads/" + branch
	}
	if remote == "" || remote == "." || theirs == "" {
		return "", ""
	}
	return remote, theirs
}

// change is the reverting of one commit, made in a work tree of its own.
type change struct {
	clone
	at      place
	commit  string
	subject string
	tree    clone // the work tree
}

// prepare reverts a commit, by default the newest, in a temporary work tree, and does not commit. What it gives is to be cleaned up.
func (c clone) prepare(ctx context.Context, at place, rev string) (*change, error) {
	commit, err := c.git(ctx, "rev-parse", "--verify", "--quiet", orElse(rev, at.tip)+"^{commit}")
	if err != nil {
		return nil, fmt.Errorf("no commit %q in %s", rev, c.dir)
	}
	if !c.has(ctx, "merge-base", "--is-ancestor", commit, at.tip) {
		return nil, fmt.Errorf("%s is not on %s, so there is nothing to revert", commit[:7], at)
	}
	x := &change{clone: c, at: at, commit: commit}
	if x.subject, err = c.git(ctx, "log", "-1", "--format=%s", commit); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "podkeep-revert-")
	if err != nil {
		return nil, err
	}
	x.tree = clone{dir: filepath.Join(dir, "fleet"), env: c.env}
	_, err = c.git(ctx, "-c", "core.hooksPath=/dev/null", "worktree", "add", "--quiet", "--detach", x.tree.dir, at.tip)
	if err == nil {
		err = x.undo(ctx)
	}
	if err != nil {
		x.cleanUp()
		return nil, err
	}
	return x, nil
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// undo takes the commit back in the work tree: a merge is taken back to its first parent.
func (x *change) undo(ctx context.Context) error {
	args := []string{"revert", "--no-commit"}
	if x.has(ctx, "rev-parse", "--verify", "--quiet", x.commit+"^2") {
		args = append(args, "-m", "1")
	}
	if _, err := x.tree.git(ctx, append(args, x.commit)...); err != nil {
		files, _ := x.tree.git(ctx, "diff", "--name-only", "--diff-filter=U")
		if files == "" {
			return err
		}
		return fmt.Errorf("%s cannot be reverted by itself: later commits changed the same lines of %s; revert those first, or resolve it by hand with git revert %s; nothing was changed",
			x.commit[:7], strings.ReplaceAll(files, "\n", ", "), x.commit[:7])
	}
	if x.tree.has(ctx, "diff", "--cached", "--quiet", "HEAD") {
		return fmt.Errorf("%s is reverted already: nothing would change", x.commit[:7])
	}
	return nil
}

// publish commits and pushes, and gives the new commit. A branch that follows no remote is moved here; a work tree that has it
// checked out follows, unless that would overwrite what is changed in it.
func (x *change) publish(ctx context.Context) (string, error) {
	if _, err := x.tree.git(ctx, "commit", "--quiet", "--no-edit"); err != nil {
		return "", err
	}
	made, err := x.tree.git(ctx, "rev-parse", "HEAD")
	switch {
	case err != nil:
		return "", err
	case x.at.remote != "":
		_, err = x.tree.git(ctx, "push", "--quiet", "--", x.at.remote, made+":"+x.at.theirs)
	case x.checkedOut(ctx):
		_, err = x.git(ctx, "merge", "--quiet", "--ff-only", made)
	default:
		_, err = x.git(ctx, "update-ref", "-m", "podkeep revert", "refs/heads/"+x.at.branch, made, x.at.tip)
	}
	if err != nil {
		return "", fmt.Errorf("%s stays as it is: %w", x.at, err)
	}
	return made, nil
}

func (x *change) checkedOut(ctx context.Context) bool {
	head, _ := x.git(ctx, "symbolic-ref", "--quiet", "--short", "HEAD")
	bare, _ := x.git(ctx, "rev-parse", "--is-bare-repository")
	return head == x.at.branch && bare != "true"
}

// cleanUp removes the work tree, also after an interruption.
func (x *change) cleanUp() {
	_, _ = x.git(context.Background(), "worktree", "remove", "--force", x.tree.dir)
	_ = os.RemoveAll(filepath.Dir(x.tree.dir))
	_, _ = x.git(context.Background(), "worktree", "prune")
}
