package openssh_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Whoever types what a refusal says, and nothing else, gets in, and so does ssh. HOME, PORT and ADDRESS are as in TestItGoesWhereSSHGoes.
func TestWhatARefusalSaysToRunGetsIn(t *testing.T) {
	const usual = "IdentityFile HOME/mine\nUserKnownHostsFile HOME/known_hosts\n"
	stranger := func(d *desk) string {
		return string(ssh.MarshalAuthorizedKey(newKey(d.t, d.path("foreign"), "").PublicKey()))
	}
	for name, c := range map[string]struct {
		config string
		host   string                           // 127.0.0.1:PORT if empty
		knows  func(d *desk, s *sshd) string    // what is in known_hosts
		make   func(d *desk, s *sshd, k string) // where else that is
	}{
		"an unknown host": {config: usual},
		"a changed key":   {config: usual, knows: func(d *desk, s *sshd) string { return s.address() + " " + stranger(d) }},
		"a changed key of a hashed name": {config: usual, knows: func(d *desk, s *sshd) string {
			return knownhosts.HashHostname(s.address()) + " " + stranger(d)
		}},
		"a changed key in several lines, beside others": {config: usual, knows: func(d *desk, s *sshd) string {
			key := stranger(d)
			return "elsewhere " + key + "# a comment\n" + s.address() + " " + key + s.address() + ",other " + key
		}},
		"a file whose name has a blank": {config: "IdentityFile HOME/mine\nUserKnownHostsFile \"HOME/known hosts\"\n",
			make: func(d *desk, s *sshd, _ string) {
				write(d.t, d.path("known hosts"), []byte(s.address()+" "+stranger(d)))
			}},
		"an alias that is not known":     {config: "HostKeyAlias shared\n" + usual},
		"an alias whose key has changed": {config: "HostKeyAlias shared\n" + usual, knows: func(d *desk, s *sshd) string { return "shared " + stranger(d) }},
		"an unknown host behind another": {config: "Host far\n HostName localhost\n Port PORT\n ProxyJump 127.0.0.1:PORT\n HostKeyAlias far\nHost *\n" + usual, host: "far",
			knows: func(d *desk, s *sshd) string { return s.known(s.address()) }},
		"and one by its own name": {config: "Host far\n Port PORT\n ProxyJump 127.0.0.1:PORT\n HostName localhost\nHost *\n" + usual, host: "far",
			knows: func(d *desk, s *sshd) string { return s.known(s.address()) }},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := serve(t, ""), newDesk(t)
			s.lets(t, newKey(t, d.path("mine"), ""))
			known := ""
			if c.knows != nil {
				known = c.knows(d, s)
			}
			write(t, d.path("known_hosts"), []byte(known))
			write(t, d.path("config"), []byte(strings.NewReplacer("HOME", d.path(""), "PORT", s.port).Replace(c.config)))
			if c.make != nil {
				c.make(d, s, known)
			}
			host := c.host
			if host == "" {
				host = "127.0.0.1:" + s.port
			}
			refusals := 0
			for err := d.dial(host); err != nil; err = d.dial(host) {
				t.Log(err)
				_, command, found := strings.Cut(err.Error(), "run: ")
				if refusals++; !found || refusals > 2 {
					t.Fatalf("refusal %d: %v", refusals, err)
				}
				if out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
					t.Fatal(fmt.Errorf("%s: %w: %s", command, err, out))
				}
			}
			if refusals == 0 {
				t.Error("it was not refused")
			}
			if err := d.real(host); err != nil {
				t.Errorf("ssh: %v", err)
			}
		})
	}
}
