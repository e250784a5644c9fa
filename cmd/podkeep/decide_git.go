package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/sources/git"
)

// notesRef is where decisions are.
const notesRef = string(git.NotesRef)

// desk is where decisions are written: a repository in which the user's own git works, and where its notes are pushed to.
type desk struct {
	clone
	remote string // the name of a remote, or a URL; empty: the notes of this very repository are those that are read
	branch string // at which the source is to be opened
}

// where is how a person would call the place.
func (d desk) where() string {
	if d.remote == "" {
		return notesRef
	}
	return notesRef + " of " + d.remote
}

// desk finds it: the repository that --source names, the clone of it that one stands in, or a temporary one, which has nothing but notes.
func (o *decideOptions) desk(ctx context.Context) (desk, error) {
	if plain, ok := strings.CutPrefix(o.source, "dir:"); ok {
		return desk{}, noNotes(plain, o.verb)
	}
	local, ok := git.Local(o.source)
	if !ok {
		return o.deskOfRemote(ctx)
	}
	at, ok, err := git.Find(local)
	switch {
	case err != nil:
		return desk{}, err
	case !ok:
		return desk{}, noNotes(local, o.verb)
	}
	d := desk{clone: clone{dir: at.Root, env: o.env()}, branch: o.branch}
	branch := o.branch
	if branch == "" {
		branch, _ = d.git(ctx, "symbolic-ref", "--quiet", "--short", "HEAD") // where it is at none, HEAD is what is read
	}
	remote, theirs := d.follows(ctx, branch)
	if branch == "" || remote == "" {
		return d, nil
	}
	d.remote = remote
	if _, err := d.git(ctx, "fetch", "--quiet", "--", remote, theirs); err != nil {
		return d, err
	}
	d.branch, err = d.git(ctx, "rev-parse", "--verify", "FETCH_HEAD^{commit}")
	return d, err
}

func (o *decideOptions) deskOfRemote(ctx context.Context) (d desk, err error) {
	d.branch = o.branch
	if at, ok, err := git.Find("."); err == nil && ok {
		here := clone{dir: at.Root, env: o.env()}
		if d.remote = o.remoteOf(ctx, here); d.remote != "" {
			d.clone = here
			return d, nil
		}
	}
	if d.remote, _, _, err = git.Login(o.where(o.source, o.branch)); err != nil {
		return d, err
	}
	dir, err := os.MkdirTemp("", "podkeep-notes-")
	if err != nil {
		return d, err
	}
	d.clone = clone{dir: dir, temporary: true, env: o.env()}
	if _, err = d.git(ctx, "init", "--quiet", "--bare"); err != nil {
		d.leave()
	}
	return d, err
}

// leave removes what is temporary.
func (d desk) leave() {
	if d.temporary {
		_ = os.RemoveAll(d.dir)
	}
}

// noNotes says what does the same where decisions cannot be written.
func noNotes(source, verb string) error {
	instead := map[string]string{
		"pause": "set spec.paused: true in the object's file", "resume": "take spec.paused out of the object's file",
		"promote": "take the pause out of the Rollout's steps, or spec.paused out of its file", "skip": "take the step out of the Rollout's file",
		"abort": "write what was there before into the object's file", "retry": "change the object's revision in its file: podkeep restart does",
	}[verb]
	return fmt.Errorf("%s: is a plain directory, and decisions are Git notes: %s; or keep the manifests in a Git repository", live.Words(source), instead)
}

// who is the person whose git this is.
func (d desk) who(ctx context.Context) (string, error) {
	ident, err := d.git(ctx, "var", "GIT_AUTHOR_IDENT")
	if err != nil {
		return "", err
	}
	name, rest, _ := strings.Cut(ident, "<")
	if email, _, _ := strings.Cut(rest, ">"); email != "" {
		return email, nil
	}
	return strings.TrimSpace(name), nil
}

// pushes is how often a note is made anew on what others have pushed meanwhile.
const pushes = 20

