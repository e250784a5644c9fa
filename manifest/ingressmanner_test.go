package manifest

import (
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"
)

// nginx are annotations of ingress-nginx', written NAME VALUE, a line each.
func nginx(lines string) string {
	var all []string
	for line := range strings.SplitSeq(lines, "\n") {
		name, value, _ := strings.Cut(line, " ")
		all = append(all, nginxPrefix+name+": '"+value+"'")
	}
	return strings.Join(all, "\n")
}

// toldManner is what of a manner is set, as JSON.
func toldManner(m Manner) string {
	text, _ := json.Marshal(m)
	set := map[string]any{}
	_ = json.Unmarshal(text, &set)
	maps.DeleteFunc(set, func(key string, v any) bool {
		return v == nil || key != "HTTPS" && key != "Body" && (v == "" || v == false || v == float64(0))
	})
	text, _ = json.Marshal(set)
	return strings.ReplaceAll(strings.Trim(string(text), "{}"), `"`, "")
}

func TestAnnotationsThatHaveAnEqualAreHonoured(t *testing.T) {
	grouped := "rules: [{http: {paths: [{path: '/a(/|$)(.*)', pathType: ImplementationSpecific, " + toWeb + "}]}}]"
	for lines, want := range map[string]string{
		"rewrite-target /":                                         "Rewrite:/",
		"rewrite-target /$2":                                       "Regexp:true,Rewrite:/$2",
		"use-regex true":                                           "Regexp:true",
		"use-regex false":                                          "",
		"ssl-redirect false":                                       "HTTPS:false",
		"ssl-redirect true\nforce-ssl-redirect True":               "ForceHTTPS:true,HTTPS:true",
		"proxy-body-size 8m":                                       "Body:8388608",
		"proxy-body-size 0":                                        "Body:0",
		"proxy-body-size 1K":                                       "Body:1024",
		"proxy-body-size 1000":                                     "Body:1000",
		"whitelist-source-range 10.0.0.1/8, 192.0.2.1":             "Allow:[10.0.0.0/8,192.0.2.1/32]",
		"allowlist-source-range 2001:db8::/32":                     "Allow:[2001:db8::/32]",
		"denylist-source-range 192.0.2.0/24":                       "Deny:[192.0.2.0/24]",
		"auth-type basic\nauth-secret users\nauth-realm Keep out!": "Realm:Keep out!,Users:default/users",
		"auth-type basic\nauth-secret default/users\nauth-secret-type auth-map": "UserMap:true,Users:default/users",
		"auth-type basic\nauth-secret users\nauth-secret-type auth-file":        "Users:default/users",
		"backend-protocol HTTP":  "",
		"backend-protocol grpc":  "Protocol:GRPC",
		"backend-protocol HTTPS": "Protocol:HTTPS",
		"backend-protocol GRPCS": "Protocol:GRPCS",
		"proxy-connect-timeout 5\nproxy-read-timeout 3600\nproxy-send-timeout 60": "Connect:5000000000,Read:3600000000000,Send:60000000000",
		"upstream-vhost web.example.com:8080":                                     "Host:web.example.com:8080",
		"x-forwarded-prefix /app":                                                 "Prefix:/app",
		"permanent-redirect https://example.com/?a=b":                             "Redirect:https://example.com/?a=b,RedirectCode:301",
		"permanent-redirect http://example.com\npermanent-redirect-code 308":      "Redirect:http://example.com,RedirectCode:308",
		"temporal-redirect http://example.com":                                    "Redirect:http://example.com,RedirectCode:302",
		"temporal-redirect http://example.com\ntemporal-redirect-code 307":        "Redirect:http://example.com,RedirectCode:307",
		"permanent-redirect-code 308":                                             "",
		"app-root /app":                                                           "AppRoot:/app",
		"app-root /login?next=/a#b":                                               "AppRoot:/login?next=/a#b",
		"from-to-www-redirect true":                                               "WWW:true",
		"server-alias a.example.com, *.b.example.com,a.example.com":               "Aliases:[a.example.com,*.b.example.com]",
		"enable-cors true":                                                        "CORS:{Credentials:true,Exposed:null,Headers:[DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization],MaxAge:1728000,Methods:[GET,PUT,POST,DELETE,PATCH,OPTIONS],Origins:[*]",
		"enable-cors true\ncors-allow-origin https://a.com:1, https://*.b.com\ncors-allow-methods get, POST":                                                                      "CORS:{Credentials:true,Exposed:null,Headers:[DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization],MaxAge:1728000,Methods:[GET,POST],Origins:[https://a.com:1,https://*.b.com]",
		"enable-cors true\ncors-allow-headers X-A\ncors-allow-origin a://b,*\ncors-allow-methods GET\ncors-allow-credentials false\ncors-max-age 600\ncors-expose-headers *, X-B": "CORS:{Credentials:false,Exposed:[*,X-B],Headers:[X-A],MaxAge:600,Methods:[GET],Origins:[*]",
		"cors-allow-headers X-A":                                  "",
		"enable-cors false\ncors-max-age 600":                     "",
		"proxy-next-upstream off":                                 "Once:true",
		"proxy-next-upstream error timeout":                       "",
		"proxy-next-upstream-tries 1":                             "Once:true",
		"proxy-next-upstream-tries 3":                             "",
		"proxy-buffering off\nproxy-http-version 1.1":             "",
		"ssl-passthrough false\ncanary 0\nenable-modsecurity f":   "",
		"auth-url \nauth-signin https://a/b":                      "", // an empty one asks for nothing, and what only goes with it asks for nothing alone
		"proxy-buffer-size 16k\nproxy-buffers-number 4":           "",
		"service-upstream true\nhttp2-push-preload true":          "",
		"session-cookie-name a\ncanary-weight 5\nsatisfy all":     "",
		"load-balance round_robin\nssl-prefer-server-ciphers off": "",
	} {
		s := load(t, "x.yaml", ingress(nginx(lines), grouped))
		if len(s.Ingresses) != 1 || toldManner(s.Ingresses[0].Manner) != want {
			t.Errorf("%s: got %v", lines, toldManner(s.Ingresses[0].Manner))
		}
	}
}

