package manifest

import (
	"fmt"
	"strings"
	"testing"
)

const toWeb = "backend: {service: {name: web, port: {number: 80}}}"

// ingress is one with these annotations, a line each, and this spec.
func ingress(notes, spec string) string {
	text := "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web\n"
	if notes != "" {
		text += "  annotations:\n    " + strings.ReplaceAll(strings.TrimSpace(notes), "\n", "\n    ") + "\n"
	}
	return text + "spec:\n  " + strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ") + "\n"
}

func atPath(path string) string {
	return "rules: [{host: a.example.com, http: {paths: [{" + path + "}]}}]"
}

var anywhere = "defaultBackend: {service: {name: web, port: {name: http}}}"

func TestAnIngressAsPeopleWriteItLoads(t *testing.T) {
	for name, spec := range map[string]string{
		"a default backend alone": anywhere,
		"a host":                  atPath("path: /, pathType: Prefix, " + toWeb),
		"no host":                 "rules: [{http: {paths: [{path: /a, pathType: Exact, " + toWeb + "}]}}]",
		"a wildcard":              "rules: [{host: '*.example.com', http: {paths: [{pathType: ImplementationSpecific, " + toWeb + "}]}}]",
		"a host without paths":    anywhere + "\nrules: [{host: a.example.com}]",
		"TLS":                     "tls: [{hosts: [a.example.com, '*.b.example.com'], secretName: cert}, {hosts: [c.example.com]}, {}]\n" + atPath("path: /, pathType: Prefix, "+toWeb),
		"a class":                 "ingressClassName: nginx\n" + anywhere,
		"a path of any letters":   atPath("path: '/a(b', pathType: ImplementationSpecific, " + toWeb),
	} {
		s := load(t, "x.yaml", ingress("", spec))
		if len(s.Ingresses) != 1 || s.Ingresses[0].ID != (ID{"Ingress", "default", "web"}) || s.Ingresses[0].Object.Namespace != "default" {
			t.Errorf("%s: %v", name, s.Ingresses)
		}
	}
}

func TestAnIngressThatIsRefusedSaysByWhichField(t *testing.T) {
	path := func(p, kind string) string { return atPath("path: '" + p + "', pathType: " + kind + ", " + toWeb) }
	to := func(backend string) string { return atPath("path: /, pathType: Prefix, backend: " + backend) }
	const first = "spec.rules[0].http.paths[0]."
	for name, c := range map[string]struct{ spec, want string }{
		"nothing":                     {"rules: []", "spec: leads nowhere; write rules, or defaultBackend"},
		"a host that is an address":   {"rules: [{host: 192.0.2.1}]", `spec.rules[0].host: "192.0.2.1" is an address, and no host's name; write a name, or leave the host out for all of them`},
		"a host in capitals":          {"rules: [{host: A.example.com}]", `spec.rules[0].host: "A.example.com": a lowercase RFC 1123 subdomain`},
		"a star within":               {"rules: [{host: a.*.example.com}]", `spec.rules[0].host: "a.*.example.com": a wildcard DNS-1123 subdomain`},
		"no paths":                    {"rules: [{host: a.example.com, http: {paths: []}}]", "spec.rules[0].http.paths: is missing; write some, for example [{path: /, pathType: Prefix, backend: …}], or remove http to have the default backend"},
		"no type of path":             {atPath("path: /, " + toWeb), first + "pathType: is missing; write Prefix, Exact or ImplementationSpecific"},
		"a type of nobody's":          {path("/", "prefix"), first + `pathType: "prefix" is not one of Prefix, Exact, ImplementationSpecific; did you mean "Prefix"?`},
		"no path":                     {atPath("pathType: Prefix, " + toWeb), first + `path: "" does not begin with /; write where it stands below the host, for example /`},
		"a path that is not absolute": {path("a", "ImplementationSpecific"), first + `path: "a" does not begin with /`},
		"two slashes":                 {path("/a//b", "Exact"), first + `path: "/a//b" has // in it, which no path is asked by; write the path without`},
		"dots":                        {path("/a/..", "Prefix"), first + `path: "/a/.." ends in /.., which no path is asked by; write the path without`},
		"a slash in other letters":    {path("/a%2Fb", "Prefix"), first + `path: "/a%2Fb" has %2F in it`},
		"no backend":                  {to("{}"), first + "backend: is nobody; write service, with name and port"},
		"a bucket":                    {to("{resource: {apiGroup: k8s.example.com, kind: Bucket, name: a}}"), first + "backend.resource: nothing but a Service can be asked; write service, with name and port"},
		"a Service without a name":    {to("{service: {port: {number: 80}}}"), first + "backend.service.name: is missing; write the name of a Service of the Ingress' namespace"},
		"no name of a Service":        {to("{service: {name: 1web, port: {number: 80}}}"), first + `backend.service.name: "1web": a DNS-1035 label`},
		"no port":                     {to("{service: {name: web}}"), first + "backend.service.port: is missing; write the name or the number of one of the Service's ports"},
		"two ports":                   {to("{service: {name: web, port: {name: http, number: 80}}}"), first + "backend.service.port.name: goes with no number; remove one of the two"},
		"no number of a port":         {to("{service: {name: web, port: {number: 70000}}}"), first + "backend.service.port.number: 70000 is not between 1 and 65535"},
		"no name of a port":           {to("{service: {name: web, port: {name: Web_1}}}"), first + `backend.service.port.name: "Web_1": must contain`},
		"the older form":              {to("{serviceName: web, servicePort: 80}"), first + `backend.serviceName: unknown field "serviceName"`},
		"a default that is nobody":    {"defaultBackend: {}", "spec.defaultBackend: is nobody; write service, with name and port"},
		"an address in TLS":           {"tls: [{hosts: [192.0.2.1]}]\n" + anywhere, `spec.tls[0].hosts[0]: "192.0.2.1" is an address`},
		"no name of a Secret":         {"tls: [{secretName: A_b}]\n" + anywhere, `spec.tls[0].secretName: "A_b": a lowercase RFC 1123 subdomain`},
		"no name of a class":          {"ingressClassName: A_b\n" + anywhere, `spec.ingressClassName: "A_b": a lowercase RFC 1123 subdomain`},
		"a field of another's":        {"backend: {}\n" + anywhere, `spec.backend: unknown field "backend"`},
	} {
		s := set("c1", "x.yaml", ingress("", c.spec))
		if len(s.Ingresses) != 0 || len(s.Problems) == 0 || !strings.HasPrefix(s.Problems[0].brief(), "Ingress/web: "+c.want) || !s.Problems[0].Lost || s.Problems[0].Line < 1 {
			t.Errorf("%s: got %v", name, s.Problems)
		}
	}
}

