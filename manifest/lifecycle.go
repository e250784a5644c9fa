package manifest

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// lifecycle checks a container's hooks. What else Kubernetes has for hooks is refused by name where it is decoded.
func (c *check) lifecycle(at string, l *corev1.Lifecycle, s corev1.PodSpec) {
	if l == nil {
		return
	}
	c.hook(under(at, "postStart"), l.PostStart, s)
	c.hook(under(at, "preStop"), l.PreStop, s)
	if l.StopSignal != nil && !slices.Contains(signals, string(*l.StopSignal)) {
		c.refuse(under(at, "stopSignal"), "%q is not a signal such as SIGTERM or SIGUSR1%s", *l.StopSignal, didYouMean(string(*l.StopSignal), signals))
	}
}

// signals are those of Linux that have a name of their own.
var signals = strings.Fields("SIGABRT SIGALRM SIGBUS SIGCHLD SIGCONT SIGFPE SIGHUP SIGILL SIGINT SIGIO SIGKILL SIGPIPE SIGPROF SIGPWR SIGQUIT " +
	"SIGSEGV SIGSTKFLT SIGSTOP SIGSYS SIGTERM SIGTRAP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM SIGWINCH SIGXCPU SIGXFSZ")

func (c *check) hook(at string, h *corev1.LifecycleHandler, s corev1.PodSpec) {
	if h == nil || h.HTTPGet != nil || h.TCPSocket != nil {
		return
	}
	if (h.Exec == nil) == (h.Sleep == nil) {
		c.refuse(at, "needs one of exec and sleep")
	}
	if h.Exec != nil {
		c.execAction(under(at, "exec"), h.Exec)
	}
	grace := int64(defaultGracePeriod)
	if s.TerminationGracePeriodSeconds != nil {
		grace = *s.TerminationGracePeriodSeconds
	}
	if h.Sleep != nil && (h.Sleep.Seconds < 0 || h.Sleep.Seconds > grace) {
		c.refuse(under(at, "sleep.seconds"), "%d is not from 0 to terminationGracePeriodSeconds, which is %d", h.Sleep.Seconds, grace)
	}
}
