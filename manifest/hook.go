package manifest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Annotations that make a Job a hook, in Argo CD's words and in Helm's, of which Argo CD's count where both are written.
const (
	AnnotationHook       = "argocd.argoproj.io/hook"
	AnnotationHookDelete = "argocd.argoproj.io/hook-delete-policy"
	AnnotationHelmHook   = "helm.sh/hook"
	AnnotationHelmDelete = "helm.sh/hook-delete-policy"
	AnnotationHelmWeight = "helm.sh/hook-weight" // the hook's wave
)

// Phases of a sync in which a hook runs: before anything changes, after all is in place, and when something failed.
const (
	PreSync  = "PreSync"
	PostSync = "PostSync"
	SyncFail = "SyncFail"
)

// What removes the pods of a hook.
const (
	BeforeHookCreation = "BeforeHookCreation"
	HookSucceeded      = "HookSucceeded"
	HookFailed         = "HookFailed"
)

// Other values that the annotation may have: sync is a Job like any other, in its wave; skip is as if the object were not in Git.
const (
	hookSync = "Sync"
	hookSkip = "Skip"
)

// helmHooks are Helm's words in Argo CD's, as Argo CD maps them.
var helmHooks = map[string]string{
	"pre-install": PreSync, "pre-upgrade": PreSync, "post-install": PostSync, "post-upgrade": PostSync,
	"pre-delete": "PreDelete", "post-delete": "PostDelete",
	"before-hook-creation": BeforeHookCreation, "hook-succeeded": HookSucceeded, "hook-failed": HookFailed,
}

// hookWords are the values of one of two annotations, each once, and the annotation that has them.
func hookWords(notes map[string]string, key, helm string) (words []string, at string) {
	text, at := notes[key], key
	if _, written := notes[AnnotationHook]; !written && notes[AnnotationHelmHook] != "" {
		text, at = notes[helm], helm
	}
	for _, word := range strings.Split(text, ",") {
		word = strings.TrimSpace(word)
		if at == helm {
			word = or(helmHooks[word], word)
		}
		if word != "" && !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	return words, at
}

// skipped says whether the object is to be passed over.
func skipped(notes map[string]string) bool {
	return strings.TrimSpace(notes[AnnotationHook]) == hookSkip
}

// hookOf is the hook that the annotations of a Job make of it, or nil.
func hookOf(notes map[string]string) *Hook {
	phases, _ := hookWords(notes, AnnotationHook, AnnotationHelmHook)
	if len(phases) == 0 || slices.Contains(phases, hookSync) {
		return nil
	}
	policy, _ := hookWords(notes, AnnotationHookDelete, AnnotationHelmDelete)
	if len(policy) == 0 {
		policy = []string{BeforeHookCreation}
	}
	return &Hook{Phases: phases, Delete: policy}
}

// hookName is what a hook is called that has only generateName: by the prefix itself, for it runs anew with each commit that changes
// something, and needs no new name for that.
func hookName(kind string, meta *yaml.Node) string {
	notes := get(meta, "annotations")
	if kind != "Job" || notes == nil || textOf(get(notes, AnnotationHook)) == "" && textOf(get(notes, AnnotationHelmHook)) == "" {
		return ""
	}
	return strings.TrimRight(textOf(get(meta, "generateName")), "-.")
}

// syncHook checks the annotations that make an object a hook.
func (c *check) syncHook(kind string, notes map[string]string) {
	phases, at := hookWords(notes, AnnotationHook, AnnotationHelmHook)
	path := keyed("metadata.annotations", at)
	switch {
	case skipped(notes):
		c.notice(path, "Skip: the object is passed over, as if it were not in Git")
		return
	case len(phases) == 0:
		return
	case slices.Contains(waved, kind) && kind != "Job":
		c.refuse(path, "only a Job can be a hook; write a Job, or remove it and write %s", AnnotationWave)
		return
	case kind != "Job":
		c.refuse(path, "only a Job can be a hook; remove it: a %s is in place as soon as it is in Git", kind)
		return
	}
	for _, phase := range phases {
		c.hookPhase(path, phase)
	}
	if len(phases) > 1 && (slices.Contains(phases, PreSync) || slices.Contains(phases, hookSync) || slices.Contains(phases, hookSkip)) {
		c.refuse(path, "%s: a hook runs once for each change; make a Job of each", strings.Join(phases, ","))
	}
	policy, at := hookWords(notes, AnnotationHookDelete, AnnotationHelmDelete)
	for _, word := range policy {
		c.oneOf(keyed("metadata.annotations", at), word, BeforeHookCreation, HookSucceeded, HookFailed)
	}
	if _, written := notes[AnnotationNeeds]; written && hookOf(notes) != nil {
		c.refuse(keyed("metadata.annotations", AnnotationNeeds), "a hook waits for its phase; order hooks among themselves with %s", AnnotationWave)
	}
}

func (c *check) hookPhase(path, phase string) {
	switch phase {
	case "PreDelete", "PostDelete":
		c.refuse(path, "%s is not supported: nothing runs when an object leaves Git; run it by hand, or write %s in the commit that removes it", phase, PostSync)
	default:
		c.oneOf(path, phase, PreSync, hookSync, PostSync, SyncFail, hookSkip)
	}
}

// IsHook says whether the workload is a Job that runs in a phase of its own.
func (w Workload) IsHook() bool { return w.Job != nil && w.Job.Hook != nil }

// In says whether the workload is a hook of that phase.
func (w Workload) In(phase string) bool {
	return w.IsHook() && slices.Contains(w.Job.Hook.Phases, phase)
}

// Deletes says whether the hook's pods go when it ended so.
func (h *Hook) Deletes(policy string) bool { return h != nil && slices.Contains(h.Delete, policy) }

// digest makes the revisions of all that is no hook a part of each hook's: a hook runs anew for every commit that
// changes a revision, and for no other.
func (a *assembly) digest() {
	var revs []string
	for _, w := range a.set.Workloads {
		if !w.IsHook() {
			revs = append(revs, w.ID.String()+" "+w.Revision.Rev)
		}
	}
	slices.Sort(revs)
	for i := range a.set.Workloads {
		if w := &a.set.Workloads[i]; w.IsHook() {
			text := w.Revision.Rev + "\x00" + strings.Join(revs, "\x00")
			w.setRev(fmt.Sprintf("v1-%x", sha256.Sum256([]byte(text)))[:23])
		}
	}
}
