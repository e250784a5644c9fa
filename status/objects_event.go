package status

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// events say what no object's status has room for: the fetch, what does not load, what concerns the fleet.
func (l *lister) events() {
	if !l.report.Fetched.IsZero() && !l.report.selected {
		l.event("Normal", "Fetched", "commit "+l.report.commit(), l.report.Fetched, "")
	}
	for _, e := range l.report.Errors {
		l.event("Warning", "FetchFailed", e, l.Now, "")
	}
	for _, p := range l.report.Problems {
		l.event("Warning", "DoesNotLoad", p.Error(), l.Now, p.Object)
	}
	for _, p := range l.report.Notices {
		l.event("Normal", "NoEffectYet", p.Error(), l.Now, p.Object)
	}
	for _, n := range l.report.Notes {
		if !l.report.selected {
			l.event("Warning", "Fleet", n, l.Now, "")
		}
	}
}

// event adds one about an object, named KIND/NAME as far as that is known.
func (l *lister) event(level, reason, message string, at time.Time, about string) {
	kind, name, _ := strings.Cut(about, "/")
	e := &corev1.Event{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("podkeep.%s", l.uid(reason, message)[:8]), Namespace: "default", CreationTimestamp: stamp(at),
		},
		InvolvedObject: corev1.ObjectReference{Kind: kind, Name: name},
		Type:           level, Reason: reason, Message: message, Count: 1,
		Source: corev1.EventSource{Component: "podkeep"}, FirstTimestamp: stamp(at), LastTimestamp: stamp(at),
	}
	setUID(&e.ObjectMeta, l.uid(reason, message))
	l.add(e)
}
