package main

import (
	"github.com/sirupsen/logrus"

	"github.com/podkeep/podkeep/node/doorman"
	"github.com/podkeep/podkeep/node/wire"
)

// doorParts are what answers requests, and what has the certificates and passwords for that.
func doorParts(log *logrus.Logger, changed func(wire.Kept)) (doorman.Engine, doorman.Keyring) {
	panic("this podkeep has no engine for doors")
}
