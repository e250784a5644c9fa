package schedule

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/podkeep/podkeep/manifest"
)

func TestAQueueAnswersWhatPlaceAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ours, plain := drawHosts(t)
		queue, kinds := NewQueue(ours), rapid.SliceOfN(rapid.Custom(drawRequest), 1, 4).Draw(t, "kinds")
		for range rapid.IntRange(1, 12).Draw(t, "rounds") {
			r := rapid.SampledFrom(kinds).Draw(t, "kind")
			for range rapid.IntRange(1, 8).Draw(t, "pods") {
				r.Name = fmt.Sprintf("pod-%d", rapid.IntRange(0, 9).Draw(t, "name"))
				spec := *r.Spec // as the plan gives it: another copy each time
				r.Spec = &spec
				got, why := queue.Place(r)
				want, because := Place(r, plain)
				if on(got) != on(want) || why != because {
					t.Fatalf("%+v on %q, %q; Place says %q, %q", r, on(got), why, on(want), because)
				}
			}
			if i := rapid.IntRange(0, 2*len(ours)).Draw(t, "file put on"); i < len(ours) {
				ours[i].Files["cfg-1"], plain[i].Files["cfg-1"] = true, true
			}
		}
		for i := range ours {
			if !reflect.DeepEqual(ours[i], plain[i]) {
				t.Errorf("booked %+v; Place booked %+v", *ours[i], *plain[i])
			}
		}
	})
}

func on(h *Host) string {
	if h == nil {
		return ""
	}
	return h.Name
}

// drawHosts are hosts of every kind, twice.
func drawHosts(t *rapid.T) (ours, plain []*Host) {
	for i := range rapid.IntRange(0, 8).Draw(t, "hosts") {
		h := host(fmt.Sprintf("n%d", i))
		h.Labels["zone"] = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone")
		for _, effect := range []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute, corev1.TaintEffectPreferNoSchedule} {
			if rapid.IntRange(0, 5).Draw(t, "tainted") == 0 {
				h.Taints = append(h.Taints, corev1.Taint{Key: rapid.SampledFrom([]string{"gpu", "old"}).Draw(t, "taint"), Effect: effect})
			}
		}
		h.Unschedulable = rapid.IntRange(0, 6).Draw(t, "cordoned") == 0
		h.Room = manifest.Resources{MilliCPU: rapid.SampledFrom([]int64{0, 500, 1000, 4000}).Draw(t, "cpu"), Memory: 1 << 30}
		if h.Unsized = rapid.IntRange(0, 4).Draw(t, "unsized") == 0; h.Unsized {
			h.Room, h.Awaited = manifest.Resources{}, rapid.Bool().Draw(t, "awaited")
		}
		if h.Netless = rapid.IntRange(0, 5).Draw(t, "netless") == 0; h.Netless {
			h.Joining = rapid.Bool().Draw(t, "joining")
		}
		h.Used.MilliCPU = rapid.Int64Range(0, h.Room.MilliCPU).Draw(t, "used")
		h.Pods = rapid.IntRange(0, 2).Draw(t, "pods")
		h.Apps[web] = rapid.IntRange(0, 2).Draw(t, "of web")
		h.Revs["v1-a"] = rapid.IntRange(0, h.Apps[web]).Draw(t, "of v1-a")
		h.Troubled["v1-a"] = rapid.IntRange(0, 4).Draw(t, "troubled") == 0
		h.Files["cfg-1"] = rapid.Bool().Draw(t, "file")
		if rapid.Bool().Draw(t, "port taken") {
			h.Ports["192.0.2.1:80/tcp"]++
		}
		if rapid.Bool().Draw(t, "name taken") {
			h.Names["pod-3"] = true
		}
		ours, plain = append(ours, h), append(plain, twin(h))
	}
	return ours, plain
}

func twin(h *Host) *Host {
	same := *h
	same.Ports, same.Names, same.Files = maps.Clone(h.Ports), maps.Clone(h.Names), maps.Clone(h.Files)
	same.Apps, same.Revs = maps.Clone(h.Apps), maps.Clone(h.Revs)
	return &same
}

