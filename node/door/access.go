package door

import (
	"net/http"
	"time"
)

// line is a request in the log. A path has no query, which may hold what nobody is to read.
type line struct {
	Time     string  `json:"time"`
	Client   string  `json:"client"`
	Host     string  `json:"host"`
	Method   string  `json:"method"`
	Path     string  `json:"path"`
	Protocol string  `json:"protocol"`
	Status   int     `json:"status"`
	Bytes    int64   `json:"bytes"`
	Seconds  float64 `json:"seconds"`
	Rule     string  `json:"rule,omitempty"`
	Service  string  `json:"service,omitempty"`
	Pod      string  `json:"pod,omitempty"`
	Attempts int     `json:"attempts,omitempty"`
	ID       string  `json:"id,omitempty"`
}

// longestLogged is what is written of a host and of a path.
const longestLogged = 1024

func (x *exchange) write(took time.Duration) {
	l := line{
		Time: x.began.UTC().Format(time.RFC3339Nano), Client: x.client.String(), Host: short(x.r.Host), Method: short(x.r.Method), Path: short(x.r.URL.Path),
		Protocol: x.r.Proto, Status: x.status, Bytes: x.sent, Seconds: took.Seconds(), Rule: x.rule.From, Attempts: x.attempts,
		ID: short(http.Header.Get(x.r.Header, "X-Request-Id")),
	}
	if x.back != nil {
		l.Service = x.back.Namespace + "/" + x.back.Service
	}
	if x.pod.IsValid() {
		l.Pod = x.pod.String()
	}
	x.door.writing.Lock()
	defer x.door.writing.Unlock()
	_ = x.door.access.Encode(l)
}

func short(text string) string { return text[:min(len(text), longestLogged)] }
