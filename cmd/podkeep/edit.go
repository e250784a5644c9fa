package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources"
	"github.com/podkeep/podkeep/sources/git"
)

// restartedAt is what kubectl rollout restart writes.
const restartedAt = "kubectl.kubernetes.io/restartedAt"

// editOptions are a command's that prepares a commit: it sets an annotation in the files of the work tree.
type editOptions struct {
	settings
	namespace string
	commit    bool
	verb      string
	effect    string // what is so once the commit is there
	note      func(manifest.Workload) (note, error)
	spaces    bool // it is for Namespaces too
	// before does of the arguments what is not done in files, and gives the others.
	before func(ctx context.Context, cmd *cobra.Command, args []string) ([]string, error)
}

func suspendCommand() *cobra.Command {
	o := editOptions{verb: "suspend", effect: "is suspended", spaces: true, note: suspends("true")}
	return o.command(&cobra.Command{
		Use:   "suspend KIND/NAME | NAME...",
		Short: "Prepare the commit that leaves a workload, or a namespace, as it is",
		Long: paragraphs(`
Writes the annotation podkeep.io/suspend: "true" into the manifest, and shows the difference. What is suspended
is seen, planned and shown, and not acted on: nothing of it is started, stopped or updated until resume. Of ns/NAME, it is
all that is in the namespace.
` + edits),
		Example: examples(`
podkeep suspend deployment/web
# commit it as well
podkeep suspend web -n shop --commit
# everything in a namespace that the repository declares
podkeep suspend ns/shop`),
	})
}

func restartCommand() *cobra.Command {
	o := editOptions{verb: "restart", effect: "is restarted", note: restarts}
	return o.command(&cobra.Command{
		Use:   "restart KIND/NAME | NAME...",
		Short: "Prepare the commit that makes a workload's pods anew",
		Long: paragraphs(`
Writes the annotation that kubectl rollout restart writes, kubectl.kubernetes.io/restartedAt with the time, into the template of the
manifest, and shows the difference. That is a new revision: it rolls out with the same care as any other. A Job runs again.
` + edits),
		Example: examples(`
podkeep restart deployment/web
# several at once, and commit
podkeep restart web api --commit`),
	})
}

// edits is what the help of these commands has in common.
const edits = `
The file is changed where the object stands in it, in the work tree or the directory that --source names, and nothing else of it: comments,
order and quotes stay. The commit is yours to make, with the lines that are printed; --commit makes it, of these files
alone, with your own git, and does not push.

Exit codes: 0; or 1 for an error: no such object, one that does not stand in a file as such, a source that is elsewhere.`

func (o *editOptions) command(cmd *cobra.Command) *cobra.Command {
	cmd.Args = takes(1, -1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) }
	o.bind(cmd)
	o.namespaceFlag(cmd, &o.namespace)
	cmd.ValidArgsFunction = o.named
	cmd.Flags().BoolVar(&o.commit, "commit", false, "commit the changed files as well")
	return cmd
}

// named offers a shell the workloads, and the namespaces where they can be named.
func (o *editOptions) named(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	all, _ := o.targets(&o.namespace, len(args)+1, nothing)(cmd, args, begun)
	if o.spaces {
		more, _ := o.settings.spaces("ns/")(cmd, args, begun)
		all = append(all, more...)
	}
	return all, nothing
}

// suspends notes that a workload or a namespace is suspended, or with an empty value that it is not.
func suspends(value string) func(manifest.Workload) (note, error) {
	return func(manifest.Workload) (note, error) {
		return note{[]string{"metadata"}, manifest.AnnotationSuspend, value}, nil
	}
}

