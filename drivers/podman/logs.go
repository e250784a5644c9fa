package podman

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/containers/podman/v4/pkg/bindings"

	"github.com/podkeep/podkeep/live"
)

// logDriver writes a file beside the container. The journal would drop what comes in bursts (10,000 lines in 30 s by default).
const logDriver = "k8s-file"

// Logs reads a log through the API. Podman marks which stream a line came by, breaks lines that are longer than its own
// buffer, and gives the time of each in whole seconds. Its answer to Follow begins with the first line, so nothing here has
// a deadline; and it ends by an event that may get lost, so who follows looks for the container's end beside it.
func (d *Driver) Logs(ctx context.Context, ask live.Log, each func(live.Line) error) error {
	container := ask.Container
	if ask.Previous {
		var err error
		if container, err = d.before(ctx, ask.Container); err != nil {
			return err
		}
	}
	if err := d.readFile(ctx, ask, each); !errors.Is(err, errNoFile) {
		return gonelog(err)
	}
	if ask.Last >= 0 && !ask.Follow {
		each = atMost(ask.Last, each)
	}
	err := d.client.call(endless(ctx), func(ctx context.Context) error {
		body, err := openLog(ctx, container, ask)
		if err != nil {
			return err
		}
		defer body.Close()
		return lines(bufio.NewReaderSize(body, 64<<10), each)
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return gonelog(err)
}

func gonelog(err error) error {
	if gone(err) {
		return fmt.Errorf("%w: the container is gone", live.ErrNoLog)
	}
	return err
}

var errEnough = errors.New("enough lines")

// atMost ends after so many lines. Podman reads a log's last lines, then what was added to its end meanwhile, and nothing of
// what came in between.
func atMost(lines int, each func(live.Line) error) func(live.Line) error {
	return func(l live.Line) error {
		if lines--; lines < 0 {
			return errEnough
		}
		return each(l)
	}
}

func openLog(ctx context.Context, container string, ask live.Log) (io.ReadCloser, error) {
	conn, err := bindings.GetClient(ctx)
	if err != nil {
		return nil, err
	}
	query := url.Values{"stdout": {"true"}, "stderr": {"true"}, "timestamps": {"true"}}
	query.Set("follow", strconv.FormatBool(ask.Follow))
	if ask.Last >= 0 {
		query.Set("tail", strconv.Itoa(ask.Last))
	}
	if !ask.Since.IsZero() {
		query.Set("since", ask.Since.UTC().Format(time.RFC3339Nano))
	}
	answer, err := conn.DoRequest(ctx, nil, http.MethodGet, "/containers/%s/logs", query, nil, container)
	if err != nil {
		return nil, err
	}
	if !answer.IsSuccess() {
		defer answer.Body.Close()
		return nil, answer.Process(nil)
	}
	return answer.Body, nil
}

// lines reads frames and gives lines. A frame is a stream's number, three zeros, four bytes of length, and a time, a space
// and a piece of a line; the line's last piece ends in a line feed.
func lines(r *bufio.Reader, each func(live.Line) error) error {
	var frame []byte
	held := map[byte]*live.Line{1: {}, 2: {Err: true}}
	for {
		stream, err := next(r, &frame)
		if errors.Is(err, io.EOF) {
			return rest(held, each)
		}
		line := held[stream]
		if err == nil && line == nil {
			err = errors.New(live.Words(plain(string(frame))))
		}
		if err != nil {
			return err
		}
		whole, err := add(line, frame)
		if err != nil {
			return err
		}
		if !whole {
			continue
		}
		if err := each(*line); err != nil {
			return err
		}
		line.Text = line.Text[:0]
	}
}

// next reads one frame into the buffer. The end of the log is io.EOF; a host that went away is another error.
func next(r io.Reader, frame *[]byte) (stream byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, err
	}
	size := binary.BigEndian.Uint32(head[4:])
	if size > largest {
		return 0, fmt.Errorf("a frame that begins % x", head)
	}
	*frame = slices.Grow((*frame)[:0], int(size))[:size]
	if _, err := io.ReadFull(r, *frame); err != nil {
		return 0, fmt.Errorf("a frame broke off: %w", io.ErrUnexpectedEOF)
	}
	return head[0], nil
}

// A frame is never larger than largest. A line that is longer than longest comes in pieces.
const (
	largest = 16 << 20
	longest = 1 << 20
)

// add adds a frame to the line, and says whether the line is whole.
func add(line *live.Line, frame []byte) (whole bool, err error) {
	stamp, text, ok := bytes.Cut(frame, []byte(" "))
	if !ok {
		return false, fmt.Errorf("a line without a time: %.60q", frame)
	}
	if line.Time, err = time.Parse(time.RFC3339Nano, string(stamp)); err != nil {
		return false, err
	}
	text, whole = bytes.CutSuffix(text, []byte("\n"))
	line.Text = append(line.Text, text...)
	return whole || len(line.Text) >= longest, nil
}

// rest gives what the log ends with when that is no whole line.
func rest(held map[byte]*live.Line, each func(live.Line) error) error {
	for _, stream := range []byte{1, 2} {
		if line := held[stream]; len(line.Text) > 0 {
			if err := each(*line); err != nil {
				return err
			}
		}
	}
	return nil
}
