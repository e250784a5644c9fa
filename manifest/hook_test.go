package manifest

import (
	"fmt"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
)

// hookJob is a Job with these annotations, each "key: value".
func hookJob(name string, notes ...string) string {
	return fmt.Sprintf(`apiVersion: batch/v1
kind: Job
metadata:
  name: %s
  annotations:
    %s
spec:
  template: {spec: {restartPolicy: Never, containers: [{name: app, image: app:1}]}}
`, name, strings.Join(append(notes, `example.com/x: y`), "\n    "))
}

func find(s Set, name string) Workload {
	for _, w := range s.Workloads {
		if w.Name == name {
			return w
		}
	}
	return Workload{}
}

func TestAHookRunsAnewWhenAnyRevisionChangesAndThenAlone(t *testing.T) {
	rev := func(hook string, image string, replicas int) string {
		web := strings.Replace(ordered("web"), "spec:\n", fmt.Sprintf("spec:\n  replicas: %d\n", replicas), 1)
		return find(load(t, "x.yaml", hook+"---\n"+strings.Replace(web, "app:1", image, 1)), "h").Revision.Rev
	}
	hook := hookJob("h", "argocd.argoproj.io/hook: PreSync")
	if rev(hook, "app:1", 1) == rev(hook, "app:2", 1) {
		t.Error("a changed image is no new run")
	}
	if rev(hook, "app:1", 1) != rev(hook, "app:1", 2) {
		t.Error("scaling is a new run")
	}
	plain := hookJob("h", "argocd.argoproj.io/hook: Sync")
	if rev(plain, "app:1", 1) != rev(plain, "app:2", 1) {
		t.Error("a Sync hook is more than a Job")
	}
}

func TestHooksAreReadInArgosAndInHelmsWords(t *testing.T) {
	for _, c := range []struct {
		notes          []string
		phases, delete string
		wave           int
	}{
		{[]string{`argocd.argoproj.io/hook: PostSync, SyncFail`}, "PostSync SyncFail", "BeforeHookCreation", 0},
		{[]string{`argocd.argoproj.io/hook: PreSync`, `argocd.argoproj.io/hook-delete-policy: HookSucceeded,HookFailed`, `argocd.argoproj.io/sync-wave: "3"`}, "PreSync", "HookSucceeded HookFailed", 3},
		{[]string{`helm.sh/hook: pre-install,pre-upgrade`, `helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded`, `helm.sh/hook-weight: "-5"`}, "PreSync", "BeforeHookCreation HookSucceeded", -5},
		{[]string{`helm.sh/hook: pre-install`, `argocd.argoproj.io/hook: PostSync`}, "PostSync", "BeforeHookCreation", 0},
	} {
		w := find(load(t, "x.yaml", hookJob("h", c.notes...)), "h")
		h := w.Job.Hook
		if h == nil || strings.Join(h.Phases, " ") != c.phases || strings.Join(h.Delete, " ") != c.delete || w.Wave != c.wave {
			t.Errorf("%v: %+v in wave %d", c.notes, h, w.Wave)
		}
	}
}

func TestASkippedObjectIsAsIfItWereNotThere(t *testing.T) {
	s := set("a1", "x.yaml", ordered("a", "argocd.argoproj.io/hook: Skip"))
	if len(s.Workloads) != 0 || len(s.failed) != 0 || len(s.Problems) != 1 || !s.Problems[0].Notice {
		t.Errorf("%d workloads, %v", len(s.Workloads), s.Problems)
	}
}

func TestAHookThatCannotBeIsRefused(t *testing.T) {
	const at = "x.yaml:6: Job/h: metadata.annotations[argocd.argoproj.io/hook]: "
	for _, c := range []struct{ text, want string }{
		{hookJob("h", "argocd.argoproj.io/hook: PreSink"), at + `"PreSink" is not one of PreSync, Sync, PostSync, SyncFail, Skip; did you mean "PreSync"?`},
		{hookJob("h", "argocd.argoproj.io/hook: PreDelete"), at + `PreDelete is not supported: nothing runs when an object leaves Git; run it by hand, or write PostSync in the commit that removes it`},
		{hookJob("h", "argocd.argoproj.io/hook: PreSync,PostSync"), at + `PreSync,PostSync: a hook runs once for each change; make a Job of each`},
		{hookJob("h", "argocd.argoproj.io/hook: PreSync", "argocd.argoproj.io/hook-delete-policy: Never"),
			`x.yaml:7: Job/h: metadata.annotations[argocd.argoproj.io/hook-delete-policy]: "Never" is not one of BeforeHookCreation, HookSucceeded, HookFailed`},
		{hookJob("h", "argocd.argoproj.io/hook: PreSync", "podkeep.io/depends-on: Job/x") + "---\n" + hookJob("x"),
			`x.yaml:7: Job/h: metadata.annotations[podkeep.io/depends-on]: a hook waits for its phase; order hooks among themselves with argocd.argoproj.io/sync-wave`},
		{hookJob("h", "podkeep.io/depends-on: Job/x") + "---\n" + hookJob("x", "argocd.argoproj.io/hook: PreSync"),
			`x.yaml:6: Job/h: metadata.annotations[podkeep.io/depends-on]: Job/default/x is a hook, which waits for its phase; remove it here`},
		{hookJob("h", "helm.sh/hook: test"), `x.yaml:6: Job/h: metadata.annotations[helm.sh/hook]: "test" is not one of PreSync, Sync, PostSync, SyncFail, Skip`},
		{ordered("a", "argocd.argoproj.io/hook: PreSync"),
			`x.yaml:6: Deployment/a: metadata.annotations[argocd.argoproj.io/hook]: only a Job can be a hook; write a Job, or remove it and write argocd.argoproj.io/sync-wave`},
		{"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, annotations: {helm.sh/hook: pre-install}}\n",
			`x.yaml:3: ConfigMap/c: metadata.annotations[helm.sh/hook]: only a Job can be a hook; remove it: a ConfigMap is in place as soon as it is in Git`},
	} {
		if got := wrongs(set("a1", "x.yaml", c.text)); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

func TestAHookMayBeNamedByItsPrefix(t *testing.T) {
	text := strings.Replace(hookJob("h", "argocd.argoproj.io/hook: PreSync"), "name: h", "generateName: migrate-", 1)
	if w := find(load(t, "x.yaml", text), "migrate"); !w.In(PreSync) || w.Object.(*batchv1.Job).Name != "migrate" {
		t.Errorf("%v", w.ID)
	}
	if got := fmt.Sprint(Names("x.yaml", []byte(text))); got != "[Job/default/migrate]" {
		t.Error(got)
	}
	plain := strings.Replace(text, "argocd.argoproj.io/hook: PreSync", "a: b", 1)
	if got := wrongs(set("c", "x.yaml", plain)); got != "x.yaml:4: Job: metadata.generateName: would be another object with each commit; give it a name" {
		t.Error(got)
	}
	if got := wrongs(set("c", "x.yaml", strings.Replace(plain, "generateName", "name: b\n  generateName", 1))); got != "" {
		t.Error(got)
	}
}
