package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/live"
)

// execute runs one command line and gives its exit code. A command whose output could not be written has failed.
func execute(args []string, out, errOut io.Writer) int {
	root := rootCommand()
	to := &sink{Writer: out}
	root.SetArgs(args)
	root.SetOut(to)
	root.SetErr(errOut)
	err := root.ExecuteContext(context.Background())
	var e exit
	said := err == nil || errors.As(err, &e) && e.err == nil
	if said && to.err != nil {
		err, e = to.err, exit{}
	}
	switch {
	case err == nil:
		return 0
	case e.code != 0:
		if e.err != nil {
			_, _ = fmt.Fprintln(errOut, "podkeep: "+live.Plain(e.Error()))
		}
		return e.code
	default:
		_, _ = fmt.Fprintln(errOut, "podkeep: "+live.Plain(err.Error()))
		return 1
	}
}

// exit is an error that knows its exit code. Without err everything has been said already.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "podkeep",
		Short: "Keeps a fleet of Podman hosts the way a Git repository says",
		Long: paragraphs(`
podkeep keeps a fleet of Podman hosts the way a Git repository says. You push Kubernetes
manifests; it looks at what runs, thinks out the difference and acts, in steps that keep the
service up. Rollback is git revert.

With no flags it reads the directory it stands in and keeps this machine's Podman.`),
		Example: examples(`
# what would change, and why
podkeep plan
# make it so, and wait until it is
podkeep sync
# keep it so
podkeep run --source https://git.example.com/fleet.git --branch main
# how it stands
podkeep status`),
		Version:       built(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          known,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(runCommand(), syncCommand(), planCommand(), diffCommand(), historyCommand(), revertCommand(), adoptCommand(), cleanCommand(), trustCommand(), checkCommand(), statusCommand(), rolloutCommand(), versionCommand(), completionCommand(),
		logsCommand(), execCommand(), portForwardCommand(), curlCommand(), cpCommand(), topCommand(), imageCommand(), devCommand(), nodeCommand(), doorCommand())
	root.AddCommand(suspendCommand(), resumeCommand(), restartCommand())
	root.AddCommand(promoteCommand(), abortCommand(), retryCommand(), pauseCommand(), skipCommand())
	root.AddCommand(strangerCommands()...)
	root.SetHelpCommand(helpCommand())
	root.SetVersionTemplate("podkeep {{.Version}}\n")
	return root
}

// helpCommand is cobra's, but that it fails for a command that is not there.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Show the help of a command", ValidArgsFunction: free(nothing),
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if of.HasSubCommands() && len(rest) > 0 {
				return known(of, rest)
			}
			return of.Help()
		},
	}
}

// known refuses a command that does not exist, and says which one may be meant.
func known(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := fmt.Sprintf("`%s --help` lists them", cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return fmt.Errorf("no command %q: %s", args[0], hint)
}

// paragraphs trims a text that was written for reading in the source.
func paragraphs(s string) string { return strings.TrimSpace(s) }

// examples indents lines as help shows them.
func examples(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}
