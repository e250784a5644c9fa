package ledger

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// rules are those of source "fleet" that has taken over "old", with key "key", and that trusts "former" too. What is of commit "void" is.
var rules = Rules{
	Cluster: "default", Source: "fleet", Key: "key",
	Ours:   func(source string) bool { return source == "fleet" || source == "old" },
	Trusts: func(signer string) bool { return signer == "key" || signer == "former" },
	Void:   func(r live.Receipt) bool { return r.Commit == "void" },
	Called: func(name string) string { return strings.TrimPrefix(name, "was-") },
}

// by is the receipt as a key's owner wrote it for a source.
func by(signer, source string, r live.Receipt) live.Receipt {
	r.Signer, r.Source = signer, source
	r.File = r.Name(signer)
	return r
}

// ours are receipts as this controller writes them.
func ours(l ...live.Receipt) (all []live.Receipt) {
	for _, r := range l {
		all = append(all, by("key", "fleet", r))
	}
	return all
}

// crowd is n1 to nN, each of which answers.
func crowd(n int) (nodes []Node, reach map[string]Reach) {
	reach = map[string]Reach{}
	for i := range n {
		name := fmt.Sprintf("n%d", i+1)
		nodes, reach[name] = append(nodes, Node{Name: name, Host: name}), Here
	}
	return nodes, reach
}

func read(nodes []Node, reach map[string]Reach) *Book {
	b := Read(nodes, rules)
	b.Share(func(name string) Reach { return reach[name] })
	return b
}

// all needs what every ledger does.
func all(b *Book) func(manifest.ID) func(live.Receipt) bool {
	return func(app manifest.ID) func(live.Receipt) bool { return b.Of(app).Needed() }
}

// said is a line for each edit.
func said(edits []Edit) (lines []string) {
	for _, e := range edits {
		verb := "put"
		if e.File == nil {
			verb = "delete"
		}
		lines = append(lines, fmt.Sprintf("%s %s %s: %s", e.Node, verb, e.Name, e.Why))
	}
	return lines
}

func expect(t *testing.T, what string, edits []Edit, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, said(edits)); diff != "" {
		t.Errorf("%s (-expected +got):\n%s", what, diff)
	}
}

