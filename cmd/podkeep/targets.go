package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// targets offers a shell the workloads that the manifests name in a namespace. Nothing is offered where they cannot be read.
func (s *settings) targets(namespace *string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 || s.configure(cmd.Flags()) != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return s.workloads(*namespace), cobra.ShellCompDirectiveNoFileComp
	}
}

func (s *settings) workloads(namespace string) (all []string) {
	ctx, stop := context.WithTimeout(context.Background(), 3*time.Second)
	defer stop()
	source, err := s.open(ctx)
	if err != nil {
		return nil
	}
	defer func() { _ = source.Close() }()
	commit, _, _ := source.Head(ctx) // a source that is away knows what it said last
	set, err := source.Load(ctx, commit)
	if err != nil {
		return nil
	}
	for _, w := range set.Workloads {
		if w.ID.Namespace == namespace {
			all = append(all, words(w.ID))
		}
	}
	slices.Sort(all)
	return all
}
