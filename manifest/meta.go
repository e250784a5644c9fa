package manifest

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	util "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Annotations that podkeep obeys.
const (
	AnnotationSuspend      = "podkeep.io/suspend"       // "true": seen, planned and shown, not acted on
	AnnotationPrune        = "podkeep.io/prune"         // "disabled": what runs stays when the object leaves Git
	AnnotationOnFailure    = "podkeep.io/on-failure"    // rollback or hold
	AnnotationSilenceGrace = "podkeep.io/silence-grace" // how long a Node may be silent
	AnnotationCapacity     = "podkeep.io/capacity"      // a Node's room, "cpu=2,memory=4Gi"
	AnnotationAddress      = "podkeep.io/address"       // a Node's address for other nodes
	AnnotationSplit        = "podkeep.io/split"         // on a Rollout: exact weights; not built yet
)

const ownPrefix = "podkeep.io/"

// obeyed are the annotations that each kind has a use for; a kind that is not here has the workloads'.
func obeyed(kind string) []string {
	switch kind {
	case "Node":
		return []string{AnnotationSuspend, AnnotationSilenceGrace, AnnotationCapacity, AnnotationAddress}
	case "Service", anIngress:
		return []string{AnnotationSuspend}
	case aPolicy, "Endpoints", "EndpointSlice", anIngressClass, aGatewayClass, aGateway, anHTTPRoute, aReferenceGrant:
		return nil
	case "Namespace", "ConfigMap", "Secret", "PersistentVolume":
		return []string{AnnotationSuspend, AnnotationPrune}
	}
	return []string{AnnotationSuspend, AnnotationPrune, AnnotationOnFailure, AnnotationNeeds}
}

// meta checks the object's metadata and copies what the Set tells of it.
func (c *check) meta(k kind, t typed) Meta {
	c.name(k, t)
	c.labels("metadata.labels", t.GetLabels())
	c.annotations("metadata.annotations", t.GetAnnotations())
	c.ownAnnotations(k.name, t.GetAnnotations())
	c.syncHook(k.name, t.GetAnnotations())
	id := k.id(ID{Namespace: t.GetNamespace(), Name: t.GetName()}, k.name)
	if !k.cluster {
		t.SetNamespace(id.Namespace)
	}
	return Meta{
		ID: id, Origin: Origin{c.file, c.line}, Labels: t.GetLabels(), Annotations: t.GetAnnotations(),
		Suspended: t.GetAnnotations()[AnnotationSuspend] == "true",
		Wave:      c.wave(k.name, t.GetAnnotations()), Needs: c.needs(id, t.GetAnnotations()),
	}
}

func (c *check) name(k kind, t typed) {
	switch name := t.GetName(); {
	case name == "" && t.GetGenerateName() != "":
		c.refuse("metadata.generateName", "would be another object with each commit; give it a name")
	case name == "":
		c.refuse("metadata.name", "is missing; give the object a name")
	case isPlaceholder(name):
		c.refuse("metadata.name", "%q is a placeholder, and nothing fills it in here; write the name", name)
	case k.name == "Namespace":
		c.refuseName("metadata.name", name, util.IsDNS1123Label(name))
	case k.name == "Service":
		c.refuseName("metadata.name", name, util.IsDNS1035Label(name))
	default:
		c.refuseName("metadata.name", name, util.IsDNS1123Subdomain(name))
	}
	switch namespace := t.GetNamespace(); {
	case namespace == "":
	case isPlaceholder(namespace):
		c.refuse("metadata.namespace", "%q is a placeholder, and nothing fills it in here; write the namespace", namespace)
	case k.cluster:
		c.refuse("metadata.namespace", "a %s has no namespace; remove it", k.name)
	default:
		c.refuseName("metadata.namespace", namespace, util.IsDNS1123Label(namespace))
	}
}

func (c *check) labels(path string, labels map[string]string) {
	for _, key := range sorted(labels) {
		c.refuseErrors(keyed(path, key), metavalidation.ValidateLabels(map[string]string{key: labels[key]}, field.NewPath("")))
	}
}

func (c *check) annotations(path string, annotations map[string]string) {
	for _, key := range sorted(annotations) {
		c.refuseErrors(keyed(path, key), validation.ValidateAnnotations(map[string]string{key: ""}, field.NewPath("")))
	}
	if validation.ValidateAnnotationsSize(annotations) != nil {
		c.refuse(path, "are larger than %d KiB together", validation.TotalAnnotationSizeLimitB>>10)
	}
}

// refuseErrors notes what a validation function of apimachinery found, at a path of our own.
func (c *check) refuseErrors(path string, errs field.ErrorList) {
	for _, err := range errs {
		c.refuseAll(path, []string{or(err.Detail, err.ErrorBody())})
	}
}

// ownAnnotations checks those that podkeep obeys. One that it does not know is refused: a typing error in suspend
// must not start what someone meant to stop.
func (c *check) ownAnnotations(kind string, annotations map[string]string) {
	for _, key := range sorted(annotations) {
		path := keyed("metadata.annotations", key)
		switch {
		case !strings.HasPrefix(key, ownPrefix):
		case kind == "Rollout" && key == AnnotationSplit:
			c.refuse(path, "is not supported yet; remove it: %s", weightsAreCounts)
		case !slices.Contains(obeyed(kind), key):
			c.refuse(path, "means nothing on a %s%s", kind, didYouMean(key, obeyed(kind)))
		default:
			c.ownAnnotation(path, key, annotations[key])
		}
	}
}

func (c *check) ownAnnotation(path, key, value string) {
	switch key {
	case AnnotationSuspend:
		if _, err := strconv.ParseBool(value); err != nil || value != "true" && value != "false" {
			c.refuse(path, `%q is neither "true" nor "false"`, value)
		}
	case AnnotationPrune:
		if value != "disabled" {
			c.refuse(path, `%q is not "disabled"; remove the annotation to have it pruned`, value)
		}
	case AnnotationOnFailure:
		c.onFailure(path, value)
	case AnnotationNeeds: // see needs
	default:
		c.nodeAnnotation(path, key, value)
	}
}

func (c *check) onFailure(path, value string) {
	switch value {
	case OnFailureRollback, OnFailureHold:
	case OnFailureRevert:
		c.refuse(path, "%q comes with a later release; write %q, and run git revert yourself", value, OnFailureRollback)
	default:
		choices := []string{OnFailureRollback, OnFailureHold}
		c.refuse(path, "%q is neither %q nor %q%s", value, choices[0], choices[1], didYouMean(value, choices))
	}
}

// templateMeta checks the labels and annotations that pods are given.
func (c *check) templateMeta(path string, meta metav1.ObjectMeta) {
	c.labels(under(path, "labels"), meta.Labels)
	c.annotations(under(path, "annotations"), meta.Annotations)
	for _, key := range sorted(meta.Annotations) {
		if strings.HasPrefix(key, ownPrefix) {
			c.refuse(keyed(under(path, "annotations"), key), "means nothing on a template; write it in the object's own metadata")
		}
	}
}

// sorted are the keys of a map, in order.
func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
