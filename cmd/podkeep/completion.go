package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func completionCommand() *cobra.Command {
	shells := map[string]func(*cobra.Command, io.Writer) error{
		"bash": func(c *cobra.Command, w io.Writer) error { return c.GenBashCompletionV2(w, true) },
		"zsh":  func(c *cobra.Command, w io.Writer) error { return c.GenZshCompletion(w) },
		"fish": func(c *cobra.Command, w io.Writer) error { return c.GenFishCompletion(w, true) },
	}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a completion script for a shell",
		Long:  "Prints a script that teaches a shell to complete podkeep's commands and flags, and the objects, nodes and\nrevisions that the repository holds. No host is asked.",
		Example: examples(`
# bash, for this shell
source <(podkeep completion bash)
# bash, for every shell
podkeep completion bash > /etc/bash_completion.d/podkeep
# zsh
podkeep completion zsh > "${fpath[1]}/_podkeep"
# fish
podkeep completion fish > ~/.config/fish/completions/podkeep.fish`),
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || shells[args[0]] == nil {
				return fmt.Errorf("which shell? write one of bash, zsh, fish")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return shells[args[0]](cmd.Root(), cmd.OutOrStdout())
		},
	}
}
