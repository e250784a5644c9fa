package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources"
)

// resumeOptions are those of the command that ends whatever holds a workload: a suspend, which is an annotation in its file, else a pause, which is
// a decision in Git notes.
type resumeOptions struct {
	editOptions
	why, controller string
}

func resumeCommand() *cobra.Command {
	o := &resumeOptions{editOptions: editOptions{verb: "resume", effect: "goes on", spaces: true, note: suspends("")}}
	o.before = o.decided
	cmd := o.command(&cobra.Command{
		Use:   "resume KIND/NAME | NAME...",
		Short: "End what holds a workload: a suspend, or a pause",
		Long: paragraphs(`
Of what is suspended it takes the annotation podkeep.io/suspend out of the manifest, and shows the difference. What had been held up meanwhile
is done once that is committed: podkeep plan DIRECTORY lists it beforehand.

Of what podkeep pause holds it writes the decision that it goes on into Git notes, as podkeep promote --help tells, with -m as the reason. What is both
is resumed twice: first the file, then the pause. spec.paused is taken out by hand.
` + edits),
		Example: examples(`
podkeep resume deployment/web
podkeep resume ns/shop --commit
# after podkeep pause
podkeep resume web -m "the graphs are fine"`),
	})
	decisionFlags(cmd, &o.why, &o.controller)
	return cmd
}

// decided decides for those that are paused, and gives those that are for their files.
func (o *resumeOptions) decided(ctx context.Context, cmd *cobra.Command, args []string) (files []string, err error) {
	t, noFiles := o.tree(ctx)
	var rest []string
	for _, arg := range args {
		if noFiles == nil && o.inFile(t, arg) {
			files = append(files, arg)
		} else {
			rest = append(rest, arg)
		}
	}
	if len(rest) == 0 {
		return files, nil
	}
	d := decideOptions{settings: &o.settings, verb: o.verb, namespace: o.namespace, why: o.why, controller: o.controller}
	paused, err := o.paused(ctx, cmd, &d, rest, noFiles != nil)
	if err != nil && len(paused) == 0 && noFiles == nil {
		return args, nil // no notes can be read: what holds them is what the files say
	}
	return append(files, slices.DeleteFunc(rest, func(a string) bool { return slices.Contains(paused, a) })...), err
}

// inFile says whether an argument means a namespace, or a workload that is suspended.
func (o *resumeOptions) inFile(t *tree, arg string) bool {
	kind, _, _ := strings.Cut(arg, "/")
	if k, _ := kindOf(kind); k.kind == "Namespace" {
		return true
	}
	w, err := o.find(t, arg)
	return err == nil && w.Suspended
}

// paused decides for the arguments whose newest word in the notes is a pause, or for all, and gives those; none when that cannot be read.
func (o *resumeOptions) paused(ctx context.Context, cmd *cobra.Command, d *decideOptions, args []string, all bool) (paused []string, err error) {
	at, err := d.desk(ctx)
	if err != nil {
		return nil, err
	}
	defer at.leave()
	source, err := sources.Open(ctx, o.where(o.source, at.branch))
	if err != nil {
		return nil, err
	}
	defer func() { _ = source.Close() }()
	if paused = args; !all {
		if paused, err = o.inNotes(ctx, source, args); err != nil {
			return nil, err
		}
	}
	if len(paused) == 0 {
		return nil, nil
	}
	return paused, d.decide(ctx, cmd, at, source, paused)
}

// inNotes are the arguments whose newest word in the notes is a pause.
func (o *resumeOptions) inNotes(ctx context.Context, source sources.Source, args []string) (paused []string, err error) {
	past, ok := source.(sources.Historian)
	if !ok {
		return nil, nil
	}
	head, _, err := source.Head(ctx)
	if err != nil {
		return nil, err
	}
	set, err := source.Load(ctx, head)
	if err != nil {
		return nil, err
	}
	decisions, err := past.Decisions(ctx, head)
	if err != nil {
		return nil, err
	}
	for _, arg := range args {
		s, err := subjectOf(set, arg, o.namespace)
		if err != nil {
			continue // the files say the same
		}
		if last := lastOf(decisions, s); last == "pause" {
			paused = append(paused, arg)
		}
	}
	return paused, nil
}

// lastOf is the newest word that paused a workload's revision or ended that.
func lastOf(decisions []manifest.Decision, s subject) (verb string) {
	for _, d := range decisions {
		if d.App == s.id && d.Rev == s.rev && slices.Contains([]string{"pause", "resume", "promote", "promote-full"}, d.Verb) {
			verb = d.Verb
		}
	}
	return verb
}