// write adds lines to the note on a commit and pushes that, and nothing else. It is made on the notes as the remote has them: when somebody else
// was faster, it is made anew on theirs. The repository's own notes follow.
func (d desk) write(ctx context.Context, commit, lines string) error {
	mine := notesRef + "-" + strings.ToLower(rand.Text()[:12])
	defer func() { _, _ = d.git(context.Background(), "update-ref", "-d", mine) }()
	for try := 1; ; try++ {
		before, err := d.begin(ctx, mine)
		if err != nil {
			return err
		}
		made, err := d.append(ctx, mine, before, commit, lines)
		if err != nil {
			return err
		}
		if err = d.publish(ctx, made, before); err == nil {
			d.home(ctx, mine, made)
			return nil
		}
		if now, again := d.tip(ctx); again != nil || now == before && !strings.Contains(err.Error(), "lock") || try == pushes {
			return fmt.Errorf("nothing was decided: %w", err)
		}
	}
}

// tip is the newest notes commit where they are read; empty when there is none.
func (d desk) tip(ctx context.Context) (string, error) {
	if d.remote == "" {
		tip, _ := d.git(ctx, "rev-parse", "--verify", "--quiet", notesRef)
		return tip, nil
	}
	line, err := d.git(ctx, "ls-remote", "--", d.remote, notesRef)
	tip, _, _ := strings.Cut(line, "\t")
	return tip, err
}

// begin makes a ref the notes as they are read, and gives their tip.
func (d desk) begin(ctx context.Context, mine string) (before string, err error) {
	if before, err = d.tip(ctx); err != nil {
		return "", err
	}
	switch {
	case before == "":
		_, err = d.git(ctx, "update-ref", "-d", mine)
		return "", err
	case d.remote != "":
		args := []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head"}
		if d.temporary {
			args = append(args, "--depth=1")
		}
		if _, err = d.git(ctx, append(args, "--", d.remote, "+"+notesRef+":"+mine)...); err != nil {
			return "", err
		}
		return d.git(ctx, "rev-parse", "--verify", mine)
	}
	_, err = d.git(ctx, "update-ref", mine, before)
	return before, err
}

// append makes the note, signed where the user's commits are, which git notes itself does not do.
func (d desk) append(ctx context.Context, mine, before, commit, lines string) (made string, err error) {
	if _, err = d.git(ctx, "notes", "--ref="+mine, "append", "-m", lines, commit); err != nil {
		return "", err
	}
	if signs, _ := d.git(ctx, "config", "--type=bool", "--get", "commit.gpgSign"); signs == "true" {
		args := []string{"commit-tree", "-S", "-m", "Notes added by 'podkeep'"}
		if before != "" {
			args = append(args, "-p", before)
		}
		if made, err = d.git(ctx, append(args, mine+"^{tree}")...); err == nil {
			_, err = d.git(ctx, "update-ref", mine, made)
		}
		return made, err
	}
	return d.git(ctx, "rev-parse", "--verify", mine)
}

// publish makes a notes commit the newest one, unless it does not follow the one that is.
func (d desk) publish(ctx context.Context, made, before string) error {
	if d.remote == "" {
		if before == "" {
			before = strings.Repeat("0", len(made))
		}
		_, err := d.git(ctx, "update-ref", "-m", "podkeep", notesRef, made, before)
		return err
	}
	_, err := d.git(ctx, "push", "--quiet", "--no-follow-tags", "--", d.remote, made+":"+notesRef)
	return err
}

// home brings the repository's own notes along; those in it that were not pushed stay, and are not pushed now.
func (d desk) home(ctx context.Context, mine, made string) {
	if d.remote == "" || d.temporary {
		return
	}
	own, _ := d.git(ctx, "rev-parse", "--verify", "--quiet", notesRef)
	switch {
	case own == "":
		_, _ = d.git(ctx, "update-ref", notesRef, made, strings.Repeat("0", len(made)))
	case d.has(ctx, "merge-base", "--is-ancestor", own, made):
		_, _ = d.git(ctx, "update-ref", notesRef, made, own)
	default:
		_, _ = d.git(ctx, "notes", "--ref="+notesRef, "merge", "--quiet", "-s", "cat_sort_uniq", mine)
	}
}
