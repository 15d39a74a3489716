package redislog

import (
	"context"
	_ "embed" // for the scripts
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

var (
	//go:embed lua/state.lua
	stateLua string
	//go:embed lua/append.lua
	appendLua string
	//go:embed lua/create.lua
	createLua string
	//go:embed lua/read.lua
	readLua string
)

// The first line of a script makes Redis check, before the script begins, that the server may write: it is no replica, its disk works, and
// min-replicas-to-write is met. This is also how read.lua gets no answer from a server without authority. It may write when the memory
// is full, a few bytes in [meta], so that hubs can read then.
var (
	appendScript = redis.NewScript("#!lua\nlocal creating = false\n" + stateLua + appendLua)
	createScript = redis.NewScript("#!lua\nlocal creating = true\n" + stateLua + createLua)
	readScript   = redis.NewScript("#!lua flags=allow-oom\nlocal creating = false\n" + stateLua + readLua)
)

// reply is the decoded reply of a script.
type reply struct {
	identity string
	rest     []any // the values after the identity
}

// run runs a script on the master. With wait it also waits until that many replicas have received the messages that the script has written
// or read.
func (o *Order) run(ctx context.Context, script *redis.Script, wait int, args ...any) (reply, error) {
	return do(ctx, o, func(ctx context.Context, node *redis.Client) (reply, error) {
		if wait == 0 {
			return o.parse(script.Run(ctx, node, o.keys, append(args, "0")...).Slice())
		}
		got, replicas, err := o.runAndWait(ctx, node, script, wait, append(args, "1"))
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			if err := script.Load(ctx, node).Err(); err != nil {
				return reply{}, o.explain(err)
			}
			got, replicas, err = o.runAndWait(ctx, node, script, wait, append(args, "1"))
		}
		if err == nil && replicas < wait {
			err = fmt.Errorf("redislog: Redis has stored messages, but after %v only %d of %d replicas have received them", waitTimeout, replicas, wait)
		}
		return got, err
	})
}

// runAndWait runs a script, and WAIT behind it. WAIT must follow on the same connection, which a pipeline ensures.
func (o *Order) runAndWait(ctx context.Context, node *redis.Client, script *redis.Script, wait int, args []any) (got reply, replicas int, err error) {
	pipe := node.Pipeline()
	ran := script.EvalSha(ctx, pipe, o.keys, args...)
	waited := pipe.Do(ctx, "WAIT", wait, waitTimeout.Milliseconds())
	_, _ = pipe.Exec(ctx) // each command has its own error
	if got, err = o.parse(ran.Slice()); err != nil {
		return reply{}, 0, err
	}
	if replicas, err = waited.Int(); err != nil {
		return reply{}, 0, fmt.Errorf("redislog: WAIT for replicas: %w", err)
	}
	return got, replicas, nil
}

// parse reads the reply of a script: a word, and its values.
func (o *Order) parse(values []any, err error) (reply, error) {
	if err != nil {
		return reply{}, o.explain(err)
	}
	var words [2]string
	for i := range min(len(values), 2) {
		words[i], _ = values[i].(string)
	}
	switch words[0] {
	case "ok":
		return reply{words[1], values[2:]}, nil
	case "replaced":
		return reply{}, cluster.ErrReplaced
	case "missing":
		return reply{}, cluster.ErrMissing
	case "foreign":
		return reply{}, &ForeignError{Key: o.keys[1]}
	case "format":
		return reply{}, fmt.Errorf("redislog: the shared log %q has format %q, and this version reads format 1: upgrade this hub", o.prefix, words[1])
	case "unknown":
		return reply{}, errors.New("redislog: the answer of Redis to INFO has no run_id or master_replid, so a failover could not be noticed")
	}
	return reply{}, fmt.Errorf("redislog: a script returned %q", values)
}

// page is the reply of read.lua.
type page struct {
	identity string
	last     uint64
	before   string // identifier of the message before the first one, "" if that message was dropped
	entries  []entry
}

// entry is a message, and the link to the one before it.
type entry struct {
	cluster.Message
	previous string // identifier of the message before it, "" for the first of all
}

// pageBytes and pageMessages bound how long read.lua keeps Redis from other work: to one or two milliseconds, or one message.
const (
	pageBytes    = 1 << 20
	pageMessages = 512
)

// page returns up to count messages from number from on, of pageBytes together, or one that is larger.
func (o *Order) page(ctx context.Context, from uint64, count, wait int) (page, error) {
	got, err := o.run(ctx, readScript, wait, from, count, pageBytes)
	if err != nil {
		return page{}, err
	}
	if len(got.rest) != 3 {
		return page{}, fmt.Errorf("redislog: read.lua returned %d values", len(got.rest))
	}
	p := page{identity: got.identity}
	last, _ := got.rest[0].(int64)
	p.last = uint64(last)
	p.before, _ = got.rest[1].(string)
	rows, _ := got.rest[2].([]any)
	for _, row := range rows {
		values, _ := row.([]any)
		var text [5]string
		for i := range min(len(values), len(text)) {
			text[i], _ = values[i].(string)
		}
		e, err := o.entry(text[0], text[1], text[2], text[3], text[4], from > 0)
		if err != nil {
			return page{}, err
		}
		if e.Seq > p.last {
			return page{}, &ForeignError{Key: o.keys[0], Entry: text[0]}
		}
		p.entries = append(p.entries, e)
	}
	return p, nil
}

// entry decodes an entry of the stream; without its content only the number.
func (o *Order) entry(name, previous, id, ms, data string, content bool) (entry, error) {
	digits, ok := strings.CutSuffix(name, "-0")
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || n == 0 || n > maxMessages {
		return entry{}, &ForeignError{Key: o.keys[0], Entry: name}
	}
	e := entry{Message: cluster.Message{Seq: n, First: cluster.FirstOf(n), Data: []byte(data)}, previous: previous}
	if !content {
		return e, nil
	}
	e.ID, err = cluster.ParseID(id)
	at, errTime := strconv.ParseInt(ms, 10, 64)
	if err != nil || errTime != nil {
		return entry{}, &ForeignError{Key: o.keys[0], Entry: name}
	}
	e.Time = time.UnixMilli(at).UTC()
	return e, nil
}

// maxMessages is the number of messages after which a shared log ends: the numbers of records reach their limit.
const maxMessages = 1 << 48
