package conform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"unicode/utf8"
)

// isAnswered reports whether a server took the connection.
func isAnswered(err error) bool {
	var op *net.OpError
	return !errors.As(err, &op) || op.Op != "dial"
}

var errRefused = errors.New("the server refuses the text")

// publish posts a text. A refusal of the text itself is errRefused.
func (s Server) publish(ctx context.Context, text string) error {
	ctx, stop := context.WithTimeout(ctx, s.Wait)
	defer stop()
	body, kind := s.body(text)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Publish, strings.NewReader(body))
	if err != nil {
		return err
	}
	maps.Copy(req.Header, s.Header)
	req.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // only for the error
	_ = resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusBadRequest, resp.StatusCode == http.StatusRequestEntityTooLarge:
		return errRefused
	case resp.StatusCode >= 300:
		return fmt.Errorf("publishing: %s: %s", resp.Status, bytes.TrimSpace(answer))
	}
	return nil
}

// body returns the body of a request that publishes a text, and its type.
func (s Server) body(text string) (body, kind string) {
	if s.Body == "" {
		return text, "text/plain"
	}
	quoted := `"` + text + `"` // invalid UTF-8 stays invalid
	if utf8.ValidString(text) {
		b, _ := json.Marshal(text) // a string never fails
		quoted = string(b)
	}
	return strings.ReplaceAll(s.Body, "{text}", quoted), "application/json"
}

// text returns the text in the data of an event; false if there is none.
func (s Server) text(data string) (text string, ok bool) {
	if s.Field == "" {
		return data, true
	}
	value := json.RawMessage(data)
	for name := range strings.SplitSeq(s.Field, ".") {
		var object map[string]json.RawMessage
		if json.Unmarshal(value, &object) != nil {
			return "", false
		}
		value = object[name]
	}
	return text, json.Unmarshal(value, &text) == nil
}

// get opens a stream.
func (s Server) get(ctx context.Context, lastEventID string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, s.Header)
	req.Header.Set("Accept", "text/event-stream")
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	client := http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true, ResponseHeaderTimeout: s.Wait}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the header does not arrive: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("the status is %s", resp.Status)
	}
	return resp, nil
}
