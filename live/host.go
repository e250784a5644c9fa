package live

import "time"

// Host is what one record says of the host on which it stands. All records of one host have the same ID, and each of them is a File:
// the first is HostFile, and a further one is written when the way to the host, or who signs, is another now.
type Host struct {
	ID     string // 16 random bytes, in hex
	Way    string // how it was reached (manifest.Node.Way)
	Key    string // fingerprint of the SSH host key that it showed; empty where there is none
	Time   time.Time
	Source string
	Signer string // the key that signed the record; empty if none did
	File   string // in which it was seen
}

// ParseHost reads a record. ok is false when the File is none.
func ParseHost(f File) (h Host, ok bool) {
	if f.Labels[LabelHost] == "" || f.Labels[LabelReceipt] != "" {
		return Host{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, f.Labels[LabelTime])
	if err != nil {
		return Host{}, false
	}
	return Host{
		ID: f.Labels[LabelHost], Way: f.Labels[LabelWay], Key: f.Labels[LabelHostKey], Time: at, Source: f.Labels[LabelSource],
		Signer: f.Signer, File: f.Name,
	}, true
}

// Labels say all of the record; ParseHost reads them back.
func (h Host) Labels(cluster string) map[string]string {
	return map[string]string{
		LabelCluster: cluster, LabelSource: h.Source, LabelHost: h.ID, LabelWay: h.Way, LabelHostKey: h.Key,
		LabelTime: h.Time.UTC().Format(time.RFC3339Nano),
	}
}

// FurtherHostFile is the name of the File for a record after the first: of this way, by this key.
func FurtherHostFile(way, signer string) string { return HostFile + "-" + digest(way, signer) }
