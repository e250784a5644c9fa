package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podkeep/podkeep/status"
)

type statusOptions struct {
	settings
	output              string
	namespace, selector string
	all, watch, detail  bool
}

func statusCommand() *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:     "status [KIND/NAME | KIND | NAME]...",
		Aliases: []string{"get", "describe"},
		Short:   "Show how workloads and nodes stand, and why",
		Long: paragraphs(`
Reads the manifests, looks at the fleet and prints how it stands: workloads, Services, NetworkPolicies, what
doors serve (Ingresses, Gateways, HTTPRoutes), nodes, what does not load, and how old the last good fetch is. It needs no controller and changes nothing.

What is named is shown alone, and with its pods: deployment/web, a NAME of any kind, or a whole KIND; kubectl's
short names are understood, and all namespaces are looked in unless -n names one. What is named by its NAME is
followed by what happened to it lately. With -w it goes on, and shows what has changed whenever something has.

REV is the revision asked for, after the stable one and an arrow while they differ. COMMIT is the
commit whose form of the object is in force. AGE is that of the revision's oldest pod. WHY says what
is waited for.

-o json and -o yaml print a v1.List of Kubernetes objects with status filled in: Nodes, Deployments,
ReplicaSets (one a revision), Pods, Services with EndpointSlices, NetworkPolicies, Ingresses, GatewayClasses, Gateways,
HTTPRoutes, and Events for what does not load. No secret's value is in it.

Exit codes: 0, or 1 when the source could not be read, no node answers, or what is named is not there.`),
		Example: examples(`
podkeep status
# one workload, with its pods, all that it waits for and what happened to it
podkeep status deployment/web -n shop
# all pods: node, restarts, age, address
podkeep status pods
# where a Service leads, and which nodes do not send its requests there yet
podkeep status service/web -n shop
# which pods each NetworkPolicy holds, what it allows them, and why it does not hold somewhere
podkeep status networkpolicies -o wide
# at which addresses an Ingress is served, where its requests lead, and why it is not on some node
podkeep status ingress/web -n shop
# what has a label, until it is interrupted
podkeep status -l app=web -w
# every pod that is not ready
podkeep status -o json | jq -r '.items[] | select(.kind == "Pod" and
  all(.status.conditions[]; .type != "Ready" or .status != "True")) | .metadata.name'`),
		Args: takes(0, -1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.bind(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&o.output, "output", "o", "text", "text, wide, json or yaml")
	flags.StringVarP(&o.namespace, "namespace", "n", "", "what is in this namespace (default: all)")
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "what is in any namespace, as without -n")
	flags.StringVarP(&o.selector, "selector", "l", "", "what has these labels, or pods that have them, such as app=web,tier!=test")
	flags.BoolVarP(&o.watch, "watch", "w", false, "go on, and show what has changed")
	complete(cmd, "output", "text", "wide", "json", "yaml")
	completed(cmd, o.spaces(""), "namespace")
	completed(cmd, o.labelled(), "selector")
	cmd.ValidArgsFunction = o.everything(&o.namespace)
	return cmd
}

func (o *statusOptions) run(cmd *cobra.Command, args []string) error {
	switch o.output {
	case "text", "wide", "json", "yaml":
	default:
		return fmt.Errorf("output %q: write text, wide, json or yaml", o.output)
	}
	if o.all && o.namespace != "" {
		return errors.New("-A is every namespace and -n one of them: leave out one of the two")
	}
	asked, err := o.asked(args)
	if err != nil {
		return err
	}
	asked.Events = cmd.CalledAs() == "describe" || len(asked.names) > 0
	o.detail = asked.Events || slices.Contains(asked.Kinds, "Pod")
	source, err := o.open(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	if o.watch {
		return o.follow(cmd, source, asked)
	}
	world, err := o.look(cmd, source, lookOptions{})
	if err != nil {
		return err
	}
	chosen, err := asked.among(status.Of(world))
	if err != nil {
		return err
	}
	if err := o.print(cmd.OutOrStdout(), world, chosen); err != nil {
		return err
	}
	return lost(world)
}

func (o *statusOptions) print(w io.Writer, world status.World, chosen status.Selection) error {
	if o.output == "json" || o.output == "yaml" {
		return encode(w, o.output, status.ListOnly(world, chosen))
	}
	status.Of(world).Only(chosen).Text(w, look(w), o.output == "wide" || o.detail)
	return nil
}

// asked is what the arguments and flags of status ask for. Names are looked up once it is known what there is.
type asked struct {
	status.Selection
	names []string // KIND/NAME or NAME
}

// asked reads kubectl's ways: KIND/NAME..., KIND[,KIND]... and KIND NAME....
func (o *statusOptions) asked(args []string) (a asked, err error) {
	a.Namespace = o.namespace
	if o.selector != "" {
		if a.Labels, err = labels.Parse(o.selector); err != nil {
			return a, fmt.Errorf("selector %q: write labels such as app=web, app!=web or 'app in (web, api)'", o.selector)
		}
	}
	for _, arg := range joined(args) {
		kinds, err := kindsOf(arg)
		switch {
		case err != nil:
			return a, err
		case kinds == nil:
			a.names = append(a.names, arg)
		default:
			a.Kinds = append(a.Kinds, kinds...)
		}
	}
	return a, nil
}

// kindsOf are the kinds that an argument lists; none when it names objects. Those of which status has nothing to tell are an error.
func kindsOf(arg string) (all []string, err error) {
	first, _, named := strings.Cut(arg, "/")
	if first == "events" || first == "event" || first == "ev" {
		return nil, fmt.Errorf("%s: none are kept: %s", arg, strangers["events"])
	}
	if arg == "all" {
		return []string{"Deployment", "ReplicaSet", "ReplicationController", "Pod", "Job", "StatefulSet", "DaemonSet", "CronJob", "Rollout", "Service"}, nil
	}
	for s := range strings.SplitSeq(first, ",") {
		k, ok := kindOf(s)
		switch {
		case ok && !k.runs && !slices.Contains(toldOf, k.kind):
			return nil, untold(arg, k)
		case !ok:
			return nil, nil
		}
		all = append(all, k.kind)
	}
	if named {
		return nil, nil
	}
	return all, nil
}

// toldOf are the kinds that status tells of and that become no pods.
var toldOf = []string{"Node", "PersistentVolumeClaim", "Service", "NetworkPolicy", "Ingress", "GatewayClass", "Gateway", "HTTPRoute"}

// untold says which command tells of a kind that status shows nothing of.
func untold(arg string, k word) error {
	switch k.kind {
	case "Namespace":
		return fmt.Errorf("%s: a namespace has no status of its own; `podkeep status -n NAMESPACE` shows what is in one", arg)
	case "ConfigMap", "Secret":
		return fmt.Errorf("%s: a %s is part of the pods that use it, and `podkeep diff` shows what of it differs; status shows workloads, pods, Services, NetworkPolicies, what doors serve, claims and nodes", arg, k.kind)
	}
	return fmt.Errorf("%s: status shows workloads, pods, Services, NetworkPolicies, what doors serve, claims and nodes; `podkeep check` says whether a %s loads", arg, k.kind)
}

// among finds what is named in a report.
func (a asked) among(r status.Report) (status.Selection, error) {
	s := a.Selection
	for _, name := range a.names {
		ids, err := meaning(name, s.Namespace, r.Objects())
		if err != nil {
			return s, err
		}
		s.Objects = append(s.Objects, ids...)
	}
	return s, nil
}

// encode writes v as indented JSON or as YAML.
func encode(w io.Writer, form string, v any) error {
	data, err := status.Encode(form, v)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
