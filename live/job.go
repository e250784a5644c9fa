package live

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podkeep/podkeep/manifest"
)

// The names by which a Job's pod knows which it is. The first is ours.
const (
	envAttempt = "PODKEEP_ATTEMPT"
	envIndex   = "JOB_COMPLETION_INDEX"
)

// PodOf is the pod to run, with these attempts at its containers: its revision with what only this pod has. Whoever has the revision's form and
// the pod's labels makes the same one, of the role that it was born with. A Job's pods know which attempt they are, and of which index if they were born with one.
func PodOf(r manifest.Revision, p Pod, attempt map[string]int) manifest.Pod {
	if p.App.Kind == "Job" {
		r = JobForm(r, p, p.Birth.Labels[manifest.AnnotationCompletion] == strconv.Itoa(p.Slot))
	}
	return inRole(p.Birth.Role, r).Pod(p.Name, PodLabels(p), attempt)
}

// JobForm is the revision with what Kubernetes adds to each of a Job's pods. Of p it needs no Birth.
func JobForm(r manifest.Revision, p Pod, indexed bool) manifest.Revision {
	index, labels, annotations := strconv.Itoa(p.Slot), map[string]string{}, map[string]string{}
	maps.Copy(labels, r.Labels)
	maps.Copy(annotations, r.Annotations)
	uid := fmt.Sprintf("%s-%d", strings.TrimPrefix(r.Rev, "v1-"), p.Gen)
	labels["job-name"], labels["controller-uid"] = r.App.Name, uid
	labels[manifest.LabelJobName], labels[manifest.LabelControllerUID] = r.App.Name, uid
	own := []corev1.EnvVar{{Name: envAttempt, Value: strconv.Itoa(p.Try)}}
	if indexed {
		labels[manifest.AnnotationCompletion], annotations[manifest.AnnotationCompletion] = index, index
		own = append(own, corev1.EnvVar{Name: envIndex, Value: index})
	}
	r.Labels, r.Annotations = labels, annotations
	r.Spec = *r.Spec.DeepCopy()
	if indexed && r.Spec.Hostname == "" {
		r.Spec.Hostname = r.App.Name + "-" + index
	}
	for _, list := range [][]corev1.Container{r.Spec.InitContainers, r.Spec.Containers} {
		for i := range list {
			list[i].Env = slices.Concat(own, list[i].Env)
		}
	}
	return r
}
