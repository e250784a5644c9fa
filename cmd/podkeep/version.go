package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "unknown"

func versionCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit it was built from and the Go that built it",
		Example: examples(`
podkeep version
podkeep --version
podkeep version -o json`),
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch output {
			case "text":
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "podkeep %s\n", built())
				return err
			case "json", "yaml":
				return encode(cmd.OutOrStdout(), output, build{version, commit(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH})
			}
			return fmt.Errorf("output %q: write text, json or yaml", output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, json or yaml")
	complete(cmd, "output", "text", "json", "yaml")
	cmd.ValidArgsFunction = free(nothing)
	return cmd
}

// build is what version says to programs.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func built() string {
	s := version
	if c := commit(); c != "" {
		s += " commit " + c
	}
	return fmt.Sprintf("%s %s %s/%s", s, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// commit is what the build recorded, empty when it recorded nothing.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
