package plan

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/podkeep/podkeep/manifest"
)

func asks(cpu, memory string, sidecar bool) corev1.Container {
	c := corev1.Container{Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)},
	}}
	if always := corev1.ContainerRestartPolicyAlways; sidecar {
		c.RestartPolicy = &always
	}
	return c
}

func TestAPodReservesWhatItsHungriestMomentNeeds(t *testing.T) {
	main := []corev1.Container{asks("100m", "10", false), asks("200m", "20", false)}
	for name, c := range map[string]struct {
		init []corev1.Container
		want manifest.Resources
	}{
		"no init container":              {nil, manifest.Resources{MilliCPU: 300, Memory: 30}},
		"a modest init container":        {[]corev1.Container{asks("200m", "5", false)}, manifest.Resources{MilliCPU: 300, Memory: 30}},
		"a hungry one":                   {[]corev1.Container{asks("1", "5", false), asks("1m", "90", false)}, manifest.Resources{MilliCPU: 1000, Memory: 90}},
		"a sidecar":                      {[]corev1.Container{asks("50m", "5", true)}, manifest.Resources{MilliCPU: 350, Memory: 35}},
		"a hungry one beside a sidecar":  {[]corev1.Container{asks("50m", "5", true), asks("1", "90", false)}, manifest.Resources{MilliCPU: 1050, Memory: 95}},
		"a hungry one before a sidecar":  {[]corev1.Container{asks("1", "90", false), asks("50m", "5", true)}, manifest.Resources{MilliCPU: 1000, Memory: 90}},
		"a hungry one between two of it": {[]corev1.Container{asks("1", "1", true), asks("1", "1", false), asks("1", "1", true)}, manifest.Resources{MilliCPU: 2300, Memory: 32}},
	} {
		if got := requests(corev1.PodSpec{InitContainers: c.init, Containers: main}); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestAPodIsGivenTheCredentialsThatAreAtHand(t *testing.T) {
	f := form{config: map[string]manifest.File{"a": {Name: "a", Data: manifest.Bytes("1")}}}
	f.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "a"}, {Name: "gone"}}
	if got := f.auth(); len(got) != 1 || string(got[0]) != "1" {
		t.Errorf("%d", len(got))
	}
}

func TestAPodIsGivenWhatNobodyMayQuote(t *testing.T) {
	f := form{config: map[string]manifest.File{"a": {Name: "a", Data: manifest.Bytes("1")}, "b": {Name: "b", Data: manifest.Bytes("2")}}}
	f.Files = []string{"a", "gone"}
	if got := f.contents(); len(got) != 1 || string(got[0]) != "1" {
		t.Errorf("%d", len(got))
	}
}
