package manifest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Labels travel in a URL, and Podman takes none of more than 900 KiB or so. What may be long is written there packed.
const (
	MaxPacked   = 500 << 10 // bytes of a URL that a revision's form may take
	MaxUnpacked = 4 << 20   // bytes of what is packed; nothing longer is unpacked
)

// Pack writes a text so that it takes little of a URL: gzip, and base64 without letters that would be escaped. The same text is
// always packed alike.
func Pack(text []byte) string { return new(Packer).Pack(text) }

// Packer packs one text after another, each as Pack does: what it takes to compress is made once, which is most of the work where
// texts are short. The zero Packer is ready.
type Packer struct {
	z *gzip.Writer
	b bytes.Buffer
}

// Pack is what Pack is.
func (p *Packer) Pack(text []byte) string {
	p.b.Reset()
	if p.z == nil {
		p.z, _ = gzip.NewWriterLevel(&p.b, gzip.BestCompression) // the level is one
	}
	p.z.Reset(&p.b)
	_, _ = p.z.Write(text) // a buffer takes everything
	_ = p.z.Close()
	return base64.RawURLEncoding.EncodeToString(p.b.Bytes())
}

// Unpack is Pack's inverse. It refuses what is longer than MaxUnpacked, without having unpacked more of it.
func Unpack(packed string) ([]byte, error) {
	data, err := base64.RawURLEncoding.DecodeString(packed)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(z, MaxUnpacked+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxUnpacked {
		return nil, fmt.Errorf("more than %d MiB", MaxUnpacked>>20)
	}
	return text, nil
}

// checkForm refuses a revision whose form would not go onto a host. spec is the path of the pods' spec.
func (r Revision) checkForm(c *check, spec string) {
	text, err := json.Marshal(r)
	if err != nil { // API types always encode
		return
	}
	files := len(url.QueryEscape(strings.Join(r.Files, ",")))
	if len(text)/3*4+1024+files < MaxPacked { // so it is short enough though packing gains nothing
		return
	}
	switch size := len(Pack(text)) + files; {
	case len(text) > MaxUnpacked:
		c.refuse(r.longest(spec), "with it what a pod is made of has more than %d MiB; %s", MaxUnpacked>>20, shorten)
	case size > MaxPacked:
		c.refuse(r.longest(spec), "with it what a pod is made of takes %d KiB of a label on hosts, compressed, and there is room for %d; %s",
			size>>10, MaxPacked>>10, shorten)
	}
}

const shorten = "mount what is long as a volume, since the content of files is no part of that, and of a ConfigMap with many keys " +
	"only those that are needed, with items"

// longest is the path of the field that takes most of the form.
func (r Revision) longest(spec string) (path string) {
	most := 0
	add := func(at string, v any) {
		if text, err := json.Marshal(v); err == nil && len(text) > most {
			path, most = at, len(text)
		}
	}
	eachContainer(spec, &r.Spec, func(at string, k *corev1.Container) {
		add(under(at, "env"), k.Env)
		add(under(at, "command"), k.Command)
		add(under(at, "args"), k.Args)
		add(under(at, "volumeMounts"), k.VolumeMounts)
	})
	for i, v := range r.Spec.Volumes {
		add(item(under(spec, "volumes"), i), v)
	}
	return path
}
