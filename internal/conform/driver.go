package conform

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// Client is what a driver says about its client.
type Client struct {
	Name    string `json:"name"`
	Version string `json:"version"`

	IDs          bool `json:"ids"`     // events carry the last event ID of the stream, also if their block has none
	Headers      bool `json:"headers"` // the client can send header fields of the program
	ParserOnly   bool `json:"parser"`  // the client is a parser, in a loop that the driver adds
	Reconnection int  `json:"reconnection"`
}

// order asks a driver to open its client.
type order struct {
	URL     string            `json:"url"`
	Types   []string          `json:"types"` // of all events that any case sends, for clients that need to know
	Headers map[string]string `json:"headers,omitempty"`
	Close   int               `json:"close,omitempty"` // close the client inside the handler of this event, counted from 1
}

// news is a line of the driver's answer.
type news struct {
	Event *struct {
		Type string `json:"type"`
		Data string `json:"data"`
		ID   string `json:"id"`
	} `json:"event"`
	Closed *string `json:"closed"`
}

// ask returns what the driver at url says about its client. The driver has some time for its whole answer.
func ask(ctx context.Context, url string, most time.Duration) (c Client, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("it has not answered GET within %v", most))
	defer cancel()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("the driver at %q does not answer: %w", url, context.Cause(ctx))
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return c, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return c, fmt.Errorf("the driver does not answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&c); err != nil || c.Name == "" {
		return c, errors.Join(fmt.Errorf("the answer of the driver at %s to GET is no JSON object with a name", url), err)
	}
	return c, nil
}

// try opens the client once, so that a driver that cannot open it is one error, and not a failure of every case.
func try(ctx context.Context, driver string, most time.Duration) error {
	s := newStage(hold)
	defer s.close()
	if s.fault != nil {
		return s.fault
	}
	defer s.script.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	w := &witness{opened: make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		ended <- open(ctx, driver, order{URL: s.origins.Replace("http://a.example/stream"), Types: types(), Headers: map[string]string{}}, w)
	}()
	select {
	case <-w.opened:
		return nil
	case err := <-ended:
		return err
	case <-time.After(most):
		return noClient(most)
	}
}

// noClient says that the driver has not begun its answer to POST.
func noClient(most time.Duration) error {
	return fmt.Errorf("the driver opens no client: it has not begun its answer to POST within %v; it must send the header at once", most)
}

// open opens the client, and tells w all that it does until ctx ends. The driver may end its answer earlier, when its client has given up or was
// closed as the order asks.
func open(ctx context.Context, driver string, o order, w *witness) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, driver, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("the driver does not answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the driver answers %s", resp.Status)
	}
	close(w.opened)
	lines := bufio.NewReader(resp.Body)
	for {
		line, end := lines.ReadBytes('\n')
		if ctx.Err() != nil {
			return nil
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			var n news
			if err := json.Unmarshal(line, &n); err != nil {
				return fmt.Errorf("the driver says %q, which is no JSON object: %w", line, errors.Join(err, notEOF(end)))
			}
			w.tell(n)
		}
		switch events, closed := w.now(); {
		case end == nil:
		case closed != nil, o.Close > 0 && len(events) >= o.Close:
			return nil
		default:
			return errors.Join(errors.New(`the driver's answer ends while its client is open; end it after a "closed" line, or when the request ends`), notEOF(end))
		}
	}
}

// notEOF returns err, or nil if it is only the end of an answer.
func notEOF(err error) error {
	if err == io.EOF { //nolint:errorlint // a reader returns the plain value at the end
		return nil
	}
	return err
}

// settle is how long a client must be silent before it counts as silent for good.
func (c Client) settle() time.Duration {
	return 300*time.Millisecond + time.Duration(c.Reconnection)*time.Millisecond*3/2
}

// Start starts a driver in a folder, "" for the current one, and returns the URL that it prints as its first line. stop ends it, and on Unix what it has started. Start waits for the
// line until ctx ends. The driver runs on after that.
func Start(ctx context.Context, dir string, command []string, complaints io.Writer) (url string, stop func(), err error) {
	driver := exec.Command(command[0], command[1:]...)
	driver.Dir, driver.Stderr, driver.WaitDelay = dir, complaints, time.Second // a process that has left its group may hold its standard error
	group(driver)
	out, err := driver.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	input, err := driver.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	if err := driver.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = input.Close() // a driver of ours ends with its input, also where there are no groups
		kill(driver)
		_ = driver.Wait() // it was killed
	}
	late := context.AfterFunc(ctx, func() { _ = out.Close() }) // ends the reading
	line, err := bufio.NewReader(io.LimitReader(out, mostURL)).ReadString('\n')
	if !late() {
		stop()
		return "", nil, fmt.Errorf("%q prints no URL as its first line: %w", strings.Join(command, " "), context.Cause(ctx))
	}
	if url = strings.TrimSpace(line); err != nil || !strings.HasPrefix(url, "http") {
		stop()
		return "", nil, fmt.Errorf("%q prints no URL as its first line but %.100q", strings.Join(command, " "), url)
	}
	return url, stop, nil
}

// mostURL bounds the first line of a driver.
const mostURL = 64 << 10
