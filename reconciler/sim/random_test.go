package sim

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// made is how many made-up stories must draw, together, everything that is built.
const made = 600

// feature is something that is built, and how to tell that a story has it.
type feature func(lines []string) bool

// says looks for a line, or several in this order, that matches.
func says(patterns ...string) feature {
	var all []*regexp.Regexp
	for _, p := range patterns {
		all = append(all, regexp.MustCompile(p))
	}
	return func(lines []string) bool {
		next := 0
		for _, line := range lines {
			if next < len(all) && all[next].MatchString(line) {
				next++
			}
		}
		return next == len(all)
	}
}

// features is a table of everything that a story can be about.
var features = map[string]feature{
	"drain":                             says(` drain=true`),
	"drain taken back":                  says(` drain=true`, ` drain=(;|$)`),
	"cordon":                            says(` cordon=true`),
	"taint":                             says(` taint=disk`),
	"capacity":                          says(` capacity=cpu`),
	"a Node renamed":                    says(`remove node/(n\d); node/edge-n\d .*at=n\d`),
	"a Node led to another machine":     says(`node/n\d .*at=spare`),
	"two Nodes of one host":             says(`node/n1 .*at=n2|node/edge-`),
	"a host by another address":         says(`at=n\d-too`),
	"a Node removed and brought back":   says(`remove node/n1$`, `^commit c\d+ node/n1 file=nodes.yaml$`),
	"a host replaced":                   says(`^die n\d`, `^replace n\d`),
	"a host wiped":                      says(`^wipe n\d`),
	"a host that is another's copy":     says(`^clone`),
	"a host that flaps":                 says(`^repeat \d partition n\d; settle .*heal`),
	"reboot in Podman 4's form":         says(`^reboot n\d$`),
	"reboot in Podman 5's form":         says(`^reboot n\d podman=5`),
	"most of the fleet silent":          says(`^partition n1`, `^partition n2`),
	"skew":                              says(`^skew`),
	"calls that fail":                   says(`^fail n\d run`),
	"calls that do their work and fail": says(`^deaf n\d run`),
	"pulls that fail":                   says(`^fail n\d pull`),
	"a stop whose answer is lost":       says(`^deaf n\d stop`),
	"a slow stop":                       says(`image=stubborn`),
	"a missing image":                   says(`image=missing`),
	"a claim":                           says(`pvc/data; db .*claim=data`),
	"a claim for one pod at a time":     says(`mode=ReadWriteOncePod`),
	"a claim's volume lost":             says(`^lose n\d claim`),
	"a retry decision":                  says(`^decide retry web`),
	"a retry decision for a claim":      says(`^decide retry pvc/data`),
	"a retry decision for a Job":        says(`^decide retry work`),
	"a host port":                       says(`port=80 `),
	"host ports in each other's way":    says(`edge .*port=80`, `front .*port=80`),
	"surge 0":                           says(`surge=0 unavail=1`),
	"maxUnavailable 0 written":          says(`unavail=0`),
	"maxUnavailable 0 and a host port":  says(`edge .*port=80 .*unavail=0`),
	"percentages":                       says(`surge=25%`),
	"Recreate":                          says(`strategy=recreate`),
	"minReady":                          says(`min-ready=\d`),
	"on-failure hold":                   says(`on-failure=hold`, `firm image=bad`),
	"paused":                            says(`paused=true`),
	"suspend of a workload":             says(`(web|api) suspend=true`),
	"suspend of a namespace":            says(`ns/team suspend=true`),
	"left suspended at the end":         says(`ns/team suspend=true`, `^commit c\d+ (web.*kept image=v50|web cpu)`),
	"waves":                             says(`wave=-1`),
	"depends-on":                        says(`needs=Deployment/base`),
	"PreSync":                           says(`hook=PreSync`),
	"PostSync":                          says(`hook=PostSync`),
	"SyncFail":                          says(`hook=SyncFail`),
	"a hook that is none":               says(`hook=Skip`),
	"a hook's deletion":                 says(`hook-delete=`),
	"a Job of several completions":      says(`job/work .*completions=[234]`),
	"an Indexed Job":                    says(`indexed`),
	"back-off per index":                says(`per-index=1`),
	"maxFailedIndexes":                  says(`max-failed=1`),
	"a work queue":                      says(`job/queue image=\S+ parallel=2`),
	"a Job's deadline":                  says(`active-deadline=15`),
	"a Job's TTL":                       says(` ttl=30`),
	"OnFailure":                         says(`restart=OnFailure`),
	"a podFailurePolicy":                says(`policy=FailJob`),
	"a podFailurePolicy of an index":    says(`policy=FailIndex`),
	"a podReplacementPolicy":            says(`replace=Failed`),
	"a successPolicy":                   says(`success=1`),
	"a Job halted and resumed":          says(`halt=true`, `halt=( |;|$)`),
	"a Job that runs no pods":           says(`job/queue .*parallel=0`),
	"a Job removed":                     says(`remove job/`),
	"prune: disabled":                   says(` keep`, `remove kept`),
	"more than half leaves Git":         says(`remove web; .*remove api; .*remove firm`),
	"a prune that is allowed":           says(`allow-prune`),
	"two sources":                       says(`^in shop commit`, `^in shop (pass|settle)`),
	"two sources that want one name":    says(`^in shop commit s\d+ web`),
	"two controllers":                   says(`^on B (pass|settle)`),
	"a controller at another commit":    says(`^on B pin`),
	"a controller that does not fetch":  says(`^on B stale`),
	"a controller that dies":            says(`^kill after`),
	"more than ten workloads":           says(`w0 image.*w11 image`, `w0 image.*w11 image`),
	"a revert":                          says(`revert c\d`),
	"a force-push":                      says(`^force-push`),
	"a file broken":                     says(`break web.yaml`),
	"a file blank":                      says(`blank nodes.yaml`),
	"a file damaged":                    says(`damage api.yaml`),
	"an object moved":                   says(`file=apps.yaml`),
	"another key":                       says(`^as new`),
	"a lost key":                        says(`^as new`, `signers own$`),
	"forged receipts":                   says(`^forge n\d receipt`),
	"another source's pods taken over":  says(`source=else`, `^adopt else`),
	"init containers and sidecars":      says(`init=5s,v1\+`),
	"a node's room used up":             says(`cpu=2500m`),
	"a pod removed by hand":             says(`^rm web`),
	"a container that dies":             says(`^crash web`),
	"a pod that is not ready":           says(`image=unready`),
	"a container that hangs":            says(`image=hang`),
	"a node side that is not heard":     says(`^side n\d deaf`),
	"a newer node side":                 says(`^side v2`),
	"no node side":                      says(`^side never`),
	"a Service":                         says(`svc/stall`),
	"addresses written by hand":         says(`svc/far by-hand`, `eps/far-\d`),
	"an outside name":                   says(`svc/far .*external=db`),
	"ports of nodes":                    says(`node-port`),
	"a port of all hosts":               says(`svc/front balanced=true`),
	"an address outside":                says(`svc/front balanced=\S* outside=\d`),
	"a host that listens itself":        says(`^listen n\d 81/tcp`),
	"a host that routes late":           says(`^table n\d late`),
	"a NetworkPolicy":                   says(`netpol/hold`),
	"a NetworkPolicy removed":           says(`remove netpol/hold`),
	"an Ingress":                        says(`ing/gate`),
	"the last Ingress removed":          says(`remove ing/gate$`),
	"nodes that have a door":            says(`door=true`),
	"a node without a door":             says(`door=false`),
	"a newer door":                      says(`ing/gate`, `^side v[23]`),
	"a door that takes no table":        says(`^door n\d frozen`),
	"a door that ends":                  says(`^crash door`),
	"a door without a port":             says(`ing/gate`, `^listen n\d 80/tcp`),
	"a node side older than policies":   says(`^table n\d older`),
	"a sidecar with a startup probe":    says(`init-probe=startup`),
	"a canary by steps":                 says(`ro/grey .*active= steps=\d`),
	"a pause that a person ends":        says(`ro/grey .*steps=\S*pause(,|;|$)`, `decide (promote|skip) grey`),
	"a timed pause":                     says(`ro/grey .*steps=\S*pause:`),
	"blue-green":                        says(`ro/blue .*active=blue`),
	"blue-green by hand":                says(`ro/blue .*active=blue .*hand`),
	"another strategy":                  says(`ro/blue .*active=blue`, `ro/blue active= steps`),
	"an abort":                          says(`^decide abort blue`),
	"a promotion in full":               says(`^decide promote-full grey`),
	"a promotion of a step long past":   says(`^decide promote \w+ step=0`),
	"restartAt":                         says(`restart-at=`),
	"rollbackWindow":                    says(`window=0`),
}

