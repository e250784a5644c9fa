package status

import (
	"fmt"
	"slices"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/podkeep/podkeep/node/route"
)

// The conditions of the Gateway API that tell what doors have in force, and their reasons.
const (
	accepted        = string(gatewayv1.GatewayConditionAccepted)
	conflicted      = string(gatewayv1.ListenerConditionConflicted)
	programmed      = string(gatewayv1.GatewayConditionProgrammed)
	invalid         = string(gatewayv1.GatewayReasonInvalid)
	pendingDoors    = string(gatewayv1.GatewayReasonPending)
	portUnavailable = string(gatewayv1.ListenerReasonPortUnavailable)
)

// isTrue and isFalse are how the status of a condition is written.
const (
	isTrue  = "True"
	isFalse = "False"
)

// listeners are those of a Gateway, as it asks for them.
func (x *Entry) listeners() []gatewayv1.Listener {
	if g, is := x.object.(*gatewayv1.Gateway); is && g != nil {
		return g.Spec.Listeners
	}
	return nil
}

// conditions are those of a GatewayClass or a Gateway.
func (x *Entry) conditions() []route.DoorCondition {
	switch {
	case x.Kind != "Gateway" || !x.Doored.Ours || len(x.Doored.Conditions) == 0:
		return x.Doored.Conditions
	case refused(x.Doored.Conditions):
		return x.inForce(x.Doored.Conditions, invalid, "it is not accepted")
	case len(x.ports) == 0:
		return x.inForce(x.Doored.Conditions, invalid, "doors have none of its listeners")
	}
	var all []string
	lacks := 0
	for _, port := range x.ports {
		lines := x.denied[port].lines(fmt.Sprintf("port %d on ", port))
		all = append(all, lines...)
		lacks += min(len(lines), 1)
	}
	switch {
	case lacks == len(x.ports):
		return x.inForce(x.Doored.Conditions, invalid, strings.Join(all, "; "))
	case !x.settled():
		return x.inForce(x.Doored.Conditions, pendingDoors, x.lateness())
	}
	return x.inForce(x.Doored.Conditions, "", "")
}

// settled says whether every node that answers does as it says, as far as it ever will by itself.
func (x *Entry) settled() bool { return x.Nodes > 0 && len(x.Lags) == 0 }

func (x *Entry) lateness() string {
	if len(x.Lags) == 0 {
		return "no node that is to have a door answers"
	}
	return strings.Join(x.Lags, "; ")
}

// listening are the conditions of a listener.
func (x *Entry) listening(l route.DooredListener) []route.DoorCondition {
	port := uint16(0)
	for _, asked := range x.listeners() {
		if string(asked.Name) == l.Name {
			port = uint16(asked.Port)
		}
	}
	denied := strings.Join(x.denied[port].lines(fmt.Sprintf("port %d on ", port)), "; ")
	switch {
	case refused(l.Conditions):
		return x.inForce(l.Conditions, invalid, "it is not accepted, or refers to what cannot be had")
	case !slices.Contains(x.ports, port):
		return x.inForce(l.Conditions, invalid, "doors do not have its port")
	case denied != "":
		nodes := 0
		for _, on := range x.denied[port] {
			nodes += len(on)
		}
		all := slices.Clone(l.Conditions)
		for i := range all {
			if all[i].Type == accepted && nodes == x.Nodes {
				all[i] = route.DoorCondition{Type: accepted, Status: isFalse, Reason: portUnavailable, Message: denied}
			}
		}
		return x.inForce(all, invalid, denied)
	case !x.settled():
		return x.inForce(l.Conditions, pendingDoors, x.lateness())
	}
	return x.inForce(l.Conditions, "", "")
}

// refused says whether conditions say that nothing is to come of a thing, whatever doors do.
func refused(all []route.DoorCondition) bool {
	return slices.ContainsFunc(all, func(c route.DoorCondition) bool {
		return c.Status == isFalse && (c.Type == accepted || c.Type == programmed) || c.Status == isTrue && c.Type == conflicted
	})
}

// inForce are the conditions with Programmed: True where no reason is given against it, and as it was decided where that is False.
func (x *Entry) inForce(all []route.DoorCondition, reason, message string) []route.DoorCondition {
	is := route.DoorCondition{Type: programmed, Status: isTrue, Reason: programmed}
	if reason != "" {
		is = route.DoorCondition{Type: programmed, Status: isFalse, Reason: reason, Message: message}
	}
	i := slices.IndexFunc(all, func(c route.DoorCondition) bool { return c.Type == programmed })
	switch {
	case i < 0:
		return append(slices.Clone(all), is)
	case all[i].Status == isFalse:
		return all
	}
	all = slices.Clone(all)
	all[i] = is
	return all
}

// conditionWords are conditions as a person says them: "Accepted, not Programmed (Pending)". That there is no conflict is nothing to be said.
func conditionWords(all []route.DoorCondition) string {
	var said []string
	for _, c := range all {
		switch {
		case c.Type == conflicted && c.Status == isFalse:
		case c.Status == isTrue:
			said = append(said, c.Type)
		case c.Status == isFalse:
			said = append(said, fmt.Sprintf("not %s (%s)", c.Type, c.Reason))
		default:
			said = append(said, fmt.Sprintf("perhaps %s (%s)", c.Type, c.Reason))
		}
	}
	return strings.Join(said, ", ")
}

// messages are what conditions say beside that, and the object's own reasons do not. Why it is not Programmed is among those, or waited for.
func (x *Entry) messages(all []route.DoorCondition) (said []string) {
	for _, c := range all {
		told := func(why string) bool { return strings.Contains(why, c.Message) }
		if c.Status != isTrue && c.Type != programmed && c.Message != "" && !slices.ContainsFunc(x.Whys, told) {
			said = append(said, c.Message)
		}
	}
	return distinct(said)
}
