package main

import (
	"os"

	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/node/door"
	"github.com/podkeep/podkeep/node/doorman"
	"github.com/podkeep/podkeep/node/keyring"
	"github.com/podkeep/podkeep/node/wire"
)

// doorParts are what answers requests, and what has the certificates and passwords for that.
func doorParts(log *logrus.Logger, changed func(wire.Kept)) (doorman.Engine, doorman.Keyring) {
	ring := keyring.New(keyring.Options{Log: log, Changed: changed})
	return door.New(door.Options{Keys: ring, Log: log, Access: os.Stdout}), ring
}
