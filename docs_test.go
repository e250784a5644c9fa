package podkeep_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	argo "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
)

func TestEachDirectDependencyIsExplainedOnce(t *testing.T) {
	page := read(t, "docs/dependencies.md")
	asked := directDependencies(t)
	for _, name := range asked {
		if n := strings.Count(page, "| `"+name+"` |"); n != 1 {
			t.Errorf("docs/dependencies.md: %s has %d lines, want 1", name, n)
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(page, -1) {
		if !slices.Contains(asked, row[1]) {
			t.Errorf("docs/dependencies.md: %s is not a direct dependency of go.mod", row[1])
		}
	}
}

func TestEveryManifestInThePapersLoads(t *testing.T) {
	block := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")
	for _, page := range pages(t) {
		var parsed []manifest.Parsed
		for i, m := range block.FindAllStringSubmatch(read(t, page), -1) {
			parsed = append(parsed, manifest.Parse(fmt.Sprintf("%s#%d", page, i+1), []byte(m[1])))
		}
		complain(t, manifest.Assemble(manifest.Info{}, parsed).Problems)
	}
}

func TestEveryExampleLoads(t *testing.T) {
	folders, err := filepath.Glob("examples/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("examples: %v, %v", folders, err)
	}
	for _, folder := range folders {
		if set := load(t, folder); len(set.Workloads) == 0 {
			t.Errorf("%s: no workload in it", folder)
		}
	}
}

func TestEveryExampleIsPlannedOnABareHost(t *testing.T) {
	folders, err := filepath.Glob("examples/*")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, folder := range folders {
		set := load(t, folder)
		have := live.Snapshot{}
		for _, n := range set.Nodes {
			have.Nodes = append(have.Nodes, live.Node{Name: n.Name, Known: true, Room: manifest.Resources{MilliCPU: 4000, Memory: 8 << 30}})
		}
		p := plan.Make(manifest.History{Cluster: "c", Source: "s", Head: set, Fetched: now}, have, now)
		for _, w := range set.Workloads {
			acts := slices.ContainsFunc(p.Actions, func(a plan.Action) bool { return a.App == w.ID && a.Why != "" })
			waits := slices.ContainsFunc(p.Apps, func(a plan.App) bool { return a.ID == w.ID && (len(a.Waits) > 0 || a.State == plan.Suspended) })
			if !acts && !waits {
				t.Errorf("%s: nothing is done for %s:\n%s", folder, w.ID.Short(), p)
			}
		}
	}
}

// load reads a folder's manifests as one commit on a fleet of at least one Node.
func load(t *testing.T, folder string) manifest.Set {
	t.Helper()
	parsed := []manifest.Parsed{manifest.Parse("node.yaml", []byte("{apiVersion: v1, kind: Node, metadata: {name: bare}, spec: {providerID: \"podman+unix:///run/podman/podman.sock\"}}"))}
	for _, ext := range []string{".yaml", ".yml", ".json"} {
		for _, name := range files(t, ext) {
			if under(name, folder) {
				parsed = append(parsed, manifest.Parse(name, []byte(read(t, name))))
			}
		}
	}
	set := manifest.Assemble(manifest.Info{Commit: "c1"}, parsed)
	complain(t, set.Problems)
	return set
}

func complain(t *testing.T, problems []manifest.Problem) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
}

func TestTheKindsPagesMissNoField(t *testing.T) {
	for page, kinds := range map[string][]reflect.Type{
		"docs/kinds/pod.md":                   {reflect.TypeFor[corev1.PodSpec](), reflect.TypeFor[corev1.Container]()},
		"docs/kinds/node.md":                  {reflect.TypeFor[corev1.NodeSpec]()},
		"docs/kinds/deployment.md":            {reflect.TypeFor[appsv1.DeploymentSpec]()},
		"docs/kinds/replicaset.md":            {reflect.TypeFor[appsv1.ReplicaSetSpec]()},
		"docs/kinds/replicationcontroller.md": {reflect.TypeFor[corev1.ReplicationControllerSpec]()},
		"docs/kinds/rollout.md": {
			reflect.TypeFor[argo.RolloutSpec](), reflect.TypeFor[argo.CanaryStrategy](), reflect.TypeFor[argo.BlueGreenStrategy](),
		},
		"docs/kinds/job.md":       {reflect.TypeFor[batchv1.JobSpec]()},
		"docs/kinds/configmap.md": {reflect.TypeFor[corev1.ConfigMap]()},
		"docs/kinds/secret.md":    {reflect.TypeFor[corev1.Secret]()},
		"docs/kinds/endpoints.md": { //lint:ignore SA1019 people write them, and they are read
			reflect.TypeFor[corev1.Endpoints](), reflect.TypeFor[corev1.EndpointSubset](), reflect.TypeFor[corev1.EndpointAddress](), reflect.TypeFor[corev1.EndpointPort](),
		},
		"docs/kinds/endpointslice.md": {reflect.TypeFor[discoveryv1.EndpointSlice]()},
		"docs/kinds/service.md":       {reflect.TypeFor[corev1.ServiceSpec]()},
		"docs/kinds/ingress.md": {
			reflect.TypeFor[networkingv1.IngressSpec](), reflect.TypeFor[networkingv1.IngressTLS](), reflect.TypeFor[networkingv1.IngressRule](), reflect.TypeFor[networkingv1.HTTPIngressPath](),
			reflect.TypeFor[networkingv1.IngressBackend](), reflect.TypeFor[networkingv1.ServiceBackendPort](),
		},
		"docs/kinds/ingressclass.md": {reflect.TypeFor[networkingv1.IngressClassSpec]()},
		"docs/kinds/networkpolicy.md": {
			reflect.TypeFor[networkingv1.NetworkPolicySpec](), reflect.TypeFor[networkingv1.NetworkPolicyIngressRule](), reflect.TypeFor[networkingv1.NetworkPolicyEgressRule](),
			reflect.TypeFor[networkingv1.IPBlock](),
		},
		"docs/kinds/gatewayclass.md":   {reflect.TypeFor[gatewayv1.GatewayClassSpec]()},
		"docs/kinds/gateway.md":        {reflect.TypeFor[gatewayv1.GatewaySpec]()},
		"docs/kinds/httproute.md":      {reflect.TypeFor[gatewayv1.HTTPRouteSpec](), reflect.TypeFor[gatewayv1.CommonRouteSpec](), reflect.TypeFor[gatewayv1.HTTPRouteMatch](), reflect.TypeFor[gatewayv1.HTTPRouteFilter]()},
		"docs/kinds/referencegrant.md": {reflect.TypeFor[gatewayv1beta1.ReferenceGrantSpec](), reflect.TypeFor[gatewayv1beta1.ReferenceGrantFrom]()},
	} {
		text := read(t, page)
		for _, kind := range kinds {
			for i := range kind.NumField() {
				name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
				if name != "" && name != "-" && name != "metadata" && !strings.Contains(text, "`"+name+"`") {
					t.Errorf("%s: says nothing about %s.%s", page, kind.Name(), name)
				}
			}
		}
	}
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)|src="([^"]+)"`)
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			target := m[1] + m[2]
			if strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(path.Join(path.Dir(page), target)); err != nil {
				t.Errorf("%s: link to %s: %v", page, target, err)
			}
		}
	}
}

