package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/tidings-sse/tidings/internal/address"
)

// request returns the request that the flags describe, and the address of its hub, the zero value for another server.
func (c *subCmd) request(ctx context.Context, in io.Reader) (*http.Request, address.Hub, error) {
	u, hub, err := c.address()
	if err != nil {
		return nil, hub, err
	}
	body, err := c.body(in)
	if err != nil {
		return nil, hub, err
	}
	method := c.Method
	if method == "" {
		method = http.MethodGet
		if body != nil {
			method = http.MethodPost
		}
	}
	// For a bytes.Reader, NewRequest sets GetBody, which reconnections need.
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), reader)
	if err != nil {
		return nil, hub, err
	}
	req.Header.Set("User-Agent", "tidings-sub")
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if body != nil {
		req.Header.Set("Content-Type", guessType(body))
	}
	if err := setHeaders(req, c.Header); err != nil {
		return nil, hub, err
	}
	return req, hub, nil
}

// body returns the value of --data, or the content of its file. It is nil without --data.
func (c *subCmd) body(in io.Reader) ([]byte, error) {
	if c.Data == nil {
		return nil, nil
	}
	name, isFile := strings.CutPrefix(*c.Data, "@")
	switch {
	case !isFile:
		return []byte(*c.Data), nil
	case name == "-":
		body, err := io.ReadAll(in)
		if err != nil {
			return nil, fmt.Errorf("--data: standard input cannot be read: %w", err)
		}
		return body, nil
	}
	body, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	return body, nil
}

// guessType returns the content type for a body: JSON if it is valid JSON, which most servers with streamed answers expect, or text.
func guessType(body []byte) string {
	if json.Valid(body) {
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

// setHeaders adds fields given as "Name: value". The first field of a name replaces earlier values.
func setHeaders(req *http.Request, fields []string) error {
	seen := make(map[string]bool)
	for _, field := range fields {
		name, value, found := strings.Cut(field, ":")
		value = strings.Trim(value, " \t")
		if !found || !isFieldName(name) {
			return fmt.Errorf("--header: %.40q is not of the form 'Name: value'", name)
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }) {
			return fmt.Errorf("--header: the value of %s contains a control character", name)
		}
		name = http.CanonicalHeaderKey(name)
		if name == "Host" {
			req.Host = value
			continue
		}
		if !seen[name] {
			req.Header.Del(name)
			seen[name] = true
		}
		req.Header.Add(name, value)
	}
	return nil
}

// isFieldName reports whether s is a token, such as the name of a header field (RFC 9110, section 5.6.2).
func isFieldName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := 'a' <= r|0x20 && r|0x20 <= 'z'
		return !letter && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}