func TestMadeUpStoriesDrawEverythingThatIsBuilt(t *testing.T) {
	left := map[string]bool{}
	for name := range features {
		left[name] = true
	}
	for seed := uint64(1); seed <= made && len(left) > 0; seed++ {
		lines := slices.Concat(Random(seed))
		for name := range left {
			if features[name](lines) {
				delete(left, name)
			}
		}
	}
	for name := range left {
		t.Errorf("no story of %d has: %s", made, name)
	}
}

// undrawn are verbs of stories, items of commits and words of objects that made-up stories do without, and why.
var undrawn = map[string]string{
	"pods": prints, "receipts": prints, "files": prints, "volumes": prints, "status": prints, "problems": prints, "tables": prints, "services": prints,
	"policies": prints, "doors": prints,
	"over": "a Rollout over a Deployment is two objects that go together; the story ro-over tells of them",
}

const prints = "prints, and changes nothing"

// A verb, an item, a kind or a word that is new must be drawn too.
func TestMadeUpStoriesDrawEveryWordOfTheLanguage(t *testing.T) {
	said := map[string]bool{}
	for seed := uint64(1); seed <= made; seed++ {
		for _, line := range slices.Concat(Random(seed)) {
			note(said, strings.Fields(line))
		}
	}
	for _, word := range slices.Concat(verbs(t), words) {
		switch {
		case !said[word] && undrawn[word] == "":
			t.Errorf("%q is in no story of %d: have a theme draw it, or say in undrawn why none does", word, made)
		case said[word] && undrawn[word] != "":
			t.Errorf("%q is drawn, and stands in undrawn", word)
		}
	}
	for kind := range kinds {
		if kind != "" && !said[kind+"/"] {
			t.Errorf("no story of %d has a %s", made, kinds[kind])
		}
	}
}

