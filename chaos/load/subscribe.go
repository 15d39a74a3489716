package load

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tidings-sse/tidings/chaos/driver"
	"github.com/tidings-sse/tidings/chaos/history"
	"github.com/tidings-sse/tidings/sse"
)

// subscriber reads one stream after the other, of random hubs, and continues after the last position that it got.
type subscriber struct {
	*Load
	name   string
	lives  int // how often it has dropped its positions, and begun as another subscriber
	sel    history.Selection
	random *rand.Rand
	http   *http.Client
	after  map[string]history.Position // by order
}

func (l *Load) subscriber(i int) *subscriber {
	s := &subscriber{Load: l, name: fmt.Sprintf("s%d", i), random: l.random("subscriber", i), http: client(), after: map[string]history.Position{}}
	switch {
	case i%3 == 1 && l.driver.Features().Patterns:
		s.sel.Patterns = [][]string{{"news/*"}, {"chat/**"}, {"reply/**", "news/3"}, {"chat/*/room", "reply/p0/*"}}[i/3%4]
	case i%3 == 2 && l.driver.Features().Patterns && l.Brief > 0: // of brief topics, a slow subscriber misses events
		s.sel.Patterns = []string{"news/**", "chat/**", "reply/**", "duel/**"}
	case i%3 == 2 && l.driver.Features().Patterns:
		s.sel.Patterns = []string{"**"}
	case i%3 == 2:
		s.sel.Exact = Topics
	default:
		s.sel.Exact = some(s.random, 5)
	}
	return s
}

func (s *subscriber) run(ctx context.Context) {
	for ctx.Err() == nil {
		// Only a subscriber that leaves by its own choice may forget. A broken stream is always continued: that is what is tested.
		if s.follow(ctx, 1+s.random.IntN(s.hubs)) && s.random.IntN(50) == 0 {
			s.lives++
			s.after = map[string]history.Position{}
		}
		s.http.CloseIdleConnections()
		pause(ctx, s.random, 100*time.Millisecond)
	}
}

func (s *subscriber) who() string { return fmt.Sprintf("%s.%d", s.name, s.lives) }

// silence is how long a stream may be silent before its subscriber leaves it. Subscribers ask for a heartbeat every 5 s.
const silence = 12 * time.Second

// follow reads one stream of a hub.
func (s *subscriber) follow(ctx context.Context, hub int) (left bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	connect := history.Entry{Kind: history.Connect, At: s.log.Now(), Who: s.who(), Hub: hub, Select: &s.sel, After: slices.Collect(maps.Values(s.after))}
	resp, err := s.open(ctx, hub)
	if err != nil {
		connect.Why = err.Error()
		s.log.Add(connect)
		return false
	}
	defer resp.Body.Close()
	s.log.Add(connect)
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	var leaves atomic.Bool
	leave := time.AfterFunc(s.Stay/20+time.Duration(s.random.Int64N(int64(s.Stay))), func() {
		if !s.settling.Load() {
			leaves.Store(true)
			cancel()
		}
	})
	defer leave.Stop()
	alive := func([]byte) { watchdog.Reset(silence) }
	if o, ok := s.driver.(driver.Opener); ok {
		for _, one := range o.Opened(resp.Header, s.after) {
			s.record(hub, one)
		}
	}
	d := sse.NewDecoder(&noisy{resp.Body, alive}, &sse.ReadOptions{MaxEvent: 4 << 20})
	for d.Next() {
		seen, err := s.driver.Parse(d.Event(), s.after)
		if err != nil {
			s.log.Add(history.Entry{Kind: history.Closed, Who: s.who(), Hub: hub, Why: history.NotUnderstood + ": " + err.Error()})
			return false
		}
		for _, one := range seen {
			s.record(hub, one)
		}
	}
	why := "ended"
	if err := d.Err(); err != nil {
		why = err.Error()
	}
	s.log.Add(history.Entry{Kind: history.Closed, Who: s.who(), Hub: hub, Why: why})
	return leaves.Load()
}

func (s *subscriber) open(ctx context.Context, hub int) (*http.Response, error) {
	req, err := s.driver.Subscribe(ctx, hub, s.sel, s.after)
	if err != nil {
		return nil, err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return nil, fmt.Errorf("%d %s", resp.StatusCode, body)
	}
	return resp, nil
}

// record records the event of a subscriber, and moves its position.
func (s *subscriber) record(hub int, seen driver.Seen) {
	entry := history.Entry{Kind: seen.Kind, Who: s.who(), Hub: hub, ID: seen.ID, To: seen.To, Why: seen.Why, Topics: seen.Topics}
	if seen.Kind == history.Event {
		entry.Name, entry.Topics = seen.Data, nil
		if name, err := driver.NameOf(seen.Data); err != nil {
			entry.Why = err.Error()
		} else {
			entry.Name = name
			entry.Why = s.differs(name, seen.Topics)
		}
		s.Deliveries.Add(1)
	}
	s.log.Add(entry)
	if seen.Kind == history.Event {
		s.heard.Store(s.log.Now())
	}
	if seen.ID != nil {
		s.after[seen.ID.Order] = *seen.ID
	}
}

// differs compares an event with the published one.
func (s *subscriber) differs(name string, topics []string) string {
	sent, ok := s.published.Load(name)
	switch {
	case !ok:
		return "it was not published"
	case topics != nil && !slices.Equal(sent.(history.Sent).Topics, topics): //nolint:forcetypeassert // the map has no other type
		return fmt.Sprintf("it came with the topics %q", topics)
	}
	return ""
}

// noisy calls heard for each read that returns bytes.
type noisy struct {
	io.Reader
	heard func([]byte)
}

func (n *noisy) Read(b []byte) (int, error) {
	got, err := n.Reader.Read(b)
	if got > 0 {
		n.heard(b[:got])
	}
	return got, err
}
