package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// strangers are commands of kubectl and its kin that podkeep has not, with what does the same here. {} is what was typed after them.
var strangers = map[string]string{
	"apply":     "commit the manifests and push them; `podkeep plan DIRECTORY` shows what they would do, `podkeep sync` makes it so, `podkeep run` keeps it so",
	"create":    "write the object into a file of the repository, commit and push it; `podkeep plan` shows what that does",
	"edit":      "edit the object's file in the repository, commit and push it; `podkeep plan DIRECTORY` shows what that would do",
	"delete":    "take the object out of the repository, commit and push that: what left Git is stopped and removed; `podkeep plan` lists it first. To have pods made anew, `podkeep restart KIND/NAME`",
	"scale":     "set spec.replicas in the object's file, commit and push it",
	"autoscale": "set spec.replicas in the object's file, commit and push it: podkeep measures no load",
	"set":       "set the image, or what else it is, in the object's file, commit and push it",
	"expose":    "write a Service into the repository, commit and push it; `podkeep port-forward KIND/NAME LOCAL:REMOTE` reaches a pod from here without one",
	"cordon":    "set spec.unschedulable: true of the Node in the repository, commit and push it",
	"uncordon":  "take spec.unschedulable out of the Node in the repository, commit and push that",
	"drain":     "set spec.unschedulable: true of the Node in the repository, or take the Node out: then its pods move; commit and push it",
	"taint":     "write spec.taints of the Node in the repository, commit and push it",

	"events":       "`podkeep describe KIND/NAME` tells what happened to an object lately; `podkeep history` what was done, when and why; `podkeep check` what to mend",
	"explain":      "the pages of docs/kinds say which fields are honoured; `podkeep check` says which are not",
	"cluster-info": "`podkeep status` shows the nodes, `podkeep check` whether all is well with them",
	"attach":       "`podkeep logs -f KIND/NAME` follows what it prints, `podkeep exec -it KIND/NAME -- sh` is a shell beside it",
	"wait":         "`podkeep sync --timeout 5m` ends when all is as the repository says; `podkeep status KIND/NAME -w` shows the way there",
	"rollback":     "`podkeep revert` takes the newest commit back, and its plan first",
	"undo":         "`podkeep revert` takes the newest commit back, and its plan first",
	"reconcile":    "`podkeep sync` does it once and waits until it is done, `podkeep run` goes on",
	"ps":           "`podkeep status pods`",
	"up":           "`podkeep sync` makes the fleet as the repository says",
	"down":         "take the objects out of the repository, commit and push that; `podkeep suspend KIND/NAME` leaves one as it is for a while",
	"start":        "`podkeep sync` starts what the repository asks for, `podkeep resume KIND/NAME` what was suspended",
	"stop":         "set spec.replicas: 0 in the object's file, commit and push it",
	"validate":     "`podkeep check` says whether the manifests load, `podkeep plan DIRECTORY` what they would do",

	"rollout history": "`podkeep history {}`",
	"rollout undo":    "`podkeep revert` takes the newest commit back, `podkeep revert COMMIT` another one; `podkeep history {}` lists them",
	"rollout restart": "`podkeep restart {}`",
	"rollout pause":   "`podkeep pause {}` holds a rollout where it is; `podkeep suspend {}` stops everything for it",
	"rollout resume":  "`podkeep resume {}` ends a pause, and a suspend; spec.paused goes out of the object's file",
}

// sameAs are words for strangers that have another name.
var sameAs = map[string]string{
	"replace": "apply", "patch": "edit", "label": "edit", "annotate": "edit", "install": "apply", "upgrade": "apply", "deploy": "apply",
	"rm": "delete", "remove": "delete", "destroy": "delete", "uninstall": "delete", "lint": "validate",
}

// strangerCommands answer for commands that podkeep has not. Help does not list them.
func strangerCommands() (all []*cobra.Command) {
	for name := range strangers {
		if !strings.Contains(name, " ") {
			all = append(all, stranger(name, name, name))
		}
	}
	for name, as := range sameAs {
		all = append(all, stranger(name, name, as))
	}
	return all
}

// strangersAfter answer for words that kubectl has after a command of ours.
func strangersAfter(command string) (all []*cobra.Command) {
	for name := range strangers {
		if word, ok := strings.CutPrefix(name, command+" "); ok {
			all = append(all, stranger(word, name, name))
		}
	}
	return all
}

func stranger(use, name, as string) *cobra.Command {
	return &cobra.Command{
		Use: use, Hidden: true, DisableFlagParsing: true, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error { return exit{2, elsewhere(name, as, args)} },
	}
}

// elsewhere says what does what the command does elsewhere.
func elsewhere(name, as string, args []string) error {
	of := "KIND/NAME"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		of = args[0]
		if _, ok := kindOf(of); ok && len(args) > 1 && !strings.HasPrefix(args[1], "-") {
			of += "/" + args[1]
		}
	}
	return errors.New(fmt.Sprintf("podkeep has no %s: ", name) + strings.ReplaceAll(strangers[as], "{}", of))
}
