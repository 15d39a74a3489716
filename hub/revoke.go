package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/internal/wire"
)

// Revocations are stored in the log, in a reserved topic, so that they survive a restart and reach all hubs of a log. The log retains the
// newest records of this topic regardless of other events. Before it deletes records that are still needed, the hub writes a snapshot of
// all revocations in force.

// revocationsTopic is the topic of revocations. Its records are lists of [access.Revocation] in JSON. A record of type snapshot begins a
// list of all revocations in force, so that earlier records are no longer needed.
const (
	revocationsTopic = "$tidings/revocations"
	snapshotType     = "snapshot"
)

// revocations are the revoked grants, kept in memory and in the log.
type revocations struct {
	*access.Revocations
	hub *Hub

	records atomic.Int64 // records of the topic since the last snapshot
	unsaved atomic.Bool  // the log was replaced, and may lack revocations in force

	news atomic.Pointer[chan struct{}] // closed by the next revocation
}

func newRevocations(h *Hub, set *access.Revocations) *revocations {
	r := &revocations{hub: h, Revocations: set}
	r.news.Store(new(make(chan struct{})))
	return r
}

// next returns a channel that is closed at the next revocation.
func (r *revocations) next() <-chan struct{} { return *r.news.Load() }

// load reads the revocations in the log that come after a position, or all of them after the zero Position.
func (r *revocations) load(ctx context.Context, after eventlog.Position) error {
	for {
		q, err := eventlog.Query{Selector: eventlog.Topics(revocationsTopic), After: after}, error(nil)
		if after.IsZero() {
			q, err = r.hub.log.Seek(ctx, q.Selector, eventlog.Start{})
			r.records.Store(0)
		}
		if err != nil {
			return err
		}
		if replaced, err := r.read(ctx, q); err != nil || !replaced {
			return err
		}
		after = eventlog.Position{}
	}
}

// read applies the records of a query, up to the head at its start. It reports whether the log has been replaced meanwhile, so that the position
// of the query means nothing in it.
func (r *revocations) read(ctx context.Context, q eventlog.Query) (replaced bool, err error) {
	for head := r.hub.log.Head(); ; {
		answer, err := r.hub.log.Read(ctx, q)
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok {
			before := q.After
			if q = gap.Partial(q); q.After != before && !before.IsZero() {
				return true, nil
			}
			if gap.Reason != eventlog.Trimmed { // after trimming, a later snapshot has the revocations in force
				r.hub.opts.Logger.Error("the log has lost records, perhaps revocations among them; tokens that they revoked may be accepted, so revoke those again",
					"after", gap.From.String(), "up to", gap.To.String(), "reason", gap.Reason)
			}
			continue
		} else if err != nil {
			return false, err
		}
		for i := range answer.Records {
			r.learn(&answer.Records[i])
		}
		if q.After = answer.Complete; q.After.Gen != head.Gen || q.After.Seq >= head.Seq || q.After == r.hub.log.Head() {
			return false, nil
		}
	}
}

// reload reads the revocations that the tail skips because it skips all records after a position. The hub keeps those that it knows. If the log was
// replaced, it may lack some of them, so the hub then writes a snapshot. Until reload succeeds, the hub delivers no new events, and it is not ready.
func (r *revocations) reload(ctx context.Context, after eventlog.Position) error {
	err := r.load(ctx, after)
	r.enforce() // also those of an incomplete load
	if err != nil {
		return fmt.Errorf("hub: reading the revocations again: %w", err)
	}
	if after.IsZero() && r.Len() > 0 {
		r.unsaved.Store(true)
	}
	return nil
}

// see gets all new records of the log, those of other hubs included.
func (r *revocations) see(records []eventlog.Record) {
	found := false
	for i := range records {
		if records[i].Topics[0] == revocationsTopic {
			r.learn(&records[i])
			found = true
		}
	}
	if found {
		r.enforce()
	}
}

// learn applies a record of the topic.
func (r *revocations) learn(record *eventlog.Record) {
	var list []access.Revocation
	err := json.Unmarshal([]byte(record.Data), &list)
	for _, one := range list {
		err = errors.Join(err, r.Revoke(one))
	}
	if err != nil {
		r.hub.opts.Logger.Error("a revocation in the log is invalid; the tokens that it revoked may be accepted", "at", record.Seq, "err", err.Error())
	}
	if record.Type == snapshotType {
		r.records.Store(0)
	}
	r.records.Add(1)
}

// add applies a revocation and stores it.
func (r *revocations) add(one access.Revocation) (eventlog.Position, error) {
	if err := r.Revoke(one); err != nil { // first, so that it is in force even if it cannot be stored
		return eventlog.Position{}, err
	}
	r.enforce()
	r.hub.cluster.revoked(one)
	text, err := json.Marshal([]access.Revocation{one})
	if err != nil {
		return eventlog.Position{}, err
	}
	receipts, err := r.hub.append([]eventlog.Record{{Topics: []string{revocationsTopic}, Type: "revocation", Data: string(text)}})
	if err != nil {
		return eventlog.Position{}, err
	}
	return receipts[0].Position, nil
}

