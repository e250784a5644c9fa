package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podkeep/podkeep/live"
)

type curlOptions struct {
	settings
	namespace, method string
	data              []string
	headers           []string
	include, fail     bool
	insecure          bool
}

func curlCommand() *cobra.Command {
	var o curlOptions
	cmd := &cobra.Command{
		Use:   "curl [http[s]://]KIND/NAME[:PORT][/PATH]",
		Short: "Send a request to a Service or a pod, from a node",
		Long: paragraphs(`
Sends one HTTP request and prints what is answered. To a Service it goes by its virtual address from a node that serves it,
this machine if it is one, so that it takes the way that a pod's request takes; to a pod or a workload, from the pod's own node.

PORT is a number or a name, and may be left out where there is one alone. The Host header is the name that pods use,
unless -H says another. Redirects are not followed.

The exit code is 0 whatever was answered; with -f it is 22 from status 400 on.`),
		Example: examples(`
podkeep curl svc/web/healthz
podkeep curl -i svc/web:http/ -H 'Accept: application/json'
# what is sent, from a file or from the input
podkeep curl deploy/web:8080/orders -X PUT -d @order.json
podkeep curl https://svc/web:443/ -k`),
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	o.bind(cmd)
	o.namespaceFlag(cmd, &o.namespace)
	flags := cmd.Flags()
	flags.StringVarP(&o.method, "request", "X", "", "the method (default: GET, or POST with -d)")
	flags.StringArrayVarP(&o.headers, "header", "H", nil, "a header, such as 'Accept: text/plain'")
	flags.StringArrayVarP(&o.data, "data", "d", nil, "what is sent: text, @FILE, or @- for the input; several are joined by &")
	flags.BoolVarP(&o.include, "include", "i", false, "print the answer's status and headers too")
	flags.BoolVarP(&o.fail, "fail", "f", false, "print no answer from status 400 on, and exit with 22")
	flags.BoolVarP(&o.insecure, "insecure", "k", false, "take any certificate")
	completed(cmd, free(nothing), "request", "header")
	completed(cmd, free(aFile), "data")
	cmd.ValidArgsFunction = o.reachable(&o.namespace, 1, nothing)
	return cmd
}

// aim is where a request goes.
type aim struct{ scheme, object, port, path string }

// parseAim reads [SCHEME://]KIND/NAME[:PORT][/PATH].
func parseAim(arg string) (p aim, err error) {
	p.scheme = "http"
	rest := arg
	if scheme, after, ok := strings.Cut(arg, "://"); ok {
		p.scheme, rest = strings.ToLower(scheme), after
	}
	kind, rest, ok := strings.Cut(rest, "/")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	name, port, _ := strings.Cut(rest[:end], ":")
	p.object, p.port, p.path = kind+"/"+name, port, rest[end:]
	if !strings.HasPrefix(p.path, "/") {
		p.path = "/" + p.path
	}
	if !ok || kind == "" || name == "" || p.scheme != "http" && p.scheme != "https" {
		return p, fmt.Errorf("%q: write KIND/NAME[:PORT][/PATH], such as svc/web:80/healthz; https:// may stand before it", arg)
	}
	return p, nil
}

func (o *curlOptions) run(cmd *cobra.Command, arg string) error {
	p, err := parseAim(arg)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	c, err := o.crew(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	w, err := c.way(p, o.namespace)
	if err != nil {
		return err
	}
	request, err := o.request(ctx, cmd.InOrStdin(), p, w)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "podkeep: from %s to %s (%s)\n", w.node, w.what, w.address)
	client := http.Client{
		Transport: &http.Transport{
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx, w.node, w.address) },
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: o.insecure, ServerName: hostname(request.Host)},
			DisableKeepAlives: true, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if ctx.Err() != nil {
		return exit{130, errors.New("interrupted")}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", arg, errors.Unwrap(err))
	}
	defer func() { _ = answer.Body.Close() }()
	return o.print(cmd.OutOrStdout(), answer)
}

// way is from which node a request is sent where, and what pods call that.
type way struct{ node, address, what, host string }

