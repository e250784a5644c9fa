package manifest

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// noRights is said of all that gives a pod rights at an API server.
const noRights = "there is no API server here to have rights at: service accounts, their tokens and RBAC are taken, and change nothing"

func init() {
	for _, field := range []string{"serviceAccountName", "serviceAccount", "automountServiceAccountToken"} {
		noticed[typeOf[corev1.PodSpec]()][field] = noRights
	}
}

// isRights says whether a kind is one of those that give rights at an API server.
func isRights(version, name string) bool {
	switch name {
	case "ServiceAccount":
		return version == "v1"
	case "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding":
		return strings.HasPrefix(version, "rbac.authorization.k8s.io/")
	}
	return false
}

// rights takes an object of such a kind.
func (c *check) rights(doc document) {
	c.notice("kind", noRights)
	if secrets := doc.get("imagePullSecrets"); secrets != nil && len(secrets.Content) > 0 {
		c.lines["imagePullSecrets"] = secrets.Line + doc.offset
		c.notice("imagePullSecrets", "are not given to the pods of a service account; write them in the pods' spec")
	}
}

// accountOf is the service account that a pod is said to have, or "" for the one that all have.
func accountOf(s corev1.PodSpec) string {
	if name := or(s.ServiceAccountName, s.DeprecatedServiceAccount); name != "default" {
		return name
	}
	return ""
}
