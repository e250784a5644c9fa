package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/manifest"
)

// word is a kind and what kubectl's users write for it beside its own name and that with an s.
type word struct {
	kind, short string
	runs        bool // it becomes pods
}

// kinds are those that a command line may name, of which not every one is built.
var kinds = []word{
	{"Deployment", "deploy", true}, {"ReplicaSet", "rs", true}, {"ReplicationController", "rc", true}, {"Pod", "po", true}, {"Job", "", true},
	{"StatefulSet", "sts", true}, {"DaemonSet", "ds", true}, {"CronJob", "cj", true}, {"Rollout", "ro", true},
	{"Node", "no", false}, {"PersistentVolumeClaim", "pvc", false}, {"PersistentVolume", "pv", false}, {"Namespace", "ns", false}, {"ConfigMap", "cm", false},
	{"Secret", "", false}, {"Service", "svc", false}, {"Ingress", "ing", false}, {"ServiceAccount", "sa", false}, {"NetworkPolicy", "netpol", false},
	{"Endpoints", "ep", false}, {"EndpointSlice", "", false}, {"IngressClass", "", false}, {"GatewayClass", "gc", false}, {"Gateway", "gtw", false},
	{"HTTPRoute", "", false}, {"ReferenceGrant", "refgrant", false},
}

// kindOf is the kind that a word means, as kubectl takes it: deployment, Deployments, deploy, deployments.apps.
func kindOf(s string) (word, bool) {
	s, _, _ = strings.Cut(strings.ToLower(s), ".")
	for _, k := range kinds {
		name := strings.ToLower(k.kind)
		if s == name || s == name+"s" || s == name+"es" || strings.HasSuffix(name, "y") && s == strings.TrimSuffix(name, "y")+"ies" || s == k.short && s != "" {
			return k, true
		}
	}
	return word{}, false
}

// unknownKind says of a word that it is no kind, and which one may be meant.
func unknownKind(s string) error {
	best, least := "", 3
	for _, k := range kinds {
		if d := distance(strings.ToLower(s), strings.ToLower(k.kind)); d < least {
			best, least = strings.ToLower(k.kind), d
		}
	}
	if best != "" {
		return fmt.Errorf("%q is no kind: did you mean %s?", s, best)
	}
	return fmt.Errorf("%q is no kind: write one such as deployment, job, pod or node, or its short form", s)
}

// namespaceFlag is -n, as kubectl has it.
func (s *settings) namespaceFlag(cmd *cobra.Command, namespace *string) {
	cmd.Flags().StringVarP(namespace, "namespace", "n", "default", "namespace of KIND/NAME")
	completed(cmd, s.spaces(""), "namespace")
}

// object reads KIND/NAME. The kind may be written as kubectl takes it: deployment, deploy, job, po.
func object(arg string) (k word, name string, err error) {
	kind, name, ok := strings.Cut(arg, "/")
	if !ok || kind == "" || name == "" || strings.Contains(name, "/") {
		return k, "", fmt.Errorf("%q: write KIND/NAME, such as deployment/web", arg)
	}
	if k, ok = kindOf(kind); !ok {
		return k, "", fmt.Errorf("%s: %w", arg, unknownKind(kind))
	}
	return k, name, nil
}

// joined reads kubectl's KIND NAME... as KIND/NAME...; other arguments stay as they are.
func joined(args []string) []string {
	slash := func(s string) bool { return strings.Contains(s, "/") }
	if len(args) < 2 || slices.ContainsFunc(args, slash) {
		return args
	}
	if _, ok := kindOf(args[0]); !ok {
		return args
	}
	var all []string
	for _, name := range args[1:] {
		all = append(all, args[0]+"/"+name)
	}
	return all
}

// workloadID reads the KIND/NAME of what becomes pods.
func workloadID(arg, namespace string) (manifest.ID, error) {
	k, name, err := object(arg)
	if err != nil {
		return manifest.ID{}, err
	}
	if !k.runs {
		return manifest.ID{}, fmt.Errorf("%s: %s does not become pods; write deployment, rollout, replicaset, replicationcontroller, pod or job", arg, strings.ToLower(k.kind))
	}
	return manifest.ID{Kind: k.kind, Namespace: namespace, Name: name}, nil
}

// namesWorkload says whether an argument can only be KIND/NAME, and no directory.
func namesWorkload(arg string) bool {
	kind, _, ok := strings.Cut(arg, "/")
	if k, known := kindOf(kind); !ok || !known || !k.runs {
		return false
	}
	info, err := os.Stat(arg)
	return err != nil || !info.IsDir()
}

// words are how one writes an object on a command line, without its namespace.
func words(id manifest.ID) string { return strings.ToLower(id.Kind) + "/" + id.Name }

// meaning are the objects among all of which an argument, KIND/NAME or NAME, can be the name. A namespace that is empty is any. An
// error says what is there instead.
func meaning(arg, namespace string, all []manifest.ID) ([]manifest.ID, error) {
	kind, name := "", arg
	if strings.Contains(arg, "/") {
		k, n, err := object(arg)
		if err != nil {
			return nil, err
		}
		kind, name = k.kind, n
	}
	if name == "" {
		return nil, fmt.Errorf("%q: write KIND/NAME, such as deployment/web, or a name", arg)
	}
	var here, elsewhere []manifest.ID
	for _, id := range all {
		switch fits := id.Name == name && (kind == "" || kind == id.Kind); {
		case fits && (namespace == "" || id.Namespace == "" || id.Namespace == namespace):
			here = append(here, id)
		case fits:
			elsewhere = append(elsewhere, id)
		}
	}
	switch {
	case len(here) > 0:
		return here, nil
	case len(elsewhere) > 0:
		return nil, fmt.Errorf("no %s in namespace %s: there is one in %s; write -n %s", arg, namespace, elsewhere[0].Namespace, elsewhere[0].Namespace)
	}
	return nil, absent(arg, namespace, all)
}

// absent says that nothing of all has that name, and which one may be meant, or what there is.
func absent(arg, namespace string, all []manifest.ID) error {
	name := afterSlash(arg)
	best, least := "", min(len(name), 1+min(3, max(2, len(name)/2)))
	var there []string
	for _, id := range all {
		if namespace != "" && id.Namespace != "" && id.Namespace != namespace {
			continue
		}
		there = append(there, words(id))
		if d := min(distance(arg, words(id)), distance(name, id.Name)); d < least {
			best, least = words(id), d
		}
	}
	where := ""
	if namespace != "" {
		where = " in namespace " + namespace
	}
	switch {
	case best != "":
		return fmt.Errorf("no %s%s: did you mean %s?", arg, where, best)
	case len(there) == 0:
		return fmt.Errorf("no %s: there is no workload%s", arg, where)
	default:
		slices.Sort(there)
		return fmt.Errorf("no %s%s: there are %s", arg, where, listed(slices.Compact(there)))
	}
}

func afterSlash(s string) string {
	_, after, ok := strings.Cut(s, "/")
	if !ok {
		return s
	}
	return after
}

// listed are a few names, and how many more there are.
func listed(names []string) string {
	const most = 12
	if n := len(names) - most; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), n)
	}
	return strings.Join(names, ", ")
}

func orOf(ids []manifest.ID) string {
	var all []string
	for _, id := range ids {
		all = append(all, words(id))
	}
	return strings.Join(all, " or ")
}

func byWords(a, b manifest.ID) int {
	return cmp.Or(cmp.Compare(words(a), words(b)), cmp.Compare(a.Namespace, b.Namespace))
}