func (c *crew) way(p aim, namespace string) (w way, err error) {
	if !namesService(p.object) {
		peers, err := c.peers(p.object, namespace, p.port)
		if err != nil {
			return w, err
		}
		at := peers[0].at.String()
		return way{peers[0].node, at, peers[0].pod, at}, nil
	}
	s, err := c.service(p.object, namespace)
	if err != nil {
		return w, err
	}
	i, err := servicePort(s, p.port)
	if err != nil {
		return w, err
	}
	peers, err := c.behind(s, i)
	if err != nil {
		return w, err
	}
	w.what = words(s.ID)
	w.host = fmt.Sprintf("%s.%s.svc.%s", s.Name, s.Namespace, c.world.History.Net.Domain)
	if port := s.Made.Ports[i].Port; port != 80 && p.scheme == "http" || port != 443 && p.scheme == "https" {
		w.host += ":" + strconv.Itoa(int(port))
	}
	if s.Headless {
		w.node, w.address = peers[0].node, peers[0].at.String()
		return w, nil
	}
	w.node, err = c.nearest(s)
	w.address = net.JoinHostPort(s.Made.IP.String(), strconv.Itoa(int(s.Made.Ports[i].Port)))
	return w, err
}

func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

func (o *curlOptions) request(ctx context.Context, in io.Reader, p aim, w way) (*http.Request, error) {
	body, err := o.body(in)
	if err != nil {
		return nil, err
	}
	method := o.method
	switch {
	case method == "" && body != nil:
		method = http.MethodPost
	case method == "":
		method = http.MethodGet
	}
	request, err := http.NewRequestWithContext(ctx, method, p.scheme+"://"+w.host+p.path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "podkeep")
	if body != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, line := range o.headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("header %q: write NAME: VALUE", name)
		}
		if name, value = strings.TrimSpace(name), strings.TrimSpace(value); strings.EqualFold(name, "Host") {
			request.Host = value
		} else {
			request.Header.Set(name, value)
		}
	}
	return request, nil
}

// body is what is sent, nil without -d.
func (o *curlOptions) body(in io.Reader) (io.Reader, error) {
	var parts []string
	for _, d := range o.data {
		file, is := strings.CutPrefix(d, "@")
		if !is {
			parts = append(parts, d)
			continue
		}
		var text []byte
		var err error
		if file == "-" {
			text, err = io.ReadAll(in)
		} else {
			text, err = os.ReadFile(file)
		}
		if err != nil {
			return nil, err
		}
		parts = append(parts, string(text))
	}
	if parts == nil {
		return nil, nil
	}
	return strings.NewReader(strings.Join(parts, "&")), nil
}

func (o *curlOptions) print(w io.Writer, answer *http.Response) error {
	if o.fail && answer.StatusCode >= http.StatusBadRequest {
		return exit{22, fmt.Errorf("answered %s", answer.Status)}
	}
	if o.include {
		var head bytes.Buffer
		_ = answer.Header.Write(&head)
		if _, err := fmt.Fprintf(w, "%s %s\n%s\n", answer.Proto, live.Plain(answer.Status), live.Plain(strings.ReplaceAll(head.String(), "\r", ""))); err != nil {
			return err
		}
	}
	if _, ok := screen(w); ok {
		return plainly(w, answer.Body)
	}
	_, err := io.Copy(w, answer.Body)
	return err
}

// plainly writes somebody else's text to a terminal, a line at a time, and ends the last one.
func plainly(w io.Writer, text io.Reader) error {
	lines := bufio.NewReaderSize(text, 64<<10)
	for whole := true; ; {
		line, err := lines.ReadSlice('\n')
		if len(line) == 0 && !whole {
			line = []byte("\n")
		}
		whole = len(line) == 0 || line[len(line)-1] == '\n'
		if _, err := io.WriteString(w, live.Plain(strings.ReplaceAll(string(line), "\t", "    "))); err != nil {
			return err
		}
		switch {
		case errors.Is(err, io.EOF) && whole:
			return nil
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}
