package manifest

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", os.Getenv("UPDATE_GOLDEN") != "", "rewrite the goldens")

func TestAMistakeIsSaidWithItsPlaceAndItsMend(t *testing.T) {
	said := map[string]string{}
	for _, path := range []string{"testdata/wrong.txtar", "testdata/wrong_pod.txtar"} {
		golden, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range golden.Files {
			text, want, _ := strings.Cut(string(c.Data), "====\n")
			got := wrongs(set("a1b2c3d4", "x.yaml", text)) + "\n"
			golden.Files[i].Data = []byte(text + "====\n" + got)
			if got != want && !*update {
				t.Errorf("%s: got\n%swant\n%s", c.Name, got, want)
			}
			if other, twice := said[got]; twice || got == "\n" {
				t.Errorf("%s: nothing is said that %q does not show: %s", c.Name, other, got)
			}
			said[got] = c.Name
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(golden), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(said) < 60 {
		t.Errorf("only %d mistakes", len(said))
	}
}
