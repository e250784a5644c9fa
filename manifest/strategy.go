package manifest

import (
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// quarter is maxSurge and maxUnavailable when they are not written.
var quarter = intstr.FromString("25%")

// strategy checks how a Deployment rolls.
func (c *check) strategy(s appsv1.DeploymentStrategy) {
	const path = "spec.strategy"
	if s.Type != "" {
		c.oneOf(path+".type", string(s.Type), RollingUpdate, Recreate)
	}
	if s.RollingUpdate == nil {
		return
	}
	if s.Type == Recreate {
		c.refuse(path+".rollingUpdate", "means nothing when type is Recreate; remove it")
		return
	}
	surge, surgeOK := c.amount(path+".rollingUpdate.maxSurge", s.RollingUpdate.MaxSurge)
	unavailable, unavailableOK := c.amount(path+".rollingUpdate.maxUnavailable", s.RollingUpdate.MaxUnavailable)
	if unavailable > 100 && s.RollingUpdate.MaxUnavailable.Type == intstr.String {
		c.refuse(path+".rollingUpdate.maxUnavailable", "%d%% is more than all", unavailable)
	}
	if surgeOK && unavailableOK && surge == 0 && unavailable == 0 {
		c.refuse(path+".rollingUpdate.maxUnavailable", "may not be 0 when maxSurge is 0; one of them must give room to move")
	}
}

// amount checks a number of pods or a percentage, 25% when it is not written, and gives its figure.
func (c *check) amount(path string, v *intstr.IntOrString) (figure int, ok bool) {
	if v == nil {
		v = &quarter
	}
	figure, ok = figureOf(*v)
	if !ok {
		c.refuse(path, "%q is neither a number of pods nor a percentage such as 25%%", v.String())
	}
	return figure, ok
}

// figureOf is the number in "25%" or 25; ok is false when it is no such thing or negative.
func figureOf(v intstr.IntOrString) (figure int, ok bool) {
	if v.Type == intstr.Int {
		return int(v.IntVal), v.IntVal >= 0
	}
	text, percent := strings.CutSuffix(v.StrVal, "%")
	figure, err := strconv.Atoi(text)
	return figure, percent && err == nil && figure >= 0 && text == strconv.Itoa(figure)
}

// rolling is a rolling update of n pods. Surge rounds up and unavailable down; where that leaves no room to move, one may be unavailable.
func rolling(n int, surge, unavailable *intstr.IntOrString, minReady int32) Strategy {
	s := Strategy{
		Type: RollingUpdate, MaxSurge: scale(surge, n, 99), MaxUnavailable: scale(unavailable, n, 0),
		MinReady: time.Duration(minReady) * time.Second, Deadline: defaultDeadline * time.Second, OnFailure: OnFailureRollback,
	}
	if unavailable != nil {
		figure, _ := figureOf(*unavailable)
		s.Firm = figure == 0
	}
	if s.MaxSurge == 0 && s.MaxUnavailable == 0 {
		s.MaxUnavailable = 1
	}
	return s
}

// scale is the amount in pods out of n; round is 99 to round up and 0 to round down.
func scale(v *intstr.IntOrString, n, round int) int {
	if v == nil {
		v = &quarter
	}
	figure, _ := figureOf(*v)
	if v.Type == intstr.Int {
		return figure
	}
	return (figure*n + round) / 100
}