func TestAnIngressOfAnOlderVersionSaysWhichOneToWrite(t *testing.T) {
	for _, version := range []string{"extensions/v1beta1", "networking.k8s.io/v1beta1"} {
		s := set("c1", "x.yaml", strings.Replace(ingress("", anywhere), "networking.k8s.io/v1", version, 1))
		want := "Ingress/web: apiVersion: " + version + " has no kind Ingress; write networking.k8s.io/v1, with each path's pathType, and backend.service.name and port in place of serviceName and servicePort"
		if len(s.Problems) != 1 || s.Problems[0].brief() != want || !s.Problems[0].Lost || len(s.broken()) > 0 {
			t.Errorf("%s: %v", version, s.Problems)
		}
	}
}

func TestAWordForACertificateIsTrueOrFalse(t *testing.T) {
	s := set("c1", "x.yaml", ingress("kubernetes.io/tls-acme: please", anywhere))
	if want := `x.yaml:6: Ingress/web: metadata.annotations[kubernetes.io/tls-acme]: "please" is not one of true, false`; len(s.Ingresses) > 0 || wrongs(s) != want {
		t.Error(wrongs(s))
	}
}

func TestAnIngressNamesOneClass(t *testing.T) {
	const older = AnnotationIngressClass + ": "
	for name, c := range map[string]struct{ notes, spec, want string }{
		"none":          {"", anywhere, ""},
		"as it was":     {older + "b", anywhere, ""},
		"twice the one": {older + "a", "ingressClassName: a\n" + anywhere, ""},
		"two of them":   {older + "b", "ingressClassName: a\n" + anywhere, `x.yaml:6: Ingress/web: metadata.annotations[kubernetes.io/ingress.class]: "b" is not spec.ingressClassName, which is "a"; remove this one`},
	} {
		if s := set("c1", "x.yaml", ingress(c.notes, c.spec)); wrongs(s) != c.want || len(s.Ingresses) == 0 != (c.want != "") {
			t.Errorf("%s: %s", name, wrongs(s))
		}
	}
}

