package cluster

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// Order is a shared log: a numbered sequence of messages that all hubs of a cluster read and append to. It is the only interface that a backend
// implements. Package ordertest has the tests that every implementation passes.
//
// An order numbers its messages consecutively, from 1 or from the number that [Order.Create] was given. It drops old messages from the front.
// A number is never given to another message, except when the order loses what it had stored, for example by a failover to a replica that
// is behind. The hubs notice this by the identifiers of messages; an implementation does not have to.
//
// All methods are safe for concurrent use. They return the error of the context when it ends.
type Order interface {
	// Publish appends a message. For at least [DuplicateWindow], a message with an identifier that is already stored is not stored again, and
	// Publish returns nil. Nil means that the message is stored, as durably as the order promises. A [*RefusedError] means that the message is
	// not stored and never will be. Any other error leaves open whether the message is stored or will be: publish it again with the same
	// identifier, at once if it is ErrNewLeader, or wait until Follow brings it. A RefusedError is about this call only: the outcome of an earlier call with the same
	// identifier may still be unknown.
	//
	// The message is for the order with the identity to, as Bounds returned it; an empty one stands for any. An order with another identity
	// does not store it, however late the message arrives, and Publish returns a RefusedError, which matches ErrReplaced if the other
	// identity is known. Otherwise an order that was created anew could store a message a second time, because it does not know the
	// identifiers of the order before.
	//
	// Follow may bring the message before Publish returns, but not before the message is as durable as the order promises. A hub
	// acknowledges records when its own mirror has them.
	Publish(ctx context.Context, to string, id ID, data []byte) error

	// Follow calls take with messages in order, beginning with number from, and continues with new ones as they are stored. A call has at
	// least one message; the numbers are contiguous over all calls. The slice and its data belong to take. Follow returns the error of take,
	// a [*GoneError] if the message that comes next has been dropped, a [*BackError] if from is more than one beyond the last message,
	// ErrMissing, ErrReplaced, or the error of the connection. After an error the hub compares the identity that Bounds returns, and by
	// Message the identifier of its newest message; then it calls Follow from the message after the last one that take received.
	Follow(ctx context.Context, from uint64, take func([]Message) error) error

	// Message returns one stored message, or a [*GoneError], [*BackError] or ErrMissing. Like Bounds it returns only what the
	// leader of the order says, such as the Raft leader with a majority, or the master of Redis: an isolated replica must not answer. So a nil error,
	// GoneError and BackError all prove contact.
	Message(ctx context.Context, seq uint64) (Message, error)

	// Bounds describes the order, or returns ErrMissing.
	Bounds(ctx context.Context) (Bounds, error)

	// Create makes the order, empty, if it does not exist. Its first message will have the number first. If the order exists already,
	// Create changes nothing and returns nil.
	Create(ctx context.Context, first uint64) error

	// Broadcast sends data to all hubs that listen, this one included, at most once and without storing it. Listen calls f with the data of
	// broadcasts, those of this hub included, until stop is called; f must not block. stop waits until no call of f is running.
	Broadcast(ctx context.Context, data []byte) error
	Listen(f func(data []byte)) (stop func(), err error)

	// Close ends all calls with an error. Further calls do nothing.
	Close() error
}

// DuplicateWindow is the shortest time for which an order recognizes the identifier of a message. Hubs stop repeating a message long before.
const DuplicateWindow = 2 * time.Minute

// Message is a message of an order.
type Message struct {
	Seq   uint64    // its number: one more than that of the message before
	First uint64    // sequence number of its first record in every log that mirrors the order: FirstOf(Seq)
	Time  time.Time // when the order stored it, in milliseconds, UTC; the same for all readers. Times may go back
	ID    ID
	Data  []byte
}

// FirstOf returns the sequence number of the first record of a message. It follows from the number of the message alone, so that a hub
// that begins in the middle need not count. A message has room for 16,384 records.
func FirstOf(seq uint64) uint64 { return seq << recordBits }

// recordBits is part of the format of all orders: it must never change.
const recordBits = 14

// ID identifies a message: 64 random bits of the process that published it, and a counter. If the order loses a message and gives its number to
// another one, their identifiers differ.
type ID [16]byte

// String returns the identifier as 22 characters A-Z, a-z, 0-9, - and _.
func (id ID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// ParseID parses the text of an identifier.
func ParseID(text string) (ID, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != len(ID{}) {
		return ID{}, fmt.Errorf("cluster: %q is not the identifier of a message: it has 22 characters of the URL-safe base64 alphabet", text)
	}
	return ID(b), nil
}

// Bounds describes an order.
type Bounds struct {
	First, Last uint64 // numbers of the oldest and the newest message. In an empty order, First is the number of the next message and Last is First-1
	Identity    string // changes if the order may have lost messages that it had stored: created anew, or another server has taken over
	MaxMessage  int    // the maximum size of a message, in bytes
}

// ErrMissing is returned for an order that does not exist. [Order.Create] makes it.
var ErrMissing = errors.New("cluster: the shared log does not exist")

// ErrReplaced is returned by Follow if the order notices that it has lost messages which it had passed on, or that it may have: its
// identity has changed, or the next message does not continue the last one. An implementation does not have to notice; see [Order]. Publish
// returns it for a message to an order with another identity.
var ErrReplaced = errors.New("cluster: the shared log has been replaced, or has lost messages that it had stored")

// ErrNewLeader is returned by Publish if the order has a new leader, which may not know of the message. An implementation does not have to notice.
var ErrNewLeader = errors.New("cluster: the shared log has a new leader, which may not have the message")

// RefusedError says that a message was not stored.
type RefusedError struct {
	Err   error
	Later bool // it can be tried again, as while a new leader is elected; otherwise the message itself is refused
}

func (e *RefusedError) Error() string {
	return "cluster: the shared log has refused a message: " + e.Err.Error()
}
func (e *RefusedError) Unwrap() error { return e.Err }

// GoneError says that an order has dropped an old message.
type GoneError struct {
	First uint64 // number of the oldest message that the order still has
}

func (e *GoneError) Error() string {
	return fmt.Sprintf("cluster: the shared log has dropped the messages before number %d", e.First)
}

// BackError says that an order ends before a message that it was asked for.
type BackError struct {
	Last uint64 // number of its newest message
}

func (e *BackError) Error() string {
	return fmt.Sprintf("cluster: the shared log ends with message %d", e.Last)
}
