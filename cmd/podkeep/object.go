package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/manifest"
)

// workloadKinds are the kinds that become pods, by what a person may write.
var workloadKinds = map[string]string{
	"deployment": "Deployment", "deployments": "Deployment", "deploy": "Deployment",
	"replicaset": "ReplicaSet", "replicasets": "ReplicaSet", "rs": "ReplicaSet",
	"replicationcontroller": "ReplicationController", "replicationcontrollers": "ReplicationController", "rc": "ReplicationController",
	"pod": "Pod", "pods": "Pod", "po": "Pod",
	"job": "Job", "jobs": "Job",
}

// namespaceFlag is -n, as kubectl has it.
func namespaceFlag(cmd *cobra.Command, namespace *string) {
	cmd.Flags().StringVarP(namespace, "namespace", "n", "default", "namespace of KIND/NAME")
}

// workloadID reads KIND/NAME. The kind may be written as kubectl takes it: deployment, deploy, job, po.
func workloadID(arg, namespace string) (manifest.ID, error) {
	kind, name, ok := strings.Cut(arg, "/")
	if !ok || kind == "" || name == "" || strings.Contains(name, "/") {
		return manifest.ID{}, fmt.Errorf("%q: write KIND/NAME, such as deployment/web", arg)
	}
	full, ok := workloadKinds[strings.ToLower(kind)]
	if !ok {
		return manifest.ID{}, fmt.Errorf("%q: %s does not become pods; write deployment, replicaset, replicationcontroller, pod or job", arg, kind)
	}
	return manifest.ID{Kind: full, Namespace: namespace, Name: name}, nil
}

// namesWorkload says whether an argument can only be KIND/NAME, and no directory.
func namesWorkload(arg string) bool {
	kind, _, ok := strings.Cut(arg, "/")
	if !ok || workloadKinds[strings.ToLower(kind)] == "" {
		return false
	}
	info, err := os.Stat(arg)
	return err != nil || !info.IsDir()
}
