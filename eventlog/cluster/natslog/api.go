package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// errQuiet is the error of a server that has not answered.
var errQuiet = errors.New("natslog: no answer from JetStream in time")

// api asks JetStream, and decodes the answer into answer, which must have the field Error for a refusal. It asks again if no answer comes:
// a server that has just found the others may send a question to none of them.
func (o *Order) api(ctx context.Context, subject string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	var m *nats.Msg
	for part := time.Duration(6); part >= 2; part -= 2 { // a sixth, a quarter and half of answerTime
		if m, err = o.request(ctx, &nats.Msg{Subject: "$JS.API." + subject, Data: body}, answerTime/part); !errors.Is(err, errQuiet) {
			break
		}
	}
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return &plainError{o.nc.ConnectedUrlRedacted() + " has no JetStream, or does not offer it to this user", err}
	case err != nil:
		return err
	}
	if err := json.Unmarshal(m.Data, answer); err != nil {
		return fmt.Errorf("natslog: JetStream's answer to %s is not valid: %w", subject, err)
	}
	return nil
}

// request sends a message and waits for one answer, at most for a time.
func (o *Order) request(ctx context.Context, m *nats.Msg, most time.Duration) (*nats.Msg, error) {
	wait, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	answer, err := o.nc.RequestMsgWithContext(wait, m)
	switch {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return nil, errQuiet
	}
	return nil, o.plainly(err)
}

// plainly returns an error of the client in the words of a person who publishes. It matches the original.
func (o *Order) plainly(err error) error {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return &plainError{leaderless, err}
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionReconnecting), errors.Is(err, nats.ErrDisconnected):
		return &plainError{"the connection to NATS is broken, and this hub tries to reconnect", err}
	case errors.Is(err, nats.ErrConnectionClosed):
		return &plainError{"the connection to NATS is closed", err}
	}
	return fmt.Errorf("natslog: %w", err)
}

// plainError says what the error of a library means.
type plainError struct {
	text string
	err  error
}

func (e *plainError) Error() string { return "natslog: " + e.text }
func (e *plainError) Unwrap() error { return e.err }

// refusal is the part of JetStream's answers that holds an error.
type refusal struct {
	Error *jetstream.APIError `json:"error"`
}

// err returns the error of an answer, or nil.
func (r refusal) err() error {
	switch {
	case r.Error == nil:
		return nil
	case r.Error.ErrorCode == jetstream.JSErrCodeStreamNotFound:
		return cluster.ErrMissing
	}
	return said(r.Error)
}

// leaderless says for people that no server answers for the shared log. The servers may be the hubs themselves.
const leaderless = "the shared log has no leader at the moment: its servers elect one, or most of them are down"

// said returns an error of JetStream in the words of a person who publishes. It matches the original.
func said(e *jetstream.APIError) error {
	switch e.ErrorCode {
	case codeNotAvailable, codeNotLeader:
		return &plainError{leaderless, e}
	case codeNoJetStream, codeNotEnabled:
		return &plainError{"a server of the shared log has no JetStream at the moment", e}
	}
	return &plainError{fmt.Sprintf("JetStream says: %s (error %d)", e.Description, e.ErrorCode), e}
}

func isNetwork(err error) bool {
	_, ok := errors.AsType[net.Error](err)
	return ok
}

// isLate reports whether a server was too busy to answer a client that connects. After two seconds it sends its first ping, before its answer, or it
// closes the connection, because it has not seen the user yet. The pipe to a server in this process has errors of its own.
func isLate(err error) bool {
	text := strings.ToLower(err.Error())
	return errors.Is(err, io.ErrClosedPipe) || strings.Contains(text, "expected 'pong', got 'ping'") || strings.Contains(text, "authentication timeout")
}

// CheckAddresses refuses invalid addresses, which the client would retry forever.
func CheckAddresses(urls string) error {
	for part := range strings.SplitSeq(urls, ",") {
		part = strings.TrimSpace(part)
		if !strings.Contains(part, "://") {
			part = "nats://" + part
		}
		u, err := url.Parse(part)
		if err != nil || u.Hostname() == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			return fmt.Errorf("%q is not an address of NATS, such as nats://a:4222 or tls://user:password@a:4222,tls://b:4222", Redacted(urls))
		}
	}
	return nil
}

// Redacted returns addresses of servers without passwords and tokens.
func Redacted(urls string) string {
	parts := strings.Split(urls, ",")
	for i, part := range parts {
		if user, host, ok := strings.Cut(part, "@"); ok {
			scheme, user, _ := strings.Cut(user, "://")
			if name, _, ok := strings.Cut(user, ":"); ok {
				user = name + ":"
			} else { // a token
				user = ""
			}
			parts[i] = scheme + "://" + user + "xxxxx@" + host
		}
	}
	return strings.Join(parts, ",")
}
