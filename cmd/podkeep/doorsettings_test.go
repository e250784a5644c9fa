package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatIsSaidOfDoorsIsChecked(t *testing.T) {
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, []byte("nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(t.TempDir(), "large.pem")
	if err := os.WriteFile(large, make([]byte, largestRoots+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		flags []string
		want  string
	}{
		"nothing said":         {nil, ""},
		"no ports":             {[]string{"--ingress-http-port=0", "--ingress-https-port=0"}, ""},
		"one port for two":     {[]string{"--ingress-https-port=80"}, "ingress-https-port 80: is --ingress-http-port too; write another port"},
		"metrics there":        {[]string{"--door-metrics-port=443"}, "door-metrics-port 443: Ingresses are served there; write another port"},
		"no class":             {[]string{"--ingress-class=Two Words"}, `ingress-class "Two Words": write a class as Ingresses name it, such as nginx`},
		"no directory":         {[]string{"--acme-directory="}, ""},
		"a directory in clear": {[]string{"--acme-directory=http://ca.example"}, `acme-directory "http://ca.example": write an https URL, such as https://acme-v02.api.letsencrypt.org/directory, or nothing`},
		"no roots":             {[]string{"--acme-roots=" + roots}, "acme-roots " + roots + ": holds no certificate in PEM"},
		"large roots":          {[]string{"--acme-roots=" + large}, "acme-roots " + large + ": has more than 65536 bytes; leave out those that did not sign the directory's certificate"},
		"ranges and addresses": {[]string{"--trusted-proxies=192.0.2.0/24,2001:db8::/32", "--proxy-protocol-from=192.0.2.7"}, ""},
		"no range":             {[]string{"--trusted-proxies=everybody"}, `trusted-proxies "everybody": write a range of addresses, such as 192.0.2.0/24, or an address`},
		"within a range":       {[]string{"--proxy-protocol-from=192.0.2.7/24"}, "proxy-protocol-from 192.0.2.7/24: is an address within a range; write 192.0.2.0/24"},
	} {
		s, _, err := configured(t, "", c.flags...)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := s.doorSettings.check(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	s, _, err := configured(t, "ingress-class: nginx\ningress-http-port: 8080\ntrusted-proxies: 192.0.2.0/24, 192.0.2.200\nacme-email: a@example.com\naccess-log: true\n")
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.doors()
	if err != nil || o.HTTP != 8080 || o.HTTPS != 443 || strings.Join(o.Classes, " ") != "nginx" || len(o.Trusted) != 2 || o.ACME.Email != "a@example.com" || !o.Log {
		t.Errorf("%+v %v", o, err)
	}
}
