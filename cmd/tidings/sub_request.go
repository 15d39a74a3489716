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

// request makes the request that the flags describe, and names the hub that it goes to.
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
	// With nil for no body, NewRequest knows; with a Reader it sets GetBody, which repetition needs.
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

// body returns what --data stands for, nil if it was not given.
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

// guessType returns the content type of a body of which the user said nothing: JSON, which most servers
// that stream an answer expect, or text.
func guessType(body []byte) string {
	if json.Valid(body) {
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

// setHeaders adds fields given as "Name: value". The first of a name replaces what was set before.
func setHeaders(req *http.Request, fields []string) error {
	seen := make(map[string]bool)
	for _, field := range fields {
		name, value, found := strings.Cut(field, ":")
		value = strings.Trim(value, " \t")
		if !found || !isFieldName(name) {
			return fmt.Errorf("--header: %.40q is not of the form 'Name: value'", name)
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }) {
			return fmt.Errorf("--header: the value of %s holds a control character", name)
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

// isFieldName reports whether s is a token of RFC 9110, section 5.6.2.
func isFieldName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := 'a' <= r|0x20 && r|0x20 <= 'z'
		return !letter && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}
