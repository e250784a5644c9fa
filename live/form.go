package live

import (
	"encoding/json"

	"github.com/podkeep/podkeep/manifest"
)

// FormLabels say all of a revision, and which config Files it needs. ParseForm reads them back.
func FormLabels(r manifest.Revision, cluster, source string) map[string]string {
	return FormLabelsBy(new(manifest.Packer), r, cluster, source)
}

// FormLabelsBy are FormLabels for one who packs many forms.
func FormLabelsBy(packer *manifest.Packer, r manifest.Revision, cluster, source string) map[string]string {
	object, err := json.Marshal(r)
	if err != nil { // API types always encode
		return nil
	}
	labels := map[string]string{
		LabelCluster: cluster, LabelSource: source, LabelApp: r.App.String(),
		LabelRev: r.Rev, LabelCommit: r.Commit, LabelObject: packer.Pack(object),
	}
	if probes := joinMap(r.Probes); probes != "" {
		labels[LabelProbes] = probes
	}
	if len(r.Files) > 0 {
		labels[LabelFiles] = Join(r.Files)
	}
	return labels
}

// ParseForm reads a revision from the labels of its File. ok is false when they are no form's, or of another revision than they say.
func ParseForm(labels map[string]string) (r manifest.Revision, ok bool) {
	if labels[LabelObject] == "" {
		return manifest.Revision{}, false
	}
	object, err := manifest.Unpack(labels[LabelObject])
	if err != nil || json.Unmarshal(object, &r) != nil {
		return manifest.Revision{}, false
	}
	if r.App.String() != labels[LabelApp] || r.Rev != labels[LabelRev] {
		return manifest.Revision{}, false
	}
	return r, true
}
