// Package ready asks hubs whether their log is open. A hub listens before that, and refuses publishers and subscribers until then.
package ready

import (
	"context"
	"net/http"
)

// Hub reports whether the hub at a URL such as http://127.0.0.1:3000 serves publishers and subscribers.
func Hub(ctx context.Context, url string) bool { return answers(ctx, url+"/readyz", http.StatusOK) }

// Server reports whether any server answers at a URL.
func Server(ctx context.Context, url string) bool { return answers(ctx, url, 0) }

// answers reports whether a server answers a GET with a status; 0 means any.
func answers(ctx context.Context, url string, status int) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = resp.Body.Close() // was not read
	return status == 0 || resp.StatusCode == status
}
