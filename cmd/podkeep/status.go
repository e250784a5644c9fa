package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/podkeep/podkeep/status"
)

type statusOptions struct {
	settings
	output string
}

func statusCommand() *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how workloads and nodes stand, and why",
		Long: paragraphs(`
Reads the manifests, looks at the fleet and prints how it stands: workloads, nodes, what does not load,
and how old the last good fetch is. It needs no controller and changes nothing.

REV is the revision asked for, after the stable one and an arrow while they differ. COMMIT is the
commit whose form of the object is in force. AGE is that of the revision's oldest pod. WHY says what
is waited for.

-o json and -o yaml print a v1.List of Kubernetes objects with status filled in: Nodes, Deployments,
ReplicaSets (one a revision), Pods, and Events for what does not load. No secret's value is in it.

Exit codes: 0, or 1 when the source could not be read or no node answers.`),
		Example: examples(`
podkeep status
# with pods: node, restarts, age, address
podkeep status -o wide
# every pod that is not ready
podkeep status -o json | jq -r '.items[] | select(.kind == "Pod" and
  all(.status.conditions[]; .type != "Ready" or .status != "True")) | .metadata.name'`),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.bind(cmd)
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "text, wide, json or yaml")
	complete(cmd, "output", "text", "wide", "json", "yaml")
	return cmd
}

func (o *statusOptions) run(cmd *cobra.Command) error {
	switch o.output {
	case "text", "wide", "json", "yaml":
	default:
		return fmt.Errorf("output %q: write text, wide, json or yaml", o.output)
	}
	source, err := o.open(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	world, err := o.look(cmd, source, lookOptions{})
	if err != nil {
		return err
	}
	if err := o.print(cmd.OutOrStdout(), world); err != nil {
		return err
	}
	return lost(world)
}

func (o *statusOptions) print(w io.Writer, world status.World) error {
	if o.output == "json" || o.output == "yaml" {
		return encode(w, o.output, status.List(world))
	}
	status.Of(world).Text(w, look(w), o.output == "wide")
	return nil
}

// encode writes v as indented JSON or as YAML.
func encode(w io.Writer, form string, v any) error {
	if form == "yaml" {
		data, err := yaml.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