func TestAnIngressThatDoesNotLoadHoldsUpNobodyAndKeepsItsLastForm(t *testing.T) {
	one, two := ingress("", strings.ReplaceAll(anywhere, "web", "one")), ingress("", strings.ReplaceAll(anywhere, "web", "two"))
	typo := ingress("", "rulez: []\n"+anywhere)
	const ill = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ill}\nspec: {replica: 1}\n"
	for name, c := range map[string]struct {
		head Set
		line []Set
		want string // the Service that it leads to
		held bool
	}{
		"it loads":                            {set("h", "x.yaml", two), []Set{set("p", "x.yaml", one)}, "two", false},
		"a field is refused":                  {set("h", "x.yaml", typo), []Set{set("p", "x.yaml", one)}, "one", true},
		"an annotation is":                    {set("h", "x.yaml", ingress(nginxPrefix+"auth-url: http://a", anywhere)), []Set{set("p", "x.yaml", one)}, "one", true},
		"its version is no more":              {set("h", "x.yaml", strings.Replace(two, "/v1", "/v1beta1", 1)), []Set{set("p", "x.yaml", one)}, "one", true},
		"it is there twice":                   {set("h", "x.yaml", one, "y.yaml", two), []Set{set("p", "x.yaml", one)}, "one", true},
		"it changed while its file was torn":  {set("h", "x.yaml", typo+ill), []Set{set("p2", "x.yaml", two+ill), set("p", "x.yaml", one)}, "two", true},
		"it never loaded":                     {set("h", "x.yaml", typo), []Set{set("p", "y.yaml", deployment("web", "nginx:1"))}, "", false},
		"its file is torn":                    {set("h", "x.yaml", torn), []Set{set("p", "x.yaml", one)}, "one", true},
		"it was taken out, and is back wrong": {set("h", "x.yaml", typo), []Set{set("p2", "z.yaml", "# nothing"), set("p", "x.yaml", one)}, "", false},
	} {
		got, held := "", false
		for _, i := range c.head.After(c.line...).Want().Ingresses {
			got, held = got+i.Object.Spec.DefaultBackend.Service.Name, i.Held != ""
		}
		if got != c.want || held != c.held {
			t.Errorf("%s: got %q held %v", name, got, held)
		}
	}
	head := set("h", "x.yaml", typo+"---\n"+deployment("web", "nginx:2"))
	want := head.After(set("p", "x.yaml", one+"---\n"+deployment("web", "nginx:1"))).Want()
	if len(head.broken()) > 0 || len(want.Workloads) != 1 || want.Workloads[0].Held != "" || fmt.Sprint(want.Workloads[0].Revision.Spec.Containers[0].Image) != "docker.io/library/nginx:2" {
		t.Errorf("a Deployment of the same file waits for it: %+v", want.Workloads)
	}
}

func TestAnIngressClassSaysWhoseItIs(t *testing.T) {
	class := func(notes, spec string) string {
		return "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: a, annotations: {" + notes + "}}\nspec: {" + spec + "}\n"
	}
	const standard = "ingressclass.kubernetes.io/is-default-class: "
	for name, c := range map[string]struct{ notes, spec, want string }{
		"ours":              {"", "controller: podkeep.io/ingress", "true false"},
		"ours, by default":  {standard + "'true'", "controller: podkeep.io/ingress", "true true"},
		"another's":         {standard + "'false'", "controller: k8s.io/ingress-nginx, parameters: {kind: A, name: b}", "IngressClass/a: spec.controller: nothing is done for Ingresses of this class: it is another controller's; write podkeep.io/ingress to have them served here false false"},
		"nobody's":          {"", "", "IngressClass/a: spec.controller: is missing; write podkeep.io/ingress, or the one whose class this is"},
		"no controller":     {"", "controller: nginx", "IngressClass/a: spec.controller: must be a domain-prefixed path"},
		"a name too long":   {"", "controller: a.b/" + strings.Repeat("c", 250), "IngressClass/a: spec.controller: has more than 250 letters"},
		"settings":          {"", "controller: podkeep.io/ingress, parameters: {kind: A, name: b}", "IngressClass/a: spec.parameters: mean nothing to podkeep.io/ingress, which has its settings as flags; remove them"},
		"perhaps a default": {standard + "'yes'", "controller: podkeep.io/ingress", `IngressClass/a: metadata.annotations[ingressclass.kubernetes.io/is-default-class]: "yes" is neither "true" nor "false"`},
	} {
		s := set("c1", "x.yaml", class(c.notes, c.spec))
		var got []string
		for _, p := range s.Problems {
			got = append(got, p.brief())
		}
		for _, i := range s.IngressClasses {
			got = append(got, fmt.Sprint(i.Ours, i.Default))
			if i.ID != (ID{Kind: "IngressClass", Name: "a"}) {
				t.Error(i.ID)
			}
		}
		if !strings.HasPrefix(strings.Join(got, " "), c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	good, bad := set("p", "x.yaml", class("", "controller: podkeep.io/ingress")), set("h", "x.yaml", class("", "controler: a"))
	if want := bad.After(good).Want(); len(want.IngressClasses) != 1 || !want.IngressClasses[0].Ours || want.IngressClasses[0].Held == "" || len(bad.broken()) > 0 {
		t.Errorf("what does not load has no form: %+v", want.IngressClasses)
	}
}
