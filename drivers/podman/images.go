package podman

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/containers/podman/v4/pkg/bindings"
	"github.com/containers/podman/v4/pkg/bindings/images"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// How long one image may take when the caller sets no limit.
const (
	pullLimit = 30 * time.Minute
	loadLimit = 10 * time.Minute
)

// Pull fetches an image as imagePullPolicy says: Always, IfNotPresent or Never; but one of localhost that is there was built there, and
// nobody else has it. Of auth the logins for the image's registry are
// tried one after the other; when there is none, the node pulls with what it was given itself.
func (d *Driver) Pull(ctx context.Context, image, policy string, auth ...manifest.Bytes) error {
	if policy != "Always" || strings.HasPrefix(image, "localhost/") {
		there, err := d.has(ctx, image)
		if err != nil || there {
			return err
		}
		if policy == "Never" {
			return fmt.Errorf("image %s is not on the node and imagePullPolicy is Never", image)
		}
	}
	who, err := logins(image, auth)
	if err != nil {
		return fmt.Errorf("pull %s: %w", image, err)
	}
	if len(who) == 0 {
		return d.pull(ctx, image, login{})
	}
	for _, l := range who {
		if err = d.pull(ctx, image, l); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// pull tries one login; one without a user is the node's own.
func (d *Driver) pull(ctx context.Context, image string, as login) error {
	began := time.Now()
	gate := live.GateOver(as.user, as.password)
	err := d.do(guarded(ctx, gate), pullLimit, func(ctx context.Context) error { return askToPull(ctx, image, as) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("pull %s: not done after %v, the registry or the way to it is slow: %w", image, time.Since(began).Round(time.Second), context.DeadlineExceeded)
	case as.user != "":
		return fmt.Errorf("pull %s with the login for %s: %s", image, as.place, gate.Words(plain(err.Error())))
	}
	return fmt.Errorf("pull %s: %s", image, gate.Words(plain(err.Error())))
}

// askToPull makes the call itself: the bindings' loop over the answer never ends, and grows, once that is cut off or no JSON.
// A Podman that tries again by itself, from 5 on, is told not to: its caller does, and shows why.
func askToPull(ctx context.Context, image string, as login) error {
	conn, err := bindings.GetClient(ctx)
	if err != nil {
		return err
	}
	header := http.Header{}
	if as.user != "" {
		text, err := json.Marshal(map[string]string{"username": as.user, "password": as.password})
		if err != nil {
			return err
		}
		header.Set("X-Registry-Auth", base64.URLEncoding.EncodeToString(text))
	}
	query := url.Values{"reference": {image}, "policy": {"always"}, "quiet": {"true"}, "retry": {"0"}}
	answer, err := conn.DoRequest(ctx, nil, http.MethodPost, "/images/pull", query, header)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if !answer.IsSuccess() {
		return answer.Process(nil)
	}
	return pulled(answer.Body)
}

// pulled reads what became of a pull: reports, of which the last names the image or the errors. A registry's progress is skipped.
func pulled(reports io.Reader) error {
	var failed []string
	there := false
	for decoder := json.NewDecoder(reports); ; {
		var r struct {
			Error, ID string
			Images    []string
		}
		err := decoder.Decode(&r)
		switch {
		case errors.Is(err, io.EOF) && len(failed) > 0:
			return errors.New(strings.Join(failed, "; "))
		case errors.Is(err, io.EOF) && !there:
			return errors.New("the host does not say what became of it")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the host's answer broke off: %w", err)
		case r.Error != "":
			failed = append(failed, strings.TrimSpace(r.Error))
		}
		there = there || r.ID != "" || len(r.Images) > 0
	}
}

func (d *Driver) has(ctx context.Context, image string) (there bool, err error) {
	err = d.do(ctx, d.change, func(ctx context.Context) (err error) {
		there, err = images.Exists(ctx, image, nil)
		return err
	})
	return there, err
}

// Load reads a docker-archive or oci-archive into the host's store. It takes no longer than ctx has, or, if that has no end, ten minutes.
// With the node side's image its older ones go that no container has: of the newest two the older is still in use then, as a rule.
func (d *Driver) Load(ctx context.Context, archive io.Reader) error {
	limit := loadLimit
	if end, ok := ctx.Deadline(); ok {
		limit = time.Until(end)
	}
	var names []string
	err := d.do(ctx, limit, func(ctx context.Context) error {
		report, err := images.Load(ctx, archive)
		if err == nil {
			names = report.Names
		}
		return err
	})
	if slices.ContainsFunc(names, isSideImage) {
		d.dropSideImages(ctx, names) // the next one tries again
	}
	return err
}
