package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
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
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Publish, strings.NewReader(text))
	if err != nil {
		return err
	}
	maps.Copy(req.Header, s.Header)
	req.Header.Set("Content-Type", "text/plain")
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
