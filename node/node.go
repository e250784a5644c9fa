// Package node is the node side: one process on every host that goes on keeping pods well when no controller is there. It looks at its host,
// runs the probes of the pods it was told to tend, ends what a liveness probe gives up, and starts again what ended, as the plan would. It
// never makes a pod, never stops one, and does nothing to pods that it does not tend.
package node
