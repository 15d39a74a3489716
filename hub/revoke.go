package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

// What was revoked stands in the log, as events of a topic of the hub's own, so that it survives a restart, and all hubs of a log have it.
// Of such a topic the log keeps the newest records, whatever else is published; what is in force is written anew in time.

// revocationsTopic is where revocations are kept. Its records are lists of [access.Revocation], as JSON; one of type snapshot begins
// with everything that was in force then, so that nothing before it is needed.
const (
	revocationsTopic = "$tidings/revocations"
	snapshotType     = "snapshot"
)

// revocations are what was taken back.
type revocations struct {
	*access.Revocations
	hub *Hub

	records atomic.Int64 // of the topic, since the one with which what is needed of it begins

	news atomic.Pointer[chan struct{}] // closed by the next one
}

func newRevocations(h *Hub, set *access.Revocations) *revocations {
	r := &revocations{hub: h, Revocations: set}
	r.news.Store(new(make(chan struct{})))
	return r
}

// next returns a channel that is closed when something is revoked.
func (r *revocations) next() <-chan struct{} { return *r.news.Load() }

// load reads what stands in the log.
func (r *revocations) load(ctx context.Context) error {
	q, err := r.hub.log.Seek(ctx, eventlog.Topics(revocationsTopic), eventlog.Start{})
	if err != nil {
		return err
	}
	for head := r.hub.log.Head(); ; {
		answer, err := r.hub.log.Read(ctx, q)
		if gap, ok := errors.AsType[*eventlog.GapError](err); ok { // gone while we read: what was in force then stands further on
			q = gap.Partial(q)
			continue
		} else if err != nil {
			return err
		}
		for i := range answer.Records {
			r.learn(&answer.Records[i])
		}
		if q.After = answer.Complete; q.After.Gen != head.Gen || q.After.Seq >= head.Seq {
			return nil
		}
	}
}

// see is called with every record that comes into the log, whichever hub has appended it.
func (r *revocations) see(records []eventlog.Record) {
	found := false
	for i := range records {
		if records[i].Topics[0] == revocationsTopic {
			r.learn(&records[i])
			found = true
		}
	}
	if found {
		r.expel()
	}
}

// learn takes in a record of the topic.
func (r *revocations) learn(record *eventlog.Record) {
	var list []access.Revocation
	err := json.Unmarshal([]byte(record.Data), &list)
	for _, one := range list {
		err = errors.Join(err, r.Revoke(one))
	}
	if err != nil {
		r.hub.opts.Logger.Error("a revocation in the log cannot be used; what it has taken back may be accepted", "at", record.Seq, "err", err.Error())
	}
	if record.Type == snapshotType {
		r.records.Store(0)
	}
	r.records.Add(1)
}

// add takes something back, now and for good.
func (r *revocations) add(one access.Revocation) (eventlog.Position, error) {
	if err := r.Revoke(one); err != nil { // first: if it cannot be stored, it is in force at least
		return eventlog.Position{}, err
	}
	r.expel()
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

// expel ends the streams that are revoked. A client that publishes in a stream is stopped by next.
func (r *revocations) expel() {
	close(*r.news.Swap(new(make(chan struct{}))))
	r.hub.fanout.EndRevoked()
}

const (
	keepEvery = 10 * time.Second // how often it is looked whether the log is about to forget
	keepInOne = 10_000           // revocations in a record

	// keepAfter is how many records are written until all that is in force is written anew. The log keeps four times as many, so that
	// it forgets none in a burst, and a hub that begins has not much to read.
	keepAfter = 2500
)

// keep writes what is in force anew before the log forgets it, until ctx ends.
func (r *revocations) keep(ctx context.Context) {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if !r.fading() {
			continue
		}
		if err := r.snapshot(); err != nil && ctx.Err() == nil {
			r.hub.opts.Logger.Error("what was revoked cannot be written anew; the log may forget it, and a restart would accept it", "err", err.Error())
		}
	}
}

// fading reports whether the log may forget soon.
func (r *revocations) fading() bool { return r.records.Load() > keepAfter }

// snapshot writes all that is in force.
func (r *revocations) snapshot() error {
	all := r.All()
	records := []eventlog.Record{}
	for first := true; first || len(all) > 0; first = false {
		some := all[:min(len(all), keepInOne)]
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
	_, err := r.hub.append(records)
	return err
}

// revocationRequest is the body of a request to revoke.
type revocationRequest struct {
	Subject string `json:"sub"`
	ID      string `json:"jti"`
}

// maxRevocation is the size of the largest request to revoke.
const maxRevocation = 4 << 10

// serveRevoke takes back the tokens of a subject, or one token.
func serveRevoke(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if err := h.noParams(r); err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRevocation))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem(http.StatusRequestEntityTooLarge, problemTooLarge, "a request to revoke has at most %d bytes", maxRevocation)
	} else if err != nil {
		return brokenBody(err)
	}
	one, err := parseRevocation(body)
	if err != nil {
		return err
	}
	at, err := h.revocations.add(one)
	switch {
	case errors.Is(err, access.ErrTooMany):
		p := problem(http.StatusServiceUnavailable, problemFull, "there are too many revocations; change the key, which takes back all of its tokens at once")
		p.RetryAfter = time.Minute
		return p
	case err != nil:
		p := *h.asProblem(err)
		p.Detail = "it is revoked until the hub is started again, and could not be stored: " + p.Detail
		return &p
	}
	answer := struct {
		access.Revocation
		Until  time.Time `json:"until,omitzero"` // tokens of the subject issued up to then are refused
		Stored string    `json:"stored"`         // where in the log
	}{Revocation: one, Stored: at.String()}
	if one.Subject != "" {
		answer.Until, _ = h.revocations.Revoked(access.Grant{Subject: one.Subject})
	}
	h.opts.Logger.Info("tokens were revoked", "sub", one.Subject, "jti", one.ID, "until", answer.Until)
	return answerJSON(w, answer)
}

func parseRevocation(body []byte) (one access.Revocation, err error) {
	const form = `say whose tokens, {"sub": "alice"}, or which one, {"jti": "0a1b2c"}`
	var request revocationRequest
	if err := strictJSON(body, &request); err != nil {
		return one, problem(http.StatusBadRequest, problemInvalidRequest, "the body cannot be read (%.100s); %s", err.Error(), form)
	}
	if (request.Subject == "") == (request.ID == "") || len(request.Subject)+len(request.ID) > 255 {
		return one, problem(http.StatusBadRequest, problemInvalidRequest, "that is none, or both, or longer than 255 bytes; %s", form)
	}
	return access.Revocation{Subject: request.Subject, ID: request.ID, At: time.Now().UTC().Truncate(time.Millisecond)}, nil
}

// strictJSON reads a body that is one object, without members that are not known.
func strictJSON(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if rest := body[decoder.InputOffset():]; len(bytes.TrimSpace(rest)) > 0 {
		return errors.New("something follows after the object")
	}
	return nil
}
