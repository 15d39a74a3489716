package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/internal/address"
	"github.com/tidings-sse/tidings/sse"
)

// Validate checks the flags. Kong calls it.
func (f *hubFlags) Validate() error {
	if scheme, _, ok := strings.Cut(f.Token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return errors.New("--token, or TIDINGS_TOKEN: leave out the word Bearer, which is not part of the token")
	}
	return nil
}

// hubClient sends the requests of a command to a hub.
type hubClient struct {
	address.Hub
	http  *http.Client
	token string
	name  string // the User-Agent
}

// connect returns a client for the hub of the flags. It opens no connection.
func (f *hubFlags) connect(command string) (*hubClient, error) {
	h, err := f.hub()
	if err != nil {
		return nil, err
	}
	client, err := f.httpClient(h)
	if err != nil {
		return nil, err
	}
	return &hubClient{Hub: h, http: client, token: f.Token, name: "tidings-" + command}, nil
}

// httpClient returns the HTTP client for a hub, or for any server if h is the zero value.
func (f *hubFlags) httpClient(h address.Hub) (*http.Client, error) {
	config, err := f.tlsConfig()
	if err != nil {
		return nil, err
	}
	transport := h.Transport(http.DefaultTransport.(*http.Transport))
	transport.TLSClientConfig = config
	return &http.Client{Transport: transport}, nil
}

// tlsConfig returns the configuration for --ca and --insecure.
func (f *hubFlags) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: f.Insecure}
	if f.CA == "" {
		return config, nil
	}
	text, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // some systems have no pool
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--ca: %s contains no certificate in PEM", f.CA)
	}
	config.RootCAs = roots
	return config, nil
}

// longestAnswer is the maximum number of bytes that a client reads of an answer.
const longestAnswer = 64 << 20

// askTime is how long a hub may take for an answer. It bounds its own work to less. It is a variable so that a test can shorten it.
var askTime = time.Minute

// ask sends a request to a path below the hub's URL, and parses the JSON of the answer into a value unless that is nil. A refusal is an
// *exitError with exitRefused.
func (c *hubClient) ask(ctx context.Context, method, path string, query url.Values, body []byte, into any) error {
	u := c.URL.JoinPath(path)
	u.RawQuery = query.Encode()
	ctx, cancel := context.WithTimeoutCause(ctx, askTime, &noAnswerError{c.String(), method, askTime})
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", c.name)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if late := whyEnded(ctx); err != nil && late != nil {
		return late
	} else if err != nil {
		return errors.New(visible(c.String()+": "+reason(err)) + hintLine(connectionHint(err, c.Hub, true)))
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, longestAnswer))
	if late := whyEnded(ctx); err != nil && late != nil {
		return late
	} else if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		refused := &sse.ResponseError{StatusCode: resp.StatusCode, Status: resp.Status, Header: resp.Header, Body: text}
		return &exitError{exitRefused, &refusedError{refused, refusalText(refused, u, c.Hub, c.token)}}
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s does not answer as a hub: %w%s", c, err, hintLine(isThereAHub(c.Hub)))
	}
	return nil
}

// noAnswerError is the error of a hub that accepts a request and does not answer it.
type noAnswerError struct {
	hub, method string
	within      time.Duration
}

func (e *noAnswerError) Error() string {
	text := fmt.Sprintf("%s does not answer within %v", e.hub, e.within)
	if e.method != http.MethodGet {
		text += "; whether it has done what it was asked to is not known"
	}
	return text
}

// whyEnded returns the error of a request whose context has ended: it was interrupted, or took too long. It is nil if the context has not ended.
func whyEnded(ctx context.Context) error {
	if late, ok := errors.AsType[*noAnswerError](context.Cause(ctx)); ok {
		return late
	}
	if ctx.Err() != nil {
		return &exitError{exitInterrupted, errors.New("interrupted")}
	}
	return nil
}

// refusedError is a hub's refusal, as a command describes it.
type refusedError struct {
	*sse.ResponseError
	text string
}

func (e *refusedError) Error() string { return e.text }

// whyNotReady replaces the error of a request to a hub that is not ready by that of /readyz. Only /readyz names the hubs for which it waits.
func (c *hubClient) whyNotReady(ctx context.Context, err error) error {
	refused, ok := errors.AsType[*refusedError](err)
	if !ok || refused.StatusCode != http.StatusServiceUnavailable {
		return err
	}
	why := c.ask(ctx, http.MethodGet, "readyz", nil, nil, nil)
	if refused, ok = errors.AsType[*refusedError](why); ok && refused.StatusCode == http.StatusServiceUnavailable {
		return why
	}
	return err
}
