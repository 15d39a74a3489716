package hub_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/internal/wire"
)

// TestHubsShowTheMembersOfEachOther: a stream at one hub, a roster at another.
func TestHubsShowTheMembersOfEachOther(t *testing.T) {
	t.Parallel()
	members := cluster(t, 2, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	get := func(m *member, ctx context.Context, path string) *http.Response {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+m.token(all("bob")))
		resp, err := m.Client().Do(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %+v, %v", path, resp, err)
		}
		return resp
	}
	stream := get(members[0], ctx, "/events/room?present=1")
	defer func() { _ = stream.Body.Close() }()
	await(t, "the other hub has heard of bob", func() bool {
		resp := get(members[1], t.Context(), "/api/v1/presence?topic=room")
		defer func() { _ = resp.Body.Close() }()
		var page struct {
			Streams int
			Members []wire.Member
		}
		if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(subjects(page.Members)) == "bob" && page.Streams == 1
	})
}
