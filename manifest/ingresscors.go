package manifest

import (
	"regexp"
	"strings"
)

// What browsers are told where nothing else is written, as ingress-nginx has it.
const (
	corsMethods = "GET, PUT, POST, DELETE, PATCH, OPTIONS"
	corsHeaders = "DNT, Keep-Alive, User-Agent, X-Requested-With, If-Modified-Since, Cache-Control, Content-Type, Range, Authorization"
	corsMaxAge  = 1728000
)

var (
	corsOrigin = regexp.MustCompile(`^([a-z]+://(\*\.)?[A-Za-z0-9.-]+(:[0-9]+)?|\*|null)$`)
	corsMethod = regexp.MustCompile(`^[A-Za-z]+$`)
	corsHeader = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	corsShown  = regexp.MustCompile(`^([A-Za-z0-9_-]+|\*)$`)
)

// cors are the settings so far, with the defaults. They count with enable-cors alone.
func (r *mannered) cors() *CORS {
	if r.CORS == nil {
		r.CORS = &CORS{Origins: []string{"*"}, Methods: betweenCommas(corsMethods), Headers: betweenCommas(corsHeaders), Credentials: true, MaxAge: corsMaxAge}
	}
	return r.CORS
}

func (r *mannered) enableCORS(at, value string) {
	if r.yes(at, value) {
		r.cors()
	}
}

// list reads values between commas, each of the form.
func (r *mannered) list(at, value string, form *regexp.Regexp, what string) []string {
	all := betweenCommas(value)
	for _, part := range all {
		if !form.MatchString(part) {
			r.refuse(at, "%q is no %s, with commas between several", part, what)
		}
	}
	return all
}

func (r *mannered) corsOrigins(at, value string) {
	all := r.list(at, value, corsOrigin, "origin; write https://example.com, https://*.example.com, or *")
	for _, origin := range all {
		if origin == "*" {
			all = []string{"*"}
			break
		}
	}
	r.cors().Origins = all
}

func (r *mannered) corsMethods(at, value string) {
	r.cors().Methods = r.list(at, strings.ToUpper(value), corsMethod, "method; write such as GET, POST")
}

func (r *mannered) corsHeaders(at, value string) {
	r.cors().Headers = r.list(at, value, corsHeader, "header; write names of letters, digits, - and _")
}

func (r *mannered) corsExposed(at, value string) {
	r.cors().Exposed = r.list(at, value, corsShown, "header; write names of letters, digits, - and _, or *")
}

func (r *mannered) corsCredentials(at, value string) { r.cors().Credentials = r.yes(at, value) }

func (r *mannered) corsMaxAge(at, value string) {
	r.cors().MaxAge = int(r.whole(at, value, 0, "number of seconds"))
}