// drawRequest is a request of any kind. Two of one revision may ask for different things: nothing must rest on the digest.
func drawRequest(t *rapid.T) Request {
	r := Request{
		App: rapid.SampledFrom([]manifest.ID{web, db}).Draw(t, "app"), Rev: rapid.SampledFrom([]string{"v1-a", "v1-b"}).Draw(t, "rev"),
		Room: manifest.Resources{
			MilliCPU: rapid.SampledFrom([]int64{0, 100, 300}).Draw(t, "cpu"), Memory: rapid.SampledFrom([]int64{0, 1 << 28}).Draw(t, "memory"),
		},
		Spec: &corev1.PodSpec{},
	}
	seldom := func(what string) bool { return rapid.IntRange(0, 5).Draw(t, what) == 0 }
	if seldom("ports") {
		r.Ports = slices.Clone(rapid.SampledFrom([][]string{{"80/tcp"}, {"192.0.2.2:80/tcp"}, {"80/tcp", "443/tcp"}}).Draw(t, "port"))
	}
	if seldom("apart") {
		r.Apart = &manifest.Apart{Required: rapid.Bool().Draw(t, "required"), Weight: 1}
	}
	if seldom("ties") {
		r.Ties = []Tie{{"data", rapid.SampledFrom([]string{"n0", "n1"}).Draw(t, "tie")}}
	}
	if seldom("files") {
		r.Files = []string{"cfg-1"}
	}
	if seldom("nodeName") {
		r.Spec.NodeName = "n1"
	}
	if seldom("nodeSelector") {
		r.Spec.NodeSelector = map[string]string{"zone": "a"}
	}
	if rapid.Bool().Draw(t, "tolerates") {
		r.Spec.Tolerations = []corev1.Toleration{{Key: rapid.SampledFrom([]string{"gpu", "old"}).Draw(t, "tolerated"), Operator: corev1.TolerationOpExists}}
	}
	return r
}

func TestAPlaceThatIsReservedIsNotGivenAway(t *testing.T) {
	half := func(r *Request) { r.Room.MilliCPU = 500 }
	most := func(r *Request) { r.Room.MilliCPU = 800 }
	port := func(r *Request) { r.Ports = []string{"80/tcp"} }
	none := func(*Request) {}
	for _, c := range []struct {
		claim    string
		ask, get func(*Request)
		why      string
	}{
		{"of cpu", most, half, "no node fits: 1 short of cpu"},
		{"of a host port", port, port, "no node fits: 1 with host port 80/tcp taken"},
		{"nor what is there now", none, most, "no node fits: 1 short of cpu"},
		{"what neither needs is", half, half, ""},
	} {
		t.Run(c.claim, func(t *testing.T) {
			used := func(h *Host) { h.Used.MilliCPU = 500 }
			queue := NewQueue([]*Host{host("n1", used)})
			if why := queue.Reserve(request(c.ask), []*Host{host("n1")}); why != "" {
				t.Fatal(why)
			}
			if _, why := queue.Place(request(c.get, func(r *Request) { r.Name = "web-1" })); why != c.why {
				t.Errorf("%q, want %q", why, c.why)
			}
		})
	}
	queue := NewQueue([]*Host{host("n1")})
	if why := queue.Reserve(request(most), []*Host{host("n1", func(h *Host) { h.Used.MilliCPU = 500 })}); why != "no node fits: 1 short of cpu" {
		t.Error("there is none:", why)
	}
}

func TestPodsAreAlikeOnlyIfNoFilterTellsThemApart(t *testing.T) {
	base := request()
	if other := request(func(r *Request) { r.Name = "web-9" }); !alike(&base, &other) {
		t.Error("a name makes them differ")
	}
	for what, change := range map[string]func(*Request){
		"app": func(r *Request) { r.App = db }, "rev": func(r *Request) { r.Rev = "v1-b" }, "room": func(r *Request) { r.Room.Memory = 1 },
		"ports": func(r *Request) { r.Ports = []string{"80/tcp"} }, "ties": func(r *Request) { r.Ties = []Tie{{"data", "n1"}} },
		"nodeName": func(r *Request) { r.Spec.NodeName = "n1" }, "selector": func(r *Request) { r.Spec.NodeSelector = map[string]string{"zone": "a"} },
		"tolerations": func(r *Request) { r.Spec.Tolerations = []corev1.Toleration{{Key: "gpu"}} },
	} {
		if other := request(change); alike(&base, &other) {
			t.Errorf("%s does not count", what)
		}
	}
}