func TestAnAnnotationThatHasNoEqualIsRefusedByName(t *testing.T) {
	for line, want := range map[string]string{
		"rewrite-target app":                                          `"app" is no path; write one such as /, or /$1 for what the first group of the path's regular expression is`,
		"rewrite-target https://a.com/":                               `"https://a.com/" is no path`,
		"rewrite-target /$1":                                          "$1 is no group of any path of pathType ImplementationSpecific; write ( and ) around a part of the path, or leave it out",
		"use-regex maybe":                                             `"maybe" is neither "true" nor "false"`,
		"ssl-redirect 308":                                            `"308" is neither "true" nor "false"`,
		"proxy-body-size unlimited":                                   `"unlimited" is no size; write bytes, or a number with k, m or g behind it, such as 8m; "0" is any size`,
		"proxy-body-size 99999999999999g":                             `"99999999999999g" is no size`,
		"proxy-body-size 999999999999g":                               `"999999999999g" is larger than anything; write 0 for any size`,
		"proxy-body-size -1":                                          `"-1" is no size`,
		"whitelist-source-range all":                                  `"all" is no range of addresses; write one such as 192.0.2.0/24, and commas between several`,
		"whitelist-source-range  ,":                                   `" ," is no range of addresses`,
		"denylist-source-range 192.0.2.0/33":                          `"192.0.2.0/33" is no range of addresses`,
		"auth-type digest\nauth-secret users":                         "digest is not supported; write basic, and have the host serve HTTPS",
		"auth-type basic":                                             "asks for passwords that are nowhere; write nginx.ingress.kubernetes.io/auth-secret: NAME, with htpasswd's lines as key auth of that Secret",
		"auth-secret users":                                           "asks nobody for a password without nginx.ingress.kubernetes.io/auth-type: basic; write that too",
		"auth-secret other/users\nauth-type basic":                    `"other/users" is in another namespace than the Ingress, and its passwords are not lent; put a Secret beside the Ingress, and write its name`,
		"auth-secret A_b\nauth-type basic":                            `"A_b" is no Secret's name`,
		"auth-secret-type map\nauth-secret users\nauth-type basic":    `"map" is not one of auth-file, auth-map`,
		"auth-realm a$b":                                              `"a$b" is no realm`,
		"backend-protocol FCGI":                                       "FCGI is not spoken to pods; put a server of HTTP beside the program, and write HTTP",
		"backend-protocol auto_http":                                  "what a pod speaks is not found out; write HTTP or HTTPS",
		"backend-protocol h2c":                                        `"h2c" is not one of HTTP, HTTPS, GRPC, GRPCS`,
		"proxy-read-timeout 60s":                                      `"60s" is no number of seconds; write a number alone, of at least 1, in quotes`,
		"proxy-connect-timeout 0":                                     `"0" is no number of seconds`,
		"proxy-send-timeout 99999999999":                              `"99999999999" is no number of seconds`,
		"upstream-vhost $service_name":                                `"$service_name" is no host's name`,
		"upstream-vhost a:b":                                          `"a:b" is no host's name`,
		"x-forwarded-prefix /$1":                                      `"/$1" is no path; write one such as /app: groups and variables are not filled in`,
		"permanent-redirect /there":                                   `"/there" is no URL; write one such as https://example.com/`,
		"permanent-redirect https://a.com$request_uri":                `"https://a.com$request_uri" has a variable of nginx', which are not filled in`,
		"temporal-redirect ftp://a.com":                               `"ftp://a.com" is no URL`,
		"permanent-redirect-code 200":                                 `"200" is no code of a redirect; write 301, 302, 303, 307 or 308`,
		"permanent-redirect http://a.com\ntemporal-redirect http://b": "goes with no temporal-redirect; remove one of them",
		"app-root app":                                                `"app" is no path to lead / to; write one such as /app`,
		"app-root /":                                                  `"/" is no path to lead / to`,
		"app-root /?a=b":                                              `"/?a=b" is no path to lead / to`,
		"app-root /#a":                                                `"/#a" is no path to lead / to`,
		"server-alias ~^a":                                            `"~^a" is a regular expression, and hosts are found by name; write names, or * in place of the first label`,
		"server-alias a_b":                                            `"a_b": a lowercase RFC 1123 subdomain`,
		"whitelist-source-range 192.0.2.1\nallowlist-source-range ::": "is the same as nginx.ingress.kubernetes.io/allowlist-source-range, which is written too; remove one of them",
		"cors-allow-origin a.com":                                     `"a.com" is no origin; write https://example.com, https://*.example.com, or *, with commas between several`,
		"cors-allow-methods G-T":                                      `"G-T" is no method; write such as GET, POST, with commas between several`,
		"cors-max-age -1":                                             `"-1" is no number of seconds`,
		"proxy-next-upstream http_418":                                `"http_418" is none of nginx' words; write error timeout, or off`,
		"proxy-http-version 1.0":                                      "is not supported; pods are spoken to by HTTP/1.1; write that",
		"ssl-passthrough true":                                        "is not supported; TLS ends where the request comes in; have the program end it itself behind a Service of type LoadBalancer",
		"configuration-snippet return 404;":                           "is not supported; " + noSnippet,
		"server-snippet a":                                            "is not supported; " + noSnippet,
		"canary true\ncanary-weight 5":                                "is not supported; " + noCanary,
		"affinity cookie\nsession-cookie-name a":                      "is not supported; " + noSticking,
		"limit-rps 5\nlimit-burst-multiplier 2":                       "is not supported; " + noLimit,
		"auth-url http://a\nauth-signin http://b":                     "is not supported; " + noAuth,
		"mirror-target http://a":                                      "is not supported; " + noMirror,
		"enable-modsecurity true":                                     "is not supported; " + noFirewall,
		"secure-backends true":                                        "is not supported; write nginx.ingress.kubernetes.io/backend-protocol: HTTPS",
		"satisfy any":                                                 "is not supported; a request has to come from where it may, and with a password; remove one of the two",
		"rewrite-targt /":                                             `is not known; did you mean "rewrite-target"?`,
		"hsts true":                                                   "is not known; remove it",
	} {
		s := set("c1", "x.yaml", ingress(nginx(line), anywhere))
		if len(s.Ingresses) != 0 || len(s.Problems) != 1 || !strings.HasPrefix(s.Problems[0].Text, want) || !s.Problems[0].Lost ||
			!strings.HasPrefix(s.Problems[0].Field, "metadata.annotations["+nginxPrefix) || s.Problems[0].Line < 5 {
			t.Errorf("%s: got %v", line, s.Problems)
		}
	}
}

