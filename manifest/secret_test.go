package manifest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// guarded are a Deployment, a Job and a hook that use Secret keys in every way, each twice.
func guarded(pin string) string {
	const spec = `{restartPolicy: %s, imagePullSecrets: [{name: registry}], containers: [{name: a, image: b, envFrom: [{secretRef: {name: many}}],
    env: [{name: PIN, valueFrom: {secretKeyRef: {name: key, key: pin}}}, {name: AGAIN, valueFrom: {secretKeyRef: {name: key, key: pin}}}],
    volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, projected: {sources: [{secret: {name: key}}]}}]}`
	var many []string
	for i := range 12 {
		many = append(many, fmt.Sprintf("K%d: v%d", i, i))
	}
	return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector: {matchLabels: {a: b}}\n  template:\n    metadata: {labels: {a: b}}\n    spec: " +
		fmt.Sprintf(spec, "Always") +
		"\n---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: once}\nspec:\n  template:\n    spec: " + fmt.Sprintf(spec, "Never") +
		"\n---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: before, annotations: {argocd.argoproj.io/hook: PreSync}}\nspec:\n  template:\n    spec: " + fmt.Sprintf(spec, "Never") +
		"\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {pin: \"" + pin + "\"}\n" +
		"---\napiVersion: v1\nkind: Secret\nmetadata: {name: many}\nstringData: {" + strings.Join(many, ", ") + "}\n" +
		"---\napiVersion: v1\nkind: Secret\nmetadata: {name: registry}\ntype: kubernetes.io/dockerconfigjson\nstringData: {.dockerconfigjson: \"{}\"}\n"
}

func TestNoNameOfAFileTellsAValueToWhoKnowsTheRest(t *testing.T) {
	shown := map[string]string{} // all that is shown of a workload, without its rev
	for _, pin := range []string{"0000", "4821", "9999", ""} {
		for _, w := range load(t, "x.yaml", guarded(pin)).Workloads {
			var names []string
			for _, f := range w.Config {
				names = append(names, f.Name)
			}
			text, err := json.Marshal([]any{w.Revision, names})
			if err != nil {
				t.Fatal(err)
			}
			_, hex, _ := strings.Cut(w.Revision.Rev, "-")
			got := strings.ReplaceAll(string(text), hex, "REV")
			if was, seen := shown[w.ID.String()]; seen && was != got {
				t.Errorf("%s with pin %s is shown as\n%s\nand with another as\n%s", w.ID, pin, got, was)
			}
			shown[w.ID.String()] = got
		}
	}
	if len(shown) != 3 {
		t.Errorf("%d workloads", len(shown))
	}
}

func TestAFileOfASecretIsNamedByRevisionAndPosition(t *testing.T) {
	for _, w := range load(t, "x.yaml", guarded("4821")).Workloads {
		_, hex, _ := strings.Cut(w.Revision.Rev, "-")
		name := func(position int) string { return fmt.Sprintf("sec-%s-%d", hex, position) }
		content := map[string]string{}
		for _, f := range w.Config {
			content[f.Name] = string(f.Data)
		}
		if len(content) != 14 || content[name(0)] != "4821" || content[name(1)] != "v0" || content[name(13)] != "{}" {
			t.Errorf("%s: %q", w.ID, content)
		}
		env := w.Revision.Spec.Containers[0].Env
		if pins := env[len(env)-2:]; pins[0].ValueFrom.SecretKeyRef.Name != name(0) || pins[1].ValueFrom.SecretKeyRef.Name != name(0) {
			t.Errorf("%s: two uses of a key are two Files", w.ID)
		}
		if at := w.Revision.Spec.Volumes[0].Secret.Items[0].Key; at != name(0) {
			t.Errorf("%s: the volume has %s", w.ID, at)
		}
		if pull := w.Revision.Spec.ImagePullSecrets[0].Name; pull != name(13) || slices.Contains(w.Revision.Files, pull) {
			t.Errorf("%s: images are pulled with %s, and nodes keep %q", w.ID, pull, w.Revision.Files)
		}
		if len(w.Revision.Files) != 13 || !slices.IsSorted(w.Revision.Files) {
			t.Errorf("%s: %q", w.ID, w.Revision.Files)
		}
	}
}
