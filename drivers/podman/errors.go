package podman

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/containers/podman/v4/pkg/errorhandling"
)

// said is an error of Podman's, in its words less the noise. Cause is Podman's root cause, to be recognised.
type said struct {
	text, cause string
}

func (s said) Error() string { return s.text }

// Causes that Podman names, the same since 4.0.
const (
	noSuchPod       = "no such pod"
	noSuchContainer = "no such container"
	noSuchSecret    = "no such secret"
	noSuchVolume    = "no such volume"
	noSuchImage     = "image not known"
	noSuchNetwork   = "network not found"
	addressTaken    = "is already allocated to"
	podExists       = "pod already exists"
	volumeExists    = "volume already exists"
	nameInUse       = "name is already in use"
	secretInUse     = "secret name in use"
)

// because says whether Podman named one of the causes.
func because(err error, causes ...string) bool {
	var s said
	if !errors.As(err, &s) {
		return false
	}
	for _, cause := range causes {
		if strings.Contains(s.cause, cause) || strings.Contains(s.text, cause) {
			return true
		}
	}
	return false
}

// gone says that what was asked for is not there.
func gone(err error) bool {
	return because(err, noSuchPod, noSuchContainer, noSuchSecret, noSuchVolume)
}

func clean(err error) error {
	if err == nil {
		return nil
	}
	if bad := unreadable(err); bad != nil {
		return fmt.Errorf("an answer that cannot be read: %w", bad)
	}
	var model *errorhandling.ErrorModel
	if errors.As(err, &model) {
		text := strings.Replace(err.Error(), model.Message, plain(model.Message), 1)
		return said{text: text, cause: model.Because}
	}
	return err
}

// unreadable is why an answer was no JSON, or other JSON than it should be, without the answer: the bindings repeat all of that.
func unreadable(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return syntax
	case errors.As(err, &kind):
		return fmt.Errorf("%s is a %s", cmp.Or(kind.Field, "it"), kind.Value)
	}
	return nil
}

var noise = []*regexp.Regexp{
	regexp.MustCompile(`(?s)^.*(?:initializing source|Error initializing source|copying system image from manifest list|unable to copy from source) \S+: `),
	regexp.MustCompile(`^(?:failed to make pod|adding pod to state|creating container storage|error creating \S+ storage|container create|creating named volume "[^"]*"): `),
	regexp.MustCompile(`^(?:reading manifest|Error reading manifest) \S+ in \S+: `),
	regexp.MustCompile(`^pinging container registry \S+: `),
	regexp.MustCompile(`^errors?:\s+`),
	regexp.MustCompile(`: OCI runtime (?:error|attempted to invoke a command that was not found)$`),
	regexp.MustCompile(`^(?:runc|crun|OCI runtime error): `),
	regexp.MustCompile(`^(?:runc create failed: |unable to start container process: |exec: )+`),
}

// uncontrolled are the ways in which runtimes say that cgroups of version 2 are without the controller of a limit.
var uncontrolled = regexp.MustCompile("(?is)^.*(?:openat2? /sys/fs/cgroup/\\S*/|opening file `|cgroup controller `)(cpu|io|memory|pids)" +
	"(?:\\.(?:max|weight|low|high|min|swap)\\S*.*no such file or directory|` is not available).*$")

// plain leaves of Podman's chain of contexts what a person can act on.
func plain(s string) string {
	s = strings.TrimSpace(s)
	if limit := uncontrolled.FindStringSubmatch(s); limit != nil {
		return "the host's cgroups are without " + limit[1] + ", so that limit cannot be set: see podkeep check"
	}
	for range 3 {
		for _, n := range noise {
			s = n.ReplaceAllString(s, "")
		}
	}
	return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ")
}