func TestEveryWordOfOursInThePapersIsInTheCode(t *testing.T) {
	word := regexp.MustCompile(`podkeep\.io/[a-z][a-z-]*`)
	var code strings.Builder
	for _, name := range files(t, ".go") {
		if !strings.HasSuffix(name, "_test.go") {
			code.WriteString(read(t, name))
		}
	}
	known := word.FindAllString(code.String(), -1)
	for _, page := range pages(t) {
		for _, w := range word.FindAllString(read(t, page), -1) {
			if !slices.Contains(known, w) {
				t.Errorf("%s: %s is nowhere in the code", page, w)
			}
		}
	}
}

// pages are the papers that speak of what is; decisions speak of their day.
func pages(t *testing.T) []string {
	return slices.DeleteFunc(files(t, ".md"), func(name string) bool { return strings.HasPrefix(name, "docs/decisions/") })
}

func files(t *testing.T, ext string) (all []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (name == "bin" || strings.HasPrefix(name, ".") && name != ".") {
			return fs.SkipDir
		}
		if path.Ext(name) == ext {
			all = append(all, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// directDependencies are the modules of go.mod that some file of ours imports.
func directDependencies(t *testing.T) (all []string) {
	modules := regexp.MustCompile(`(?m)^(?:require)?\s+(\S+\.\S+) v`).FindAllStringSubmatch(read(t, "go.mod"), -1)
	for _, name := range files(t, ".go") {
		file, err := parser.ParseFile(token.NewFileSet(), name, read(t, name), parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imported := range imports(file) {
			best := ""
			for _, m := range modules {
				if under(imported, m[1]) && len(m[1]) > len(best) {
					best = m[1]
				}
			}
			if best != "" && !slices.Contains(all, best) {
				all = append(all, best)
			}
		}
	}
	return all
}

// Each promise of the page on security names a test that holds it, and that test is there.
func TestEachPromiseNamesTheTestThatHoldsIt(t *testing.T) {
	const page = "docs/security.md"
	there := testsThatAreThere(t)
	named := regexp.MustCompile("`(Test[A-Za-z0-9_]+|[a-z_]+\\.txtar)`")
	promises, inTable := 0, false
	for line := range strings.Lines(read(t, page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		held := strings.TrimSpace(cells[len(cells)-1])
		switch {
		case !strings.HasPrefix(line, "|"):
			inTable = false
		case held == "held by":
			inTable = true
		case inTable && !strings.HasPrefix(held, "---"):
			promises++
			if named.FindString(held) == "" && held != "the same" {
				t.Errorf("%s: nothing holds %q", page, cells[0])
			}
		}
		for _, m := range named.FindAllStringSubmatch(line, -1) {
			if !there[m[1]] {
				t.Errorf("%s: there is no test %s", page, m[1])
			}
		}
	}
	if promises < 40 {
		t.Errorf("%s: %d promises were found", page, promises)
	}
}

// testsThatAreThere are the names of all tests, and of all scripts that are run as one.
func testsThatAreThere(t *testing.T) map[string]bool {
	t.Helper()
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	for _, name := range files(t, ".go") {
		if strings.HasSuffix(name, "_test.go") {
			for _, m := range declared.FindAllStringSubmatch(read(t, name), -1) {
				there[m[1]] = true
			}
		}
	}
	for _, name := range files(t, ".txtar") {
		there[path.Base(name)] = true
	}
	return there
}
