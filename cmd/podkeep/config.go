package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"
)

// configFile is read from the current directory when --config names no other.
const configFile = "podkeep.yaml"

// pathKeys are relative to the file that they stand in.
var pathKeys = []string{"source", "token-file", "ca-file", "ssh-key", "known-hosts", "key", "decision-signers", "acme-roots"}

// A file that is found, and that nobody named, may have come with somebody else's repository. It says where the manifests are
// and nothing that gives away, or trusts, more than that: none of these keys, no address that others reach, and what of the
// environment opens a source is not sent to the one it names.
var personsKeys = []string{"access-log", "acme-directory", "acme-email", "acme-roots", "allow-nodes", "ca-file", "cluster", "cluster-cidr", "cluster-domain", "decision-signers", "door-metrics-port", "external-cidr",
	"ingress-class", "ingress-http-port", "ingress-https-port", "key", "known-hosts", "listen-name", "node-binary", "pod-security", "pod-security-exempt", "proxy-protocol-from", "service-cidr", "ssh-key",
	"token-file", "trusted-proxies"}

// configure sets the flags that were not given from a file of the same keys, and says whether the source is one that a file
// names which nobody named. No file is fine unless path names one. An unknown key, and one that only a file named by path
// may hold, are errors, with their line.
func configure(flags *pflag.FlagSet, path string) (foundSource bool, err error) {
	named := path != ""
	if !named {
		path = configFile
	}
	data, err := readSettings(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("config: %w", err)
	}
	pairs, err := pairs(path, data)
	if err != nil {
		return false, err
	}
	for _, p := range pairs {
		if err := p.check(); err != nil {
			return false, err
		}
	}
	for _, p := range pairs {
		set, err := p.set(flags, named)
		if err != nil {
			return false, err
		}
		foundSource = foundSource || set && !named && p.key.Value == "source"
	}
	return foundSource, nil
}

// pair is one key and its value.
type pair struct {
	file       string
	key, value *yaml.Node
}

func pairs(path string, data []byte) ([]pair, error) {
	var doc yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	top := doc.Content[0]
	if top.Tag == "!!null" {
		return nil, nil
	}
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: write `key: value` lines, such as `source: https://git.example.com/fleet.git`", path, top.Line)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s:%d: one document is enough", path, second.Line)
	}
	return pairsOf(path, top)
}

func pairsOf(path string, top *yaml.Node) ([]pair, error) {
	var list []pair
	lines := map[string]int{}
	for i := 0; i < len(top.Content); i += 2 {
		p := pair{path, top.Content[i], top.Content[i+1]}
		if line := lines[p.key.Value]; line > 0 {
			return nil, p.errorf(p.key, "%s is there twice, first on line %d", p.key.Value, line)
		}
		lines[p.key.Value] = p.key.Line
		list = append(list, p)
	}
	return list, nil
}

func (p pair) check() error {
	switch key := p.key.Value; {
	case !slices.Contains(configKeys(), key):
		return p.errorf(p.key, "unknown key %q%s", key, p.instead())
	case p.value.Kind != yaml.ScalarNode:
		return p.errorf(p.value, "%s: write one value", key)
	}
	return nil
}

// set says whether a flag has the value now: one that was given has its own, and another command's is nobody's.
func (p pair) set(flags *pflag.FlagSet, named bool) (bool, error) {
	key := p.key.Value
	flag := flags.Lookup(key)
	if flag == nil || flag.Changed {
		return false, nil
	}
	if !named && !p.harmless() {
		return false, p.errorf(p.key, "%s is not taken from a file that only lies here, since that may be somebody else's: if it is yours, name it with --config %[2]s, else give --%[1]s", key, p.file)
	}
	value := p.value.Value
	if slices.Contains(pathKeys, key) {
		value = beside(p.file, value)
	}
	if err := flag.Value.Set(value); err != nil {
		return false, p.errorf(p.value, "%s: %q: write %s", key, p.value.Value, forms[flag.Value.Type()])
	}
	return true, nil
}

// harmless says whether a file that nobody named may hold the pair.
func (p pair) harmless() bool {
	if p.key.Value == "listen" {
		return p.value.Value == "" || listensHere(p.value.Value)
	}
	return !slices.Contains(personsKeys, p.key.Value)
}

// listensHere says that no other machine reaches an address.
func listensHere(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func (p pair) errorf(at *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", p.file, at.Line, fmt.Sprintf(format, args...))
}

// beside resolves a relative path against the file that names it; URLs and absolute paths stay.
func beside(file, value string) string {
	before, _, colon := strings.Cut(value, ":")
	if value == "" || filepath.IsAbs(value) || colon && !strings.Contains(before, "/") || strings.HasPrefix(value, "~") {
		return value
	}
	return filepath.Join(filepath.Dir(file), value)
}

// configKeys are the flags that every command shares, and those that a controller is set up with.
func configKeys() []string {
	var keys []string
	collect := func(f *pflag.Flag) {
		if f.Name != "config" {
			keys = append(keys, f.Name)
		}
	}
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(settings).register(all)
	new(runOptions).register(all)
	all.VisitAll(collect)
	slices.Sort(keys)
	return keys
}

func (p pair) instead() string {
	best, least := "", 4
	for _, key := range configKeys() {
		if d := distance(strings.ToLower(p.key.Value), key); d < least {
			best, least = key, d
		}
	}
	if best != "" {
		return fmt.Sprintf(": did you mean %q?", best)
	}
	return ": write one of " + strings.Join(configKeys(), ", ")
}

// distance is how many letters to change, add or drop to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := before
			if a[i-1] != b[j-1] {
				cost++
			}
			before = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
