package manifest

import (
	"fmt"
	"strings"
	"testing"
)

// annotated is a Service with annotations.
func annotated(name, annotations, spec string) string {
	return strings.Replace(service(name, spec), "{name: "+name+"}", "{name: "+name+", annotations: {"+annotations+"}}", 1)
}

// toldOutside is who reaches a Service from outside, and where, in a line.
func toldOutside(s Service) string {
	var words []string
	for _, is := range []struct {
		so   bool
		word string
	}{{s.Balanced, "balanced"}, {s.NodePorts, "nodeports"}, {s.NearOutside, "near outside"}, {s.Health, "health"}} {
		if is.so {
			words = append(words, is.word)
		}
	}
	if s.HealthPort != 0 {
		words = append(words, fmt.Sprint("at ", s.HealthPort))
	}
	for _, p := range s.Ports {
		if p.NodePort != 0 {
			words = append(words, fmt.Sprintf("%d@%d", p.Port, p.NodePort))
		}
	}
	for _, ip := range s.Outside {
		words = append(words, ip.String())
	}
	for _, from := range s.Sources {
		words = append(words, "from "+from.String())
	}
	return strings.Join(words, " ")
}

func TestWhereAServiceIsReachedFromOutside(t *testing.T) {
	const web, lb = "selector: {app: web}\nports: [{port: 80}]\n", "type: LoadBalancer\nselector: {app: web}\nports: [{port: 80}]\n"
	const metal, former, ranges = "metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs", "service.beta.kubernetes.io/load-balancer-source-ranges"
	for name, c := range map[string]struct{ text, want string }{
		"nowhere":              {service("web", web), ""},
		"at ports of nodes":    {service("web", "type: NodePort\n"+web), "nodeports"},
		"at all hosts":         {service("web", lb), "balanced nodeports"},
		"as kubectl exports":   {service("web", lb+"allocateLoadBalancerNodePorts: true\nexternalTrafficPolicy: Cluster\nclusterIP: 10.43.7.7\nclusterIPs: [10.43.7.7]") + "status: {loadBalancer: {ingress: [{ip: 192.0.2.9}]}}\n", "balanced nodeports"},
		"without nodePorts":    {service("web", lb+"allocateLoadBalancerNodePorts: false"), "balanced"},
		"but for one":          {service("web", "type: LoadBalancer\nallocateLoadBalancerNodePorts: false\nselector: {a: b}\nports: [{name: a, port: 80, nodePort: 30080}, {name: b, port: 81}]"), "balanced 80@30080"},
		"at an address":        {service("web", lb+"loadBalancerIP: 192.0.2.7"), "balanced nodeports 192.0.2.7"},
		"at those of MetalLB":  {annotated("web", metal+`: "192.0.2.9, 192.0.2.7"`, lb), "balanced nodeports 192.0.2.7 192.0.2.9"},
		"as it was called":     {annotated("web", former+": 192.0.2.7", lb), "balanced nodeports 192.0.2.7"},
		"by whichever":         {annotated("web", metal+": 192.0.2.7, "+former+": 192.0.2.7", lb+"loadBalancerIP: 192.0.2.7\nexternalIPs: [192.0.2.8]"), "balanced nodeports 192.0.2.7 192.0.2.8"},
		"MetalLB's elsewhere":  {annotated("web", metal+": nonsense", "type: NodePort\n"+web), "nodeports"},
		"at external ones":     {service("web", web+"externalIPs: [192.0.2.8, 192.0.2.7]"), "192.0.2.7 192.0.2.8"},
		"nearby":               {service("web", web+"externalIPs: [192.0.2.8]\nexternalTrafficPolicy: Local"), "near outside 192.0.2.8"},
		"nearby, and it says":  {service("web", lb+"externalTrafficPolicy: Local"), "balanced nodeports near outside health"},
		"at a port of its own": {service("web", lb+"externalTrafficPolicy: Local\nhealthCheckNodePort: 30999"), "balanced nodeports near outside health at 30999"},
		"by a few":             {service("web", lb+"loadBalancerSourceRanges: [198.51.100.0/24, ' 192.0.2.0/25 ', 192.0.2.64/26, 192.0.2.9/25]"), "balanced nodeports from 192.0.2.0/25 from 198.51.100.0/24"},
		"by all":               {service("web", lb+"loadBalancerSourceRanges: [192.0.2.0/24, 0.0.0.0/0, '::/0']"), "balanced nodeports"},
		"by those of old":      {annotated("web", ranges+`: "192.0.2.0/24,198.51.100.0/24"`, lb), "balanced nodeports from 192.0.2.0/24 from 198.51.100.0/24"},
		"the field goes first": {annotated("web", ranges+": 192.0.2.0/24", lb+"loadBalancerSourceRanges: [198.51.100.0/24]"), "balanced nodeports from 198.51.100.0/24"},
	} {
		s := set("c", "x.yaml", c.text)
		if refused, _ := Refusals(s.Problems); len(refused) > 0 || len(s.Services) != 1 || toldOutside(s.Services[0]) != c.want {
			t.Errorf("%s: %v %v", name, s.Services, refused)
		}
	}
}

