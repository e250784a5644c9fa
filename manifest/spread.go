package manifest

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	util "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// spread takes constraints that are wishes, with a notice, and refuses those that must hold.
func (c *check) spread(at string, constraints []corev1.TopologySpreadConstraint) {
	for i, t := range constraints {
		here := item(at, i)
		if t.MaxSkew < 1 {
			c.refuse(under(here, "maxSkew"), "%d is less than 1", t.MaxSkew)
		}
		c.topologyKey(under(here, "topologyKey"), t.TopologyKey)
		c.labelSelector(under(here, "labelSelector"), t.LabelSelector)
		c.inclusion(under(here, "nodeAffinityPolicy"), t.NodeAffinityPolicy)
		c.inclusion(under(here, "nodeTaintsPolicy"), t.NodeTaintsPolicy)
		if t.WhenUnsatisfiable == corev1.ScheduleAnyway {
			c.notice(here, preferencesWait)
			continue
		}
		c.refuse(under(here, "whenUnsatisfiable"), "is not supported yet but for ScheduleAnyway; write that: pods of a workload are spread over nodes as far as there is room")
	}
}

func (c *check) inclusion(at string, policy *corev1.NodeInclusionPolicy) {
	if policy != nil {
		c.oneOf(at, string(*policy), "Honor", "Ignore")
	}
}

// affinity checks preferences, which are not followed yet. What is required is refused where it is decoded.
func (c *check) affinity(at string, a *corev1.Affinity) {
	if a == nil {
		return
	}
	const preferred = "preferredDuringSchedulingIgnoredDuringExecution"
	if n := a.NodeAffinity; n != nil {
		for i, p := range n.PreferredDuringSchedulingIgnoredDuringExecution {
			here := item(under(at, "nodeAffinity."+preferred), i)
			c.weight(here, p.Weight)
			c.nodeSelector(under(here, "preference.matchExpressions"), p.Preference.MatchExpressions)
			c.nodeSelector(under(here, "preference.matchFields"), p.Preference.MatchFields)
		}
	}
	if p := a.PodAffinity; p != nil {
		c.podTerms(under(at, "podAffinity."+preferred), p.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if p := a.PodAntiAffinity; p != nil {
		c.podTerms(under(at, "podAntiAffinity."+preferred), p.PreferredDuringSchedulingIgnoredDuringExecution)
	}
}

func (c *check) podTerms(at string, terms []corev1.WeightedPodAffinityTerm) {
	for i, t := range terms {
		here := under(item(at, i), "podAffinityTerm")
		c.weight(item(at, i), t.Weight)
		c.topologyKey(under(here, "topologyKey"), t.PodAffinityTerm.TopologyKey)
		c.labelSelector(under(here, "labelSelector"), t.PodAffinityTerm.LabelSelector)
		c.labelSelector(under(here, "namespaceSelector"), t.PodAffinityTerm.NamespaceSelector)
	}
}

func (c *check) weight(at string, weight int32) {
	if weight < 1 || weight > 100 {
		c.refuse(under(at, "weight"), "%d is not from 1 to 100", weight)
	}
}

func (c *check) topologyKey(at, key string) {
	if key == "" {
		c.refuse(at, "is missing; write a label of Nodes")
		return
	}
	c.refuseAll(at, util.IsQualifiedName(key))
}

func (c *check) labelSelector(at string, s *metav1.LabelSelector) {
	if s != nil {
		c.refuseErrors(at, metavalidation.ValidateLabelSelector(s, metavalidation.LabelSelectorValidationOptions{}, field.NewPath("")))
	}
}

func (c *check) nodeSelector(at string, requirements []corev1.NodeSelectorRequirement) {
	for i, r := range requirements {
		here := item(at, i)
		c.refuseAll(under(here, "key"), util.IsQualifiedName(r.Key))
		c.oneOf(under(here, "operator"), string(r.Operator), "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
		bare := slices.Contains([]corev1.NodeSelectorOperator{corev1.NodeSelectorOpExists, corev1.NodeSelectorOpDoesNotExist}, r.Operator)
		if bare != (len(r.Values) == 0) {
			c.refuse(under(here, "values"), "go with In, NotIn, Gt and Lt, and with those only")
		}
	}
}
