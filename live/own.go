package live

import "github.com/podkeep/podkeep/manifest"

// IsOwn says whether pods of that are podkeep's own, and no workload's.
func IsOwn(app manifest.ID) bool { return app == SideApp || app == DoorApp }
