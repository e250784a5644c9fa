package manifest

import (
	"slices"
	"strconv"
	"strings"
)

// Annotations that order what a commit changes. They are no part of a revision.
const (
	AnnotationWave  = "argocd.argoproj.io/sync-wave" // lower waves first; 0 where it is not written
	AnnotationNeeds = "podkeep.io/depends-on"        // KIND/NAME or KIND/NAMESPACE/NAME, with commas between
)

// waved are the kinds that can be ordered: those that become pods. The others are in place as soon as they are in Git.
var waved = []string{"Deployment", "Job", "Pod", "ReplicaSet", "ReplicationController", "Rollout"}

// wave is the object's wave. On a kind that cannot be ordered it is said to mean nothing, and breaks nothing: whole
// applications carry it.
func (c *check) wave(kind string, annotations map[string]string) int {
	text, written := annotations[AnnotationWave]
	path := keyed("metadata.annotations", AnnotationWave)
	if weight := annotations[AnnotationHelmWeight]; !written && weight != "" && annotations[AnnotationHelmHook] != "" {
		text, written, path = weight, true, keyed("metadata.annotations", AnnotationHelmWeight)
	}
	switch n, err := strconv.ParseInt(text, 10, 32); {
	case !written:
	case err != nil:
		c.refuse(path, "%q is not a whole number; write one such as -1, 0 or 2", text)
	case !slices.Contains(waved, kind):
		c.notice(path, "means nothing on a "+kind+", which is in place as soon as it is in Git")
	default:
		return int(n)
	}
	return 0
}

// needs are the objects that the object waits for, sorted, each once. Without a namespace its own is meant.
func (c *check) needs(id ID, annotations map[string]string) []ID {
	text, written := annotations[AnnotationNeeds]
	if !written {
		return nil
	}
	var all []ID
	for _, word := range strings.Split(text, ",") {
		if need, ok := c.need(strings.TrimSpace(word), id.Namespace); ok && !slices.Contains(all, need) {
			all = append(all, need)
		}
	}
	sortByID(all, func(id ID) ID { return id })
	return all
}

func (c *check) need(word, namespace string) (ID, bool) {
	path := keyed("metadata.annotations", AnnotationNeeds)
	parts := strings.Split(word, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		c.refuse(path, "%q is no object; write KIND/NAME, for example Job/migrate, or KIND/NAMESPACE/NAME, with commas between", word)
		return ID{}, false
	}
	k, ok := c.kindNamed(path, parts[0])
	switch {
	case !ok:
		return ID{}, false
	case k.cluster && len(parts) == 3:
		c.refuse(path, "%q: a %s has no namespace; write %s/%s", word, k.name, k.name, parts[2])
		return ID{}, false
	case len(parts) == 3:
		namespace = parts[1]
	}
	return k.id(ID{Namespace: namespace, Name: parts[len(parts)-1]}, k.name), true
}

// kindNamed finds a kind by its name in any case.
func (c *check) kindNamed(path, name string) (kind, bool) {
	var names []string
	for _, k := range kinds() {
		if strings.EqualFold(k.name, name) {
			return k, true
		}
		names = append(names, k.name)
	}
	c.refuse(path, "kind %s is not known%s", name, didYouMean(name, names))
	return kind{}, false
}

// orderOne refuses a workload that would wait for ever: for an object that is in no file, for one of a higher wave, or for
// itself in the end. One that does not load, or may stand in a file that nobody can read, is waited for.
func (a *assembly) orderOne(c *check, w Workload, byID map[ID]*object) {
	path := keyed("metadata.annotations", AnnotationNeeds)
	for _, need := range w.Needs {
		switch other := byID[need]; {
		case need == w.ID:
			c.refuse(path, "%s is the object itself; remove it", need.said())
		case other == nil && a.set.failed[need] == "" && a.unreadable == "":
			c.refuse(path, "%s is in no file of this commit; add it, or remove it here%s", need.said(), didYouMean(need.said(), said(byID)))
		case other != nil && hookOf(other.Annotations) != nil && need.Kind == "Job":
			c.refuse(path, "%s is a hook, which waits for its phase; remove it here", need.said())
		case other != nil && other.Wave > w.Wave:
			c.refuse(path, "%s is in wave %d, which waits for wave %d of this one; give it %s: %q or lower",
				need.said(), other.Wave, w.Wave, AnnotationWave, strconv.Itoa(w.Wave))
		default:
			if ring := ringOf(w.ID, need, byID); len(ring) > 0 {
				c.refuse(path, "%s wait for each other for ever; remove one", strings.Join(ring, " → "))
				return
			}
		}
	}
}

func said(byID map[ID]*object) []string {
	ids := make([]string, 0, len(byID))
	for id := range byID {
		ids = append(ids, id.said())
	}
	slices.Sort(ids)
	return ids
}

// ringOf is the way from the object through what it needs back to itself, or nothing.
func ringOf(id, need ID, byID map[ID]*object) []string {
	seen := map[ID]bool{}
	var walk func(at ID) []string
	walk = func(at ID) []string {
		if at == id {
			return []string{at.said()}
		}
		if seen[at] || byID[at] == nil {
			return nil
		}
		seen[at] = true
		for _, next := range byID[at].Needs {
			if way := walk(next); way != nil {
				return append([]string{at.said()}, way...)
			}
		}
		return nil
	}
	if way := walk(need); way != nil {
		return append([]string{id.said()}, way...)
	}
	return nil
}

// Holds says whether the set has the object.
func (s Set) Holds(id ID) bool {
	return holds(s.Workloads, id, func(x Workload) ID { return x.ID }) || holds(s.Namespaces, id, func(x Namespace) ID { return x.ID }) ||
		holds(s.Nodes, id, func(x Node) ID { return x.ID }) || holds(s.ConfigMaps, id, func(x ConfigMap) ID { return x.ID }) ||
		holds(s.Secrets, id, func(x Secret) ID { return x.ID }) || holds(s.Claims, id, func(x Claim) ID { return x.ID })
}

func holds[T any](list []T, id ID, of func(T) ID) bool {
	return slices.ContainsFunc(list, func(x T) bool { return of(x) == id })
}
