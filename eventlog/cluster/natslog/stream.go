package natslog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// StreamError says that an existing stream cannot be used, because this package did not make it, or because it was changed. The package
// changes a stream in one way only: see [Order.Grow].
type StreamError struct {
	Stream string
	Differ []string // sentences, each with a difference and the required value
}

func (e *StreamError) Error() string {
	return fmt.Sprintf("natslog: the stream %q cannot be used: %s; change it with the tools of NATS, or use another stream", e.Stream, strings.Join(e.Differ, "; "))
}

// made is what is known of the stream since the leader last described it.
type made struct {
	identity string // of the order, see cluster.Bounds
	subject  string // of its messages
}

// learn notes a description of the stream.
func (o *Order) learn(info *jetstream.StreamInfo) {
	o.last.Store(&made{identity(info), info.Config.Subjects[0]})
}

func identity(info *jetstream.StreamInfo) string { return info.Created.UTC().Format(time.RFC3339Nano) }

// stores reports whether a stream's subjects are those of an order: one, which is tidings.log or has one more part.
func (o *Order) stores(subjects []string) bool {
	if len(subjects) != 1 {
		return false
	}
	rest, ok := strings.CutPrefix(subjects[0], o.log)
	return ok && (rest == "" || len(rest) > 1 && rest[0] == '.' && !strings.ContainsAny(rest[1:], ".*>"))
}

// config returns the settings of a new stream.
//
// One subject: the memory of JetStream grows with subjects, and the topics of events are in the messages. Deleting and purging are denied,
// because they make holes; these two settings cannot be undone. The stream uses none of the newer ways to publish.
func (o *Order) config(first uint64) jetstream.StreamConfig {
	subject := o.log + "." + strings.ToLower(rand.Text()[:8])
	c := jetstream.StreamConfig{
		Name: o.o.Stream, Description: "The shared log of a Tidings cluster", Subjects: []string{subject},
		Storage: jetstream.FileStorage, Replicas: max(o.o.Replicas, 1), Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardOld,
		MaxAge: o.o.MaxAge, MaxBytes: o.o.MaxBytes, MaxMsgs: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1, MaxConsumers: -1,
		Duplicates: cluster.DuplicateWindow, AllowDirect: true, DenyDelete: true, DenyPurge: true,
		RePublish: &jetstream.RePublish{Source: subject, Destination: o.live},
		Metadata:  map[string]string{"tidings": "1"},
	}
	if first > 1 {
		c.FirstSeq = first
	}
	return c
}

// Error codes of JetStream that the client library does not name.
const (
	codeNoPlace         jetstream.ErrorCode = 10005 // too few servers for the replicas
	codeNotAvailable    jetstream.ErrorCode = 10008 // no leader
	codeStorageExceeded jetstream.ErrorCode = 10047
	codeSubjectsOverlap jetstream.ErrorCode = 10065
	codeReplicasTooMany jetstream.ErrorCode = 10074 // more than one replica, and no cluster
	codeAccountExceeded jetstream.ErrorCode = 10002
	codeNoResources     jetstream.ErrorCode = 10023
	codeNotLeader       jetstream.ErrorCode = 10009
	codeNotEnabled      jetstream.ErrorCode = 10039
	codeNoJetStream     jetstream.ErrorCode = 10076
	codeOtherStream     jetstream.ErrorCode = 10060 // Nats-Expected-Stream names another
	codeSealed          jetstream.ErrorCode = 10109
)

const (
	leastAPILevel = 2 // of JetStream in leastServer
	leastServer   = "2.12"
	leastBytes    = 1 << 20 // that a stream must be able to keep
)

// Create makes the stream, as [cluster.Order] demands. It returns a [*StreamError] if there is one that cannot be used.
func (o *Order) Create(ctx context.Context, first uint64) error {
	if err := o.checkServer(ctx); err != nil {
		return err
	}
	var answer struct {
		refusal
		jetstream.StreamInfo
	}
	if err := o.api(ctx, "STREAM.CREATE."+o.o.Stream, o.config(first), &answer); err != nil {
		return err
	}
	switch e := answer.Error; {
	case e == nil:
		o.learn(&answer.StreamInfo)
		return nil
	case e.ErrorCode == jetstream.JSErrCodeStreamNameInUse:
		_, err := o.info(ctx)
		return err
	case e.ErrorCode == codeSubjectsOverlap:
		return fmt.Errorf("natslog: another stream of this account stores subjects that begin with %q: use another name than %q for the stream of the cluster (%w)", o.log, o.o.Stream, e)
	case e.ErrorCode == codeReplicasTooMany:
		return fmt.Errorf("natslog: %s is one server, not a cluster, and cannot keep %d replicas (%w)", o.nc.ConnectedUrlRedacted(), o.o.Replicas, e)
	case e.ErrorCode == codeStorageExceeded:
		return fmt.Errorf("natslog: the stream reserves %d bytes of storage on each of %d servers, and NATS has less: keep fewer bytes, or raise max_file_store there (%w)", o.o.MaxBytes, max(o.o.Replicas, 1), e)
	case e.ErrorCode == codeNoPlace:
		return fmt.Errorf("natslog: NATS has too few servers with JetStream at the moment for %d replicas (%w)", o.o.Replicas, e)
	}
	return answer.err()
}

