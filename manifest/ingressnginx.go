package manifest

import (
	"cmp"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	util "k8s.io/apimachinery/pkg/util/validation"
)

// yes reads a value that is true or false, as ingress-nginx does.
func (r *mannered) yes(at, value string) bool {
	yes, err := strconv.ParseBool(value)
	if err != nil {
		r.refuse(at, `%q is neither "true" nor "false"`, value)
	}
	return yes
}

// whole reads a number of at least least.
func (r *mannered) whole(at, value string, least int64, what string) int64 {
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < least {
		r.refuse(at, "%q is no %s; write a number alone, of at least %d, in quotes", value, what, least)
		return 0
	}
	return n
}

// oneWord says whether the value is one of the words, in any letters, and refuses it otherwise.
func (r *mannered) oneWord(at, value string, words ...string) string {
	value = strings.TrimSpace(value)
	for _, w := range words {
		if strings.EqualFold(w, value) {
			return w
		}
	}
	r.oneOf(at, value, words...)
	return ""
}

// betweenCommas are the values that stand there, each once.
func betweenCommas(value string) (all []string) {
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" && !slices.Contains(all, part) {
			all = append(all, part)
		}
	}
	return all
}

func (r *mannered) ranges(at, value string) (all []netip.Prefix) {
	written := betweenCommas(value)
	if len(written) == 0 {
		written = []string{value}
	}
	for _, part := range written {
		p, err := netip.ParsePrefix(part)
		if addr, alone := netip.ParseAddr(part); alone == nil && addr.Zone() == "" {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil || p.Addr().Is4In6() {
			r.refuse(at, "%q is no range of addresses; write one such as 192.0.2.0/24, and commas between several", part)
			continue
		}
		all = append(all, p.Masked())
	}
	return all
}

func (r *mannered) allow(at, value string) { r.Allow = append(r.Allow, r.ranges(at, value)...) }
func (r *mannered) deny(at, value string)  { r.Deny = r.ranges(at, value) }

// nginxPath is what a path may be made of that an annotation names; with $ before a digit it stands for a group.
var nginxPath = regexp.MustCompile(`^/[-._~a-zA-Z0-9/:$]*$`)

func (r *mannered) rewrite(at, value string) {
	if !nginxPath.MatchString(value) {
		r.refuse(at, "%q is no path; write one such as /, or /$1 for what the first group of the path's regular expression is", value)
		return
	}
	r.Rewrite = value
	r.Regexp = r.Regexp || group.MatchString(value)
}

// group is a reference to what a part of a regular expression was.
var group = regexp.MustCompile(`\$[0-9]`)

// mostGroups is how many groups of a regular expression can be referred to, each by a digit.
const mostGroups = 9

// rewriteGroups refuses a rewrite to a group that no path of the Ingress has.
func (c *check) rewriteGroups(rewrite string, groups int) {
	for _, ref := range group.FindAllString(rewrite, -1) {
		if n := int(ref[1] - '0'); n > groups {
			c.refuse(keyed("metadata.annotations", nginxPrefix+"rewrite-target"), "%s is no group of any path of pathType ImplementationSpecific; write ( and ) around a part of the path, or leave it out", ref)
			return
		}
	}
}

func (r *mannered) useRegex(at, value string)    { r.Regexp = r.yes(at, value) || r.Regexp }
func (r *mannered) sslRedirect(at, value string) { r.HTTPS = new(r.yes(at, value)) }
func (r *mannered) forceHTTPS(at, value string)  { r.ForceHTTPS = r.yes(at, value) }
func (r *mannered) www(at, value string)         { r.WWW = r.yes(at, value) }

func (r *mannered) appRoot(at, value string) {
	u, err := url.ParseRequestURI(value)
	if err != nil || u.IsAbs() || !strings.HasPrefix(value, "/") || strings.IndexAny(value[1:]+"?", "?#") == 0 { // to / it leads for ever
		r.refuse(at, "%q is no path to lead / to; write one such as /app", value)
		return
	}
	r.AppRoot = value
}

func (r *mannered) permanent(at, value string) { r.redirect(at, value, "permanent-redirect", 301) }
func (r *mannered) temporal(at, value string)  { r.redirect(at, value, "temporal-redirect", 302) }

func (r *mannered) redirect(at, value, short string, code int) {
	u, err := url.Parse(value)
	switch {
	case strings.Contains(value, "$"):
		r.refuse(at, "%q has a variable of nginx', which are not filled in; write where to lead every request, or an HTTPRoute with a filter RequestRedirect, which keeps the path", value)
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || !printable(value):
		r.refuse(at, "%q is no URL; write one such as https://example.com/", value)
	default:
		written, _ := r.note(short + "-code")
		n, _ := strconv.Atoi(written) // code says what is wrong with it
		r.Redirect, r.RedirectCode = value, cmp.Or(n, code)
	}
}

var redirectCodes = []int{301, 302, 303, 307, 308}

func (r *mannered) code(at, value string) {
	if n, err := strconv.Atoi(value); err != nil || !slices.Contains(redirectCodes, n) {
		r.refuse(at, "%q is no code of a redirect; write 301, 302, 303, 307 or 308", value)
	}
}

func (r *mannered) authType(at, value string) {
	if strings.TrimSpace(value) == "digest" {
		r.refuse(at, "digest is not supported; write basic, and have the host serve HTTPS")
		return
	}
	r.oneWord(at, value, "basic")
}

func (r *mannered) authSecret(at, value string) {
	namespace, name, both := strings.Cut(strings.TrimSpace(value), "/")
	if !both {
		namespace, name = r.namespace, namespace
	}
	switch {
	case len(util.IsDNS1123Subdomain(name)) > 0:
		r.refuse(at, "%q is no Secret's name", value)
	case namespace != r.namespace:
		r.refuse(at, "%q is in another namespace than the Ingress, and its passwords are not lent; put a Secret beside the Ingress, and write its name", value)
	default:
		r.Users = namespace + "/" + name
	}
}

func (r *mannered) authSecretType(at, value string) {
	r.UserMap = r.oneWord(at, value, "auth-file", "auth-map") == "auth-map"
}

func (r *mannered) authRealm(at, value string) {
	if !printable(value) || strings.ContainsAny(value, `"\$`) {
		r.refuse(at, "%q is no realm; write it in plain letters, without quotes, backslashes and variables", value)
		return
	}
	r.Realm = value
}

// printable says whether text is of ASCII's printable characters.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' })
}

