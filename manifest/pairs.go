package manifest

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// pair is one entry of a mapping; at stands where the reader should look.
type pair struct {
	key       string
	at, value *yaml.Node
}

// pairs are the entries of a mapping, merge keys followed. Its own keys win over merged ones, and earlier merged
// ones over later. step makes the path of an entry.
func (d *decoder) pairs(n *yaml.Node, path string, step func(path, key string) string) []pair {
	if n.Kind != yaml.MappingNode {
		d.refuse(path, "want a mapping, this is %s", nameOf(n))
		return nil
	}
	found, seen := d.own(n, path, step)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag == "!!merge" {
			found = d.merge(n.Content[i+1], path, found, seen, 1)
		}
	}
	return found
}

// own are the entries that a mapping holds itself.
func (d *decoder) own(n *yaml.Node, path string, step func(path, key string) string) ([]pair, map[string]int) {
	var found []pair
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		first, twice := seen[key.Value]
		switch {
		case key.Tag == "!!merge":
		case key.Kind != yaml.ScalarNode:
			d.refuse(path, "a key is %s; want a string", nameOf(key))
		case twice:
			d.twice(key, step(path, key.Value), first)
		default:
			seen[key.Value] = key.Line + d.offset
			found = append(found, pair{key.Value, key, n.Content[i+1]})
		}
	}
	return found, seen
}

func (d *decoder) twice(key *yaml.Node, path string, first int) {
	d.found = append(d.found, Problem{
		Origin: Origin{d.file, key.Line + d.offset}, Object: d.check.object, Field: path,
		Text: fmt.Sprintf("is written twice, first on line %d", first),
	})
}

// merge adds the entries of what stands behind a merge key.
func (d *decoder) merge(n *yaml.Node, path string, found []pair, seen map[string]int, depth int) []pair {
	n, ok := d.enter(n, path, depth)
	switch {
	case !ok:
	case n.Kind == yaml.SequenceNode:
		for _, child := range n.Content {
			found = d.merge(child, path, found, seen, depth+1)
		}
	case n.Kind != yaml.MappingNode:
		d.refuse(path, "<< wants a mapping, this is %s", nameOf(n))
	default:
		found = d.mergeMapping(n, path, found, seen, depth)
	}
	return found
}

func (d *decoder) mergeMapping(n *yaml.Node, path string, found []pair, seen map[string]int, depth int) []pair {
	own, _ := d.own(n, path, under)
	*d.left -= len(own)
	for _, p := range own {
		if _, ok := seen[p.key]; !ok {
			seen[p.key] = p.at.Line + d.offset
			found = append(found, p)
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag == "!!merge" {
			found = d.merge(n.Content[i+1], path, found, seen, depth+1)
		}
	}
	return found
}
