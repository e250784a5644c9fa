package fake

import (
	"testing"
	"time"

	"github.com/podkeep/podkeep/drivers"
	"github.com/podkeep/podkeep/drivers/drivertest"
)

func TestTheFakeKeepsTheContractOfADriver(t *testing.T) {
	s := newStage()
	for _, image := range []string{"fake:v1", "fake:fail"} {
		if err := s.Open("n1", drivertest.Cluster, nil).(drivers.Puller).Pull(t.Context(), image, "Always"); err != nil {
			t.Fatal(err)
		}
	}
	drivertest.Run(t, drivertest.Host{
		Open:    func(_ *testing.T, cluster string) drivers.Driver { return s.Open("n1", cluster, nil) },
		Image:   "fake:v1",
		Ends:    "fake:fail",
		Tick:    func() { s.now = s.now.Add(time.Second) },
		Foreign: func(_ *testing.T, name string) { s.World.Foreign("n1", name, nil) },
	})
}
