package cluster

import (
	"log/slog"
	"testing"
	"time"
)

// TestMessageThatAnAuditDoesNotCoverIsAuditedLater: a hub publishes an audit up to its newest message, and another message comes into the order
// before the audit. The audit counted for that message, too, so that one hub could have decided otherwise about it without notice until
// another message came. In simulations the hubs sometimes had not agreed after ten minutes.
func TestMessageThatAnAuditDoesNotCoverIsAuditedLater(t *testing.T) {
	f := &follower{Log: &Log{moved: make(chan struct{})}}
	take := func(seq uint64, a *audit) int {
		m := message{mark: mark{seq: seq, id: [8]byte{byte(seq)}, digest: digest{byte(seq)}}, audit: a}
		f.settle(&m, nil)
		f.view.audited.messages += f.messages // as flush does
		f.messages = 0
		return f.view.audited.messages
	}
	auditOf := func(seq uint64) *audit {
		return &audit{Message: seq, ID: idText([8]byte{byte(seq)}), Digest: digest{byte(seq)}.String(), Hub: "other"}
	}
	take(1, nil)
	take(2, nil)
	if n := take(3, auditOf(1)); n == 0 {
		t.Error("no audit follows for message 2, which came before the audit of message 1")
	}
	if n := take(4, auditOf(2)); n != 0 {
		t.Errorf("%d messages are to be audited after the audit of the last one", n)
	}
	if last := f.view.audited.last; last != 2 {
		t.Errorf("messages up to %d are audited, want 2", last)
	}
}

// TestAuditFollowsADispute: hubs have decided differently about the last message, and those that were wrong take a copy of another hub's log. No
// audit showed whether all agreed then, until another message came.
func TestAuditFollowsADispute(t *testing.T) {
	l := &Log{moved: make(chan struct{}), log: slog.New(slog.DiscardHandler)}
	l.view.audited.dispute = &dispute{message: 1, since: time.Now()}
	l.judge()
	if l.view.audited.dispute != nil || l.view.audited.messages == 0 {
		t.Errorf("after a dispute: %+v", l.view.audited)
	}
}