func TestWhatAnAnnotationDoesNotDoIsSaid(t *testing.T) {
	for notes, want := range map[string]string{
		nginx("proxy-buffering on\nproxy-request-buffering on"):   noBuffer,
		nginx("enable-opentelemetry true"):                        noSpans,
		nginx("load-balance ewma"):                                "is not done: each request goes to one of the pods that are ready, by chance and evenly",
		nginx("enable-access-log false"):                          "is not done for one Ingress: a flag says for all whether requests are logged",
		nginx("proxy-next-upstream error http_502"):               "another pod is asked only where the first did nothing with the request: answers are passed on whatever their code",
		"traefik.ingress.kubernetes.io/router.tls: 'true'":        anotherIngress,
		"alb.ingress.kubernetes.io/scheme: internal":              anotherIngress,
		"kubernetes.io/ingress.allow-http: 'false'":               anotherIngress,
		"cert-manager.io/duration: 24h":                           settingsOfIssuer,
		"external-dns.alpha.kubernetes.io/hostname: a.b":          "nothing is done for it: nobody writes names into a DNS zone here",
		"acme.cert-manager.io/http01-edit-in-place: 'true'":       "",
		"cert-manager.io/cluster-issuer: letsencrypt":             "ACME",
		"cert-manager.io/issuer: letsencrypt":                     "ACME",
		"kubernetes.io/tls-acme: 'true'":                          "ACME",
		"kubernetes.io/tls-acme: 'false'":                         "",
		"kubernetes.io/ingress.class: nginx\nexample.com/a: rest": "",
	} {
		s := set("c1", "x.yaml", ingress(notes, anywhere))
		got := ""
		for _, p := range s.Problems {
			if got += p.Text; !p.Notice || p.Lost || p.Refuses() {
				t.Errorf("%s: %v", notes, p)
			}
		}
		if len(s.Ingresses) != 1 || s.Ingresses[0].Manner.ACME != (want == "ACME") || got != strings.TrimPrefix(want, "ACME") {
			t.Errorf("%s: got %q", notes, got)
		}
	}
}

