package door

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/podkeep/podkeep/node/route"
)

// cors says to a browser what a page of another origin may do. It is true where that is the whole answer, to what the browser asks before.
func (x *exchange) cors(c *route.DoorCORS) bool {
	origin := x.r.Header.Get("Origin")
	preflight := x.r.Method == http.MethodOptions && x.r.Header.Get("Access-Control-Request-Method") != ""
	x.crossed = http.Header{"Vary": {"Origin"}}
	if origin != "" && permits(c.Origins, origin) {
		if x.crossed.Set("Access-Control-Allow-Origin", origin); !c.Credentials && slices.Contains(c.Origins, "*") {
			x.crossed = http.Header{"Access-Control-Allow-Origin": {"*"}}
		}
		if c.Credentials {
			x.crossed.Set("Access-Control-Allow-Credentials", "true")
		}
		if preflight {
			x.preflight(c)
		} else if len(c.Exposed) > 0 {
			x.crossed.Set("Access-Control-Expose-Headers", strings.Join(c.Exposed, ", "))
		}
	}
	if preflight {
		x.text(http.StatusNoContent)
	}
	return preflight
}

func (x *exchange) preflight(c *route.DoorCORS) {
	for name, all := range map[string][]string{"Method": c.Methods, "Headers": c.Headers} {
		allowed := "Access-Control-Allow-" + strings.TrimSuffix(name, "s") + "s"
		if asked := x.r.Header.Get("Access-Control-Request-" + name); slices.Contains(all, "*") && c.Credentials && asked != "" {
			x.crossed.Set(allowed, asked) // with credentials "*" is a name
		} else if len(all) > 0 {
			x.crossed.Set(allowed, strings.Join(all, ", "))
		}
	}
	if c.MaxAge > 0 {
		x.crossed.Set("Access-Control-Max-Age", strconv.Itoa(c.MaxAge))
	}
}

// permits says whether an origin is one of those: "*" is any, "https://*.example.org" those of one label more.
func permits(all []string, origin string) bool {
	origin = strings.ToLower(origin)
	return slices.ContainsFunc(all, func(one string) bool {
		before, after, wild := strings.Cut(strings.ToLower(one), "*")
		if !wild || one == "*" {
			return one == "*" || before == origin
		}
		rest, begins := strings.CutPrefix(origin, before)
		label, ends := strings.CutSuffix(rest, after)
		return begins && ends && label != "" && strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	})
}
