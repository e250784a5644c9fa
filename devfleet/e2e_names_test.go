package devfleet_test

import (
	"fmt"
	"strings"
	"testing"
)

// lookupPod is a pod of busybox' that says its resolv.conf, and waits.
const lookupPod = `
apiVersion: v1
kind: Pod
metadata: {name: ask-%[1]s}
spec:
  nodeName: %[2]s
  %[3]s
  containers:
    - name: ask
      image: localhost/shell:1
      imagePullPolicy: Never
      command: [sh, -c, "cat /etc/resolv.conf; exec sleep infinity"]
---
`

// TestPodsFindNames has pods of each dnsPolicy look names up.
func TestPodsFindNames(t *testing.T) {
	s := asked(t, "names")
	node := s.fleet.Nodes[0].Name
	shellImage(t, s.fleet, []string{"localhost/shell:1"})
	var pods strings.Builder
	for name, policy := range map[string]string{
		"first": "dnsPolicy: ClusterFirst", "host": "hostNetwork: true\n  dnsPolicy: ClusterFirstWithHostNet", "node": "dnsPolicy: Default",
		"none": "dnsPolicy: None\n  dnsConfig: {nameservers: [192.0.2.53], searches: [example.com]}",
	} {
		fmt.Fprintf(&pods, lookupPod, name, node, policy)
	}
	s.write("pods.yaml", pods.String())
	s.start()
	s.converges(s.push("names"))
	in := func(pod, command string) string {
		return s.on(node, "sh", "-c", `podman exec $(podman ps --quiet --filter label=podkeep.io/app=Pod/default/ask-`+pod+` --filter label=podkeep.io/container) sh -c '`+command+`' 2>&1 || true`)
	}
	s.scene("by the cluster's DNS", func(s *stage) {
		virtual := s.service("hello").Spec.ClusterIP
		for _, pod := range []string{"first", "host"} {
			s.await(func() error {
				if said := in(pod, "nslookup hello.default.svc.cluster.local"); !strings.Contains(said, virtual) {
					return fmt.Errorf("%s: %s", pod, said)
				}
				return nil
			})
		}
	})
	s.scene("or another, as they ask", func(s *stage) {
		for pod, has := range map[string]string{"node": "", "none": "nameserver 192.0.2.53"} {
			if said := in(pod, "cat /etc/resolv.conf"); !strings.Contains(said, has) || strings.Contains(said, "svc.cluster.local") {
				s.Errorf("%s: %s", pod, said)
			}
		}
	})
}
