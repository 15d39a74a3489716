package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/tidings-sse/tidings/chaos/driver"
	"github.com/tidings-sse/tidings/chaos/history"
)

// A duel is a topic with a short life on which several clients append, read and end at the same time, with keys in common. It shows whether
// the hubs decide as one: see package check, linear.go.
const (
	duellists = 4
	strokes   = 6
)

// duel runs one duel after the other. The names begin with duel, so package check finds them.
func (l *Load) duel(ctx context.Context, publishing <-chan struct{}, place int) {
	random := l.random("duel", place)
	for round := 0; ; round++ {
		if over(ctx, publishing) {
			return
		}
		topic := fmt.Sprintf("duel/%d/%d", place, round)
		var all sync.WaitGroup
		for i := range duellists {
			r := rand.New(rand.NewPCG(random.Uint64(), uint64(i)))
			all.Go(func() { l.fight(ctx, r, topic, i) })
		}
		all.Wait()
		pause(ctx, random, 500*time.Millisecond)
	}
}

// fight appends events to a topic, half of them with names that others use, too. One in ten ends the topic.
func (l *Load) fight(ctx context.Context, r *rand.Rand, topic string, i int) {
	c := client()
	defer c.CloseIdleConnections()
	who := fmt.Sprintf("%s.%d", topic, i)
	for n := range strokes {
		hub := 1 + r.IntN(l.hubs)
		if r.IntN(4) == 0 {
			l.read(ctx, c, who, hub, topic)
			continue
		}
		sent := history.Sent{Name: fmt.Sprintf("%s.%d.%d", topic, i, n), Topics: []string{topic}}
		if r.IntN(2) == 0 {
			sent.Name = fmt.Sprintf("%s.shared.%d", topic, r.IntN(3))
		}
		if n > 2 && r.IntN(5) == 0 {
			sent = history.Sent{Name: fmt.Sprintf("%s.end.%d", topic, r.IntN(2)), Topics: []string{topic}, End: true}
		}
		l.published.Store(sent.Name, sent)
		for range 3 {
			if outcome := l.post(ctx, c, who, hub, []history.Sent{sent}); outcome != history.Unknown && outcome != history.Busy {
				break
			}
			pause(ctx, r, 300*time.Millisecond)
			hub = 1 + r.IntN(l.hubs)
		}
	}
}

// read records the content of a topic.
func (l *Load) read(ctx context.Context, c *http.Client, who string, hub int, topic string) {
	reader, ok := l.driver.(driver.Reader)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	entry := history.Entry{Kind: history.Read, At: l.log.Now(), Who: who, Hub: hub, Topics: []string{topic}}
	req, err := reader.Read(ctx, hub, topic)
	if err != nil {
		return
	}
	resp, err := c.Do(req)
	if err != nil {
		return // a failed read proves nothing
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || (resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent) || bytes.Contains(body, []byte("tidings.retry")) {
		return
	}
	contents, err := reader.Contents(body)
	if err != nil {
		return
	}
	entry.End, entry.Names = l.log.Now(), make([]string, len(contents))
	for i, data := range contents {
		if entry.Names[i], err = driver.NameOf(data); err != nil {
			entry.Names[i] = data
		}
	}
	l.log.Add(entry)
}

// over reports whether publishing has ended, or ctx.
func over(ctx context.Context, publishing <-chan struct{}) bool {
	select {
	case <-publishing:
		return true
	case <-ctx.Done():
		return true
	default:
		return false
	}
}
