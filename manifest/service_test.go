package manifest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func service(name, spec string) string {
	return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\nspec:\n  " + strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ") + "\n"
}

// told is a Service in a line.
func told(s Service) string {
	words := []string{s.Name, s.ClusterIP.String()}
	for _, is := range []struct {
		so   bool
		word string
	}{{s.Headless, "headless"}, {s.NodePorts, "nodeports"}, {s.PublishNotReady, "unready"}, {s.Near, "near"}, {s.NearOutside, "near outside"}, {s.PrefersNear, "rather near"}, {s.PrefersZone, "rather in zone"}} {
		if is.so {
			words = append(words, is.word)
		}
	}
	if s.External != "" {
		words = append(words, "for "+s.External)
	}
	selector, _ := json.Marshal(s.Selector)
	words = append(words, string(selector))
	if s.Holds > 0 {
		words = append(words, fmt.Sprint("holds ", s.Holds))
	}
	for _, p := range s.Ports {
		word := fmt.Sprintf("%s:%d/%s>%s", p.Name, p.Port, p.Protocol, p.Target.String())
		if p.NodePort != 0 {
			word += fmt.Sprintf("@%d", p.NodePort)
		}
		words = append(words, word+p.AppProtocol)
	}
	return strings.Join(words, " ")
}

func TestAServiceAsPeopleWriteItLoads(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"one port":            {service("web", "selector: {app: web}\nports: [{port: 80}]"), `web invalid IP {"app":"web"} :80/tcp>80`},
		"another of the pods": {service("web", "selector: {app: web}\nports:\n- port: 80\n  targetPort: 8080\n  protocol: TCP"), `web invalid IP {"app":"web"} :80/tcp>8080`},
		"a port by name":      {service("web", "selector: {app: web}\nports: [{name: http, port: 80, targetPort: web, appProtocol: kubernetes.io/h2c}]"), `web invalid IP {"app":"web"} http:80/tcp>webkubernetes.io/h2c`},
		"a name server":       {service("dns", "clusterIP: 10.43.0.10\nselector: {k8s-app: dns}\nports:\n- {name: dns, port: 53, protocol: UDP}\n- {name: dns-tcp, port: 53, protocol: TCP}"), `dns 10.43.0.10 {"k8s-app":"dns"} dns:53/udp>53 dns-tcp:53/tcp>53`},
		"redis": {service("redis-master", "ports:\n- port: 6379\n  targetPort: 6379\nselector:\n  app: redis\n  role: master\n  tier: backend"),
			`redis-master invalid IP {"app":"redis","role":"master","tier":"backend"} :6379/tcp>6379`},
		"wordpress' database, a name for its pod": {service("wordpress-mysql", "ports:\n- port: 3306\nselector:\n  app: wordpress\n  tier: mysql\nclusterIP: None"),
			`wordpress-mysql invalid IP headless {"app":"wordpress","tier":"mysql"} :3306/tcp>3306`},
		"kafka's brokers": {service("kafka-headless", "type: ClusterIP\nclusterIP: None\npublishNotReadyAddresses: true\nports:\n- {name: tcp-client, port: 9092, protocol: TCP, targetPort: client}\n- {name: tcp-internal, port: 9093, protocol: TCP, targetPort: internal}\nselector:\n  app.kubernetes.io/name: kafka"),
			`kafka-headless invalid IP headless unready {"app.kubernetes.io/name":"kafka"} tcp-client:9092/tcp>client tcp-internal:9093/tcp>internal`},
		"one pod of a StatefulSet": {service("zk-0", "selector: {app.kubernetes.io/name: zk, statefulset.kubernetes.io/pod-name: zk-0}\nports: [{port: 2181}]"),
			`zk-0 invalid IP {"app.kubernetes.io/name":"zk","statefulset.kubernetes.io/pod-name":"zk-0"} :2181/tcp>2181`},
		"a name without a port": {service("peers", "clusterIP: None\nselector: {app: peers}"), `peers invalid IP headless {"app":"peers"}`},
		"prometheus at a node's port": {service("prometheus", "type: NodePort\nports:\n- name: web\n  nodePort: 30900\n  port: 9090\n  protocol: TCP\n  targetPort: web\nselector:\n  prometheus: prometheus"),
			`prometheus invalid IP nodeports {"prometheus":"prometheus"} web:9090/tcp>web@30900`},
		"a node's port that is chosen": {service("web", "type: NodePort\nselector: {app: web}\nports: [{port: 80, nodePort: 0}]"), `web invalid IP nodeports {"app":"web"} :80/tcp>80`},
		"one port number for both protocols": {service("game", "type: NodePort\nselector: {app: game}\nports: [{name: t, port: 7777, nodePort: 30777}, {name: u, port: 7777, nodePort: 30777, protocol: UDP}]"),
			`game invalid IP nodeports {"app":"game"} t:7777/tcp>7777@30777 u:7777/udp>7777@30777`},
		"clients that keep their pod": {service("web", "sessionAffinity: ClientIP\nselector: {app: web}\nports: [{port: 80}]"), `web invalid IP {"app":"web"} holds 10800 :80/tcp>80`},
		"pods of the same node":       {service("web", "internalTrafficPolicy: Local\nselector: {app: web}\nports: [{port: 80}]"), `web invalid IP near {"app":"web"} :80/tcp>80`},
		"rather of the same zone":     {service("web", "trafficDistribution: PreferSameZone\nselector: {app: web}\nports: [{port: 80}]"), `web invalid IP rather in zone {"app":"web"} :80/tcp>80`},
		"by its old name":             {service("web", "trafficDistribution: PreferClose\nselector: {app: web}\nports: [{port: 80}]"), `web invalid IP rather in zone {"app":"web"} :80/tcp>80`},
		"of no address of its own":    {service("web", "trafficDistribution: PreferSameNode\nclusterIP: None\nselector: {app: web}"), `web invalid IP headless {"app":"web"}`},
		"rather of the same node":     {service("web", "trafficDistribution: PreferSameNode\nselector: {app: web}\nports: [{port: 80}]"), `web invalid IP rather near rather in zone {"app":"web"} :80/tcp>80`},
		"the same from outside": {service("web", "type: NodePort\nexternalTrafficPolicy: Local\nselector: {app: web}\nports: [{port: 80}]"),
			`web invalid IP nodeports near outside {"app":"web"} :80/tcp>80`},
		"for a time of its own": {service("web", "sessionAffinity: ClientIP\nsessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}\nselector: {app: web}\nports: [{port: 80}]"),
			`web invalid IP {"app":"web"} holds 60 :80/tcp>80`},
		"an outside name":       {service("db", "type: ExternalName\nexternalName: db.example.com"), `db invalid IP headless for db.example.com null`},
		"with a dot at its end": {service("db", "type: ExternalName\nexternalName: db.example.com."), `db invalid IP headless for db.example.com. null`},
		"with all that it has no use for": {service("db", "type: ExternalName\nexternalName: db.example.com\nselector: {app: db}\nports: [{port: 5432}]\nsessionAffinity: ClientIP\ninternalTrafficPolicy: Local\ntrafficDistribution: PreferSameNode"),
			`db invalid IP headless for db.example.com null`},
		"what kubectl exports": {service("web", "clusterIP: 10.43.7.7\nclusterIPs:\n- 10.43.7.7\ninternalTrafficPolicy: Cluster\nipFamilies:\n- IPv4\nipFamilyPolicy: SingleStack\nports:\n- {port: 80, protocol: TCP, targetPort: 80}\nselector: {app: web}\nsessionAffinity: None\ntype: ClusterIP") +
			"status:\n  loadBalancer: {}\n", `web 10.43.7.7 {"app":"web"} :80/tcp>80`},
		"what it exports of a node's port": {service("web", "type: NodePort\nexternalTrafficPolicy: Cluster\nallocateLoadBalancerNodePorts: true\nselector: {app: web}\nports: [{port: 80}]"),
			`web invalid IP nodeports {"app":"web"} :80/tcp>80`},
	} {
		s := load(t, "x.yaml", c.text)
		if len(s.Services) != 1 || told(s.Services[0]) != c.want {
			t.Errorf("%s: %v", name, s.Services)
		}
	}
}

