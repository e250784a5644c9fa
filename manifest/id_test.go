package manifest

import "testing"

// An ID that a host or a note names is one that an object can have.
func TestAnIDOfSomebodyElsesIsPlain(t *testing.T) {
	t.Parallel()
	if id, err := ParseID("Deployment/shop/web"); err != nil || id != (ID{Kind: "Deployment", Namespace: "shop", Name: "web"}) {
		t.Error(id, err)
	}
	for _, s := range []string{"", "web", "Deployment//", "/shop/web", "Deployment/shop/web/x", "Deployment/shop/w\x1b[2Jeb", "Deployment/sh op/web", "Deployment/shop/w\u202eeb", "Deployment/shop/\xff", "Deployment/shop/web\n"} {
		if id, err := ParseID(s); err == nil {
			t.Errorf("%q is %+v", s, id)
		}
	}
}