// restarts notes that the pods are to be made anew. A bare Pod is its own template.
func restarts(w manifest.Workload) (note, error) {
	n := note{[]string{"spec", "template", "metadata"}, restartedAt, time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00")}
	switch w.ID.Kind {
	case "Pod":
		n.at = []string{"metadata"}
	case "CronJob":
		return n, fmt.Errorf("%s: a CronJob has no pods of its own to restart: it makes a Job when it is time", words(w.ID))
	}
	return n, nil
}

// tree is the manifests of one work tree or directory, as they lie there, and what is to become of them.
type tree struct {
	folder, repository string // repository is empty for a plain directory
	set                manifest.Set
	was, now           map[string][]byte // by path
}

func (o *editOptions) run(cmd *cobra.Command, args []string) error {
	ctx, stop := interruptible(cmd)
	defer stop()
	args = joined(args)
	if o.before != nil {
		left, err := o.before(ctx, cmd, args)
		if args = left; err != nil || len(left) == 0 {
			return err
		}
	}
	t, err := o.tree(ctx)
	if err != nil {
		return err
	}
	var done []string
	for _, arg := range args {
		w, err := o.find(t, arg)
		if err != nil {
			return err
		}
		changed, err := o.change(t, w)
		if err != nil {
			return err
		}
		if changed {
			done = append(done, w.ID.Short())
		} else if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: nothing to change in %s\n", live.Plain(w.ID.Short()), live.Plain(w.File)); err != nil {
			return err
		}
	}
	if len(done) == 0 {
		return nil
	}
	return o.finish(ctx, cmd.OutOrStdout(), t, done)
}

// tree reads the manifests where they lie.
func (o *editOptions) tree(ctx context.Context) (*tree, error) {
	folder, repository, err := o.folder()
	if err != nil {
		return nil, err
	}
	if at, ok, err := git.Find("."); folder == "" && err == nil && ok && at.Root != at.Git && o.isOf(ctx, clone{dir: at.Root, env: o.env()}) {
		folder, repository = filepath.Join(at.Root, o.path), at.Root
	}
	switch {
	case folder == "":
		return nil, fmt.Errorf("%s: has no files here to change: do it in a clone of it, or name one with --source", live.Words(o.source))
	case repository == "" && o.commit:
		return nil, fmt.Errorf("%s: is in no Git repository, so there is nothing to commit to: leave out --commit", folder)
	case repository != "":
		head, _ := clone{dir: repository}.git(ctx, "symbolic-ref", "--quiet", "--short", "HEAD")
		if o.branch != "" && head != o.branch {
			return nil, fmt.Errorf("%s: is at %s, and --branch says %s: check that out", repository, cmp.Or(head, "no branch"), o.branch)
		}
	}
	source, err := sources.Open(ctx, sources.Options{URL: "dir:" + folder})
	if err != nil {
		return nil, err
	}
	defer func() { _ = source.Close() }()
	t := &tree{folder: folder, repository: repository, was: map[string][]byte{}, now: map[string][]byte{}}
	commit, _, err := source.Head(ctx)
	if err == nil {
		t.set, err = source.Load(ctx, commit)
	}
	return t, err
}

// find is the workload that an argument means, or a namespace as if it were one.
func (o *editOptions) find(t *tree, arg string) (manifest.Workload, error) {
	var all []manifest.ID
	by := map[manifest.ID]manifest.Workload{}
	add := func(w manifest.Workload) {
		all, by[w.ID] = append(all, w.ID), w
	}
	for _, w := range t.set.Workloads {
		add(w)
	}
	kind, name, hasKind := strings.Cut(arg, "/")
	k, _ := kindOf(kind)
	if hasKind && k.kind == "Namespace" && o.spaces {
		all = nil
		for _, n := range t.set.Namespaces {
			add(manifest.Workload{Meta: n.Meta})
		}
	} else if hasKind && k.kind != "" && !k.runs {
		_, err := workloadID(arg, o.namespace)
		return manifest.Workload{}, err
	}
	found, err := meaning(arg, o.namespace, all)
	broken := slices.IndexFunc(t.set.Problems, func(p manifest.Problem) bool {
		return p.Refuses() && (hasKind && p.Object == k.kind+"/"+name || !hasKind && strings.HasSuffix(p.Object, "/"+arg))
	})
	switch {
	case err != nil && broken >= 0:
		return manifest.Workload{}, fmt.Errorf("%s does not load, so it is not changed: %w", arg, t.set.Problems[broken])
	case err != nil && k.kind == "Namespace" && hasKind:
		return manifest.Workload{}, fmt.Errorf("namespace %s is not declared in the repository: declare it there, with its annotations", name)
	case err != nil:
		return manifest.Workload{}, err
	case len(found) > 1:
		return manifest.Workload{}, fmt.Errorf("%s is the name of several: write %s", arg, orOf(found))
	}
	return by[found[0]], nil
}

