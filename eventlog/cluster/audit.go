package cluster

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

// Audits compare the decisions of all hubs. A hub publishes the digest of its decisions up to a message. Each hub waits a jittered minute, and
// the first that is due audits for all. If another hub has another digest for that message, all hubs compare their messages with those of the order, and
// move back if one differs. Then each votes with its digest at the disputed message. A hub that most others contradict takes itself out
// of use.
const (
	auditEvery    = time.Minute // with jitter
	auditMessages = 10_000
	auditVotes    = 15 * time.Second // for all hubs to check their messages and vote
)

const decidedDifferently = "hubs have decided differently"

var errDisputed = errors.New("cluster: hubs have decided differently; this one compares its messages with the shared log")

var errDiverged = errors.New("cluster: this hub has decided differently from the other hubs of its cluster; it is out of use until it has a copy of another hub's log")

// audited is a log's state of the audits.
type audited struct {
	last     uint64 // the last message at which another hub had the same digest
	seen     int    // audits that were seen
	messages int    // since the last one, without audits
	doubts   int    // audits with another digest
	speak    bool   // another hub may have other messages, and learns it from an audit
	dispute  *dispute
	diverged bool
}

// dispute is an audit with another digest than this hub's, and the votes of all hubs.
type dispute struct {
	message uint64
	id      [8]byte
	mine    digest
	since   time.Time
	checked bool // this hub has found all its messages in the order
	voted   bool
	votes   []vote // of hubs that have checked theirs
}

type vote struct {
	hub    string
	digest digest
	gap    bool // the mirror is incomplete, so the hub loses against one that has all messages
}

// audit compares the digest of a hub with this mirror's.
func (f *follower) audit(a *audit) {
	var d digest
	if n, err := hex.Decode(d[:], []byte(a.Digest)); len(a.Digest) != 2*len(d) || err != nil || n != len(d) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.view.audited
	s.seen++
	if a.Message >= f.newest { // otherwise a later message came before the audit, and needs another one
		s.messages, f.messages = 0, 0
	}
	i := f.results.at(a.Message)
	if i < 0 {
		s.speak = s.speak || a.Gap != f.place.gap // the hubs may differ, and an audit of this one shows it
		return
	}
	if id := f.results.ids[i]; idText(id) != a.ID { // one of the hubs has a message that the order has lost
		f.contradicted = f.contradicted || a.Message > f.trusted
		return
	}
	mine := f.results.digests[i]
	switch disputed := s.dispute != nil && s.dispute.message == a.Message; {
	case !disputed && mine == d:
		s.last = a.Message
		return
	case !disputed: // one that is over begins again, if there is another vote
		s.doubts++
		s.dispute = &dispute{message: a.Message, id: f.results.ids[i], mine: mine, since: time.Now()}
		f.log.Error(decidedDifferently, "up to message", a.Message, "hub", a.Hub, "this hub", f.o.Name)
	}
	if a.Checked {
		s.dispute.votes = append(s.dispute.votes, vote{a.Hub, d, a.Gap})
	}
}

// outnumbered reports whether most hubs have another digest than this one. Votes of hubs that lack messages count only if every voter lacks some.
func (d *dispute) outnumbered() bool {
	whole := slices.ContainsFunc(d.votes, func(v vote) bool { return !v.gap })
	count := func(digest digest) int {
		hubs := map[string]bool{}
		for _, v := range d.votes {
			if v.digest == digest && (!whole || !v.gap) {
				hubs[v.hub] = true
			}
		}
		return len(hubs)
	}
	best, most := d.mine, 0
	for _, v := range d.votes { // in log order: of two digests with as many votes, the first
		if n := count(v.digest); n > most {
			best, most = v.digest, n
		}
	}
	return best != d.mine
}

// back forgets what concerns messages that the mirror no longer has, or will have again with another digest.
func (a *audited) back(seq uint64) {
	a.last = min(a.last, seq)
	if a.dispute != nil && a.dispute.message > seq {
		a.dispute = nil
	}
}

// auditor decides when this hub audits.
type auditor struct {
	seen int
	due  time.Time
}

// audits puts the digest of this hub into the order when it is time to, or when another hub has a different one. It ends disputes.
func (l *Log) audits(a *auditor) {
	v, _ := l.look()
	if v.audited.diverged {
		return
	}
	if v.audited.seen != a.seen || a.due.IsZero() {
		a.seen, a.due = v.audited.seen, time.Now().Add(auditEvery/2+rand.N(auditEvery))
	}
	if d := v.audited.dispute; d != nil {
		switch {
		case !d.checked:
			l.restart(errDisputed)
		case !d.voted:
			l.vote(mark{seq: d.message, id: d.id, digest: d.mine}, true, v.gap)
		}
		if time.Since(d.since) > auditVotes {
			l.judge()
		}
		return
	}
	due := v.audited.speak && v.id != [8]byte{} || v.audited.messages >= auditMessages || v.audited.messages > 0 && time.Now().After(a.due)
	if due && v.joined {
		a.due = time.Now().Add(auditEvery)
		l.vote(v.mark, false, v.gap)
	}
}

// vote publishes the digest of this hub at a message.
func (l *Log) vote(at mark, checked, gap bool) {
	v, _ := l.look()
	err := l.say(l.ctx, v.bounds.Identity, &control{Audit: &audit{Message: at.seq, ID: idText(at.id), Digest: at.digest.String(), Hub: l.o.Name, Checked: checked, Gap: gap}})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.view.audited.speak = l.view.audited.speak && err != nil
	if s := l.view.audited.dispute; s != nil && s.message == at.seq {
		s.voted = err == nil
	}
}

// judge ends a dispute. A hub that most others contradict needs a copy of another one's log.
func (l *Log) judge() {
	l.mu.Lock()
	outnumbered := l.view.audited.dispute != nil && l.view.audited.dispute.outnumbered()
	l.view.audited.dispute = nil
	l.view.audited.diverged = l.view.audited.diverged || outnumbered
	l.view.audited.messages = max(l.view.audited.messages, 1) // the next audit shows whether all agree now
	l.changed()
	l.mu.Unlock()
	if outnumbered {
		l.log.Error("this hub has decided differently from most hubs of its cluster, and needs a copy of another hub's log")
		l.restart(errDiverged)
	}
}