func TestWhatNobodyMayReachFromOutsideIsRefusedByField(t *testing.T) {
	const web, lb = "selector: {app: web}\nports: [{port: 80}]\n", "type: LoadBalancer\nselector: {app: web}\nports: [{port: 80}]\n"
	const nobody = " is an address at which nobody reaches a host; write one of a node's, or of --external-cidr"
	for name, c := range map[string]struct{ text, want string }{
		"loopback":             {service("web", web+"externalIPs: [127.0.0.1]"), "spec.externalIPs[0]: 127.0.0.1" + nobody},
		"one of many":          {service("web", web+"externalIPs: [192.0.2.1, 224.0.0.251]"), "spec.externalIPs[1]: 224.0.0.251" + nobody},
		"one of a link":        {service("web", lb+"loadBalancerIP: 169.254.169.254"), "spec.loadBalancerIP: 169.254.169.254" + nobody},
		"none":                 {service("web", web+"externalIPs: [0.0.0.0]"), "spec.externalIPs[0]: 0.0.0.0" + nobody},
		"everybody's":          {service("web", web+"externalIPs: [255.255.255.255]"), "spec.externalIPs[0]: 255.255.255.255" + nobody},
		"no address":           {service("web", lb+"loadBalancerIP: web.example.com"), `spec.loadBalancerIP: "web.example.com" is no IPv4 address; write one of a node's, or of --external-cidr`},
		"IPv6":                 {service("web", web+"externalIPs: ['2001:db8::1']"), "spec.externalIPs[0]: 2001:db8::1 is no IPv4 address, and there are no others yet; remove it"},
		"in a list":            {annotated("web", `metallb.io/loadBalancerIPs: "192.0.2.7,"`, lb), `metadata.annotations[metallb.io/loadBalancerIPs]: "" is no IPv4 address; write one of a node's, or of --external-cidr`},
		"of a mere name":       {service("web", web+"clusterIP: None\nexternalIPs: [192.0.2.1]"), "spec.externalIPs: go with no clusterIP: None: a headless Service is only a name; remove one of the two"},
		"a mere name":          {service("web", lb+"clusterIP: None"), "spec.clusterIP: None goes with no LoadBalancer: a headless Service has no address that a port could lead to; remove one of the two"},
		"no balancer":          {service("web", "type: NodePort\n"+web+"loadBalancerIP: 192.0.2.1"), "spec.loadBalancerIP: is for a Service with type: LoadBalancer; write that, or remove this"},
		"guests of none":       {service("web", "type: NodePort\n"+web+"loadBalancerSourceRanges: [192.0.2.0/24]"), "spec.loadBalancerSourceRanges: is for a Service with type: LoadBalancer; write that, or limit who comes in with the hosts' firewall"},
		"no range":             {service("web", lb+"loadBalancerSourceRanges: [192.0.2.1]"), `spec.loadBalancerSourceRanges[0]: "192.0.2.1" is no range of addresses; write one such as 192.0.2.0/24, or 192.0.2.1/32 for a single one`},
		"an old list":          {annotated("web", "service.beta.kubernetes.io/load-balancer-source-ranges: all", lb), `metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: "all" is no range of addresses; write one such as 192.0.2.0/24, or 192.0.2.1/32 for a single one`},
		"another's":            {service("web", lb+"loadBalancerClass: service.k8s.aws/nlb"), "spec.loadBalancerClass: service.k8s.aws/nlb is nobody here; remove it: podkeep itself leads to the pods what comes to the hosts"},
		"SSH":                  {service("git", "type: LoadBalancer\nselector: {app: git}\nports: [{port: 22, targetPort: 2222}]"), "spec.ports[0].port: 22/TCP is the hosts' own, for SSH; write another one here, with targetPort: 2222, or an address that is no host's as loadBalancerIP"},
		"its health elsewhere": {service("web", "type: NodePort\nexternalTrafficPolicy: Local\n"+web+"healthCheckNodePort: 30999"), "spec.healthCheckNodePort: is for a Service with type: LoadBalancer and externalTrafficPolicy: Local; write those, or remove this"},
		"its health anywhere":  {service("web", lb+"healthCheckNodePort: 30999"), "spec.healthCheckNodePort: is for a Service with type: LoadBalancer and externalTrafficPolicy: Local; write those, or remove this"},
		"its health below":     {service("web", lb+"externalTrafficPolicy: Local\nhealthCheckNodePort: 80"), "spec.healthCheckNodePort: 80 is not between 30000 and 32767; remove it to have one chosen"},
		"its health and a port": {service("web", "type: LoadBalancer\nexternalTrafficPolicy: Local\nselector: {a: b}\nports: [{port: 80, nodePort: 30080}]\nhealthCheckNodePort: 30080"),
			"spec.healthCheckNodePort: 30080 is ports[0]'s nodePort too; each port has its own"},
	} {
		s := set("c", "x.yaml", c.text)
		refused, _ := Refusals(s.Problems)
		if len(refused) != 1 || len(s.Services) > 0 || strings.SplitN(refused[0].Error(), ": ", 3)[2] != c.want || refused[0].Line < 1 {
			t.Errorf("%s: %v", name, refused)
		}
	}
	s := set("c", "x.yaml", service("web", lb+"loadBalancerSourceRanges: ['2001:db8::/32']"))
	if got := wrongs(s); !strings.Contains(got, "x.yaml:8: Service/web: spec.loadBalancerSourceRanges: names no IPv4 addresses, and there are no others yet; write who may come, such as 192.0.2.0/24") {
		t.Errorf("where only others were to come in, everybody does: %s", got)
	}
	s = set("c", "x.yaml", service("web", "type: ExternalName\nexternalName: db.example.com\nexternalIPs: [192.0.2.1]"))
	if got := wrongs(s); !strings.Contains(got, "x.yaml:7: Service/web: spec.externalIPs: go with no ExternalName, which is only a name; remove one of the two") {
		t.Errorf("a name has addresses: %s", got)
	}
	for name, spec := range map[string]string{
		"SSH at an address":    "type: LoadBalancer\nloadBalancerIP: 192.0.2.7\nselector: {app: git}\nports: [{port: 22}]",
		"the port of DNS":      "type: LoadBalancer\nselector: {app: dns}\nports: [{port: 53, protocol: UDP}]",
		"its number under UDP": "type: LoadBalancer\nselector: {app: dns}\nports: [{port: 22, protocol: UDP}]",
	} {
		if s := set("c", "x.yaml", service("git", spec)); len(s.Services) != 1 || len(s.Problems) > 0 {
			t.Errorf("%s: %v", name, s.Problems)
		}
	}
}