// change changes the text of a workload's file, and says whether it did.
func (o *editOptions) change(t *tree, w manifest.Workload) (bool, error) {
	n, err := o.note(w)
	if err != nil {
		return false, err
	}
	if n.key == manifest.AnnotationSuspend && n.value == "" && w.Suspended && w.Annotations[n.key] != "true" {
		return false, fmt.Errorf("%s is suspended with its namespace: podkeep resume ns/%s", w.ID.Short(), w.ID.Namespace)
	}
	if n.key == manifest.AnnotationSuspend && w.Annotations[n.key] == n.value {
		return false, nil
	}
	path := filepath.Join(t.folder, filepath.FromSlash(w.File))
	if _, read := t.now[path]; !read {
		text, err := os.ReadFile(path)
		if err != nil {
			return false, err
		}
		t.was[path], t.now[path] = text, text
	}
	text, err := annotate(t.now[path], w.ID, n)
	switch {
	case errors.Is(err, errElsewhere):
		return false, fmt.Errorf("%s: %s is made of what this file names, and %w: write %s: %q into its %s.annotations there, or into what it is made of",
			w.Origin, words(w.ID), err, n.key, n.value, strings.Join(n.at, "."))
	case err != nil:
		return false, fmt.Errorf("%s: %w", w.File, err)
	}
	changed := !bytes.Equal(text, t.now[path])
	t.now[path] = text
	return changed, nil
}

// changedDocuments is a diff in which "…" stands for each line of a YAML document that nothing changes in: it may be a Secret.
func changedDocuments(diff string) string {
	lines, from := strings.SplitAfter(diff, "\n"), 0
	for i := range len(lines) + 1 {
		if i < len(lines) && !strings.HasPrefix(lines[i], "@@") && !strings.HasPrefix(lines[i], " ---") {
			continue
		}
		if of := lines[from:i]; !slices.ContainsFunc(of, func(l string) bool { return strings.HasPrefix(l, "+") || strings.HasPrefix(l, "-") }) {
			for j := range of {
				if of[j] != "" {
					of[j] = " …\n"
				}
			}
		}
		from = i + 1
	}
	return strings.Join(lines, "")
}

// finish shows what changes, writes it, and commits it or says how that is done.
func (o *editOptions) finish(ctx context.Context, out io.Writer, t *tree, done []string) error {
	files := slices.DeleteFunc(slices.Sorted(maps.Keys(t.now)), func(f string) bool { return bytes.Equal(t.now[f], t.was[f]) })
	message := o.verb + " " + strings.Join(done, ", ")
	c := clone{dir: t.repository, env: o.env()}
	if o.commit {
		for _, file := range files {
			if !c.has(ctx, "ls-files", "--error-unmatch", "--", file) || !c.has(ctx, "diff", "--quiet", "HEAD", "--", file) {
				return fmt.Errorf("%s: has changes that are not committed, which would be committed along: commit them first, or leave out --commit", file)
			}
		}
	}
	for _, file := range files {
		name := filepath.ToSlash(file)
		if inside, err := filepath.Rel(cmp.Or(t.repository, t.folder), file); err == nil {
			name = filepath.ToSlash(inside)
		}
		_, text, _ := strings.Cut(string(diff.Diff(name, t.was[file], name, t.now[file])), "\n")
		look(out).Diff(out, changedDocuments(text))
	}
	if err := written(out); err != nil {
		return err
	}
	for _, file := range files {
		if err := rewrite(file, t.now[file]); err != nil {
			return err
		}
	}
	is := fmt.Sprintf("%s %s once that is ", strings.Join(done, ", "), o.effect)
	switch {
	case t.repository == "":
		_, err := fmt.Fprintln(out, live.Plain(is+"read"))
		return err
	case !o.commit:
		return commits(out, live.Plain(is+"committed where --source follows:"), t.repository, message, files...)
	}
	return o.committed(ctx, out, c, is, message, files)
}

// committed commits these files and nothing that is staged beside them.
func (o *editOptions) committed(ctx context.Context, out io.Writer, c clone, is, message string, files []string) error {
	if _, err := c.git(ctx, append([]string{"commit", "--quiet", "-m", message, "--"}, files...)...); err != nil {
		return err
	}
	made, err := c.git(ctx, "rev-parse", "--short", "HEAD")
	if err != nil {
		return err
	}
	line := made + " " + message
	if remotes, _ := c.git(ctx, "remote"); remotes != "" {
		line += fmt.Sprintf("\n%spushed:\n  git -C %s push", is, shellWord(c.dir))
	}
	_, err = fmt.Fprintln(out, live.Plain(line))
	return err
}