// checkServer refuses servers that are too old.
func (o *Order) checkServer(ctx context.Context) error {
	var account struct {
		refusal
		API struct {
			Level int `json:"level"`
		} `json:"api"`
	}
	if err := o.api(ctx, "INFO", nil, &account); err != nil {
		return err
	}
	if err := account.err(); err != nil {
		return err
	}
	if account.API.Level < leastAPILevel {
		return fmt.Errorf("natslog: the NATS server at %s is version %s: at least %s is needed", o.nc.ConnectedUrlRedacted(), o.nc.ConnectedServerVersion(), leastServer)
	}
	return nil
}

// differences returns a sentence for each setting that makes a stream unusable.
func (o *Order) differences(c *jetstream.StreamConfig) (differ []string) {
	need := func(ok bool, format string, args ...any) {
		if !ok {
			differ = append(differ, fmt.Sprintf(format, args...))
		}
	}
	subject := o.log
	if o.stores(c.Subjects) {
		subject = c.Subjects[0]
	}
	need(o.stores(c.Subjects), "it stores the subjects %q, and must store %q alone", c.Subjects, o.log)
	need(o.o.Replicas == 0 || o.o.Growing || c.Replicas == o.o.Replicas, "it has %d replicas, and this hub is set to %d", c.Replicas, o.o.Replicas)
	need(c.Storage == jetstream.FileStorage, "it is in memory, and must be in files")
	need(c.PersistMode == jetstream.DefaultPersistMode, "it acknowledges messages before they are on disk (persist_mode), and must not")
	need(c.Retention == jetstream.LimitsPolicy, "its retention is %q, and must be %q", c.Retention, jetstream.LimitsPolicy)
	need(c.Discard == jetstream.DiscardOld, "it discards new messages when it is full, and must discard old ones")
	need(c.MaxMsgsPerSubject <= 0, "it keeps at most %d messages of a subject (max_msgs_per_subject), and must not limit them", c.MaxMsgsPerSubject)
	need(c.MaxBytes <= 0 || c.MaxBytes >= leastBytes, "it keeps %d bytes, and must keep at least %d", c.MaxBytes, leastBytes)
	need(c.Duplicates >= cluster.DuplicateWindow, "it recognizes duplicates for %v, and must do so for at least %v", c.Duplicates, cluster.DuplicateWindow)
	need(c.AllowDirect, "it does not allow direct gets (allow_direct), and must")
	need(!c.NoAck, "it does not acknowledge messages (no_ack), and must")
	need(!c.Sealed, "it is sealed, so it accepts no messages")
	need(c.Mirror == nil && len(c.Sources) == 0, "it copies other streams (mirror, sources), and must not")
	need(c.SubjectTransform == nil, "it changes subjects (subject_transform), and must not")
	need(c.RePublish != nil && *c.RePublish == jetstream.RePublish{Source: subject, Destination: o.live},
		"it must republish %q to %q, with the data", subject, o.live)
	return differ
}

// info returns the description of the stream, from its leader. It fails if the stream cannot be used.
func (o *Order) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	var answer struct {
		refusal
		jetstream.StreamInfo
	}
	if err := o.api(ctx, "STREAM.INFO."+o.o.Stream, nil, &answer); err != nil {
		return nil, err
	}
	if err := answer.err(); errors.Is(err, cluster.ErrMissing) {
		return nil, fmt.Errorf("%w: NATS has no stream %q", err, o.o.Stream)
	} else if err != nil {
		return nil, err
	}
	if differ := o.differences(&answer.Config); len(differ) > 0 {
		return nil, &StreamError{o.o.Stream, differ}
	}
	o.learn(&answer.StreamInfo)
	return &answer.StreamInfo, nil
}

// Warnings returns sentences about settings that may make the order less durable than a hub promises, and about settings that a client
// cannot see.
func (o *Order) Warnings(ctx context.Context) ([]string, error) {
	info, err := o.info(ctx)
	if err != nil {
		return nil, err
	}
	var warnings []string
	switch replicas := info.Config.Replicas; {
	case replicas == 1:
		warnings = append(warnings, fmt.Sprintf("the stream %q has 1 replica: events are lost with the disk of one server, and nothing can be published while it is down", o.o.Stream))
	case replicas%2 == 0:
		warnings = append(warnings, fmt.Sprintf("the stream %q has %d replicas: %d survive as many failures", o.o.Stream, replicas, replicas-1))
	}
	if !info.Config.DenyDelete || !info.Config.DenyPurge {
		warnings = append(warnings, fmt.Sprintf("messages of the stream %q can be deleted by hand (deny_delete, deny_purge): that makes gaps", o.o.Stream))
	}
	if o.o.SyncAlways {
		return warnings, nil
	}
	return append(warnings, "a client of NATS cannot see whether its servers write a message to disk before they acknowledge it: without sync_interval: always, a power failure of a majority of them loses events"), nil
}

var errNoLeader = errors.New("natslog: the stream has no leader at the moment")
