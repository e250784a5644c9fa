package main

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/node/route"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/status"
)

func TestAddressesThatAreNobodysPodsAreReachedFromWhereTheServiceIsServed(t *testing.T) {
	const services = "apiVersion: v1\nkind: Service\nmetadata: {name: away}\nspec: {type: ExternalName, externalName: a.example.com}\n---\n" +
		"apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {ports: [{port: 80}]}\n"
	table := &route.Table{Services: []route.Service{
		{Namespace: "default", Name: "away", External: "a.example.com"},
		{Namespace: "default", Name: "db", Ports: []route.Port{{Protocol: "tcp", Port: 80}}, Endpoints: []route.Endpoint{{IP: netip.MustParseAddr("192.0.2.7"), Ports: []uint16{5432}}}},
	}}
	c := &crew{world: status.World{
		History:  manifest.History{Head: manifest.Assemble(manifest.Info{Commit: "a1"}, []manifest.Parsed{manifest.Parse("x.yaml", []byte(services))})},
		Plan:     plan.Plan{Table: table},
		Snapshot: live.Snapshot{Nodes: []live.Node{{Name: "n1"}, {Name: "n2", Side: live.Side{Serves: table}}}},
	}}
	all, err := c.peers("svc/db", "default", "")
	if got := fmt.Sprint(all, err); got != "[192.0.2.7 from n2] <nil>" {
		t.Error(got)
	}
	if _, err := c.peers("svc/away", "default", "80"); err == nil || err.Error() != "service/away is a name for a.example.com, which is outside" {
		t.Error(err)
	}
}