func TestAReceiptIsPendingUntilTwoNodesShowIt(t *testing.T) {
	began := ours(of(1, "a", live.Began, 1))
	waits := "began of a is written down on one node, and waits to be on a second"
	refused := []live.Trouble{{Name: began[0].File, Why: "disk full"}}
	for name, c := range map[string]struct {
		shown [3][]live.Receipt
		reach [3]Reach
		full  int // the node that takes none, from 1
		want  string
	}{
		"nothing is written down":            {reach: [3]Reach{Here, Here, Here}},
		"on one of three":                    {shown: [3][]live.Receipt{began}, reach: [3]Reach{Here, Here, Here}, want: waits},
		"on two of three":                    {shown: [3][]live.Receipt{began, nil, began}, reach: [3]Reach{Here, Here, Here}},
		"on the only one that answers":       {shown: [3][]live.Receipt{began}, reach: [3]Reach{Here, Silent, Lost}},
		"on one that is silent, and another": {shown: [3][]live.Receipt{began, began}, reach: [3]Reach{Silent, Here, Here}},
		"one that left HEAD does not count":  {shown: [3][]live.Receipt{began, began}, reach: [3]Reach{Gone, Here, Here}, want: waits},
		"two copies on one node are one":     {shown: [3][]live.Receipt{{began[0], by("former", "fleet", began[0])}}, reach: [3]Reach{Here, Here, Here}, want: waits},
		"copies by two keys are copies":      {shown: [3][]live.Receipt{began, {by("former", "old", began[0])}}, reach: [3]Reach{Here, Here, Here}},
		"the node that takes none is named":  {shown: [3][]live.Receipt{began}, reach: [3]Reach{Here, Here, Here}, full: 2, want: waits + "; n2: disk full"},
	} {
		nodes, reach := crowd(3)
		for i := range nodes {
			nodes[i].Receipts, reach[nodes[i].Name] = c.shown[i], c.reach[i]
			if c.full == i+1 {
				nodes[i].Troubles = refused
			}
		}
		if got := read(nodes, reach).Pending(web); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestWhatIsNotNeededIsNotWaitedFor(t *testing.T) {
	nodes, reach := crowd(2)
	both := ours(of(1, "a", live.Began, 1), of(1, "a", live.Resumed, 2))
	nodes[0].Receipts, nodes[1].Receipts = append(ours(of(1, "a", live.Halted, 1)), both...), both
	if got := read(nodes, reach).Pending(web); got != "" {
		t.Error(got)
	}
	nodes[1].Receipts = both[:1]
	if got := read(nodes, reach).Pending(web); got != "resumed of a is written down on one node, and waits to be on a second" {
		t.Error(got)
	}
}

func TestOfSeveralCopiesTheEarlierCounts(t *testing.T) {
	nodes, reach := crowd(2)
	bound := live.Receipt{App: web, Verb: live.Bound, Gen: 1, Node: "was-n1", Time: noon}
	late := bound
	late.Time, late.Why = noon.Add(1), "later"
	nodes[0].Receipts, nodes[1].Receipts = ours(late), []live.Receipt{by("former", "old", bound)}
	l := read(nodes, reach).Of(web)
	if len(l) != 1 || !l[0].Time.Equal(noon) || l[0].Source != "fleet" || l[0].Node != "n1" {
		t.Error("of the source that is ours now, and of the node as it is called now", l)
	}
}

func TestWhatIsPutGoesToTheHoldersThatLackIt(t *testing.T) {
	began := of(1, "a", live.Began, 1)
	began.Why = "HEAD"
	nodes, reach := crowd(4)
	nodes[0].Receipts = ours(began)
	nodes[1].Receipts = []live.Receipt{by("forged", "fleet", began)}
	nodes[1].Receipts[0].File = nodes[0].Receipts[0].File
	reach["n4"] = Silent
	name := ours(began)[0].File
	b := read(nodes, reach)
	edits := b.Put(began)
	if len(edits) != 1 || edits[0].Node != "n3" || edits[0].Name != name || edits[0].Why != "began: HEAD" || edits[0].App != web {
		t.Fatal("n1 has it, n2 has one that does not count under its name, n4 is silent:", said(edits))
	}
	file := edits[0].File
	if r, ok := live.ParseReceipt(file.Labels); !ok || file.Name != name || r.Source != "fleet" || !r.Same(ours(began)[0]) {
		t.Error(file)
	}
	expect(t, "what was put is not copied as well", b.Tidy(all(b)))
	expect(t, "what was not is", read(nodes, reach).Tidy(all(b)), "n3 put "+name+": copied to a node that lacks it")
}

func TestWhatIsPendingIsPutAsItStands(t *testing.T) {
	nodes, reach := crowd(2)
	began := of(1, "a", live.Began, 1)
	began.Why = "first"
	nodes[0].Receipts = ours(began)
	began.Why, began.Time = "again", began.Time.Add(1)
	if edits := read(nodes, reach).Put(began); len(edits) != 1 || edits[0].Why != "began: first" {
		t.Error(said(edits))
	}
}

func TestAllNodesOfASmallFleetAreHolders(t *testing.T) {
	nodes, reach := crowd(8)
	reach["n3"], reach["n5"], reach["n7"] = Silent, Lost, Gone
	b := read(nodes, reach)
	if got := names(b.holders(web)); got != "n1 n2 n3 n4 n6 n8" {
		t.Error("silence does not end it, a loss and leaving HEAD do:", got)
	}
	reach["n7"] = Here
	b.Share(func(name string) Reach { return reach[name] })
	if got := b.holders(web); len(got) != keptCopies {
		t.Error("a lost node makes the fleet no smaller:", names(got))
	}
}

func names(nodes []*Node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestFewHoldersChangeWhenANodeLeavesALargeFleet(t *testing.T) {
	const fleet, apps = 40, 400
	nodes, reach := crowd(fleet)
	b := read(nodes, reach)
	app := func(i int) manifest.ID {
		return manifest.ID{Kind: "Deployment", Namespace: "default", Name: fmt.Sprint("web", i)}
	}
	before, load := map[int][]string{}, map[string]int{}
	for i := range apps {
		before[i] = strings.Fields(names(b.holders(app(i))))
		if len(before[i]) != keptCopies {
			t.Fatal(before[i])
		}
		for _, name := range before[i] {
			load[name]++
		}
	}
	for name := range reach {
		if mean := apps * keptCopies / fleet; load[name] < mean/2 || load[name] > mean*2 {
			t.Errorf("%s keeps those of %d, where %d are fair", name, load[name], mean)
		}
	}
	reach["n7"] = Lost
	b.Share(func(name string) Reach { return reach[name] })
	for i := range apps {
		stay := slices.DeleteFunc(before[i], func(name string) bool { return name == "n7" })
		now := strings.Fields(names(b.holders(app(i))))
		moved := slices.DeleteFunc(slices.Clone(now), func(name string) bool { return slices.Contains(stay, name) })
		if len(now) != keptCopies || len(moved) != keptCopies-len(stay) {
			t.Errorf("%d: %v became %v", i, before[i], now)
		}
	}
}

func TestCopiesAreThinnedOnceAllHoldersHaveOne(t *testing.T) {
	nodes, reach := crowd(9)
	began := ours(of(1, "a", live.Began, 1))
	for i := range nodes {
		nodes[i].Receipts = began
	}
	b := read(nodes, reach)
	holders := strings.Fields(names(b.holders(web)))
	thinned := func() (names []string) {
		for _, e := range read(nodes, reach).Tidy(all(b)) {
			if e.File == nil {
				names = append(names, e.Node)
			}
		}
		return names
	}
	if got := thinned(); len(got) != 4 || slices.ContainsFunc(got, func(name string) bool { return slices.Contains(holders, name) }) {
		t.Errorf("%v are thinned, %v keep it", got, holders)
	}
	reach[holders[0]] = Silent
	if got := thinned(); got != nil {
		t.Error("one holder is not heard", got)
	}
	reach[holders[0]] = Here
	for i := range nodes {
		if nodes[i].Name == holders[0] {
			nodes[i].Receipts = []live.Receipt{by("former", "fleet", began[0])}
		}
	}
	if got := thinned(); got != nil {
		t.Error("one holder has it under another key only", got)
	}
}

func TestWhoHasNoKeyCopiesNothingThatIsThere(t *testing.T) {
	nodes, reach := crowd(2)
	for i := range nodes {
		nodes[i].Receipts = ours(of(1, "a", live.Began, 1))
	}
	reader := rules
	reader.Key = ""
	b := Read(nodes, reader)
	b.Share(func(name string) Reach { return reach[name] })
	expect(t, "a reader", b.Tidy(all(b)))
}

func TestWhatIsNotNeededIsDeletedOnNodesOfHEADThatAnswer(t *testing.T) {
	nodes, reach := crowd(4)
	halted, rest := ours(of(1, "a", live.Halted, 1)), ours(of(1, "a", live.Began, 1), of(1, "a", live.Resumed, 2))
	for i := range nodes {
		nodes[i].Receipts = append(slices.Clone(halted), rest...)
	}
	reach["n3"], reach["n4"] = Silent, Gone
	b := read(nodes, reach)
	why := " delete " + halted[0].File + ": the receipt is not needed any more"
	expect(t, "a halt that was resumed", b.Tidy(all(b)), "n1"+why, "n2"+why)
	expect(t, "of an object that is to be left alone", b.Tidy(func(manifest.ID) func(live.Receipt) bool { return nil }))
}

func TestWhatIsForeignOrUntrustedIsUntouched(t *testing.T) {
	nodes, reach := crowd(3)
	began := of(1, "a", live.Began, 1)
	nodes[0].Receipts = []live.Receipt{by("key", "theirs", began), by("forged", "fleet", began), by("", "fleet", began)}
	b := read(nodes, reach)
	if len(b.Of(web)) != 0 || len(b.Ledgers) != 0 || b.Pending(web) != "" {
		t.Error("it is believed", b.Of(web))
	}
	if f := b.Foreign; len(f) != 1 || f[0].Source != "theirs" {
		t.Error("foreign", f)
	}
	expect(t, "it stays", b.Tidy(all(b)))
}

func TestAnUntrustedReceiptGoesWhereOursSaysTheSame(t *testing.T) {
	nodes, reach := crowd(2)
	began := of(1, "a", live.Began, 1)
	forged := by("forged", "old", began)
	for i := range nodes {
		nodes[i].Receipts = []live.Receipt{forged, by("former", "fleet", began)}
	}
	nodes[0].Receipts[1] = ours(began)[0]
	b := read(nodes, reach)
	expect(t, "where ours is, and no other's", b.Tidy(all(b)),
		"n2 put "+ours(began)[0].File+": copied to a node that lacks it", "n1 delete "+forged.File+": says the same as one that a trusted key signed")
}

func TestAVoidReceiptSaysNothingAndIsDeleted(t *testing.T) {
	nodes, reach := crowd(3)
	old := of(1, "a", live.Failed, 0)
	old.Commit = "void"
	for i, r := range []live.Receipt{by("key", "fleet", old), by("former", "old", old), by("forged", "fleet", old)} {
		nodes[i].Receipts = []live.Receipt{r}
	}
	b := read(nodes, reach)
	if len(b.Of(web)) != 0 {
		t.Error("it is believed", b.Of(web))
	}
	why := ": the receipt is void: its object was taken out of Git since, and came anew"
	expect(t, "whose word is taken", b.Tidy(all(b)), "n1 delete "+nodes[0].Receipts[0].File+why, "n2 delete "+nodes[1].Receipts[0].File+why)
}

func TestANodeThatLeftKeepsWhatOthersLack(t *testing.T) {
	nodes, reach := crowd(3)
	began, halted := of(1, "a", live.Began, 1), of(1, "a", live.Halted, 1)
	forged, theirs := by("forged", "fleet", of(2, "b", live.Began, 1)), by("key", "theirs", began)
	// What a source wrote that was taken over is needed as much.
	nodes[2].Receipts = []live.Receipt{by("former", "old", began), by("former", "old", halted), forged, theirs}
	reach["n3"] = Gone
	for _, c := range []struct {
		shown [2][]live.Receipt
		want  []live.Receipt
	}{
		{[2][]live.Receipt{}, []live.Receipt{forged}},
		{[2][]live.Receipt{ours(began, halted)}, []live.Receipt{forged}},
		{[2][]live.Receipt{ours(began, halted), ours(began)}, []live.Receipt{nodes[2].Receipts[0], forged}},
		{[2][]live.Receipt{ours(began, halted), ours(began, halted)}, nodes[2].Receipts[:3]},
	} {
		nodes[0].Receipts, nodes[1].Receipts = c.shown[0], c.shown[1]
		b := read(nodes, reach)
		var want []string
		for _, r := range c.want {
			want = append(want, "n3 delete "+r.File+": n3 left Git, and other nodes have what is needed of it")
		}
		edits, left := b.Clear("n3", all(b))
		if expect(t, fmt.Sprint(c.shown), edits, want...); left != 3 {
			t.Errorf("%d are left, and one is another source's", left)
		}
	}
}
