package manifest

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// isTemplate is said of what has to be rendered before it is a manifest.
const isTemplate = "is a template: what stands between {{ and }} has to be filled in before podkeep reads it, for example with helm template"

// placeholder is a {{ }} that stands where YAML reads a mapping whose key is a mapping, or nil.
func placeholder(n *yaml.Node, depth int) *yaml.Node {
	if n.Kind == yaml.AliasNode || depth > maxDepth {
		return nil
	}
	if n.Kind == yaml.MappingNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode {
		return n
	}
	for _, child := range n.Content {
		if found := placeholder(child, depth+1); found != nil {
			return found
		}
	}
	return nil
}

// isPatch says whether an object is one in part only, to be laid over another: it has directives for that, or is to select and run pods,
// and says neither which nor what.
func isPatch(kind string, n *yaml.Node) bool {
	if hasDirective(n, 0) {
		return true
	}
	spec := get(n, "spec")
	if spec == nil || get(spec, "selector") != nil {
		return false
	}
	switch kind {
	case aRollout:
		return get(spec, "strategy") == nil && get(spec, "workloadRef") == nil
	case "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet":
	default:
		return false
	}
	for _, step := range []string{"template", "spec", "containers"} {
		if spec = get(spec, step); spec == nil {
			return true
		}
	}
	for _, container := range spec.Content {
		if get(follow(container), "image") != nil {
			return false
		}
	}
	return true
}

// hasDirective says whether a key is one of those by which a patch takes out or orders what it is laid over.
func hasDirective(n *yaml.Node, depth int) bool {
	if n.Kind == yaml.AliasNode || depth > maxDepth {
		return false
	}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && (child.Value == "$patch" || strings.HasPrefix(child.Value, "$setElementOrder/")) || hasDirective(child, depth+1) {
			return true
		}
	}
	return false
}

// isPlaceholder says whether a text waits for something else to be put in, as Flux and envsubst do.
func isPlaceholder(text string) bool {
	return strings.Contains(text, "${") || strings.Contains(text, "{{")
}
