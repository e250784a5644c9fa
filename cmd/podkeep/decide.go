package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources"
	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/status"
)

// decideOptions are a command's that writes a person's decision into Git notes.
type decideOptions struct {
	*settings
	verb           string
	full           bool
	namespace, why string
	controller     string
}

func promoteCommand() *cobra.Command {
	o := &decideOptions{settings: &settings{}, verb: "promote"}
	cmd := o.command("Let a rollout go on: end its pause, else the running step", `
Writes the decision that a rollout goes on: it ends the pause that the rollout is in, a person's too, or else the running step of a
canary. --full ends all steps and pauses: what is left is to wait until all pods are available. Over an abort it begins anew.`, `
podkeep promote web -m "error rate is flat"
# all the way, without the other steps
podkeep promote web -n shop --full -m "it mends the outage"`)
	cmd.Flags().BoolVar(&o.full, "full", false, "end all steps and pauses, and an abort")
	return cmd
}

func abortCommand() *cobra.Command {
	o := &decideOptions{settings: &settings{}, verb: "abort"}
	return o.command("Reject the revision that is rolling out, and go back at once", `
Writes the decision that the revision which is rolling out is rejected: the fleet goes back to the stable one at once, and stays there until a commit
changes the workload, or retry is decided. Git still asks for the rejected one: podkeep revert takes the commit back.`, `
podkeep abort web -m "5xx after the first step"
# and Git with it
podkeep revert`)
}

func retryCommand() *cobra.Command {
	o := &decideOptions{settings: &settings{}, verb: "retry"}
	return o.command("Try a rejected revision again, from its first step", `
Writes the decision that a revision which failed or was aborted is tried once more, from the first step; that a Job which failed runs again; or
that a claim whose data is lost goes on without it.`, `
podkeep retry web -m "the database is back"
podkeep retry job/migrate
# begin with an empty volume
podkeep retry pvc/data -m "the backup is restored from n3"`)
}

func pauseCommand() *cobra.Command {
	o := &decideOptions{settings: &settings{}, verb: "pause"}
	return o.command("Hold a rollout where it is", `
Writes the decision that the rollout stands still: pods stay as they are, old and new, lost ones come back, and its deadline does not count. One that
a later commit begins is not held. podkeep resume ends it, and so does promote.`, `
podkeep pause web -m "until the graphs are looked at"
podkeep resume web`)
}

func skipCommand() *cobra.Command {
	o := &decideOptions{settings: &settings{}, verb: "skip"}
	return o.command("End the running step of a canary", `
Writes the decision that the step which a canary is at is over: a pause ends, a weight is not waited for. The next step begins.`, `
podkeep skip web -m "seen enough"`)
}

// noted is what the help of these commands has in common.
const noted = `

The decision is a line in Git notes, refs/notes/podkeep, on the commit that is followed. It is made and pushed with your own git: your identity,
signing and credentials. Nothing but notes is pushed. It works in the clone that you stand in if that is one of --source, else in a temporary
one. The controller acts on it when it next fetches; at once where it watches the repository itself.

It names the revision and the step, and does nothing to any other. What would do nothing is refused, with what is so now: as the hosts
say, else the controller at --controller, else what it mirrored to refs/notes/podkeep-fleet. Where none of them can be asked, the decision is
written unchecked, and that is said.

Exit codes: 0 written, also unchecked; or 1: it would do nothing, or an error.`

func (o *decideOptions) command(short, long, example string) *cobra.Command {
	cmd := &cobra.Command{
		Use: o.verb + " KIND/NAME | NAME...", Short: short, Long: paragraphs(long + noted), Example: examples(example),
		Args: takes(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, joined(args)) },
	}
	o.bind(cmd)
	decisionFlags(cmd, &o.why, &o.controller)
	o.namespaceFlag(cmd, &o.namespace)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		return o.targets(&o.namespace, len(args)+1, nothing)(cmd, args, begun)
	}
	return cmd
}

func decisionFlags(cmd *cobra.Command, why, controller *string) {
	cmd.Flags().StringVarP(why, "message", "m", "", "why, for those who read it later")
	cmd.Flags().StringVar(controller, "controller", "http://127.0.0.1:7077", "address of the controller, asked where no host can be; empty: it is not")
	completed(cmd, free(nothing), "message", "controller")
}

// word is the verb as it is written down.
func (o *decideOptions) word() string {
	if o.full {
		return "promote-full"
	}
	return o.verb
}

func (o *decideOptions) run(cmd *cobra.Command, args []string) error {
	ctx, stop := interruptible(cmd)
	defer stop()
	d, err := o.desk(ctx)
	if err != nil {
		return err
	}
	defer d.leave()
	source, err := sources.Open(ctx, o.where(o.source, d.branch))
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	return o.decide(ctx, cmd, d, source, args)
}