func TestAServiceThatIsRefusedSaysByWhichField(t *testing.T) {
	const web = "selector: {app: web}\nports: [{port: 80}]\n"
	for name, c := range map[string]struct{ spec, want string }{
		"an outside name of nothing":     {"type: ExternalName", "spec.externalName: is missing; write the outside name that this one stands for"},
		"an outside address":             {"type: ExternalName\nexternalName: 192.0.2.1", `spec.externalName: "192.0.2.1" is an address, and no name; write a Service without type and selector, and an EndpointSlice with the address`},
		"no outside name":                {"type: ExternalName\nexternalName: http://db", `spec.externalName: "http://db": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character`},
		"an outside name's address":      {"type: ExternalName\nexternalName: db.example.com\nclusterIP: None", "spec.clusterIP: goes with no ExternalName, which has no address of the cluster's; remove one of the two"},
		"an outside name's family":       {"type: ExternalName\nexternalName: db.example.com\nipFamilies: [IPv4]", "spec.ipFamilies: goes with no ExternalName, which has no address of the cluster's; remove one of the two"},
		"an outside name at nodes":       {"type: ExternalName\nexternalName: db.example.com\nports: [{port: 80, nodePort: 30080}]", "spec.ports[0].nodePort: is for a Service with type: NodePort or LoadBalancer; write that, or remove this"},
		"the farthest pods":              {web + "trafficDistribution: PreferFar", `spec.trafficDistribution: "PreferFar" is not one of PreferSameNode, PreferSameZone, PreferClose`},
		"a type of nobody's":             {web + "type: Nodeport", `spec.type: "Nodeport" is not one of ClusterIP, NodePort, LoadBalancer, ExternalName; did you mean "NodePort"?`},
		"affinity of nobody's":           {web + "sessionAffinity: Client", `spec.sessionAffinity: "Client" is not one of None, ClientIP; did you mean "ClientIP"?`},
		"a time without affinity":        {web + "sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}", "spec.sessionAffinityConfig: is for a Service with sessionAffinity: ClientIP; write that, or remove this"},
		"clients for ever":               {web + "sessionAffinity: ClientIP\nsessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}", "spec.sessionAffinityConfig.clientIP.timeoutSeconds: 86401 is not between 1 and 86400; remove it for 10800"},
		"another policy":                 {web + "internalTrafficPolicy: local", `spec.internalTrafficPolicy: "local" is not one of Cluster, Local; did you mean "Local"?`},
		"another, from outside":          {web + "type: NodePort\nexternalTrafficPolicy: Near", `spec.externalTrafficPolicy: "Near" is not one of Cluster, Local`},
		"from outside, without a port":   {web + "externalTrafficPolicy: Local", "spec.externalTrafficPolicy: is for a Service with type: NodePort or LoadBalancer, or with externalIPs; write one of these, or remove this"},
		"a selector's key":               {"selector: {a b: c}\nports: [{port: 80}]", "spec.selector[a b]: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"},
		"a selector's value":             {"selector: {a: b/c}\nports: [{port: 80}]", "spec.selector[a]: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"},
		"no ports":                       {"selector: {a: b}", "spec.ports: is missing; write by which ports it is reached, for example [{port: 80}], or clusterIP: None if it is only a name"},
		"no port":                        {"selector: {a: b}\nports: [{targetPort: 80}]", "spec.ports[0].port: 0 is not between 1 and 65535"},
		"too high a port":                {"selector: {a: b}\nports: [{port: 65536}]", "spec.ports[0].port: 65536 is not between 1 and 65535"},
		"too low a port of the pods":     {"selector: {a: b}\nports: [{port: 80, targetPort: -1}]", "spec.ports[0].targetPort: -1 is not between 1 and 65535"},
		"a name of no port":              {"selector: {a: b}\nports: [{port: 80, targetPort: Web_1}]", `spec.ports[0].targetPort: "Web_1": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)`},
		"too long a name of a port":      {"selector: {a: b}\nports: [{port: 80, targetPort: metrics-and-health}]", `spec.ports[0].targetPort: "metrics-and-health": must be no more than 15 characters`},
		"ports without names":            {"selector: {a: b}\nports: [{name: a, port: 80}, {port: 81}]", "spec.ports[1].name: is missing; of several ports each needs a name"},
		"a name of two ports":            {"selector: {a: b}\nports: [{name: a, port: 80}, {name: a, port: 81}]", "spec.ports[1].name: a is ports[0]'s too; each port has its own"},
		"one port twice":                 {"selector: {a: b}\nports: [{name: a, port: 80}, {name: b, port: 80, protocol: TCP}]", "spec.ports[1].port: 80/TCP is ports[0]'s too; each port has its own"},
		"a port's name":                  {"selector: {a: b}\nports: [{name: a.b, port: 80}]", `spec.ports[0].name: "a.b": must not contain dots`},
		"SCTP":                           {"selector: {a: b}\nports: [{port: 80, protocol: SCTP}]", "spec.ports[0].protocol: SCTP is not supported yet; write TCP or UDP"},
		"a protocol of nobody's":         {"selector: {a: b}\nports: [{port: 80, protocol: tcp}]", `spec.ports[0].protocol: "tcp" is not one of TCP, UDP; did you mean "TCP"?`},
		"what is spoken":                 {"selector: {a: b}\nports: [{port: 80, appProtocol: 'a b'}]", `spec.ports[0].appProtocol: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`},
		"a node's port without type":     {"selector: {a: b}\nports: [{port: 80, nodePort: 30080}]", "spec.ports[0].nodePort: is for a Service with type: NodePort or LoadBalancer; write that, or remove this"},
		"a node's port below":            {"type: NodePort\nselector: {a: b}\nports: [{port: 80, nodePort: 29999}]", "spec.ports[0].nodePort: 29999 is not between 30000 and 32767; remove it to have one chosen"},
		"a node's port above":            {"type: NodePort\nselector: {a: b}\nports: [{port: 80, nodePort: 32768}]", "spec.ports[0].nodePort: 32768 is not between 30000 and 32767; remove it to have one chosen"},
		"a node's port twice":            {"type: NodePort\nselector: {a: b}\nports: [{name: a, port: 80, nodePort: 30080}, {name: b, port: 81, nodePort: 30080}]", "spec.ports[1].nodePort: 30080/TCP is ports[0]'s too; each port has its own"},
		"a headless one at nodes":        {web + "type: NodePort\nclusterIP: None", "spec.clusterIP: None goes with no NodePort: a headless Service has no address that a port could lead to; remove one of the two"},
		"no address":                     {web + "clusterIP: 10.43.0", `spec.clusterIP: "10.43.0" is neither an IPv4 address nor None; remove it to have one chosen`},
		"an IPv6 address":                {web + "clusterIP: fd00::1", "spec.clusterIP: fd00::1 is no IPv4 address, and there are no others yet; remove it to have one chosen"},
		"another address beside it":      {web + "clusterIP: 10.43.0.1\nclusterIPs: [10.43.0.2]", `spec.clusterIPs[0]: "10.43.0.2" is not clusterIP, which is 10.43.0.1; remove one of them`},
		"two addresses":                  {web + "clusterIP: 10.43.0.1\nclusterIPs: [10.43.0.1, 'fd00::1']", "spec.clusterIPs[1]: one address is all that is supported yet; remove this one"},
		"an address in one place":        {web + "clusterIPs: [10.43.0.1]", "spec.clusterIPs[0]: stands here alone; write it as clusterIP too"},
		"both families":                  {web + "ipFamilyPolicy: RequireDualStack", "spec.ipFamilyPolicy: RequireDualStack cannot be had: there is only IPv4 yet; write PreferDualStack"},
		"the other family":               {web + "ipFamilies: [IPv6]", "spec.ipFamilies[0]: there is only IPv4 yet; remove this one"},
		"both families, the other first": {web + "ipFamilyPolicy: PreferDualStack\nipFamilies: [IPv6, IPv4]", "spec.ipFamilies[0]: there is only IPv4 yet; remove this one"},
		"a family twice":                 {web + "ipFamilies: [IPv4, IPv4]", "spec.ipFamilies[1]: is written twice; remove this one"},
		"a field that is no Service's":   {web + "replicas: 2", `spec.replicas: unknown field "replicas"`},
	} {
		s := set("c", "x.yaml", service("web", c.spec))
		refused, notices := Refusals(s.Problems)
		if len(refused) != 1 || len(notices) > 0 || len(s.Services) > 0 || strings.SplitN(refused[0].Error(), ": ", 3)[2] != c.want || refused[0].Line < 1 {
			t.Errorf("%s: %v %v", name, refused, notices)
		}
		if h := (History{Head: s}); len(h.Broken()) > 0 || s.Problems[0].Hides() {
			t.Errorf("%s holds others up", name)
		}
	}
	for text, want := range map[string]string{
		service("web.shop", web): "x.yaml:3: Service/web.shop: metadata.name: \"web.shop\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
		strings.Replace(service("web", web), "{name: web}", "{name: web, annotations: {podkeep.io/prune: disabled}}", 1): "x.yaml:3: Service/web: metadata.annotations[podkeep.io/prune]: means nothing on a Service",
	} {
		if got := wrongs(set("c", "x.yaml", text)); got != want {
			t.Error(got)
		}
	}
}