func TestARegularPathIsToBeOneThatIsUnderstood(t *testing.T) {
	for path, want := range map[string]string{
		"path: '/a(?=b)', pathType: ImplementationSpecific":  "spec.rules[0].http.paths[0].path: \"/a(?=b)\" is no regular expression as RE2 has them, without looking ahead or back",
		"path: '/a(b', pathType: ImplementationSpecific":     "spec.rules[0].http.paths[0].path: \"/a(b\" is no regular expression",
		"path: '/a/(.*)', pathType: Prefix":                  "spec.rules[0].http.paths[0].pathType: Prefix takes \"/a/(.*)\" for its letters, and no regular expression; write ImplementationSpecific",
		"path: '/a/*', pathType: ImplementationSpecific":     "",
		"path: /a.b, pathType: Prefix":                       "",
		"path: '/a//(.*)', pathType: ImplementationSpecific": "",
	} {
		s := set("c1", "x.yaml", ingress(nginx("use-regex true"), atPath(path+", "+toWeb)))
		if want == "" && (len(s.Problems) > 0 || len(s.Ingresses) != 1) || want != "" && (len(s.Problems) != 1 || !strings.HasPrefix(s.Problems[0].brief(), "Ingress/web: "+want)) {
			t.Errorf("%s: got %v", path, s.Problems)
		}
	}
}

func TestARewriteMeansAGroupThatAPathHas(t *testing.T) {
	const many = "'/(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)'"
	for target, want := range map[string]string{
		"/$9": "", "/$10": "", // $10 is $1 and 0, as nginx has it
	} {
		s := set("c1", "x.yaml", ingress(nginx("rewrite-target "+target), atPath("path: "+many+", pathType: ImplementationSpecific, "+toWeb)))
		if wrongs(s) != want {
			t.Errorf("%s: %v", target, s.Problems)
		}
	}
	s := set("c1", "x.yaml", ingress(nginx("rewrite-target /$1"), atPath("path: '/(a)', pathType: Prefix, "+toWeb)))
	if len(s.Problems) != 1 || !strings.Contains(s.Problems[0].Text, "write ImplementationSpecific") {
		t.Errorf("not one line for one cause: %v", s.Problems)
	}
}

func TestAStarOfAnotherControllersIsSaidToMeanNothing(t *testing.T) {
	s := set("c1", "x.yaml", ingress("", atPath("path: '/a/*', pathType: ImplementationSpecific, "+toWeb)))
	if len(s.Ingresses) != 1 || wrongs(s) != "x.yaml:6: Ingress/web: spec.rules[0].http.paths[0].path: the * is taken for itself; write the path without it, with pathType Prefix, for all that is below" {
		t.Error(s.Problems)
	}
}

func TestThePageHasEveryAnnotation(t *testing.T) {
	page, err := os.ReadFile("../docs/kinds/ingress.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sorted(nginxAnnotations) {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/kinds/ingress.md says nothing about %s", name)
		}
	}
}
