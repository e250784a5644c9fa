package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// foreign are words of the libraries that read command lines, and of Go.
var foreign = []string{"arg(s)", "unknown command", "unknown flag", "invalid argument", "strconv", "parsing", "needs an argument"}

func TestWhatIsWrongInACommandLineIsSaidInOurWords(t *testing.T) {
	for _, cmd := range append(runnable(rootCommand()), parents(rootCommand())...) {
		if cmd.Args == nil {
			t.Errorf("%s: says nothing of its arguments", cmd.CommandPath())
			continue
		}
		for _, args := range [][]string{nil, slices.Repeat([]string{"x"}, 9)} {
			ours(t, cmd, cmd.Args(cmd, args))
		}
		for _, flag := range valued(cmd) {
			ours(t, cmd, parsed(cmd, "--"+flag.Name))
			ours(t, cmd, parsed(cmd, "--"+flag.Name+"=\x00"))
		}
		ours(t, cmd, parsed(cmd, "--nosuch"))
		ours(t, cmd, parsed(cmd, "-Z"))
	}
}

func parsed(cmd *cobra.Command, arg string) error {
	if err := cmd.ParseFlags([]string{arg}); err != nil {
		return cmd.FlagErrorFunc()(cmd, err)
	}
	return nil
}

func ours(t *testing.T, cmd *cobra.Command, err error) {
	t.Helper()
	for _, word := range foreign {
		if err != nil && strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", cmd.CommandPath(), err)
		}
	}
}

// parents are the commands that only hold others.
func parents(cmd *cobra.Command) (all []*cobra.Command) {
	for _, sub := range cmd.Commands() {
		all = append(all, parents(sub)...)
	}
	if cmd.HasSubCommands() {
		all = append(all, cmd)
	}
	return all
}

// valued are a command's flags that take a value.
func valued(cmd *cobra.Command) (all []*pflag.Flag) {
	cmd.InheritedFlags() // so that Flags has them too
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.NoOptDefVal == "" {
			all = append(all, f)
		}
	})
	return all
}
