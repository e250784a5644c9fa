package podman

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestWhyACopyIsRefusedIsSaid(t *testing.T) {
	d := answers(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"cause": "read-only", "message": "container rootfs is marked \u001b[31mread-only", "response": 500}`)
	})
	err := d.Unpack(t.Context(), "c", "/", strings.NewReader("an archive"))
	if err == nil || err.Error() != "container rootfs is marked read-only" {
		t.Errorf("it ended with %v", err)
	}
}
