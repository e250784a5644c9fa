package kernel

import "testing"

func TestANodeLeadsToItsOwnPodsWhereThatIsAskedFor(t *testing.T) {
	l := newLab(t, 2)
	both, far, outside := service(1, 0, farPod), service(2, farPod), service(3, 1, farPod)
	both.Near, far.Near, outside.NearOutside = true, true, true
	both.Ports[0].NodePort, far.Ports[0].NodePort, outside.Ports[0].NodePort = 30081, 30082, 30083
	only := service(4, farPod)
	only.NearOutside, only.Ports[0].NodePort = true, 30084
	some, no := service(5, 1, farPod), service(6, farPod)
	some.PrefersNear, no.PrefersNear, some.Ports[0].NodePort = true, true, 30085
	l.put(New("one", quiet()), tableOf(both, far, outside, only, some, no))
	for range 20 {
		if a := l.ask(l.pods[1], "tcp", "10.43.0.1:80"); a != (answer{0, podIP(1).String()}) {
			t.Fatalf("inside: %v", a)
		}
		if a := l.ask(l.outside, "tcp", hostIP+":30083"); a != (answer{1, "192.0.2.2"}) {
			t.Fatalf("from outside: %v", a)
		}
	}
	for range 20 {
		if inside, outside := l.ask(l.pods[0], "tcp", "10.43.0.5:80"), l.ask(l.outside, "tcp", hostIP+":30085"); inside.pod != 1 || outside.pod != 1 {
			t.Fatalf("rather the node's own: %v inside, %v from outside", inside, outside)
		}
	}
	if a := l.ask(l.pods[0], "tcp", "10.43.0.6:80"); a.pod != farPod {
		t.Error(a)
	}
	l.refused(l.pods[1], "tcp", "10.43.0.2:80")
	l.refused(l.outside, "tcp", hostIP+":30084")
	if a := l.ask(l.outside, "tcp", hostIP+":30082"); a.pod != farPod { // the other way in asks all
		t.Error(a)
	}
	if a := l.ask(l.pods[1], "tcp", "10.43.0.4:80"); a.pod != farPod {
		t.Error(a)
	}
}
