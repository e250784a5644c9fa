package manifest

import (
	"fmt"
	"strings"
	"testing"
)

// aPod is the YAML of a Pod whose volume v is of that source, and whose containers, an init container first, have these mounts of it.
func aPod(name, source, init, main string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  volumes: [{name: v, %s}]
  initContainers: [{name: init, image: a, volumeMounts: [%s]}]
  containers:
  - name: main
    image: a
    env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: DIR, value: a/b}]
    volumeMounts: [%s]
`, name, source, mountsOf(init), mountsOf(main))
}

// mountsOf makes mounts of their subPaths, with "-" for none, "$" before a subPathExpr and "ro:" before what is read-only.
func mountsOf(words string) string {
	var all []string
	for i, word := range strings.Fields(words) {
		dir, ro := strings.CutPrefix(word, "ro:")
		m := fmt.Sprintf("name: v, mountPath: /m%d, readOnly: %t", i, ro)
		switch {
		case dir == "-":
		case strings.Contains(dir, "$"):
			m += fmt.Sprintf(", subPathExpr: %q", dir)
		default:
			m += fmt.Sprintf(", subPath: %q", dir)
		}
		all = append(all, "{"+m+"}")
	}
	return strings.Join(all, ", ")
}

const (
	aClaim    = "persistentVolumeClaim: {claimName: data}"
	readClaim = "persistentVolumeClaim: {claimName: data, readOnly: true}"
	claimData = `apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`
)

func undermines(s Set) (found []string) {
	for _, p := range s.Problems {
		if strings.Contains(p.Text, "could put a link") {
			found = append(found, p.Object)
		} else {
			found = append(found, "other: "+p.Error())
		}
	}
	return found
}

func TestASubPathIsRefusedWhereAContainerOfItsPodCanReplaceADirectoryOfIt(t *testing.T) {
	for _, c := range []struct {
		source, init, main string
		refused            bool
	}{
		{"emptyDir: {}", "-", "a", true},
		{"emptyDir: {}", "-", "a/b", true},
		{"emptyDir: {}", "a", "a/b", true},
		{"emptyDir: {}", "a//", "./a/b/", true},
		{"emptyDir: {}", "", "a -", true},
		{"emptyDir: {}", "ro:-", "a", false},
		{"emptyDir: {}", "-", "-", false},
		{"emptyDir: {}", "a", "a", false},
		{"emptyDir: {}", "a/b", "a//b", false},
		{"emptyDir: {}", "a/bc", "a/b", false},
		{"emptyDir: {}", "a/b", "a/bc", false},
		{"emptyDir: {}", "b", "a/b", false},
		{"emptyDir: {}", "", "a b ro:-", false},
		{"emptyDir: {}", "a/b", "$(POD)", true}, // a pod may be called a
		{"emptyDir: {}", "a", "$(POD)/a", true},
		{"emptyDir: {}", "", "$(POD) $(POD)/a", true},
		{"emptyDir: {}", "", "$(POD)/a $(POD)/b", false},
		{"emptyDir: {}", "", "a $(DIR)", true},
		{"emptyDir: {}", "b", "$(DIR)", false},
		{aClaim, "-", "a", true},
		{aClaim, "", "a", false},
		{aClaim, "ro:-", "a", false},
		{readClaim, "-", "a", false},
		{"hostPath: {path: /srv}", "-", "a", true},
		{"hostPath: {path: /srv}", "b", "a", false},
		{"configMap: {name: none, optional: true}", "-", "a", false},
		{"downwardAPI: {items: [{path: a/b, fieldRef: {fieldPath: metadata.name}}]}", "- a", "a/b", false},
	} {
		got := undermines(set("a1", "x.yaml", aPod("p", c.source, c.init, c.main)+"---\n"+claimData))
		if want := map[bool]string{true: "Pod/p"}[c.refused]; strings.Join(got, ",") != want {
			t.Errorf("%s: init %s, main %s: %q, want %q", c.source, c.init, c.main, got, want)
		}
	}
}

func TestASubPathIsRefusedWhereAnotherWorkloadCanReplaceADirectoryOfIt(t *testing.T) {
	for _, c := range []struct{ source, one, another, two, refused string }{
		{aClaim, "a", aClaim, "-", "Pod/one"},
		{aClaim, "a/b", aClaim, "a", "Pod/one"},
		{aClaim, "a", aClaim, "ro:-", ""},
		{aClaim, "a", aClaim, "b", ""},
		{aClaim, "a", aClaim, "a", ""},
		{aClaim, "a", readClaim, "-", ""},
		{aClaim, "$(POD)", aClaim, "$(POD)", ""},
		{aClaim, "$(POD)/a", aClaim, "b", "Pod/one"},
		{"emptyDir: {}", "a", "emptyDir: {}", "-", ""},
		{"hostPath: {path: /srv/x}", "a", "hostPath: {path: /srv/}", "-", "Pod/one"},
		{"hostPath: {path: /srv/x}", "a", "hostPath: {path: /}", "-", "Pod/one"},
		{"hostPath: {path: /srv}", "x/a", "hostPath: {path: /srv/x}", "-", "Pod/one"},
		{"hostPath: {path: /srv}", "a", "hostPath: {path: /srv/a}", "-", ""},
		{"hostPath: {path: /srv/x}", "-", "hostPath: {path: /srv}", "-", ""},
		{"hostPath: {path: /srv}", "a", "hostPath: {path: /srv-2}", "-", ""},
	} {
		s := set("a1", "x.yaml", aPod("one", c.source, "", c.one)+"---\n"+claimData, "y.yaml", aPod("two", c.another, "", c.two))
		if got := strings.Join(undermines(s), ","); got != c.refused {
			t.Errorf("%s of %s beside %s of %s: %q, want %q", c.one, c.source, c.two, c.another, got, c.refused)
		}
	}
}

func TestAClaimOfAnotherNamespaceIsAnother(t *testing.T) {
	other := strings.ReplaceAll(aPod("two", aClaim, "", "-")+"---\n"+claimData, "metadata: {", "metadata: {namespace: b, ")
	if got := undermines(set("a1", "x.yaml", aPod("one", aClaim, "", "a")+"---\n"+claimData, "y.yaml", other)); len(got) > 0 {
		t.Error(got)
	}
}
