package devfleet_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podkeep/podkeep/devfleet"
	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/reconciler/plan"
)

// The Django example as its README has it: the image of Debian's packages, both Jobs, then the app with what they made.
func TestTheDjangoExampleServesWhatItsJobsMade(t *testing.T) {
	t.Parallel()
	const name = "django-example"
	if err := devfleet.Down(t.Context(), name, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := devfleet.Down(context.Background(), name, ""); err != nil {
			t.Error(err)
		}
	})
	fleet, err := devfleet.Up(t.Context(), devfleet.Options{Name: name, Nodes: 1})
	if err != nil {
		t.Fatal(err)
	}
	node := fleet.Nodes[0].Name
	djangoImage(t, fleet, node)
	folder := t.TempDir()
	save(t, folder, "nodes.yaml", string(fleet.Manifests()))
	for _, file := range []string{"data.yaml", "jobs.yaml", "web.yaml"} {
		text, err := os.ReadFile("../examples/django/" + file)
		if err != nil {
			t.Fatal(err)
		}
		save(t, folder, file, string(text))
	}
	settle(t, folder, allConverged(3))
	address := addressOf(t, fleet, node, "Deployment/default/board")
	if page := fetch(t, "http://"+address+":8000/"); !strings.Contains(page, "The board is open.") {
		t.Errorf("the page lacks the note that a migration wrote:\n%s", page)
	}
	if sheet := fetch(t, "http://"+address+":8000/static/notes/style.css"); !strings.Contains(sheet, "font-family") {
		t.Errorf("the static file is not what was collected:\n%s", sheet)
	}
}

// djangoImage makes the image with the example's script, and imports it on the node.
func djangoImage(t *testing.T, fleet *devfleet.Fleet, node string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "django.tar")
	if out, err := exec.CommandContext(t.Context(), "sh", "../examples/django/image.sh", root).CombinedOutput(); err != nil {
		t.Fatalf("image.sh: %v\n%s", err, out)
	}
	if _, err := fleet.Output(t.Context(), node, "podman", "import", "--quiet", "--change", "ENV PYTHONPATH=/app", root, "localhost/django:v1"); err != nil {
		t.Fatal(err)
	}
}

// allConverged wants so many apps, each at HEAD's revision and well.
func allConverged(n int) func([]plan.App) error {
	return func(apps []plan.App) error {
		var unlike []string
		for _, a := range apps {
			if a.State != plan.Converged {
				unlike = append(unlike, fmt.Sprintf("%s is %s: %s %s", a.ID.Short(), a.State, a.Why, strings.Join(a.Waits, "; ")))
			}
		}
		if len(unlike) > 0 || len(apps) != n {
			return fmt.Errorf("%d of %d apps:\n%s", len(apps), n, strings.Join(unlike, "\n"))
		}
		return nil
	}
}

// addressOf is the address of one of the workload's pods.
func addressOf(t *testing.T, fleet *devfleet.Fleet, node, app string) string {
	t.Helper()
	out, err := fleet.Output(t.Context(), node, "sh", "-c", `p=$(podman pod ps --quiet --filter label=`+live.LabelApp+`=`+app+` | head -n1)
		podman inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' $(podman pod inspect --format '{{.InfraContainerID}}' $p)`)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// fetch asks until there is an answer: gunicorn listens a moment after its container is up.
func fetch(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := patient(t)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		body, err := fetchOnce(ctx, url)
		if err == nil {
			return body
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

func fetchOnce(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s\n%s", url, response.Status, body)
	}
	return string(body), err
}
