package main

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/devfleet"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/git"
)

// What shells are offered is read from the repository alone: no host is asked. Nothing is offered where it cannot be read.

// hurried is how long a shell is kept waiting.
const hurried = 3 * time.Second

// manifests are what the source asks for.
func (s *settings) manifests(cmd *cobra.Command) (set manifest.Set) {
	ctx, stop := context.WithTimeout(context.Background(), hurried)
	defer stop()
	if s.configure(cmd.Flags()) != nil {
		return set
	}
	source, err := s.open(ctx)
	if err != nil {
		return set
	}
	defer func() { _ = source.Close() }()
	commit, _, _ := source.Head(ctx) // a source that is away knows what it said last
	set, _ = source.Load(ctx, commit)
	return set
}

// offer completes with a list that is made when it is asked for, without names that a terminal does not show as they are; rest is what a shell
// does where nothing of it fits, and whether it keeps the order.
func offer(rest cobra.ShellCompDirective, list func(cmd *cobra.Command, args []string, begun string) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		fits := slices.DeleteFunc(list(cmd, args, begun), func(s string) bool {
			return !strings.HasPrefix(s, begun) || strings.ContainsFunc(s, func(r rune) bool { return r != '\t' && !live.Shows(r) })
		})
		if rest&cobra.ShellCompDirectiveKeepOrder == 0 {
			slices.Sort(fits)
		}
		return slices.Compact(fits), rest
	}
}

const (
	nothing = cobra.ShellCompDirectiveNoFileComp
	aFile   = cobra.ShellCompDirectiveDefault
	aFolder = cobra.ShellCompDirectiveFilterDirs
)

// free is for values of which there is no list: nothing, files or folders.
func free(rest cobra.ShellCompDirective) cobra.CompletionFunc {
	return offer(rest, func(*cobra.Command, []string, string) []string { return nil })
}

// completed registers how flags of a command are completed.
func completed(cmd *cobra.Command, how cobra.CompletionFunc, flags ...string) {
	for _, name := range flags {
		if err := cmd.RegisterFlagCompletionFunc(name, how); err != nil {
			panic(err)
		}
	}
}

// targets offers the workloads of a namespace, as long as there are fewer arguments than most.
func (s *settings) targets(namespace *string, most int, rest cobra.ShellCompDirective) cobra.CompletionFunc {
	return offer(rest, func(cmd *cobra.Command, args []string, begun string) (all []string) {
		if len(args) >= most {
			return nil
		}
		for _, w := range s.manifests(cmd).Workloads {
			if w.ID.Namespace == *namespace {
				all = append(all, typed(w.ID, begun))
			}
		}
		return all
	})
}

// inPods offers what targets does with a colon, after which a path follows, and files.
func (s *settings) inPods(namespace *string, most int) cobra.CompletionFunc {
	workloads := s.targets(namespace, most, nothing)
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		all, _ := workloads(cmd, args, begun)
		if len(all) == 0 {
			return nil, aFile
		}
		for i := range all {
			all[i] += ":"
		}
		return all, nothing | cobra.ShellCompDirectiveNoSpace
	}
}

// reachable offers what targets does, and Services.
func (s *settings) reachable(namespace *string, most int, rest cobra.ShellCompDirective) cobra.CompletionFunc {
	return offer(rest, func(cmd *cobra.Command, args []string, begun string) (all []string) {
		if len(args) >= most {
			return nil
		}
		set := s.manifests(cmd)
		for _, w := range set.Workloads {
			if w.ID.Namespace == *namespace {
				all = append(all, typed(w.ID, begun))
			}
		}
		for _, x := range set.Services {
			if x.ID.Namespace == *namespace {
				all = append(all, typed(x.ID, begun))
			}
		}
		return all
	})
}

// typed is KIND/NAME with the word for the kind that has been typed, if it is one of its words.
func typed(id manifest.ID, begun string) string {
	word, _, ok := strings.Cut(begun, "/")
	if k, known := kindOf(word); ok && known && k.kind == id.Kind {
		return word + "/" + id.Name
	}
	return words(id)
}

// everything offers all that status can show, and, for a first argument, the kinds of it.
func (s *settings) everything(namespace *string) cobra.CompletionFunc {
	return offer(nothing, func(cmd *cobra.Command, args []string, begun string) (all []string) {
		add := func(id manifest.ID) {
			if *namespace != "" && id.Namespace != "" && id.Namespace != *namespace {
				return
			}
			all = append(all, typed(id, begun))
			if len(args) == 0 {
				all = append(all, strings.ToLower(id.Kind))
			} else if k, ok := kindOf(args[0]); ok && k.kind == id.Kind {
				all = append(all, id.Name)
			}
		}
		set := s.manifests(cmd)
		for _, w := range set.Workloads {
			add(w.ID)
		}
		for _, n := range set.Nodes {
			add(n.ID)
		}
		for _, x := range set.Services {
			add(x.ID)
		}
		for _, p := range set.NetworkPolicies {
			add(p.ID)
		}
		for _, x := range set.Ingresses {
			add(x.ID)
		}
		for _, x := range set.GatewayClasses {
			add(x.ID)
		}
		for _, x := range set.Gateways {
			add(x.ID)
		}
		for _, x := range set.HTTPRoutes {
			add(x.ID)
		}
		for _, c := range set.Claims {
			add(c.ID)
		}
		return all
	})
}

