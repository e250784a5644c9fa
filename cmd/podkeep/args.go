package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// takes is for a command of so many arguments; most below zero means any number.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		use := strings.TrimSuffix(cmd.UseLine(), " [flags]")
		switch {
		case len(args) < least:
			return fmt.Errorf("something is missing: write %s; `%s --help` has examples", use, cmd.CommandPath())
		case most >= 0 && len(args) > most:
			return fmt.Errorf("%q is one argument too many: write %s", args[most], use)
		}
		return nil
	}
}

// forms is how a flag's value is written, by pflag's name of its type.
var forms = map[string]string{
	"int": "a whole number", "uint16": "a port, from 0 to 65535", "duration": "a duration, such as 30s, 10m or 2h", "bool": "true or false",
}

// flagError puts what pflag says into words that say what to write. Where the command is none, that is what is wrong, and not its flags.
func flagError(cmd *cobra.Command, err error) error {
	if before := cmd.Flags().Args(); cmd.HasAvailableSubCommands() && len(before) > 0 {
		return known(cmd, before)
	}
	var (
		missing *pflag.NotExistError
		empty   *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
	)
	lists := fmt.Sprintf("`%s --help` lists the flags", cmd.CommandPath())
	switch {
	case errors.As(err, &missing):
		name := missing.GetSpecifiedName()
		if near := nearFlag(cmd, name); near != "" {
			return fmt.Errorf("no flag %s: did you mean --%s?", dashed(name, missing.GetSpecifiedShortnames()), near)
		}
		return fmt.Errorf("no flag %s: %s", dashed(name, missing.GetSpecifiedShortnames()), lists)
	case errors.As(err, &empty):
		return fmt.Errorf("--%s: write a value after it: %s", empty.GetFlag().Name, empty.GetFlag().Usage)
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		if form, ok := forms[f.Value.Type()]; ok {
			return fmt.Errorf("%s %q: write %s", f.Name, invalid.GetValue(), form)
		}
		return fmt.Errorf("%s %q: %w", f.Name, invalid.GetValue(), errors.Unwrap(invalid))
	}
	return fmt.Errorf("%w; %s", err, lists)
}

// dashed is a flag as it was typed: a long one, or one of a group of short ones.
func dashed(name, group string) string {
	if group != "" {
		return "-" + name
	}
	return "--" + name
}

// nearFlag is the flag of a command that may be meant, empty if none may.
func nearFlag(cmd *cobra.Command, name string) string {
	best, least := "", 3
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := distance(name, f.Name); d < least && d < len(name) {
			best, least = f.Name, d
		}
	})
	return best
}
