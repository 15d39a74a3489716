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
	refusalLines = 8   // how many lines of a refusal's body are shown
	refusalLine  = 240 // how many bytes of each, if the body is not a problem document

	problemLine = 16 << 10 // how many bytes of the title or detail of a problem document: a hub says at the end what to do
)

// refusalText describes the refusal of a request to u: the status, the server's own words, and what to do. at is the zero value if the
// server need not be a hub. Nothing in the text acts on a terminal, see visible.
func refusalText(err *sse.ResponseError, u *url.URL, at address.Hub, token string) string {
	lines := bodyLines(err)
	if challenge := err.Header.Get("WWW-Authenticate"); challenge != "" {
		lines = append(lines, "WWW-Authenticate: "+challenge)
	}
	return refusal(reason(err), lines, refusalHint(err, u, at, token))
}

// refusal is how every command describes a refusal: what the server answered, its words on indented lines, and a hint.
func refusal(answer string, lines []string, hint string) string {
	text := []string{visible(answer)}
	for _, line := range lines {
		if line != "" {
			text = append(text, visible(line))
		}
	}
	return strings.Join(text, "\n  ") + hintLine(hint)
}

func refusalHint(err *sse.ResponseError, u *url.URL, at address.Hub, token string) string {
	if hint := statusHint(err.StatusCode, string(err.Body), u, token); hint != "" {
		return hint
	}
	if at.URL != nil {
		var problem struct{ Type, Detail string }
		_ = json.Unmarshal(err.Body, &problem) // other servers answer with other text
		return hubRefusalHint(err.StatusCode, problem.Type, problem.Detail, at)
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

// hubRefusalHint is the hint for a refusal where a hub should be. The refusals of hubs have a type, and a detail that says what to do.
func hubRefusalHint(status int, kind, detail string, at address.Hub) string {
	switch {
	case kind == "", status == http.StatusNotFound && at.URL.Path != "":
		return noHubHint(at, status)
	case status == http.StatusNotFound && strings.Contains(detail, "on another listener"):
		return "give the address of administration, which the operator chose with --admin-addr, such as --hub localhost:9090"
	}
	return ""
}

// bodyLines returns the first lines of a refusal's body: the title and detail of a problem document (RFC 9457), the title of an HTML
// page, or else the text.
func bodyLines(err *sse.ResponseError) []string {
	body, longest := strings.TrimSpace(strings.ToValidUTF8(string(err.Body), "\uFFFD")), refusalLine
	if strings.HasPrefix(body, "<") {
		body = pageTitle(body)
	} else if problem := problemText(body); problem != "" {
		body, longest = problem, problemLine
	}
	var lines []string
	for line := range strings.Lines(body) {
		if line = strings.TrimRight(line, " \t\r\n"); line == "" {
			continue
		}
		if len(lines) == refusalLines {
			return append(lines, "…")
		}
		lines = append(lines, shorten(line, longest))
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

// pageTitle returns the title of an HTML page. The rest of a page is unreadable on a terminal.
func pageTitle(page string) string {
	lower := strings.ToLower(page)
	start := strings.Index(lower, "<title>")
	end := strings.Index(lower, "</title>")
	if start < 0 || end < start || len(lower) != len(page) {
		return ""
	}
	return strings.TrimSpace(page[start+len("<title>") : end])
}
