package openssh

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
)

// settings are what the configuration says of one host, by keyword in lower case: the first value that is found, and all of them for keywords that add up.
type settings map[string][]string

// adding are the keywords of which every value counts. See ssh_config(5).
var adding = map[string]bool{"identityfile": true, "certificatefile": true}

// Bounds on the configuration: how deep files may include others, how many are read for one host, for they may include each other many times, and how
// many bytes each may have.
const (
	mostDeep   = 16
	mostFiles  = 1_000
	mostConfig = 1 << 20
)

// reading is one reading of configuration files on behalf of a host.
type reading struct {
	found  settings
	host   string // as it was asked for
	user   string // the same; empty where nobody said
	depth  int
	files  int
	warn   func(string)
	system bool // the file is the machine's, not the user's
}

// configured is what the user's and the machine's configuration say of the host. What cannot be read is said, and skipped.
func configured(files []string, host, user string, warn func(string)) settings {
	r := reading{found: settings{}, host: host, user: user, warn: warn}
	for _, file := range files {
		r.system = strings.HasPrefix(file, "/etc/")
		r.file(file, true)
	}
	return r.found
}

// file reads one file. Where it is included below a Host that is not ours nothing of it counts.
func (r *reading) file(name string, counts bool) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		r.warn(err.Error())
		return
	}
	defer f.Close()
	if r.files++; r.files >= mostFiles {
		if r.files == mostFiles {
			r.warn(fmt.Sprintf("%s: the configuration includes more than %d files: this one and what follows are skipped", name, mostFiles))
		}
		return
	}
	limit := &io.LimitedReader{R: f, N: mostConfig + 1}
	lines, number, ours := bufio.NewScanner(limit), 0, counts
	for lines.Scan() {
		number++
		keyword, words, err := parse(lines.Text())
		switch {
		case err == nil && keyword == "":
		case err != nil:
		case keyword == "host":
			ours = counts && matches(words, r.host)
		case keyword == "match":
			ours, err = r.match(words)
			ours = ours && counts
		case keyword == "include":
			err = r.include(words, ours)
		case len(words) == 0:
			err = errors.New("a keyword without a value")
		case ours && (adding[keyword] || r.found[keyword] == nil):
			r.found[keyword] = append(r.found[keyword], words...)
		}
		if err != nil {
			r.warn(fmt.Sprintf("%s:%d: %v; skipped", name, number, err))
		}
	}
	switch err := lines.Err(); {
	case limit.N == 0:
		r.warn(fmt.Sprintf("%s: is larger than %d KiB: what follows is skipped", name, mostConfig>>10))
	case err != nil:
		r.warn(fmt.Sprintf("%s: %v", name, err))
	}
}

func (r *reading) include(patterns []string, counts bool) error {
	if r.depth++; r.depth > mostDeep {
		r.depth--
		return fmt.Errorf("files include others more than %d deep", mostDeep)
	}
	defer func() { r.depth-- }()
	for _, p := range patterns {
		p = expandHome(p)
		switch {
		case filepath.IsAbs(p):
		case r.system:
			p = filepath.Join("/etc/ssh", p)
		default:
			p = inHome(filepath.Join(".ssh", p))
		}
		files, err := filepath.Glob(p)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		for _, file := range files {
			r.file(file, counts)
		}
	}
	return nil
}

// match says whether all criteria of a Match hold. Nothing is run for it: what asks for that does not match.
func (r *reading) match(words []string) (bool, error) {
	holds := true
	for len(words) > 0 {
		criterion, not := strings.CutPrefix(strings.ToLower(words[0]), "!")
		words = words[1:]
		met := true
		switch criterion {
		case "all":
		case "canonical", "final":
			met = false
		case "host", "originalhost", "user", "localuser", "exec", "localnetwork", "tagged":
			if len(words) == 0 {
				return false, fmt.Errorf("a Match of %s without a value", criterion)
			}
			patterns := strings.Split(words[0], ",")
			words = words[1:]
			switch criterion {
			case "host":
				met = matches(patterns, r.name())
			case "originalhost":
				met = matches(patterns, r.host)
			case "user":
				met = matches(patterns, cmp.Or(r.user, r.found.one("user"), localUser()))
			case "localuser":
				met = matches(patterns, localUser())
			default:
				return false, fmt.Errorf("a Match of %s is not looked into here", criterion)
			}
		default:
			return false, fmt.Errorf("unknown criterion %q of Match", criterion)
		}
		holds = holds && met != not
	}
	return holds, nil
}

// name is the host's as far as it is known.
func (r *reading) name() string {
	return strings.ReplaceAll(cmp.Or(r.found.one("hostname"), r.host), "%h", r.host)
}

func (s settings) one(keyword string) string {
	if len(s[keyword]) == 0 {
		return ""
	}
	return s[keyword][0]
}

func (s settings) says(keyword, value string) bool { return strings.EqualFold(s.one(keyword), value) }

// parse takes a line apart: a keyword, an equals sign or blanks, and words, which may stand in double quotes.
func parse(line string) (keyword string, words []string, err error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", nil, nil
	}
	end := strings.IndexAny(line, " \t=")
	if end < 0 {
		return strings.ToLower(line), nil, nil
	}
	keyword, rest := strings.ToLower(line[:end]), strings.TrimLeft(line[end:], " \t")
	rest = strings.TrimLeft(strings.TrimPrefix(rest, "="), " \t")
	for rest != "" && rest[0] != '#' {
		var word string
		if rest[0] == '"' {
			closed := strings.IndexByte(rest[1:], '"')
			if closed < 0 {
				return keyword, nil, errors.New("a quote that is not closed")
			}
			word, rest = rest[1:1+closed], rest[closed+2:]
		} else if end := strings.IndexAny(rest, " \t"); end >= 0 {
			word, rest = rest[:end], rest[end:]
		} else {
			word, rest = rest, ""
		}
		words = append(words, word)
		rest = strings.TrimLeft(rest, " \t")
	}
	return keyword, words, nil
}

// matches says whether a name is one of the patterns, and none of those behind "!".
func matches(patterns []string, name string) bool {
	hit := false
	for _, p := range patterns {
		p, not := strings.CutPrefix(p, "!")
		text := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(p))
		if ok, err := regexp.MatchString("(?i)^"+text+"$", name); err != nil || !ok {
			continue
		}
		if not {
			return false
		}
		hit = true
	}
	return hit
}

func localUser() string {
	me, err := user.Current()
	if err != nil {
		return "root"
	}
	return me.Username
}

func inHome(path string) string {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/root"
	}
	return filepath.Join(home, path)
}

func expandHome(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return inHome(rest)
	}
	return path
}
