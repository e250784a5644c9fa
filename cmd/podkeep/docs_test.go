package main

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", os.Getenv("UPDATE_GOLDEN") != "", "rewrite the generated part of docs/commands")

const (
	docs  = "../../docs/commands"
	begin = "<!-- generated from the code -->"
	end   = "<!-- end of generated -->"
)

func TestEveryCommandHasAPageWithItsUsageAndFlags(t *testing.T) {
	root := rootCommand()
	commands := slices.DeleteFunc(root.Commands(), isStranger)
	for _, cmd := range commands {
		t.Run(cmd.Name(), func(t *testing.T) { checkPage(t, cmd.Name()+".md", usage(cmd)) })
	}
	t.Run("what all share", func(t *testing.T) {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		new(settings).register(flags)
		checkPage(t, "README.md", block(flags.FlagUsages()))
	})
	pages, err := filepath.Glob(docs + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := len(commands) + 1; len(pages) != want {
		t.Errorf("%d pages for %d commands and what they share: %v", len(pages), want-1, pages)
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	for _, cmd := range rootCommand().Commands() {
		if !isStranger(cmd) && (cmd.Short == "" || cmd.Example == "") {
			t.Errorf("%s: Short %q, Example %q", cmd.Name(), cmd.Short, cmd.Example)
		}
	}
}

// isStranger says whether a command only says what does the same here.
func isStranger(cmd *cobra.Command) bool { return cmd.Hidden && cmd.DisableFlagParsing }

// usage is the generated part of a command's page: for it and each command below it the line of usage and the flags
// that not every command has.
func usage(cmd *cobra.Command) string {
	common := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(settings).register(common)
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	own.SortFlags = false
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if common.Lookup(f.Name) == nil && f.Name != "help" {
			own.AddFlag(f)
		}
	})
	text := block(cmd.UseLine() + "\n" + own.FlagUsages())
	for _, sub := range slices.DeleteFunc(cmd.Commands(), isStranger) {
		text += "\n" + sub.Short + ":\n\n" + usage(sub)
	}
	return text
}

func block(text string) string { return "```text\n" + strings.TrimRight(text, "\n") + "\n```\n" }

func checkPage(t *testing.T, name, generated string) {
	t.Helper()
	path := filepath.Join(docs, name)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin+"\n")
	was, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s: has no part between %s and %s", path, begin, end)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+"\n"+generated+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(generated, was); diff != "" {
		t.Errorf("%s (-update rewrites it):\n%s", path, diff)
	}
}
