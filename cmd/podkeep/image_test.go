package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podkeep/podkeep/drivers"
)

// stuck is a node that takes no more than the first bytes of an image.
type stuck struct{ drivers.Driver }

func (stuck) Load(ctx context.Context, archive io.Reader) error {
	if _, err := io.ReadFull(archive, make([]byte, 50)); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func TestAnImageThatIsNotTakenInTimeIsGivenUpWithHowMuchWasSent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.tar")
	if err := os.WriteFile(path, make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	o := loadOptions{timeout: 10 * time.Millisecond}
	err := o.ship(t.Context(), stuck{}, &archive{path: path, size: 100}, new(atomic.Int64))
	if err == nil || !strings.Contains(err.Error(), "not done after 10ms, 50% were sent; --timeout gives it more time") {
		t.Error(err)
	}
}