func (r *mannered) backendProtocol(at, value string) {
	switch protocol := strings.ToUpper(strings.TrimSpace(value)); protocol {
	case "HTTP":
	case "AUTO_HTTP":
		r.refuse(at, "what a pod speaks is not found out; write HTTP or HTTPS")
	case "AJP", "FCGI":
		r.refuse(at, "%s is not spoken to pods; put a server of HTTP beside the program, and write HTTP", protocol)
	default:
		r.Protocol = r.oneWord(at, value, "HTTP", "HTTPS", "GRPC", "GRPCS")
	}
}

func (r *mannered) vhost(at, value string) {
	host, port, withPort := strings.Cut(value, ":")
	if n, err := strconv.ParseUint(port, 10, 16); len(util.IsDNS1123Subdomain(host)) > 0 || withPort && (err != nil || n == 0) {
		r.refuse(at, "%q is no host's name; write the name that pods are to be asked by, such as web.example.com, without variables of nginx'", value)
		return
	}
	r.Host = value
}

func (r *mannered) forwardedPrefix(at, value string) {
	if !nginxPath.MatchString(value) || strings.Contains(value, "$") {
		r.refuse(at, "%q is no path; write one such as /app: groups and variables are not filled in", value)
		return
	}
	r.Prefix = value
}

var nginxSize = regexp.MustCompile(`^(?i)([0-9]{1,12})([bkmg]?)$`)

func (r *mannered) body(at, value string) {
	m := nginxSize.FindStringSubmatch(value)
	if m == nil {
		r.refuse(at, `%q is no size; write bytes, or a number with k, m or g behind it, such as 8m; "0" is any size`, value)
		return
	}
	n, _ := strconv.ParseInt(m[1], 10, 64) // at most 12 digits, so that it is far from the largest in GiB too
	shift := map[string]int{"k": 10, "m": 20, "g": 30}[strings.ToLower(m[2])]
	if n > (1<<62)>>shift {
		r.refuse(at, "%q is larger than anything; write 0 for any size", value)
		return
	}
	r.Body = new(n << shift)
}

func (r *mannered) connect(at, value string) { r.Connect = r.seconds(at, value) }
func (r *mannered) read(at, value string)    { r.Read = r.seconds(at, value) }
func (r *mannered) send(at, value string)    { r.Send = r.seconds(at, value) }

func (r *mannered) seconds(at, value string) time.Duration {
	return time.Duration(r.whole(at, value, 1, "number of seconds")) * time.Second
}

// nextUpstream takes nginx' words for when another pod is asked.
func (r *mannered) nextUpstream(at, value string) {
	for word := range strings.FieldsSeq(value) {
		switch word {
		case "error", "timeout", "invalid_header": // as it is anyway, where nothing was done yet
		case "off":
			r.Once = true
		case "non_idempotent", "http_500", "http_502", "http_503", "http_504", "http_403", "http_404", "http_429":
			r.notice(at, "another pod is asked only where the first did nothing with the request: answers are passed on whatever their code")
		default:
			r.refuse(at, "%q is none of nginx' words; write error timeout, or off", word)
		}
	}
}

func (r *mannered) tries(at, value string) {
	r.Once = r.whole(at, value, 0, "number of tries") == 1 || r.Once
}

func (r *mannered) alias(at, value string) {
	for _, host := range betweenCommas(value) {
		if strings.HasPrefix(host, "~") {
			r.refuse(at, "%q is a regular expression, and hosts are found by name; write names, or * in place of the first label", host)
			continue
		}
		r.ingressHost(at, host)
		r.Aliases = append(r.Aliases, host)
	}
}
