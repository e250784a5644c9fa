package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestAFileThatPodkeepGoesByIsReadSoFar(t *testing.T) {
	const want = "/dev/zero: is larger than 1024 KiB: name the file that was meant"
	_, flags := configure(pflag.NewFlagSet("", pflag.ContinueOnError), "/dev/zero")
	_, key := readKey("/dev/zero")
	_, signers := addLine("/dev/zero", "line", "ssh-ed25519 AAAA")
	_, public := new(trustOptions).keyOf(nil, "/dev/zero")
	for what, err := range map[string]error{"flags": flags, "a key": key, "signers": signers, "a public key": public} {
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
