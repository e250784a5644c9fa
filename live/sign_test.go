package live

import (
	"crypto/ed25519"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/manifest"
)

// keyOf is a key that is the same in each run.
func keyOf(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+seed)), ed25519.SeedSize)))
}

func textOf(key ed25519.PrivateKey) string { return manifest.KeyText(key.Public().(ed25519.PublicKey)) }

func with(labels map[string]string, key, value string) map[string]string {
	c := maps.Clone(labels)
	c[key] = value
	return c
}

func without(labels map[string]string, key string) map[string]string {
	c := maps.Clone(labels)
	delete(c, key)
	return c
}

func TestAFileThatIsNotAsItWasSignedHasNoSigner(t *testing.T) {
	key, other := keyOf(0), keyOf(1)
	r := Receipt{App: manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}, Verb: Promoted, Rev: "v1-abc", Gen: 2, Source: "s"}
	name, plain := r.Name(textOf(key)), r.Labels("c")
	signed := Sign(key, plain, FileMessage(name, plain))
	if plain[LabelSig] != "" {
		t.Error("Sign has changed the labels that it was given")
	}
	theirs := Sign(other, plain, FileMessage(name, plain))
	for what, c := range map[string]struct {
		name   string
		labels map[string]string
		want   string
	}{
		"as it was signed":            {name, signed, textOf(key)},
		"by another key":              {name, theirs, textOf(other)},
		"with the driver's labels":    {name, with(with(signed, "podkeep.io/file", name), "podkeep.io/empty", "true"), textOf(key)},
		"with a label of nobody's":    {name, with(signed, "example.com/a", "b"), textOf(key)},
		"without a signature":         {name, plain, ""},
		"another revision":            {name, with(signed, LabelRev, "v1-abd"), ""},
		"one label more":              {name, with(signed, LabelHost, "x"), ""},
		"one label more, not ours":    {name, with(signed, "podkeep.io/made-up", ""), ""},
		"one label less":              {name, without(signed, LabelWhy), ""},
		"another name":                {name + "x", signed, ""},
		"a signature over a pod":      {name, Sign(key, plain, PodMessage("", name, plain)), ""},
		"a cut signature":             {name, with(signed, LabelSig, signed[LabelSig][:100]), ""},
		"no base64":                   {name, with(signed, LabelSig, "!"+signed[LabelSig][1:]), ""},
		"another key's name before":   {name, with(signed, LabelSig, theirs[LabelSig][:40]+signed[LabelSig][40:]), ""},
		"the signature of another":    {name, with(signed, LabelSig, Sign(key, plain, FileMessage("a", plain))[LabelSig]), ""},
		"a value moved into its name": {name, with(without(signed, LabelRev), LabelRev+"v", "1-abc"), ""},
	} {
		if got := FileSigner(c.name, c.labels); got != c.want {
			t.Errorf("%s: signer is %q, want %q", what, got, c.want)
		}
	}
}

func TestAPodIsSignedForItsHost(t *testing.T) {
	key := keyOf(0)
	p := Pod{Cluster: "c", Source: "s", App: manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}, Rev: "v1-abc", Gen: 1, Expect: []string{"a"}}
	plain := PodLabels(p)
	signed := Sign(key, plain, PodMessage("h1", "web-abc-0", plain))
	onContainer := with(with(signed, LabelContainer, "a"), LabelAttempt, "3")
	onPod := with(with(with(signed, "podkeep.io/grace", "30"), "podkeep.io/volumes", "x"), "podkeep.io/prestop", "[]")
	for what, c := range map[string]struct {
		hosts  []string
		name   string
		labels map[string]string
		host   string
	}{
		"where it was born":          {[]string{"h1"}, "web-abc-0", signed, "h1"},
		"as a container shows it":    {[]string{"h1"}, "web-abc-0", onContainer, "h1"},
		"as the pod shows it":        {[]string{"h1"}, "web-abc-0", onPod, "h1"},
		"on a host of two records":   {[]string{"h0", "h1"}, "web-abc-0", signed, "h1"},
		"on another host":            {[]string{"h2"}, "web-abc-0", signed, ""},
		"on a host that is nobody":   {nil, "web-abc-0", signed, ""},
		"under another name":         {[]string{"h1"}, "web-abc-1", signed, ""},
		"with another generation":    {[]string{"h1"}, "web-abc-0", with(signed, LabelGen, "9"), ""},
		"that nobody signed":         {[]string{"h1"}, "web-abc-0", plain, ""},
		"signed as a File":           {[]string{"h1"}, "web-abc-0", Sign(key, plain, FileMessage("web-abc-0", plain)), ""},
		"with a name into the host":  {[]string{"h1web"}, "-abc-0", signed, ""},
		"with a role":                {[]string{"h1"}, "web-abc-0", with(signed, LabelRole, `{"labels":{"app":"web"}}`), ""},
		"with a template's label":    {[]string{"h1"}, "web-abc-0", with(signed, LabelLabels, "app=web"), ""},
		"with labels of nobody's":    {[]string{"h1"}, "web-abc-0", with(signed, "io.buildah.version", "1"), "h1"},
		"with a label less":          {[]string{"h1"}, "web-abc-0", without(signed, LabelRoom), ""},
		"where two keys are one too": {[]string{"h1", "h1"}, "web-abc-0", signed, "h1"},
	} {
		signer, host := PodSigner(c.hosts, c.name, c.labels)
		if host != c.host || (signer != "") != (host != "") || signer != "" && signer != textOf(key) {
			t.Errorf("%s: signed by %q for %q, want %q", what, signer, host, c.host)
		}
	}
}

func TestOnlyASignedRecordSaysWhoAHostIs(t *testing.T) {
	h := Host{ID: "0011", Way: "w", Key: "SHA256:x", Time: time.Date(2026, 3, 1, 14, 0, 0, 5, time.UTC), Source: "s"}
	labels := h.Labels("c")
	signed := File{Name: HostFile, Labels: labels, Signer: "k"}
	back, ok := ParseHost(signed)
	want := h
	want.Signer, want.File = "k", HostFile
	if d := cmp.Diff(want, back); !ok || d != "" {
		t.Errorf("(-written +read)\n%s", d)
	}
	forged := File{Name: "host-2", Labels: with(labels, LabelHost, "2233")}
	receipt := File{Name: "receipt", Labels: with(with(labels, LabelReceipt, Made), LabelHost, "4455"), Signer: "k"}
	if d := cmp.Diff([]string{"0011"}, HostsOf([]File{signed, signed, forged, receipt, {Name: "cfg-1"}})); d != "" {
		t.Error(d)
	}
}

func BenchmarkSignerOf(b *testing.B) {
	plain := PodLabels(Pod{Cluster: "c", Source: "s", App: manifest.ID{Kind: "Deployment", Namespace: "default", Name: "web"}, Rev: "v1-abc"})
	signed := Sign(keyOf(0), plain, PodMessage("h1", "web-abc-0", plain))
	for b.Loop() {
		if signer, _ := PodSigner([]string{"h1"}, "web-abc-0", signed); signer == "" {
			b.Fatal("no signer")
		}
	}
}
