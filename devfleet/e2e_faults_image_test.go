package devfleet_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync/atomic"
	"time"
)

var (
	imageLine  = regexp.MustCompile(`image: \S+`)
	policyLine = regexp.MustCompile(`imagePullPolicy: \S+`)
)

// refuser is a registry that answers every question about an image with one code, or, at code 0, with a byte a second.
type refuser struct {
	code  atomic.Int64
	asked atomic.Int64
}

func (r *refuser) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if q.URL.Path == "/v2/" {
		return
	}
	r.asked.Add(1)
	if code := int(r.code.Load()); code != 0 {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"errors":[{"code":"DENIED","message":"this registry says %s"}]}`, http.StatusText(code))
		return
	}
	w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	w.Header().Set("Content-Length", "1000")
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		_, _ = w.Write([]byte(" "))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-tick.C:
		case <-q.Context().Done():
			return
		}
	}
}

// serveRefuser starts one where the fleet's registry is, until the scene ends.
func serveRefuser(s *stage) *refuser {
	s.Helper()
	r := &refuser{}
	listener, err := net.Listen("tcp", s.fleet.Registry())
	s.ok(err)
	server := httptest.NewUnstartedServer(r)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	s.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return r
}

// wants pushes an image of the fleet's registry under a tag.
func (s *stage) wants(tag string) (commit string) {
	s.Helper()
	s.replace("deployment.yaml", imageLine, "image: "+s.fleet.Registry()+"/hello:"+tag)
	s.replace("deployment.yaml", policyLine, "imagePullPolicy: Always")
	return s.push("hello " + tag + " of a registry")
}

// wantsBack goes back to the image that is on the nodes.
func (s *stage) wantsBack() {
	s.Helper()
	s.write("deployment.yaml", s.read("../examples/hello/deployment.yaml"))
	s.hurries("600")
	s.converges(s.push("hello v1 again"))
}

func registryRefuses(s *stage) {
	before := s.census()
	r := serveRefuser(s)
	for _, c := range []struct {
		code int
		says string
	}{
		{http.StatusUnauthorized, "denied: this registry says Unauthorized"},
		{http.StatusForbidden, "denied: this registry says Forbidden"},
		{http.StatusInternalServerError, "received unexpected HTTP status: 500 Internal Server Error"},
	} {
		r.code.Store(int64(c.code))
		tag := fmt.Sprintf("refused-%d", c.code)
		s.wants(tag)
		s.says("pull " + s.fleet.Registry() + "/hello:" + tag + ": " + c.says)
		s.unharmed(before)
	}
	s.wantsBack()
	s.unharmed(before)
}

// registrySlow kills a container while a pull hangs on its node: it is started anew all the same.
func registrySlow(s *stage) {
	r := serveRefuser(s)
	before := s.census()
	s.wants("slow")
	s.await(func() error {
		if r.asked.Load() == 0 {
			return fmt.Errorf("nobody pulls")
		}
		return nil
	})
	s.says("slow")
	s.unharmed(before)
	for _, node := range []string{"n1", "n2", "n3"} {
		killed := s.podOn(node)
		before = before.but(killed.PodName)
		s.on(node, "podman", "kill", killed.ID)
		s.await(func() error {
			found, err := s.containers(node)
			if err != nil || len(found) == 0 || found[0].ID == killed.ID || found[0].State != "running" {
				return fmt.Errorf("%s is not started anew on %s: %+v (%v)", killed.PodName, node, found, err)
			}
			return nil
		})
	}
	s.unharmed(before)
	s.wantsBack()
	s.well()
}