// note takes down the verbs, items, kinds and words of a line.
func note(said map[string]bool, line []string) {
	said[line[0]] = true
	if line[0] == "on" || line[0] == "in" {
		note(said, line[2:])
		return
	}
	for _, word := range line[1:] {
		word, _, _ = strings.Cut(word, "=")
		kind, _, ok := strings.Cut(word, "/")
		if said[word] = true; ok {
			said[kind+"/"] = true
		}
	}
}

// verbs are what the package's switches over a verb, or over an item of a commit, know.
func verbs(t *testing.T) (all []string) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if s, ok := n.(*ast.SwitchStmt); ok {
				if tag, ok := s.Tag.(*ast.Ident); ok && (tag.Name == "verb" || tag.Name == "key") {
					all = append(all, cases(s)...)
				}
			}
			return true
		})
	}
	if !slices.Contains(all, "force-push") || !slices.Contains(all, "partition") || !slices.Contains(all, "revert") || !slices.Contains(all, "pin") {
		t.Fatalf("the language is not found in the code: %v", all)
	}
	return all
}

func cases(s *ast.SwitchStmt) (all []string) {
	for _, c := range s.Body.List {
		for _, e := range c.(*ast.CaseClause).List {
			if lit, ok := e.(*ast.BasicLit); ok {
				if text, err := strconv.Unquote(lit.Value); err == nil {
					all = append(all, text)
				}
			}
		}
	}
	return all
}

func TestAStoryThatFailsIsReducedToWhatFails(t *testing.T) {
	told := 0
	tell := func(lines []string) error {
		told++
		text := strings.Join(lines, "\n")
		switch {
		case !strings.HasPrefix(text, "fleet"):
			return errors.New("nothing can be told")
		case says(`web .*image=bad`, `^partition n2`, `^kill`)(lines):
			return errors.New("line 9: kill: law 3, safe in part: of web 0 are available")
		case says(`^partition n2`)(lines):
			return errors.New("line 5: pass: law 2, still: after a resync there is more to do")
		}
		return nil
	}
	story := []string{"fleet n1 n2"}
	for i := range 30 {
		story = append(story, fmt.Sprintf("tick %ds", i))
		switch i {
		case 7:
			story = append(story, "commit c1 api image=v1; web replicas=3 image=bad surge=1; pod/one image=v1")
		case 15:
			story = append(story, "partition n2")
		case 21:
			story = append(story, "kill")
		}
	}
	want := []string{"fleet n1 n2", "commit c1 web image=bad", "partition n2", "kill"}
	if diff := cmp.Diff(want, reduce(story, []string{"heal n2", "settle"}, tell)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if told > mostTellings+2 {
		t.Errorf("told %d times", told)
	}
}

func TestAPlantedFaultIsReducedInAToldStory(t *testing.T) {
	story, end := Random(3)
	lines := reduce(story, end, func(lines []string) error {
		s := New()
		s.care = none
		for _, text := range lines {
			if _, err := s.Do(text); err != nil && !errors.Is(err, errNothing) {
				return err
			}
		}
		if strings.Contains(s.pods(), " api-") {
			return errors.New("law 3, planted: api runs")
		}
		return nil
	})
	if len(lines) != 3 {
		t.Errorf("reduced to no less than\n%s", strings.Join(lines, "\n"))
	}
}
