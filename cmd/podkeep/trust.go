package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/reconciler/plan"
	"github.com/podkeep/podkeep/status"
)

type trustOptions struct{ settings }

func trustCommand() *cobra.Command {
	var o trustOptions
	cmd := &cobra.Command{
		Use:   "trust [KEY]",
		Short: "Show whose keys signed what is on the hosts, and prepare the commit that trusts one",
		Long: paragraphs(`
What is written on hosts is believed if the controller's own key signed it, or one that podkeep.signers names, a file beside
the manifests. With no KEY this shows every key that is seen on the hosts or trusted, on which hosts, since when, what rests
on it, and whether it is trusted.

With a KEY, which is a fingerprint that the hosts show, a .pub file or the key itself, it writes the line into podkeep.signers of the
work tree that --source names and says what to commit; of a source that is elsewhere it prints the line and where to put it. It never
commits, and nothing is trusted before that is done.

Trust a key only if you know whose it is: whoever has it says what must run on every host. One that a single host shows
may be that host's own.

Exit codes: 0, or 1 for an error.`),
		Example: examples(`
podkeep trust
# what the controller of before had signed
podkeep trust SHA256:zO1mPz4OKWkXHK4JY8Rgn3cUB5FxLe2mFDQ5S0ZC7q0
# the next controller's, before it starts
podkeep trust /var/lib/podkeep/key.pub`),
		Args: takes(0, -1), // a key has spaces in it
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, strings.Join(args, " ")) },
	}
	o.bind(cmd)
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"pub"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return cmd
}

func (o *trustOptions) run(cmd *cobra.Command, arg string) error {
	if arg == "" {
		return o.show(cmd)
	}
	key, err := o.keyOf(cmd, arg)
	if err != nil {
		return err
	}
	return o.prepare(cmd, key)
}

// seen are the keys that one look finds.
func (o *trustOptions) seen(cmd *cobra.Command) ([]plan.Key, error) {
	source, err := o.open(cmd.Context())
	if err != nil {
		return nil, err
	}
	defer func() { _ = source.Close() }()
	world, err := o.look(cmd, source, lookOptions{})
	if err != nil {
		return nil, err
	}
	return plan.Keys(world.History, world.Snapshot), lost(world)
}

func (o *trustOptions) show(cmd *cobra.Command) error {
	keys, err := o.seen(cmd)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if len(keys) == 0 {
		_, err := fmt.Fprintln(out, "nothing on the hosts is signed, and no key is trusted")
		return err
	}
	status.WriteKeys(out, look(out), keys)
	return nil
}

// keyOf is the key that an argument means.
func (o *trustOptions) keyOf(cmd *cobra.Command, arg string) (string, error) {
	if strings.HasPrefix(arg, "SHA256:") {
		return o.shown(cmd, arg)
	}
	text, from := []byte(arg), "KEY"
	if !strings.HasPrefix(arg, "ssh-") {
		from = arg
		var err error
		if text, err = readSettings(arg); errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("%s: is no file: write a fingerprint (SHA256:…) that podkeep trust shows, a .pub file, or a key (ssh-ed25519 AAAA…)", arg)
		} else if err != nil {
			return "", err
		}
	}
	if strings.Contains(string(text), "PRIVATE KEY") {
		return "", fmt.Errorf("%s: is a private key, which nobody else may have: name its public half, %[1]s.pub, as `ssh-keygen -y -f %[1]s` prints it", from)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return "", fmt.Errorf("%s: holds no public key: write one line, ssh-ed25519 AAAA…", from)
	}
	if key.Type() != ssh.KeyAlgoED25519 {
		return "", fmt.Errorf("%s: is a key of kind %s, and only ssh-ed25519 signs", from, key.Type())
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), nil
}

// leastFingerprint is as much of one as tells keys apart, and as plans show.
const leastFingerprint = 18

// shown is the key on the hosts that has the fingerprint, or begins with it.
func (o *trustOptions) shown(cmd *cobra.Command, fingerprint string) (string, error) {
	if len(fingerprint) < leastFingerprint {
		return "", fmt.Errorf("%s: write at least %d letters of the fingerprint", fingerprint, leastFingerprint)
	}
	keys, err := o.seen(cmd)
	if err != nil {
		return "", err
	}
	var found []string
	for _, k := range keys {
		if k.Text != "" && strings.HasPrefix(manifest.Fingerprint(k.Text), fingerprint) {
			found = append(found, k.Text)
			_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s is seen on %s\n", manifest.Fingerprint(k.Text), cmp.Or(strings.Join(k.Nodes, ", "), "no host"))
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%s: %d keys on the hosts that answer have this fingerprint: podkeep trust shows them all", fingerprint, len(found))
	}
	return found[0], nil
}

// prepare writes the key's line where the manifests are, or says where it belongs.
func (o *trustOptions) prepare(cmd *cobra.Command, key string) error {
	out := cmd.OutOrStdout()
	line := "podkeep " + key
	folder, repository, err := o.folder()
	if err != nil {
		return err
	}
	if folder == "" {
		_, err := fmt.Fprintf(out, "add this line to %s in %s, and commit and push it:\n%s\n",
			filepath.Join(o.path, manifest.SignersFile), live.Words(o.source), line)
		return err
	}
	file := filepath.Join(folder, manifest.SignersFile)
	there, err := addLine(file, line, key)
	switch {
	case err != nil:
		return err
	case there:
		_, err = fmt.Fprintf(out, "%s names %s already\n", file, manifest.Fingerprint(key))
		return err
	}
	_, _ = fmt.Fprintf(out, "%s names %s now\n", file, manifest.Fingerprint(key))
	if repository == "" {
		return nil
	}
	return commits(out, "it is trusted once that is committed where --source follows:", repository, "trust "+live.ShortKey(key), file)
}

// commits says how files are committed.
func commits(out io.Writer, why, repository, message string, files ...string) error {
	add := ""
	for _, file := range files {
		inside, err := filepath.Rel(repository, file)
		if err != nil {
			return err
		}
		add += " " + shellWord(inside)
	}
	_, err := fmt.Fprint(out, live.Plain(fmt.Sprintf("%s\n  git -C %s add%s\n  git -C %[2]s commit -m '%[4]s'\n", why, shellWord(repository), add, message)))
	return err
}

// shellWord quotes where a shell would read more than one word.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@:") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// addLine adds a line for a key to a file, unless it names the key.
func addLine(file, line, key string) (there bool, err error) {
	text, err := readSettings(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	_, body, _ := strings.Cut(key, " ")
	for old := range strings.Lines(string(text)) {
		if !strings.HasPrefix(old, "#") && slices.Contains(strings.Fields(old), body) {
			return true, nil
		}
	}
	if len(text) > 0 && !strings.HasSuffix(string(text), "\n") {
		text = append(text, '\n')
	}
	return false, rewrite(file, append(text, line+"\n"...))
}
