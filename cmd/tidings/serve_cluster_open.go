package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/natslog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
	"github.com/tidings-sse/tidings/hub"
	"github.com/tidings-sse/tidings/internal/plain"
)

// The data directory of a hub in a cluster has the hub's copy of the shared log in a directory of its own, beside the data of the shared log
// itself. So a copy of another hub's log can replace the hub's copy at once.
const (
	mirrorDir    = "log"
	identityFile = "tidings.json" // of a log: see package disklog
)

// backend is this process's part of the shared log.
type backend struct {
	order   cluster.Order
	where   string                                       // the place of the shared log, for people
	hubs    int                                          // number of hubs in the cluster; 0: not known
	broken  <-chan struct{}                              // closed when the backend has failed until the process is started again
	reason  func() error                                 // why this process's part has failed, or cannot be used at the moment; nil if broken is
	current func(ctx context.Context) error              // waits until this process's part has all messages; nil: it needs none
	yield   func(ctx context.Context) error              // lets other hubs lead the shared log; nil: this hub never leads it
	close   func() error                                 // after the order is closed
	remove  func(ctx context.Context, name string) error // removes a hub from the cluster; nil: not possible
	servers func(ctx context.Context) (any, error)       // describes the servers; nil: not possible
	margin  func(gone []string) string                   // says how many more hubs may go; nil: the shared log is not on the hubs
}

// sharedLog opens the log of a hub in a cluster.
type sharedLog struct {
	flags  *serveFlags
	logger *slog.Logger
	dir    string
	secret []byte
	member hub.ClusterOptions

	hangups bool // SIGHUP loads the certificates between hubs again

	waits  atomic.Value  // string: what the hub waits for until opened is closed
	opened chan struct{} // closed when log is set
	log    *cluster.Log
	back   *backend // like log

	mu     sync.Mutex // guards mirror
	mirror *disklog.Log
}

// share prepares the log of a hub in a cluster, which listens at a place and checks tokens; with hangups, SIGHUP loads the certificates between hubs again. It
// returns nil for a hub alone.
func (f *serveFlags) share(ctx context.Context, at *place, tokens *tokens, logger *slog.Logger, hangups bool) (*sharedLog, error) {
	dir := f.dataDir()
	if err := f.checkDir(dir); err != nil {
		return nil, err
	}
	if !f.clustered() {
		return nil, nil
	}
	s := &sharedLog{flags: f, logger: logger, dir: dir, hangups: hangups, opened: make(chan struct{})}
	var err error
	if s.secret, err = f.secret(); err != nil {
		return nil, err
	}
	if s.member.Key, err = requestKey(s.secret); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	peer := ""
	if len(f.ClusterPeers) > 0 {
		s.member.Name, peer, err = s.identify(ctx)
	} else {
		s.member.Name, err = f.ownName(dir)
	}
	if err != nil {
		return nil, err
	}
	s.member.URL, s.member.Version = f.url(at, peer), version()
	if len(f.ClusterPeers) > 0 {
		s.member.Remove = s.remove
	}
	s.member.Waiting, s.member.Hubs, s.member.Margin = s.waiting, s.hubs, s.margin
	if s.member.Tokens, err = f.tokensMark(s.secret, tokens); err != nil {
		return nil, err
	}
	s.member.Details, s.member.Configure, s.member.Reset, s.member.Snapshot = s.details, s.configure, s.reset, s.snapshot
	if s.member.Key == nil {
		logger.Warn("without --cluster-key-file this hub cannot ask other hubs: neither for statistics of the whole cluster nor for a copy of their log")
	}
	return s, nil
}

// checkDir refuses the directory of a hub alone for a hub in a cluster, and the reverse: their positions are unrelated.
func (f *serveFlags) checkDir(dir string) error {
	has := func(path ...string) bool {
		_, err := os.Stat(filepath.Join(append([]string{dir}, path...)...))
		return err == nil
	}
	switch {
	case f.Memory:
		return nil
	case f.clustered() && (has(identityFile) || has(joiningDir)):
		return fmt.Errorf("%s has the log of a hub alone, whose positions mean nothing to a cluster\nhint: --data names a new directory; or tidings cluster join %[1]s takes its events along", dir)
	case !f.clustered() && has(mirrorDir, identityFile):
		return fmt.Errorf("%s has the log of a hub in a cluster\nhint: start it with the same --cluster-peers, --nats or --redis as before; or tidings cluster leave %[1]s NEW makes a hub alone of it", dir)
	case !f.clustered() && has(joiningDir):
		return fmt.Errorf("%s is on its way into a cluster\nhint: repeat tidings cluster join %[1]s", dir)
	}
	return nil
}

