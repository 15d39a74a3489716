package hub_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

// TestTopicListHasOnlyGrantedTopics: next names only granted topics, too. Otherwise a client could page through all names.
func TestTopicListHasOnlyGrantedTopics(t *testing.T) {
	t.Parallel()
	log := mustMemory(t, nil)
	k := serveKeyed(t, log, hub.Options{}, transports[0])
	for _, topic := range []string{"a/secret", "news/1", "news/2", "patients/alice", "z"} {
		mustAppend(t, log, eventlog.Record{Topics: []string{topic}})
	}
	ann := bearer(k.token(access.Grant{Subject: "ann", Subscribe: patterns("news/*")}))
	var named []string
	for after := ""; ; {
		a := k.send(request{path: "/api/v1/topics?limit=1&after=" + after, header: ann})
		var page struct {
			Topics []struct{ Topic string }
			Next   string
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != http.StatusOK {
			t.Fatalf("%v: %+v", err, a)
		}
		for _, topic := range page.Topics {
			named = append(named, topic.Topic)
		}
		if after = page.Next; after == "" {
			break
		}
		named = append(named, after)
	}
	if want := []string{"news/1", "news/1", "news/2", "news/2"}; !slices.Equal(named, want) {
		t.Errorf("named: %q, want %q", named, want)
	}
}

// TestTopicListNeedsAGrant: a client without a grant learns that a token would help.
func TestTopicListNeedsAGrant(t *testing.T) {
	t.Parallel()
	s := serve(t, mustMemory(t, nil), &hub.Options{Authorize: policyOf(mustSigner(t))}, transports[0])
	refused(t, "no token", s.send(request{path: "/api/v1/topics"}), http.StatusUnauthorized, "unauthorized", "token")
}