// decide writes the decisions of a source's objects, all of them or none.
func (o *decideOptions) decide(ctx context.Context, cmd *cobra.Command, d desk, source sources.Source, args []string) error {
	world, err := o.look(cmd, source, lookOptions{})
	if err != nil {
		return err
	}
	if err := unread(world); err != nil {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "podkeep: not all of the source could be read: %s\n", live.Plain(err.Error()))
	}
	who, err := d.who(ctx)
	if err != nil {
		return err
	}
	known := o.witnesses(ctx, source, world)
	var all []manifest.Decision
	for _, arg := range args {
		s, err := subjectOf(world.History.Head, arg, o.namespace)
		if err != nil {
			return err
		}
		if !s.forever && o.verb != "retry" {
			return fmt.Errorf("nothing was decided: %s runs to its end or holds data: only retry does something to it", words(s.id))
		}
		one := manifest.Decision{Time: time.Now().UTC().Truncate(time.Second), Verb: o.word(), App: s.id, Rev: s.rev, Who: who, Why: o.why}
		seen := known.footing(s)
		if err := seen.refuses(one, world.History.Head.Commit); err != nil {
			return err
		}
		if one.Verb == "promote" || one.Verb == "skip" {
			one.Step = seen.step
		}
		if seen.from == "" {
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "podkeep: %s is unchecked, whether it does anything now is not known: %s\n", o.verb,
				live.Plain(cmp.Or(strings.Join(known.silent, "; "), "who could be asked knows nothing of "+live.ShortRev(s.rev))))
		}
		all = append(all, one)
	}
	commit := world.History.Head.Commit
	if err := d.write(ctx, commit, linesOf(all)); err != nil {
		return err
	}
	o.said(cmd.OutOrStdout(), d, commit, all)
	return o.counts(ctx, cmd.ErrOrStderr(), source, commit, all)
}

func linesOf(all []manifest.Decision) string {
	var lines []string
	for _, d := range all {
		lines = append(lines, git.FormatDecision(d))
	}
	return strings.Join(lines, "\n")
}

// said tells what was written, and how one sees it take effect.
func (o *decideOptions) said(out io.Writer, d desk, commit string, all []manifest.Decision) {
	var names []string
	for _, one := range all {
		line := fmt.Sprintf("%s %s", one.Verb, one.App.Short())
		if one.Rev != noRev {
			line += ": " + live.ShortRev(one.Rev)
		}
		if one.Verb == "promote" || one.Verb == "skip" {
			line += fmt.Sprintf(" at step %d", one.Step)
		}
		_, _ = fmt.Fprintln(out, live.Plain(line))
		names = append(names, words(one.App))
	}
	_, _ = fmt.Fprintf(out, "written on %s in %s; the controller acts on it at its next fetch, at once where it watches:\n  podkeep status %s -w\n",
		status.ShortCommit(commit), live.Plain(d.where()), shellWords(names, o.namespace))
}

func shellWords(names []string, namespace string) string {
	if namespace != "default" {
		names = append(slices.Clone(names), "-n", namespace)
	}
	for i, n := range names {
		names[i] = shellWord(n)
	}
	return strings.Join(names, " ")
}

// noRev stands where a decision is about no revision: a claim's.
const noRev = "-"

// subject is what a decision is about.
type subject struct {
	id      manifest.ID
	rev     string
	forever bool // it is to run for ever
}

// once are the policies of what runs to its end.
var once = []corev1.RestartPolicy{corev1.RestartPolicyNever, corev1.RestartPolicyOnFailure}

// subjectOf finds what an argument means at HEAD. A Deployment that a Rollout runs goes by the Rollout's name too.
func subjectOf(head manifest.Set, arg, namespace string) (subject, error) {
	var all []manifest.ID
	by := map[manifest.ID]subject{}
	add := func(id manifest.ID, s subject) {
		all, by[id] = append(all, id), s
	}
	for _, w := range head.Workloads {
		s := subject{w.ID, w.Revision.Rev, !slices.Contains(once, w.Revision.Spec.RestartPolicy)}
		add(w.ID, s)
		if w.By != nil {
			add(w.By.ID, s)
		}
	}
	if kind, _, ok := strings.Cut(arg, "/"); ok {
		if k, _ := kindOf(kind); k.kind == "PersistentVolumeClaim" {
			for _, c := range head.Claims {
				add(c.ID, subject{id: c.ID, rev: noRev})
			}
		}
	}
	found, err := meaning(arg, namespace, all)
	if err != nil {
		return subject{}, err
	}
	var one []subject
	for _, id := range found {
		one = append(one, by[id])
	}
	if one = slices.Compact(one); len(one) > 1 {
		slices.SortFunc(found, byWords)
		return subject{}, fmt.Errorf("%s is the name of several: write %s", arg, orOf(found))
	}
	return one[0], nil
}

// counts says when what was written is not read as a decision, since it is not signed as this command was told that it must be.
func (o *decideOptions) counts(ctx context.Context, out io.Writer, source sources.Source, commit string, all []manifest.Decision) error {
	past, ok := source.(sources.Historian)
	if !ok || o.decisionSigners == "" {
		return nil
	}
	_, _, err := source.Head(ctx)
	read, second := past.Decisions(ctx, commit)
	if err = cmp.Or(err, second); err != nil {
		_, _ = fmt.Fprintf(out, "podkeep: written, but it could not be read again: %s\n", live.Plain(err.Error()))
		return nil
	}
	for _, d := range all {
		if !slices.ContainsFunc(read, func(r manifest.Decision) bool { return r.Verb == d.Verb && r.App == d.App && r.Time.Equal(d.Time) }) {
			return fmt.Errorf("written, but it does not count: none of %s signed it: let git sign your commits with an SSH key that stands there (%s)",
				o.decisionSigners, "gpg.format ssh, user.signingKey, commit.gpgSign")
		}
	}
	return nil
}
