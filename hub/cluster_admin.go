package hub

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/tidings-sse/tidings/hub/internal/peers"
	"github.com/tidings-sse/tidings/internal/wire"
)

// ClusterStatus is the answer of /api/v1/cluster: the hubs of the cluster, as this hub knows them.
type ClusterStatus struct {
	Name string      `json:"name"` // of the hub that answers, which is the first of Hubs
	Hubs []peers.Hub `json:"hubs"` // the hubs that were heard of in the last 10 seconds; those that do not answer now are silent
	Log  any         `json:"log,omitempty"`
}

// serveCluster answers with [ClusterStatus].
func serveCluster(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	c, err := h.member(r)
	if err != nil {
		return err
	}
	status := ClusterStatus{Name: c.opts.Name, Hubs: c.roll(r.Context())}
	if c.opts.Details != nil {
		status.Log = c.opts.Details(r.Context())
	}
	return answerJSON(w, status)
}

// maxSettings is the largest body of new settings, in bytes.
const maxSettings = 64 << 10

// serveClusterSettings changes the settings that all hubs share.
func serveClusterSettings(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	c, err := h.member(r)
	if err != nil {
		return err
	}
	body, err := readSmall(w, r, maxSettings)
	if err != nil {
		return err
	}
	configure := c.opts.Configure
	return h.change(w, r, "set", configure != nil, func(ctx context.Context) error { return configure(ctx, body) })
}

// serveClusterHub removes a hub from the cluster.
func serveClusterHub(h *Hub, w http.ResponseWriter, r *http.Request, name string) error {
	c, err := h.member(r)
	if err != nil {
		return err
	}
	name, err = url.PathUnescape(name)
	if err != nil || name == "" {
		return NewProblem(http.StatusBadRequest, wire.ProblemInvalidRequest, "name the hub after /api/v1/cluster/hubs/, escaped as in a URL")
	}
	remove := c.opts.Remove
	return h.change(w, r, "remove", remove != nil, func(ctx context.Context) error { return remove(ctx, name) })
}

// serveClusterReset makes this hub's log the shared one.
func serveClusterReset(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	c, err := h.member(r)
	if err != nil {
		return err
	}
	reset := c.opts.Reset
	return h.change(w, r, "reset", reset != nil, func(ctx context.Context) error { return reset(ctx) })
}

// member returns the cluster of the hub, or the problem of a request that has parameters or reaches a hub alone.
func (h *Hub) member(r *http.Request) (*cluster, error) {
	if err := noParams(h, r); err != nil {
		return nil, err
	}
	if h.cluster == nil {
		return nil, h.noCluster()
	}
	return h.cluster, nil
}

// changeTime limits an operation on the cluster. Elections take less.
const changeTime = 30 * time.Second

// change carries out an operation on the cluster, and answers with its state afterwards.
func (h *Hub) change(w http.ResponseWriter, r *http.Request, what string, can bool, do func(context.Context) error) error {
	if !can {
		return NewProblem(http.StatusNotFound, wire.ProblemNotFound, "the shared log of this cluster has no operation %q", what)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), changeTime) // the operation does not stop halfway when the client leaves
	defer cancel()
	err := do(ctx)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		p := NewProblem(http.StatusServiceUnavailable, wire.ProblemUnavailable, "the cluster has not done this within %v, and may still do it; look at its status before you try again (%s)", changeTime, plainly(err))
		p.RetryAfter, p.Err = retryAfter, err
		return p
	case err != nil:
		p := NewProblem(http.StatusConflict, wire.ProblemCluster, "%s", plainly(err))
		p.Err = err
		return p
	}
	h.opts.Logger.Info("an administrator changed the cluster", "operation", what)
	return serveCluster(h, w, r, "")
}

// servePeerSnapshot answers another hub with a copy of the log.
func servePeerSnapshot(h *Hub, w http.ResponseWriter, r *http.Request, _ string) error {
	if err := noParams(h, r); err != nil {
		return err
	}
	snapshot := h.cluster.opts.Snapshot
	if snapshot == nil {
		return NewProblem(http.StatusNotFound, wire.ProblemNotFound, "this hub gives no snapshots: its log is in memory")
	}
	if !h.cluster.copying.TryLock() {
		return notReady("another hub is getting a snapshot; try again in some seconds")
	}
	defer h.cluster.copying.Unlock()
	w.Header().Set("Content-Type", "application/x-tar")
	w.Header().Set("Cache-Control", "no-store")
	out := &snapshotWriter{to: w, control: http.NewResponseController(w)}
	defer out.end()
	err := snapshot(r.Context(), out)
	if err == nil {
		return nil
	}
	h.opts.Logger.Error("a snapshot for another hub failed", "err", err.Error())
	if out.written > 0 {
		panic(http.ErrAbortHandler) // net/http breaks the connection: a clean end would mean that the snapshot is complete
	}
	return notReady("this hub can make no snapshot at the moment; its log messages have the cause")
}

// snapshotStall is how long a hub that gets a snapshot may accept no bytes. It writes them to its disk meanwhile.
const snapshotStall = time.Minute

// snapshotWriter writes to a hub, which may not stall: no other hub gets a snapshot meanwhile.
type snapshotWriter struct {
	to      io.Writer
	control *http.ResponseController
	written int64
}

// Write implements [io.Writer].
func (s *snapshotWriter) Write(b []byte) (int, error) {
	if err := s.control.SetWriteDeadline(time.Now().Add(snapshotStall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	n, err := s.to.Write(b)
	s.written += int64(n)
	return n, err
}

// end removes the deadline, because the connection may carry other requests.
func (s *snapshotWriter) end() { _ = s.control.SetWriteDeadline(time.Time{}) } // an error means that there was none