func TestAServiceThatWouldLikeIPv6HasIPv4(t *testing.T) {
	s := set("c", "x.yaml", service("web", "selector: {app: web}\nports: [{port: 80}]\nipFamilyPolicy: PreferDualStack"))
	if got := wrongs(s); len(s.Services) != 1 || got != "x.yaml:7: Service/web: spec.ipFamilyPolicy: there is only IPv4 yet: the Service has no IPv6 address" {
		t.Error(got)
	}
	if refused, _ := Refusals(s.Problems); len(refused) > 0 {
		t.Error(refused)
	}
}

func TestWhatOnlyOneServiceCanHaveIsNobodysWhereTwoAskForIt(t *testing.T) {
	port := func(name, port string) string {
		return service(name, "type: NodePort\nselector: {a: b}\nports: [{port: 80, "+port+"}]")
	}
	balanced := func(name, more string) string {
		return service(name, "type: LoadBalancer\nexternalTrafficPolicy: Local\nselector: {a: b}\nports: [{port: 80}]\n"+more)
	}
	address := func(name string) string {
		return service(name, "clusterIP: 10.43.0.9\nselector: {a: b}\nports: [{port: 80}]")
	}
	for name, c := range map[string]struct {
		one, two, want string
		there          int
	}{
		"a port": {port("a", "nodePort: 30080"), port("b", "nodePort: 30080"),
			"a.yaml:7: Service/a: spec.ports[0].nodePort: 30080/TCP is asked for by Service/default/b too, b.yaml:1, so neither has it; write another in one of them\n" +
				"b.yaml:7: Service/b: spec.ports[0].nodePort: 30080/TCP is asked for by Service/default/a too, a.yaml:1, so neither has it; write another in one of them", 0},
		"a port of another protocol": {port("a", "nodePort: 30080"), port("b", "nodePort: 30080, protocol: UDP"), "", 2},
		"a port that says who is well": {port("a", "nodePort: 30080"), balanced("b", "healthCheckNodePort: 30080"),
			"a.yaml:7: Service/a: spec.ports[0].nodePort: 30080/TCP is asked for by Service/default/b too, b.yaml:1, so neither has it; write another in one of them\n" +
				"b.yaml:9: Service/b: spec.healthCheckNodePort: 30080/TCP is asked for by Service/default/a too, a.yaml:1, so neither has it; write another in one of them", 0},
		"a port of hosts":    {balanced("a", ""), balanced("b", ""), "", 2},
		"an address outside": {balanced("a", "loadBalancerIP: 192.0.2.7"), balanced("b", "externalIPs: [192.0.2.7]"), "", 2},
		"an address": {address("a"), address("b"),
			"a.yaml:5: Service/a: spec.clusterIP: 10.43.0.9 is asked for by Service/default/b too, b.yaml:1, so neither has it; write another in one of them\n" +
				"b.yaml:5: Service/b: spec.clusterIP: 10.43.0.9 is asked for by Service/default/a too, a.yaml:1, so neither has it; write another in one of them", 0},
		"a name": {address("a"), port("a", ""),
			"a.yaml:3: Service/a: metadata.name: Service/default/a is in b.yaml:1 too, so neither counts; remove one of them\n" +
				"b.yaml:3: Service/a: metadata.name: Service/default/a is in a.yaml:1 too, so neither counts; remove one of them", 0},
	} {
		s := set("c", "a.yaml", c.one, "b.yaml", c.two)
		if got := wrongs(s); got != c.want || len(s.Services) != c.there || len(History{Head: s}.Broken()) > 0 {
			t.Errorf("%s: %d\n%s", name, len(s.Services), got)
		}
	}
}