// enforce ends the streams of revoked grants, and the presence of subjects that had one until a moment ago. Publishers of streamed bodies wait on next and check their grants.
func (r *revocations) enforce() {
	close(*r.news.Swap(new(make(chan struct{}))))
	r.hub.fanout.EndRevoked()
	r.hub.presence.Revoked()
}

const (
	snapshotCheck = 10 * time.Second // how often the hub checks whether a snapshot is due
	snapshotPart  = 10_000           // revocations in one record

	// snapshotAfter is the number of records after which a snapshot is due. The log retains four times as many, so that a burst deletes
	// none too early. The limit also keeps the start of a hub fast.
	snapshotAfter = 2500
)

// keep writes snapshots when they are due, until ctx ends.
func (r *revocations) keep(ctx context.Context) {
	tick := time.NewTicker(snapshotCheck)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if !r.snapshotDue() {
			continue
		}
		if err := r.snapshot(); err != nil && ctx.Err() == nil {
			r.hub.opts.Logger.Error("the snapshot of revocations failed; the log may delete revocations, and after a restart the hub would accept the tokens", "err", err.Error())
		}
	}
}

// snapshotDue reports whether the log may lack revocations that are in force, or may soon delete them.
func (r *revocations) snapshotDue() bool { return r.unsaved.Load() || r.records.Load() > snapshotAfter }

// snapshot writes all revocations in force to the log.
func (r *revocations) snapshot() (err error) {
	if r.unsaved.Swap(false) { // before All
		defer func() {
			if err != nil {
				r.unsaved.Store(true)
			}
		}()
	}
	all := r.All()
	records := []eventlog.Record{}
	for first := true; first || len(all) > 0; first = false {
		some := all[:min(len(all), snapshotPart)]
		all = all[len(some):]
		text, err := json.Marshal(some)
		if err != nil {
			return err
		}
		record := eventlog.Record{Topics: []string{revocationsTopic}, Type: "revocation", Data: string(text)}
		if first {
			record.Type = snapshotType
		}
		records = append(records, record)
	}
	_, err = r.hub.append(records)
	return err
}

// revocationRequest is the body of a request to revoke.
type revocationRequest struct {
	Subject string `json:"sub"`
	ID      string `json:"jti"`
}

// maxRevocation is the largest body of a request to revoke, in bytes.
const maxRevocation = 4 << 10

// serveRevoke revokes all tokens of a subject, or one token.
func serveRevoke(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if err := noParams(h, r); err != nil {
		return err
	}
	body, err := readSmall(w, r, maxRevocation)
	if err != nil {
		return err
	}
	one, err := parseRevocation(body)
	if err != nil {
		return err
	}
	if h.keyless {
		return NewProblem(http.StatusNotFound, wire.ProblemNotFound, "this hub has no keys and accepts requests without a token, so there is no token to revoke; "+
			"configure a key to control access, or close the streams")
	}
	at, err := h.revocations.add(one)
	switch {
	case errors.Is(err, access.ErrTooMany):
		p := NewProblem(http.StatusServiceUnavailable, wire.ProblemFull, "there are too many revocations; change the signing key, which revokes all of its tokens at once")
		p.RetryAfter = time.Minute
		return p
	case err != nil:
		p := *h.Problem(err)
		p.Detail = "the revocation could not be stored and is in force only until the hub restarts: " + p.Detail
		return &p
	}
	answer := struct {
		access.Revocation
		Until  time.Time `json:"until,omitzero"` // tokens of the subject issued up to this time are refused
		Stored string    `json:"stored"`         // position in the log
	}{Revocation: one, Stored: at.String()}
	if one.Subject != "" {
		answer.Until, _ = h.revocations.Revoked(access.Grant{Subject: one.Subject})
	}
	h.opts.Logger.Info("tokens revoked", "sub", one.Subject, "jti", one.ID, "until", answer.Until)
	return answerJSON(w, answer)
}

func parseRevocation(body []byte) (one access.Revocation, err error) {
	const form = `name a subject, {"sub": "alice"}, or a token, {"jti": "0a1b2c"}`
	var request revocationRequest
	if err := strictJSON(body, &request); err != nil {
		return one, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "the body is invalid (%.100s); %s", err.Error(), form)
	}
	if (request.Subject == "") == (request.ID == "") || len(request.Subject)+len(request.ID) > 255 {
		return one, NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "the body needs one of sub and jti, with at most 255 bytes; %s", form)
	}
	return access.Revocation{Subject: request.Subject, ID: request.ID, At: time.Now().UTC().Truncate(time.Millisecond)}, nil
}

// strictJSON parses a body that is one JSON object without unknown members.
func strictJSON(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if rest := body[decoder.InputOffset():]; len(bytes.TrimSpace(rest)) > 0 {
		return errors.New("there is data after the object")
	}
	return nil
}
