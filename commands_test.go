package podkeep_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shell are the programs that the papers use beside ours.
var shell = []string{"apt-get", "cat", "cd", "cp", "curl", "export", "git", "go", "grep", "install", "jq", "kill", "loginctl", "mkdir", "podman", "printf", "sed", "sh", "source", "ssh", "ssh-keygen", "sudo", "systemctl", "test", "useradd"}

func TestEveryCommandInThePapersExists(t *testing.T) {
	podkeep := filepath.Join(t.TempDir(), "podkeep")
	if out, err := exec.Command("go", "build", "-o", podkeep, "./cmd/podkeep").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	targets := regexp.MustCompile(`(?m)^([a-z0-9-]+):`).FindAllStringSubmatch(read(t, "Makefile"), -1)
	seen := map[string]bool{}
	for _, page := range pages(t) {
		for _, c := range commandsOf(read(t, page)) {
			if seen[strings.Join(c, " ")] {
				continue
			}
			seen[strings.Join(c, " ")] = true
			if why := unknown(c, targets, podkeep); why != "" {
				t.Errorf("%s: %s: %s", page, strings.Join(c, " "), why)
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d commands found: %v", len(seen), seen)
	}
}

// unknown says why a command cannot be what a reader would run; empty when it can.
func unknown(c []string, targets [][]string, podkeep string) string {
	switch name := strings.TrimPrefix(strings.TrimPrefix(c[0], "./"), "bin/"); {
	case name == "make":
		for _, word := range c[1:] {
			if !strings.Contains(word, "=") && !slices.ContainsFunc(targets, func(m []string) bool { return m[1] == word }) {
				return "no such target"
			}
		}
	case name == "podkeep":
		return unknownToUs(c[1:], podkeep)
	case !slices.Contains(shell, name):
		return "not a program that the papers use"
	}
	return ""
}

// unknownToUs asks podkeep itself, which parses the whole command line before it answers --help.
func unknownToUs(args []string, podkeep string) string {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	out, err := exec.Command(podkeep, append(slices.Clone(args), "--help")...).CombinedOutput()
	if err != nil {
		return strings.TrimSpace(string(out))
	}
	use := regexp.MustCompile(`Usage:\s+podkeep([a-z ]*)`).FindStringSubmatch(string(out))
	if use == nil {
		return "--help shows no usage"
	}
	depth := len(strings.Fields(use[1]))
	words := slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, "-") })
	if strings.Contains(string(out), "Available Commands:") && len(words) > depth {
		return fmt.Sprintf("no such command: %s", words[depth])
	}
	return ""
}

// commandsOf are the words of every command in a page's blocks marked sh.
func commandsOf(page string) (all [][]string) {
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		text := regexp.MustCompile(`(?ms)<<'?(\w+)'?$.*?^\w+$`).ReplaceAllString(block[1], "")
		text = strings.ReplaceAll(text, "\\\n", " ")
		for line := range strings.Lines(text) {
			all = append(all, commandsIn(strings.TrimPrefix(strings.TrimSpace(line), "$ "))...)
		}
	}
	return all
}

// commandsIn splits a line at && || | ; > and into words, minding quotes and comments.
func commandsIn(line string) [][]string {
	var l splitter
	for _, r := range line {
		if r == '#' && l.quote == 0 && !l.inWord || !l.rune(r) {
			break
		}
	}
	l.endCommand()
	return l.all
}

// splitter reads one line of shell.
type splitter struct {
	all     [][]string
	command []string
	word    strings.Builder
	quote   rune
	inWord  bool
}

// rune takes the next one; false when what follows is a file's name.
func (l *splitter) rune(r rune) bool {
	switch {
	case l.quote != 0 && r == l.quote:
		l.quote = 0
	case l.quote == 0 && (r == '\'' || r == '"'):
		l.quote, l.inWord = r, true
	case l.quote == 0 && (r == ' ' || r == '\t'):
		l.endWord()
	case l.quote == 0 && strings.ContainsRune("&|;>", r):
		l.endCommand()
		return r != '>'
	default:
		l.word.WriteRune(r)
		l.inWord = true
	}
	return true
}

func (l *splitter) endWord() {
	if l.inWord {
		l.command = append(l.command, l.word.String())
	}
	l.word.Reset()
	l.inWord = false
}

// endCommand keeps the command, without the variables set in front of it.
func (l *splitter) endCommand() {
	l.endWord()
	for len(l.command) > 0 && variable.MatchString(l.command[0]) {
		l.command = l.command[1:]
	}
	if len(l.command) > 0 {
		l.all = append(l.all, l.command)
	}
	l.command = nil
}

var variable = regexp.MustCompile(`^[A-Z_]+=`)

func TestCommandsAreReadAsAShellDoes(t *testing.T) {
	page := "```sh\n# a comment\nmake test && cd fleet | cat; X=1 podkeep plan --rev 'a b'  # why\n$ podkeep status \\\n  -o wide > out\n```\n```yaml\nmake nothing\n```\n"
	got := fmt.Sprintf("%q", commandsOf(page))
	want := `[["make" "test"] ["cd" "fleet"] ["cat"] ["podkeep" "plan" "--rev" "a b"] ["podkeep" "status" "-o" "wide"]]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
