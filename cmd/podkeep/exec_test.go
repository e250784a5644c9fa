package main

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
)

// cutOff is an input during which the command is interrupted.
type cutOff struct{ stop context.CancelFunc }

func (c cutOff) Read([]byte) (int, error) {
	c.stop()
	return 0, context.Canceled
}

func TestAnExecThatIsInterruptedEndsWith130AndSaysWhatBecomesOfTheCommand(t *testing.T) {
	for side, said := range map[string]string{
		sideAuto: "interrupted; the command was ended", sideNever: "interrupted; the command may run on: there is no node side",
	} {
		t.Run(side, func(t *testing.T) {
			onFakes(t)
			dir := fleetOf(t, map[string]string{"node.yaml": aNode, "web.yaml": aDeployment})
			if code := execute([]string{"sync", "--source", dir, "--node-side", side}, io.Discard, os.Stderr); code != 0 {
				t.Fatal(code)
			}
			ctx, cancel := context.WithCancel(t.Context())
			root := rootCommand()
			root.SetArgs([]string{"exec", "-i", "web", "--source", dir, "--", "cat"})
			root.SetIn(cutOff{cancel})
			root.SetErr(io.Discard)
			var e exit
			if err := root.ExecuteContext(ctx); !errors.As(err, &e) || e.code != 130 || e.Error() != said {
				t.Error(err)
			}
		})
	}
}
