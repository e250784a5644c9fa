package kernel

import (
	"testing"

	"github.com/podkeep/podkeep/node/route"
)

// Who may write an EndpointSlice in one namespace reaches no pod of another one that a policy closes to him: CVE-2021-25740 in Kubernetes.
func TestAPolicyHoldsForAPodWhoseAddressSomebodyWroteDown(t *testing.T) {
	l := newLab(t, 3)
	k := New("one", quiet())
	written := service(1, 0)
	written.Namespace, written.Endpoints[0].Pod, written.Endpoints[0].Node = "elsewhere", "", ""
	l.put(k, tableOf(written))
	l.ask(l.pods[1], "tcp", "10.43.0.1:80")
	l.put(k, policed(tableOf(written), route.Policy{Namespace: "default", Name: "p", Ingress: true}))
	l.silent(l.pods[1], "tcp", "10.43.0.1:80")
	l.put(k, policed(tableOf(written), route.Policy{Namespace: "default", Name: "p", Ingress: true, In: []route.Allow{{Peers: []int{1}}}}))
	l.ask(l.pods[1], "tcp", "10.43.0.1:80")
}
