package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidings-sse/tidings/sse"

	"github.com/tidings-sse/tidings/internal/address"
)

const (
	refusalLines = 8   // of a refusal's body that are shown
	refusalLine  = 240 // bytes of each
)

// refusalText says why there is no stream, in the server's own words as far as they help, and what to do. All of it
// is visible.
func refusalText(err *sse.ResponseError, u *url.URL, token string) string {
	var b strings.Builder
	b.WriteString(visible(reason(err)))
	for _, line := range bodyLines(err) {
		b.WriteString("\n  " + line)
	}
	if challenge := err.Header.Get("WWW-Authenticate"); challenge != "" {
		b.WriteString("\n  WWW-Authenticate: " + shorten(visible(challenge), refusalLine))
	}
	return b.String() + hintLine(refusalHint(err, u, token))
}

func refusalHint(err *sse.ResponseError, u *url.URL, token string) string {
	if hint := statusHint(err.StatusCode, string(err.Body), u, token); hint != "" {
		return hint
	}
	root := u.Path == "" || u.Path == "/"
	switch {
	case root && err.StatusCode == http.StatusOK, err.StatusCode == http.StatusNotFound && !strings.Contains(u.Path+"/", "/events/"):
		stream := *u
		stream.Path, stream.RawPath = strings.TrimSuffix("/events/"+strings.TrimLeft(strings.TrimPrefix(u.Path, "/event/"), "/"), "/"), ""
		return fmt.Sprintf("this is no stream; is there one at %s?", address.Name(&stream))
	case err.StatusCode == http.StatusMethodNotAllowed:
		return "choose another method with -X"
	}
	return ""
}

// bodyLines returns the first lines of a refusal's body: title and detail of a problem document (RFC 9457), the
// title of a page, else the text.
func bodyLines(err *sse.ResponseError) []string {
	body := strings.TrimSpace(strings.ToValidUTF8(string(err.Body), "\uFFFD"))
	if strings.HasPrefix(body, "<") {
		body = pageTitle(body)
	} else if problem := problemText(body); problem != "" {
		body = problem
	}
	var lines []string
	for line := range strings.Lines(body) {
		if line = strings.TrimRight(line, " \t\r\n"); line == "" {
			continue
		}
		if len(lines) == refusalLines {
			return append(lines, "…")
		}
		lines = append(lines, shorten(visible(line), refusalLine))
	}
	return lines
}

func problemText(body string) string {
	var problem struct{ Title, Detail string }
	if json.Unmarshal([]byte(body), &problem) != nil || problem.Title+problem.Detail == "" {
		return ""
	}
	return problem.Title + "\n" + problem.Detail
}

// pageTitle finds the title of an HTML page; the rest of it is nothing to read on a terminal.
func pageTitle(page string) string {
	lower := strings.ToLower(page)
	start := strings.Index(lower, "<title>")
	end := strings.Index(lower, "</title>")
	if start < 0 || end < start || len(lower) != len(page) {
		return ""
	}
	return strings.TrimSpace(page[start+len("<title>") : end])
}
