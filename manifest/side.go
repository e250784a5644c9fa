package manifest

// SideOffer is the node side that the controller can put on hosts. The zero value is none: pods that need one say so.
type SideOffer struct {
	Version string            // LabelSide of its pods; of two the one that sorts later is the higher
	Images  map[string]string // image name by architecture, as Podman calls it: amd64, arm64
	// Refused says that no node side is wanted (--node-side=never): those that are there go.
	Refused bool
}

// Has says whether an image is one of the offer's.
func (o SideOffer) Has(image string) bool {
	for _, name := range o.Images {
		if name == image {
			return true
		}
	}
	return false
}