// open opens the log, and waits until it has joined its cluster. It is a logOpener but for ctx.
func (s *sharedLog) open(ctx context.Context, logger *slog.Logger) (_ eventlog.Log, where string, err error) {
	mirror, err := s.openMirror()
	if err != nil {
		return nil, "", err
	}
	s.mirror = mirror
	switch {
	case len(s.flags.ClusterPeers) > 0:
		s.back, err = s.openNode(ctx)
	case s.flags.NATS != "":
		s.waits.Store("waiting for NATS at " + natslog.Redacted(string(s.flags.NATS)))
		s.back, err = s.openNATS(ctx)
	default:
		s.waits.Store("waiting for Redis")
		s.back = &backend{where: "Redis", close: func() error { return nil }}
		s.back.order, err = s.flags.openRedis(ctx, logger)
	}
	if err != nil {
		return nil, "", errors.Join(err, mirror.Close())
	}
	options := &cluster.Options{Name: s.member.Name, Retention: s.flags.retention(), Hubs: s.back.hubs, Logger: logger}
	if s.copies() {
		options.Snapshot = s.fetch
	}
	if s.log, err = cluster.Open(mirror, s.back.order, options); err != nil {
		return nil, "", errors.Join(err, s.back.close())
	}
	close(s.opened)
	if err := s.log.Join(ctx); err != nil {
		if differs, ok := errors.AsType[*cluster.SettingsError](err); ok {
			err = fmt.Errorf("%w\nhint: give all hubs the same --keep, --keep-bytes and --topics-remembered; tidings cluster set changes them for all hubs", otherSettings(differs))
			if s.back.hubs > 1 {
				err = fmt.Errorf("%w. Until this hub is started again, it counts for majorities; tidings cluster remove %s ends that", err, s.member.Name)
			}
		}
		return nil, "", errors.Join(fmt.Errorf("this hub has not joined its cluster: %w", err), s.log.Close(), s.back.close())
	}
	if s.back.current != nil {
		if err := s.back.current(ctx); err != nil {
			return nil, "", errors.Join(fmt.Errorf("this hub has not joined its cluster: %w", err), s.log.Close(), s.back.close())
		}
	}
	if err := s.dropDamaged(ctx); err != nil {
		logger.Warn("removing the damaged copy of the shared log", "error", err.Error())
	}
	logger.Info("this hub has joined its cluster", "hub", s.member.Name, "url", s.member.URL, "shared log", s.back.where, "copy", filepath.Join(s.dir, mirrorDir), "head", s.log.Head().String())
	return &clusterLog{s.log, s.back.close}, s.back.where, nil
}

// handOverTime is how long a hub that stops waits for another one to lead the shared log. Without other hubs that could, it is in vain.
const handOverTime = 3 * time.Second

// handOver lets another hub lead the shared log. Publishers at all hubs wait until another one leads, which takes some 0.1 s if this hub still
// runs meanwhile, and 4 to 9 s if it does not.
func (s *sharedLog) handOver(ctx context.Context) {
	select {
	case <-s.opened:
	default:
		return
	}
	select {
	case <-s.back.broken: // its server has left the others already
		return
	default:
	}
	if s.back.yield == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handOverTime)
	defer cancel()
	if err := s.back.yield(ctx); err != nil {
		s.logger.Debug("no other hub leads the shared log yet", "error", err.Error()) // closing the backend tries again, and warns
	}
}

// hubs returns how many hubs the cluster should have; 0: not known.
func (s *sharedLog) hubs() int {
	select {
	case <-s.opened:
		return s.back.hubs
	default:
		return 0
	}
}

// margin says how many more hubs the cluster can lose; see [hub.ClusterOptions].
func (s *sharedLog) margin(gone []string) string {
	select {
	case <-s.opened:
	default:
		return ""
	}
	if s.back.margin == nil {
		return "publishing needs no other hub, because the shared log is not on the hubs"
	}
	return s.back.margin(gone)
}

// waiting says what a hub waits for that has not joined its cluster, or has no contact with the shared log.
func (s *sharedLog) waiting() string {
	select {
	case <-s.opened:
		trouble := s.log.Status().Trouble
		if trouble == "" {
			return ""
		}
		if s.back.reason != nil {
			if err := s.back.reason(); err != nil {
				return plain.Text(err.Error()) // this hub's own server knows more about the cause
			}
		}
		return "waiting for the shared log: " + trouble
	default:
		reason, _ := s.waits.Load().(string) // empty: nothing yet
		return reason
	}
}

// outcomeTime is how long publishers wait for an outcome after this process's part of the shared log has failed. Other hubs may still store events.
const outcomeTime = 2 * time.Second

// watch ends the hub by fail when its part of the shared log has failed, and then by giveUp the appends that get no outcome. A supervisor starts the
// hub again.
func (s *sharedLog) watch(ctx context.Context, fail context.CancelCauseFunc, giveUp func()) {
	select {
	case <-s.opened:
	case <-ctx.Done():
		return
	}
	select {
	case <-s.back.broken: // never, if the shared log is elsewhere
		fail(s.back.reason())
		time.Sleep(outcomeTime) // the hub drains meanwhile
		giveUp()
	case <-ctx.Done():
	}
}

