package manifest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// twins are the refusals of the driver that need no host to be known, each with a pod of which it would be said, and what is said of the
// manifest before. Of those without a pod no manifest that loads leads there.
var twins = map[string]struct{ pod, want string }{
	"an imagePullSecret is not a .dockerconfigjson":                                              {pullWith("none"), "has something else than logins"},
	"an imagePullSecret's auth for %s is not the base64 of USER:PASSWORD":                        {pullWith(`{"auths":{"a":{"auth":"eA=="}}}`), "has something else than logins"},
	"only exec and sleep can be done":                                                            {pod("restartPolicy: Always", "lifecycle: {preStop: {tcpSocket: {port: 80}}}"), "use exec or sleep"},
	"subPath %s is none of its files":                                                            {pod("volumes: [{name: v, configMap: {name: cfg}}]", "volumeMounts: [{name: v, mountPath: /v, subPath: aa}]") + besides, `"aa" is none of the volume's files`},
	"dnsConfig: nameservers and searches stand in place of the node's: write dnsPolicy: None":    {pod("dnsPolicy: Default\ndnsConfig: {nameservers: [192.0.2.1]}", ""), "write dnsPolicy: None"},
	"dnsConfig: nameserver %q is not an IP address":                                              {pod("dnsPolicy: None\ndnsConfig: {nameservers: [a]}", ""), "is not an IP address"},
	"volume %s: subPath of a volume in memory cannot be mounted":                                 {pod("volumes: [{name: v, emptyDir: {medium: Memory}}]", "volumeMounts: [{name: v, mountPath: /v, subPath: a}]"), "a part of a volume in memory cannot be mounted yet"},
	"hostPath.type %s is not known":                                                              {pod("volumes: [{name: v, hostPath: {path: /a, type: Disk}}]", ""), "is not one of"},
	"securityContext.runAsNonRoot is true and %s":                                                {pod("securityContext: {runAsNonRoot: true, runAsUser: 0}", ""), "0 is root"},
	"container %s: volume %s is not among the pod's":                                             {pod("restartPolicy: Always", "volumeMounts: [{name: v, mountPath: /v}]"), "there is no volume"},
	"env %s: only a value, a file or status.podIP, status.hostIP and spec.nodeName can be given": {pod("restartPolicy: Always", "env: [{name: A, valueFrom: {fieldRef: {fieldPath: status.phase}}}]"), "is no field that a variable can have"},
	"only emptyDir, hostPath, persistentVolumeClaim and files can be mounted":                    {pod("volumes: [{name: v, nfs: {server: a, path: /b}}]", ""), "mount it on the hosts, and write hostPath"},
	"the downward API cannot write into a volume in memory":                                      {},
	"%s: spec.providerID %q is not a URL":                                                        {"apiVersion: v1\nkind: Node\nmetadata: {name: a}\nspec: {providerID: 'podman+unix:// %'}\n", "spec.providerID"},
	"%s: spec.providerID %q: write podman+unix:///run/podman/podman.sock or podman+ssh://root@192.0.2.11:22/run/podman/podman.sock": {
		"apiVersion: v1\nkind: Node\nmetadata: {name: a}\nspec: {providerID: 'docker:///a'}\n", "spec.providerID"},
}

func pullWith(content string) string {
	return pod("imagePullSecrets: [{name: r}]", "") + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: r}\nstringData: {.dockerconfigjson: '" + content + "'}\n"
}

// hosts are words of the driver that only a host can give cause for.
var hosts = []string{
	"answer", "its output", "not on the node", "is taken by", "not podkeep's", "ssh %s", "ssh-", "log", "frame", "line", "pull ", "host", "exited with", "the container was stopped",
	"symbolic link", "is not a directory", "makes nothing", "asks", "claim %s has no volume", "tells nothing", "id -u", "prints over", "key", "passphrase", "signs", "event", "attempt before",
	"does not say", "cannot be read", "is a %s", "no file within reach", "does not show in a container", "node side", "any more", "broken", "sub-ids", "dial tcp", "cannot be entered", "has not begun it",
}

func TestEveryRefusalOfTheDriverThatNeedsNoHostHasItsTwin(t *testing.T) {
	files, err := filepath.Glob("../drivers/podman/*.go")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	found := map[string]bool{}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			for _, text := range errorTexts(t, file) {
				found[text] = true
			}
		}
	}
	for _, text := range sorted(found) {
		twin, known := twins[text]
		if !known && !isWrapper(text) && !containsAny(text, hosts) {
			t.Errorf("the driver says %q: give it a twin in manifest, with file and line", text)
		}
		if twin.pod == "" {
			continue
		}
		if said := wrongs(set("c", "x.yaml", twin.pod)); !strings.Contains(said, twin.want) || !strings.HasPrefix(said, "x.yaml:") {
			t.Errorf("of what the driver would say %q of, manifest says %q", text, said)
		}
	}
	for text := range twins {
		if !found[text] {
			t.Errorf("the driver does not say %q any more", text)
		}
	}
}

// isWrapper says whether a text only says of what another error is.
func isWrapper(text string) bool {
	return strings.HasSuffix(text, ": %w") && strings.Count(text, " ") < 4 || text == "%w: %w" || text == "%w: the container is gone"
}

func containsAny(text string, words []string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// errorTexts are the texts that a file makes errors of.
func errorTexts(t *testing.T, file string) (texts []string) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		f, ok := call.Fun.(*ast.SelectorExpr)
		text, literal := call.Args[0].(*ast.BasicLit)
		if !ok || !literal || f.Sel.Name != "Errorf" && f.Sel.Name != "New" || text.Kind != token.STRING {
			return true
		}
		if s, err := strconv.Unquote(text.Value); err == nil {
			texts = append(texts, s)
		}
		return true
	})
	return texts
}
