package sim

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

var (
	update = flag.Bool("update", os.Getenv("UPDATE_GOLDEN") != "", "rewrite the goldens")
	seed   = flag.Uint64("seed", 0, "tell this one random story")
	seeds  = flag.Uint64("seeds", 30, "how many random stories to tell")
	every  = flag.Int("every", 0, "kill at every so many-th write; without it at each fifth, and at sixty of a long story")
	first  = flag.Uint64("first", 1, "the first seed")
	with   = flag.String("with", "", "tell those random stories alone in which this stands")
	rolls  = flag.Int("rollouts", 500, "how many rollouts are to begin in stories of Rollouts alone")
)

// Worlds are made, copied and thrown away: with little that lives, the collector may come seldom.
func TestMain(m *testing.M) {
	debug.SetGCPercent(500)
	m.Run()
}

func stories(t *testing.T) map[string]string {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no stories: ", err)
	}
	out := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out[path] = string(text)
	}
	return out
}

func TestEveryStoryKeepsEveryLawAfterEveryLine(t *testing.T) {
	for path, text := range stories(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			story := Parse(text)
			told, err := story.Tell(Telling{})
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(path, []byte(told.Story), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := story.Mismatch(told); diff != "" && !*update {
				t.Error(diff)
			}
		})
	}
}

func TestAControllerKilledAfterAnyLineEndsWhereOneThatRemembersDoes(t *testing.T) {
	for path, text := range stories(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			story := Parse(text)
			oracle := mustTell(t, story, Telling{Care: none})
			commands := slices.DeleteFunc(slices.Clone(story.lines), func(l line) bool { return l.command() == "" })
			for i, l := range commands {
				if i+1 == len(commands) || commands[i+1].felt() {
					sameEnd(t, story, oracle, Telling{KillAfterLine: l.no, Care: bounds}, l.text)
				}
			}
		})
	}
}

func TestAControllerKilledAtAnyWriteEndsWhereOneThatRemembersDoes(t *testing.T) {
	for path, text := range stories(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			story := Parse(text)
			oracle := mustTell(t, story, Telling{Care: none})
			for n := 1; n <= oracle.Writes; n += cmp.Or(*every, max(5, oracle.Writes/60)) {
				sameEnd(t, story, oracle, Telling{KillAfterWrite: n, Care: bounds}, fmt.Sprint("write ", n))
			}
		})
	}
}

func mustTell(t *testing.T, story Story, how Telling) Told {
	told, err := story.Tell(how)
	if err != nil {
		t.Fatal(err)
	}
	return told
}

func sameEnd(t *testing.T, story Story, oracle Told, how Telling, where string) {
	told, err := story.Tell(how)
	if err != nil {
		t.Errorf("killed after %s: %v", where, err)
		return
	}
	if diff := gocmp.Diff(strings.Split(oracle.End, "\n"), strings.Split(told.End, "\n")); diff != "" {
		t.Errorf("killed after %s: law 4, no memory: the end differs (-oracle +killed):\n%s", where, diff)
	}
}

func TestRandomStoriesKeepTheLawsAndEndAsGitSays(t *testing.T) { tellRandom(t, Random) }

func TestRandomSuccessionsKeepTheLawsAndEndAsGitSays(t *testing.T) { tellRandom(t, Successions) }

func tellRandom(t *testing.T, makeUp func(seed uint64) (story, end []string)) {
	from, to := *first, *first+*seeds
	if *seed != 0 {
		from, to = *seed, *seed+1
	}
	for n := from; n < to; n++ {
		t.Run(fmt.Sprint("seed ", n), func(t *testing.T) {
			t.Parallel()
			story, end := makeUp(n)
			if !strings.Contains(strings.Join(story, "\n"), *with) {
				t.Skip("it has no " + *with)
			}
			if err := TellRandom(slices.Concat(story, end)); err != nil {
				lines := reduce(story, end, TellRandom)
				t.Fatalf("seed %d: %v\nreduced to:\n%s\n%v", n, err, strings.Join(lines, "\n"), TellRandom(lines))
			}
		})
	}
}

// Stories of Rollouts alone are told until so many rollouts have begun in them: it is judged what passes do to the world, what they write down and where
// they send requests.
func TestRandomRolloutsKeepTheLaws(t *testing.T) {
	var next, began atomic.Int64
	start := time.Now()
	t.Run("seeds", func(t *testing.T) {
		for worker := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for began.Load() < int64(*rolls) && !t.Failed() {
					n := *first + uint64(next.Add(1)) - 1
					if *seed != 0 && n > *first {
						return
					}
					story, end := Rollouts(cmp.Or(*seed, n))
					count, err := TellRollouts(slices.Concat(story, end))
					if began.Add(int64(count)); err != nil {
						lines := reduce(story, end, func(lines []string) error { _, err := TellRollouts(lines); return err })
						t.Errorf("seed %d: %v\nreduced to:\n%s", cmp.Or(*seed, n), err, strings.Join(lines, "\n"))
					}
				}
			})
		}
	})
	took := time.Since(start).Seconds()
	t.Logf("%d rollouts in %.1f s, %.0f a second: seeds %d to %d", began.Load(), took, float64(began.Load())/took, *first, *first+uint64(next.Load())-1)
}
