package git_test

import (
	"strings"
	"testing"

	"github.com/podkeep/podkeep/sources/git"
	"github.com/podkeep/podkeep/sources/sourcetest"
)

func TestANameMayGoBackFromABranchATagOrACommit(t *testing.T) {
	t.Parallel()
	local := inPlace{sourcetest.NewRepository(t)}
	https, _ := newHTTPS(t)
	for name, c := range map[string]struct {
		sourcetest.Repository
		git.Options
	}{
		"in place": {local.Repository, git.Options{URL: local.Dir}},
		"https":    {https.Repository, https.options},
	} {
		t.Run(name, func(t *testing.T) {
			first := c.Commit(t, one("1"))
			side := c.Git(t, "commit-tree", "-m", "side", first+"^{tree}", "-p", first)
			second := c.Commit(t, one("2"))
			c.Git(t, "tag", "-a", "-m", "second", "two")
			c.Git(t, "merge", "-q", "--no-ff", "-m", "merged", side)
			if name != "in place" {
				c.Git(t, "push", "-q", "origin", "HEAD", "--tags")
			}
			for rev, want := range map[string]string{
				"HEAD~1": second, "HEAD~": second, "@^": second, "main~2": first, "main^2": side, "HEAD^2~1": first,
				"two^": first, second + "~1": first, second[:8] + "^": first, "HEAD^0^1": second,
			} {
				o := c.Options
				o.Branch = rev
				head, _, err := open(t, o).Head(t.Context())
				if err != nil || head != want {
					t.Errorf("%s: %s, %v; want %s", rev, head, err, want)
				}
			}
			for rev, want := range map[string]string{
				"main~9": "has no parent 1, which is step", "main^3": "has no parent 3", "nosuch~1": `no branch, tag or commit "nosuch"`,
				"main~999999999": "goes back too far",
			} {
				o := c.Options
				o.Branch = rev
				if err := headError(t, open(t, o)); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v; want %s", rev, err, want)
				}
			}
		})
	}
}
