package manifest

import (
	"math"
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
	c.moves(path+".rollingUpdate", s.RollingUpdate.MaxSurge, s.RollingUpdate.MaxUnavailable)
}

// moves checks maxSurge and maxUnavailable of what stands at path.
func (c *check) moves(path string, maxSurge, maxUnavailable *intstr.IntOrString) {
	surge, surgeOK := c.amount(path+".maxSurge", maxSurge)
	unavailable, unavailableOK := c.part(path+".maxUnavailable", maxUnavailable)
	if surgeOK && unavailableOK && surge == 0 && unavailable == 0 {
		c.refuse(path+".maxUnavailable", "may not be 0 when maxSurge is 0; one of them must give room to move")
	}
}

// part checks an amount that may not be more than all.
func (c *check) part(path string, v *intstr.IntOrString) (figure int, ok bool) {
	figure, ok = c.amount(path, v)
	if figure > 100 && v.Type == intstr.String {
		c.refuse(path, "%d%% is more than all", figure)
	}
	return figure, ok
}

// defaultDeadline is progressDeadlineSeconds when it is not written.
const defaultDeadline = 600

// deadline checks that a pod can become available before progressDeadlineSeconds are over.
func (c *check) deadline(seconds *int32, minReady int32) {
	const path = "spec.progressDeadlineSeconds"
	c.notNegative(path, seconds)
	switch {
	case seconds == nil && minReady >= defaultDeadline:
		c.refuse("spec.minReadySeconds", "%d is not less than progressDeadlineSeconds, which is %d unless you write it", minReady, defaultDeadline)
	case seconds != nil && *seconds >= 0 && *seconds <= minReady:
		c.refuse(path, "%d is not more than minReadySeconds, which is %d", *seconds, minReady)
	}
}

// deadlineOf is progressDeadlineSeconds; 0 is none.
func deadlineOf(seconds *int32) time.Duration {
	switch {
	case seconds == nil:
		return defaultDeadline * time.Second
	case *seconds == math.MaxInt32: // Kubernetes' word for none
		return 0
	}
	return time.Duration(*seconds) * time.Second
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