// clusterLog closes the backend after the log.
type clusterLog struct {
	*cluster.Log
	after func() error
}

// Close closes the log and the shared log's part in this process.
func (l *clusterLog) Close() error { return errors.Join(l.Log.Close(), l.after()) }

// openNATS connects to NATS.
func (s *sharedLog) openNATS(ctx context.Context) (*backend, error) {
	f := s.flags
	order, err := natslog.Open(ctx, string(f.NATS), &natslog.Options{
		Stream: f.NATSStream, Replicas: int(f.NATSReplicas), MaxBytes: s.streamBytes(), MaxMessage: int(f.MaxEvent) + messageOverhead,
		Credentials: f.NATSCreds, SyncAlways: f.NATSDurable, Name: s.member.Name, Logger: s.logger,
	})
	if size, ok := errors.AsType[*natslog.SizeError](err); ok && size.Takes > messageOverhead {
		return nil, fmt.Errorf("--nats: %w\nhint: --max-event=%dKiB fits", err, (size.Takes-messageOverhead)>>10)
	} else if err != nil {
		return nil, fmt.Errorf("--nats: %w", err)
	}
	if _, err := order.Bounds(ctx); err != nil {
		if differs, ok := errors.AsType[*natslog.StreamError](err); ok {
			return nil, errors.Join(fmt.Errorf("--nats-stream: %w", differs), order.Close())
		}
	}
	warnings, err := order.Warnings(ctx) // fails if the stream does not exist yet, or NATS does not answer; the hub waits then
	for _, warning := range warnings {
		s.logger.Warn(warning)
	}
	if err != nil {
		s.logger.Info("the stream of the shared log cannot be examined yet", "stream", f.NATSStream, "error", err.Error())
	}
	return &backend{order: order, where: "the stream " + f.NATSStream + " of " + natslog.Redacted(string(f.NATS)), close: func() error { return nil }}, nil
}

// streamBytes is the size of the shared log. It is larger than the retention of the hubs, so that a hub can catch up after an absence.
func (s *sharedLog) streamBytes() int64 {
	keep, err := s.flags.retention().WithDefaults()
	if err != nil || keep.Bytes <= 0 {
		return 0 // the default of the shared log
	}
	return 2 * keep.Bytes
}

// details returns the status of the shared log for administrators.
func (s *sharedLog) details(ctx context.Context) any {
	select {
	case <-s.opened:
	default:
		return nil
	}
	details := struct {
		cluster.Details
		Servers any `json:"servers,omitempty"` // of the shared log, if they are the hubs themselves
	}{Details: s.log.Details()}
	if s.back.servers != nil {
		ctx, cancel := context.WithTimeout(ctx, serversTime)
		defer cancel()
		servers, err := s.back.servers(ctx)
		if details.Servers = servers; err != nil {
			details.Servers = plain.Text(err.Error())
		}
	}
	return details
}

// serversTime limits the wait for what the servers of the shared log say about themselves.
const serversTime = 2 * time.Second

// whenAlone says what an operator does instead of a reset, which the shared log of the hubs takes only from a majority.
const whenAlone = "; if the other hubs are lost for good, docs/cluster.md (After a disaster) says how the last one goes on without them"

func (s *sharedLog) reset(ctx context.Context) error {
	select {
	case <-s.opened:
		if len(s.flags.ClusterPeers) > 0 {
			asking, cancel := context.WithTimeout(ctx, serversTime)
			defer cancel()
			if _, err := s.back.order.Bounds(asking); err != nil && !errors.Is(err, cluster.ErrMissing) { // it answers only with a majority
				return &eventlog.InvalidError{What: "reset", Reason: "the shared log has no majority of its hubs: " + err.Error() + whenAlone}
			}
		}
		return s.log.Reset(ctx)
	default:
		return errOpening
	}
}

// failure returns the error that ended the hub; nil if it was asked to stop.
func (s *sharedLog) failure() error {
	if s == nil || s.back == nil {
		return nil
	}
	select {
	case <-s.back.broken:
		return s.back.reason()
	default:
		return nil
	}
}

// errOpening says that the log is not open yet.
var errOpening = errors.New("this hub has not joined its cluster yet")

func (s *sharedLog) configure(ctx context.Context, settings []byte) error {
	keep, err := parseKept(settings, s.flags.MaxEvent)
	if err != nil {
		return err
	}
	select {
	case <-s.opened:
		return s.log.SetRetention(ctx, keep)
	default:
		return errOpening
	}
}

func (s *sharedLog) remove(ctx context.Context, name string) error {
	select {
	case <-s.opened:
		return s.back.remove(ctx, name)
	default:
		return errOpening
	}
}

func (s *sharedLog) snapshot(ctx context.Context, w io.Writer) error {
	select {
	case <-s.opened:
		return writeSnapshot(ctx, s.log, s.dir, w)
	default:
		return errOpening
	}
}
