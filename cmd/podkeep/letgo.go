package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/node/wire"
)

// letGoFor is how long the node side may take for a step of letting go of its host.
const letGoFor = 30 * time.Second

// tendNothing has the node side start nothing again.
func tendNothing(ctx context.Context, d drivers.Driver) error {
	return tellSide(ctx, d, func(said wire.Report) (downs []wire.Down, done bool, why string) {
		for _, t := range said.InForce {
			if len(t.Pods) > 0 {
				t.Pods, t.Idle = nil, nil
				downs = append(downs, wire.Down{Tend: &t})
			}
		}
		return downs, len(downs) == 0 && len(said.Tends) == 0, "it looks after pods still"
	})
}

// routeNothing has the node side take away all that its host routes by. No pod may be there.
func routeNothing(ctx context.Context, d drivers.Driver, cluster string) error {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	var empty wire.Table
	return tellSide(ctx, d, func(said wire.Report) (downs []wire.Down, done bool, why string) {
		if said.Number == 0 && said.Taken == 0 {
			return nil, true, ""
		}
		if empty.Digest == "" {
			if empty, err = wire.Seal(key, cluster, &route.Table{Number: 1}); err != nil {
				return nil, false, err.Error()
			}
			empty.Anew = true
			downs = []wire.Down{{Table: &empty}}
		}
		clear := said.Digest == empty.Digest && !said.Net.Range.IsValid() && len(said.Net.Troubles) == 0
		return downs, clear, strings.Join(append([]string{"it does not say that its host routes nothing any more"}, said.Net.Troubles...), ": ")
	})
}

// tellSide speaks with the node side, for a while at the most, until what it reports is as it should be. After each report hear says what to tell it,
// and, until it is done, why it is not.
func tellSide(ctx context.Context, d drivers.Driver, hear func(wire.Report) (downs []wire.Down, done bool, why string)) error {
	side, ok := d.(drivers.Attacher)
	if !ok {
		return errors.New("it cannot be reached")
	}
	ctx, cancel := context.WithTimeout(ctx, letGoFor)
	defer cancel()
	stream, err := side.Attach(ctx)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = stream.Close() })()
	defer func() { _ = stream.Close() }()
	if err := wire.Write(stream, wire.Down{Hello: &wire.Hello{Version: sideVersion()}}); err != nil {
		return err
	}
	lines, why := wire.NewReader(stream), "it says nothing"
	for {
		var up wire.Up
		if err := lines.Read(&up); ctx.Err() != nil {
			return fmt.Errorf("within %s: %s", letGoFor, why)
		} else if err != nil {
			return err
		}
		var downs []wire.Down
		if up.Report != nil {
			var done bool
			if downs, done, why = hear(*up.Report); done {
				return nil
			}
		}
		if len(downs) == 0 {
			downs = []wire.Down{{}} // a sign of life for each of its own
		}
		for _, down := range downs {
			if err := wire.Write(stream, down); err != nil {
				return err
			}
		}
	}
}
