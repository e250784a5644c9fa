package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
	"github.com/podkeep/podkeep/sources/git"
)

// settings are what every command that reads a source and looks at a fleet is told.
type settings struct {
	source, branch, path string
	interval             time.Duration
	cluster, config      string
	tokenFile, caFile    string
	sshKey, knownHosts   string
	key                  string
	decisionSigners      string
	mirror               bool
	logFormat            string
	verbose              bool
	sideSettings
	netSettings
	doorSettings
	admission manifest.Admission

	foundSource bool // the source is one that a file names which nobody named
}

func (s *settings) register(flags *pflag.FlagSet) {
	flags.StringVar(&s.source, "source", ".", "the repository or directory that holds the manifests: a URL or a path")
	flags.StringVar(&s.branch, "branch", "", "branch, tag or commit to follow (default: what HEAD names)")
	flags.StringVar(&s.path, "path", "", "folder of the repository that holds the manifests (default: all of it)")
	flags.DurationVar(&s.interval, "interval", 15*time.Second, "how often to fetch from a remote repository")
	flags.StringVar(&s.cluster, "cluster", "default", "name of this fleet; what carries another name is left alone")
	flags.StringVar(&s.config, "config", "", "`file` of these flags as key: value lines (default: podkeep.yaml, if it is there)")
	flags.StringVar(&s.tokenFile, "token-file", "", "file with the token for an https repository")
	flags.StringVar(&s.caFile, "ca-file", "", "certificates to trust for an https repository, beside the system's")
	flags.StringVar(&s.sshKey, "ssh-key", "", "private key for repositories and nodes over SSH (default: the agent's, then ~/.ssh)")
	flags.StringVar(&s.key, "key", "", "ed25519 private key that signs what is written on hosts (default: PODKEEP_KEY's, else one in the state directory)")
	flags.StringVar(&s.decisionSigners, "decision-signers", "", "`file` of who may decide, as Git's allowed signers: decisions count that came with a notes commit which one of them signed (default: all count)")
	flags.BoolVar(&s.mirror, "mirror", true, "write into Git notes, refs/notes/podkeep-fleet, what became of each commit, where that may be pushed to")
	flags.StringVar(&s.knownHosts, "known-hosts", "", "known hosts for repositories and nodes over SSH (default: ~/.ssh/known_hosts)")
	flags.StringVar(&s.logFormat, "log-format", "text", "how log lines are written: text or json")
	s.sideSettings.register(flags)
	s.netSettings.register(flags)
	s.doorSettings.register(flags)
	flags.StringVar(&s.admission.Least, "pod-security", "privileged", "what namespaces' pods have to meet at the least, of the Pod Security Standards: privileged, baseline or restricted")
	flags.StringSliceVar(&s.admission.Exempt, "pod-security-exempt", nil, "`namespaces` that have the level of their own label alone")
	flags.StringSliceVar(&s.admission.Nodes, "allow-nodes", nil, "`hosts` that Nodes may name: names, *.DOMAIN, addresses, ranges, or unix for this machine's sockets (default: any)")
	flags.BoolVarP(&s.verbose, "verbose", "v", false, "log more")
}

// bind registers the flags on a command, and reads the configuration file before it runs.
func (s *settings) bind(cmd *cobra.Command) {
	s.register(cmd.Flags())
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := s.configure(cmd.Flags()); err != nil {
			return err
		}
		s.warn(cmd.ErrOrStderr())
		return s.check()
	}
	complete(cmd, "log-format", "text", "json")
	complete(cmd, "pod-security", "privileged", "baseline", "restricted")
	complete(cmd, "node-side", sideAuto, sideNever)
	completed(cmd, s.revisions(false), "branch")
	completed(cmd, free(aFile), "acme-roots", "ca-file", "config", "decision-signers", "key", "known-hosts", "node-binary", "ssh-key", "token-file")
	completed(cmd, free(aFolder), "source", "path")
	completed(cmd, free(nothing), "acme-directory", "acme-email", "allow-nodes", "cluster", "cluster-cidr", "cluster-domain", "door-metrics-port", "external-cidr", "ingress-class", "ingress-http-port",
		"ingress-https-port", "interval", "pod-security-exempt", "proxy-protocol-from", "service-cidr", "trusted-proxies")
	cmd.ValidArgsFunction = free(nothing) // a command that takes arguments says which
}

// names says whether a source was named, by the flag or in a configuration file.
func (s *settings) names(flags *pflag.FlagSet) bool {
	return flags.Changed("source") || s.source != flags.Lookup("source").DefValue
}

func (s *settings) configure(flags *pflag.FlagSet) (err error) {
	s.foundSource, err = configure(flags, s.config)
	return err
}

// warn says which credentials of the environment the source does not get.
func (s *settings) warn(w io.Writer) {
	if kept := git.Kept(s.where(s.source, s.branch)); len(kept) > 0 {
		_, _ = fmt.Fprintf(w, "podkeep: %s: not sent to %s, since the %s that names it only lies here and may be somebody else's: if it is yours, name it with --config %[3]s, else give --source\n",
			strings.Join(kept, ", "), live.Words(s.source), configFile)
	}
}

func (s *settings) check() error {
	switch {
	case s.logFormat != "text" && s.logFormat != "json":
		return fmt.Errorf("log-format %q: write text or json", s.logFormat)
	case s.interval <= 0:
		return fmt.Errorf("interval %s: write a duration above zero, such as 15s", s.interval)
	case s.source == "" || s.source == "dir:":
		return fmt.Errorf("source %q: write a URL, or the path of a repository or a directory", s.source)
	case !label(s.cluster):
		return fmt.Errorf("cluster %q: write lower-case letters, digits and dashes, at most 63", s.cluster)
	default:
		return cmp.Or(s.sideSettings.check(), s.netSettings.check(), s.doorSettings.check(), s.admission.Check())
	}
}

// label is Kubernetes' rule for a name that becomes part of others.
func label(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, r := range s {
		if r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return true
}

// complete offers a flag's few values to the shell.
func complete(cmd *cobra.Command, flag string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err)
	}
}

// logger logs at level, or more when verbose was asked for.
func (s *settings) logger(w io.Writer, level logrus.Level) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(w)
	log.SetLevel(level)
	if s.verbose {
		log.SetLevel(logrus.DebugLevel)
	}
	if s.logFormat == "json" {
		log.SetFormatter(plainLog{&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano}})
	} else {
		log.SetFormatter(plainLog{&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: time.DateTime}})
	}
	return log
}

// plainLog is a form of the log in which nobody's text does anything to a terminal.
type plainLog struct{ logrus.Formatter }

// Format writes one line.
func (p plainLog) Format(e *logrus.Entry) ([]byte, error) {
	plain := *e
	plain.Message, plain.Data = live.Plain(e.Message), make(logrus.Fields, len(e.Data))
	for key, value := range e.Data {
		switch v := value.(type) {
		case string:
			value = live.Plain(v)
		case error:
			value = live.Plain(v.Error())
		}
		plain.Data[key] = value
	}
	return p.Formatter.Format(&plain)
}