func TestAServiceThatDoesNotLoadKeepsItsLastForm(t *testing.T) {
	old, lb := service("web", "selector: {app: old}\nports: [{port: 80}]"), service("web", "type: LoadBalance\nselector: {app: new}\nports: [{port: 80}]")
	web1, web2 := deployment("web", "nginx:1"), deployment("web", "nginx:2")
	good, bad := set("p", "x.yaml", old+"---\n"+web1), set("p1", "x.yaml", lb+"---\n"+web2)
	const why = "x.yaml:5 does not load at h (Service/web: spec.type: \"LoadBalance\" is not one of ClusterIP, NodePort, LoadBalancer, ExternalName; did you mean \"LoadBalancer\"?), so its form of p stays"
	for name, c := range map[string]struct {
		head Set
		line []Set
		want string // selector and Held of the Service, image of the Deployment
	}{
		"the field is refused":               {set("h", "x.yaml", lb+"---\n"+web2), []Set{good}, "old " + why + " nginx:2"},
		"nobody else is kept":                {set("h", "x.yaml", lb), []Set{good}, "old " + why + " "},
		"it was refused before":              {set("h", "x.yaml", lb+"---\n"+web2), []Set{bad, good}, "old " + why + " nginx:2"},
		"it moved to another file":           {set("h", "y.yaml", lb, "x.yaml", web2), []Set{good}, "old " + strings.Replace(why, "x.yaml", "y.yaml", 1) + " nginx:2"},
		"it never loaded":                    {set("h", "x.yaml", lb+"---\n"+web2), []Set{bad}, " nginx:2"},
		"it was gone between":                {set("h", "x.yaml", lb), []Set{set("p1", "x.yaml", web2), good}, " "},
		"its file was broken between":        {set("h", "x.yaml", lb), []Set{set("p1", "x.yaml", torn), good}, "old " + why + " "},
		"its file was damaged between":       {set("h", "x.yaml", lb), []Set{set("p1", "x.yaml", "oid: 1"), good}, "old " + why + " "},
		"its file breaks":                    {set("h", "x.yaml", torn), []Set{good}, "old x.yaml:1 does not load at h (is not YAML: did not find expected node content), so its form of p stays nginx:1"},
		"its file breaks when it is lost":    {set("h", "x.yaml", torn), []Set{bad, good}, "old x.yaml does not load at h, so its form of p stays nginx:2"},
		"it moved out of a file that breaks": {set("h", "y.yaml", lb, "x.yaml", torn), []Set{bad, good}, "old " + strings.Replace(why, "x.yaml", "y.yaml", 1) + " nginx:2"},
		"it was taken out":                   {set("h", "x.yaml", web2), []Set{good}, " nginx:2"},
	} {
		h := c.head.After(c.line...)
		want, got := h.Want(), ""
		for _, s := range want.Services {
			got += s.Selector["app"] + " " + s.Held
		}
		got += " "
		for _, w := range want.Workloads {
			got += strings.TrimPrefix(w.Revision.Spec.Containers[0].Image, "docker.io/library/")
		}
		if got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}