// spaces offers the namespaces that are declared or that something is in, with a word before each.
func (s *settings) spaces(before string) cobra.CompletionFunc {
	return offer(nothing, func(cmd *cobra.Command, _ []string, _ string) (all []string) {
		set := s.manifests(cmd)
		for _, n := range set.Namespaces {
			all = append(all, before+n.Name)
		}
		for _, w := range set.Workloads {
			all = append(all, before+w.Namespace)
		}
		for _, x := range set.Services {
			all = append(all, before+x.Namespace)
		}
		for _, x := range set.Ingresses {
			all = append(all, before+x.Namespace)
		}
		for _, x := range set.Gateways {
			all = append(all, before+x.Namespace)
		}
		for _, x := range set.HTTPRoutes {
			all = append(all, before+x.Namespace)
		}
		return all
	})
}

// containers offers those of the workload that is named, or of all.
func (s *settings) containers(namespace *string) cobra.CompletionFunc {
	return offer(nothing, func(cmd *cobra.Command, args []string, _ string) (all []string) {
		set := s.manifests(cmd)
		for _, w := range set.Workloads {
			if w.Namespace != *namespace || len(args) > 0 && !canMean(args[0], w.ID) {
				continue
			}
			for _, c := range slices.Concat(w.Revision.Spec.InitContainers, w.Revision.Spec.Containers) {
				all = append(all, c.Name)
			}
		}
		return all
	})
}

// canMean says whether an argument, KIND/NAME, NAME or the name of a pod, can mean a workload.
func canMean(arg string, id manifest.ID) bool {
	kind, name, ok := strings.Cut(arg, "/")
	if !ok {
		return arg == id.Name || strings.HasPrefix(arg, id.Name+"-")
	}
	k, _ := kindOf(kind)
	return k.kind == id.Kind && name == id.Name || k.kind == "Pod" && strings.HasPrefix(name, id.Name+"-")
}

// nodes offers the declared ones; of a list with commas, after the last.
func (s *settings) nodes() cobra.CompletionFunc {
	return offer(nothing, func(cmd *cobra.Command, _ []string, begun string) (all []string) {
		for _, n := range s.manifests(cmd).Nodes {
			all = append(all, begun[:strings.LastIndex(begun, ",")+1]+n.Name)
		}
		return all
	})
}

// labelled offers the labels that objects have.
func (s *settings) labelled() cobra.CompletionFunc {
	return offer(nothing, func(cmd *cobra.Command, _ []string, begun string) (all []string) {
		for _, w := range s.manifests(cmd).Workloads {
			for _, set := range []map[string]string{w.Labels, w.Revision.Labels} {
				for _, key := range slices.Collect(maps.Keys(set)) {
					all = append(all, begun[:strings.LastIndex(begun, ",")+1]+key+"="+set[key])
				}
			}
		}
		return all
	})
}

// revisions offers branches and tags of the clone at hand, or its newest commits.
func (s *settings) revisions(commits bool) cobra.CompletionFunc {
	rest := nothing
	if commits {
		rest |= cobra.ShellCompDirectiveKeepOrder
	}
	return offer(rest, func(cmd *cobra.Command, args []string, _ string) []string {
		if len(args) > 0 && commits || s.configure(cmd.Flags()) != nil {
			return nil
		}
		local, ok := git.Local(s.source)
		if !ok {
			local = "."
		}
		at, ok, err := git.Find(local)
		if err != nil || !ok {
			return nil
		}
		ctx, stop := context.WithTimeout(context.Background(), hurried)
		defer stop()
		c := clone{dir: cmp.Or(at.Root, at.Git)}
		if commits {
			log, _ := c.git(ctx, "log", "-20", "--first-parent", "--format=%h%x09%s", cmp.Or(s.branch, "HEAD"), "--")
			return described(log)
		}
		refs, _ := c.git(ctx, "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags")
		return strings.Fields(refs)
	})
}

// described are lines of a commit, a tab and its subject, whoever wrote that.
func described(log string) (all []string) {
	for line := range strings.Lines(log) {
		commit, subject, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		all = append(all, commit+"\t"+live.Plain(subject))
	}
	return all
}

// devNodes offers the nodes of a local fleet, devFleets such fleets.
func devNodes(o *devOptions) cobra.CompletionFunc {
	return offer(nothing, func(_ *cobra.Command, args []string, _ string) (all []string) {
		f, err := o.open()
		if err != nil || len(args) > 0 {
			return nil
		}
		for _, n := range f.Nodes {
			all = append(all, n.Name)
		}
		return all
	})
}

func devFleets(*cobra.Command, []string, string) (all []string) {
	fleets, _ := devfleet.List()
	for _, f := range fleets {
		all = append(all, f.Name)
	}
	return all
}
