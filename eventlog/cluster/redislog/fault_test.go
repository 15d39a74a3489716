//go:build programs

package redislog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog/cluster"
	"github.com/tidings-sse/tidings/eventlog/cluster/redislog"
	"github.com/tidings-sse/tidings/internal/cutproxy"
)

// refusedNow checks that a message was refused, and can be tried again.
func refusedNow(t *testing.T, err error, words ...string) {
	t.Helper()
	refused, ok := errors.AsType[*cluster.RefusedError](err)
	if !ok || !refused.Later {
		t.Errorf("Publish: %v, want a *RefusedError for now", err)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error %q does not say %q", err, word)
		}
	}
}

func TestRedisThatEvictsIsRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	for policy, fine := range map[string]bool{"noeviction": true, "volatile-lru": true, "volatile-ttl": true, "allkeys-lru": false, "allkeys-lfu": false, "allkeys-random": false} {
		s.do(t, "CONFIG", "SET", "maxmemory-policy", policy)
		o := open(t, &redislog.Options{URL: s.url(), Prefix: policy})
		_, errCheck := o.Check(t.Context())
		errCreate := o.Create(t.Context(), 1)
		for _, err := range []error{errCheck, errCreate} {
			setting, refused := errors.AsType[*redislog.SettingError](err)
			if refused == fine || refused && (setting.Setting != "maxmemory-policy" || setting.Value != policy) {
				t.Errorf("maxmemory-policy %s: %v", policy, err)
			}
		}
	}

	// After a failover, the settings of the new master may differ from those that were checked.
	s.do(t, "CONFIG", "SET", "maxmemory-policy", "noeviction")
	created(t, &redislog.Options{URL: s.url(), Prefix: "other"})
	s.do(t, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	_, err := open(t, &redislog.Options{URL: s.url(), Prefix: "other"}).Bounds(t.Context())
	if _, ok := errors.AsType[*redislog.SettingError](err); !ok {
		t.Errorf("Bounds: %v, want a *SettingError", err)
	}
}

func TestFullRedisRefusesMessagesAndIsStillRead(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	o := created(t, &redislog.Options{URL: s.url()})
	id := publish(t, o, "1")[0]
	s.do(t, "CONFIG", "SET", "maxmemory", "1mb")
	refusedNow(t, o.Publish(t.Context(), "", newID(), []byte("x")), "no memory", "maxmemory")
	if m, err := o.Message(t.Context(), 1); err != nil || m.ID != id {
		t.Errorf("Message(1) = %v, %v", m.ID, err)
	}
	if b := bounds(t, o); b.Last != 1 {
		t.Errorf("the refused message was stored: %+v", b)
	}
	s.do(t, "CONFIG", "SET", "maxmemory", "0")
	publish(t, o, "2")
}

func TestKeyOfAnotherProgramIsNotTouched(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	for name, make := range map[string][]any{
		"text under log":    {"SET", "log", "x"},
		"text under meta":   {"SET", "meta", "x"},
		"list under ids":    {"RPUSH", "ids:0", "x"},
		"hash under meta":   {"HSET", "meta", "a", "b"},
		"stream under log":  {"XADD", "log", "*", "a", "b"},
		"stream under meta": {"XADD", "meta", "*", "a", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			prefix := strings.ReplaceAll(name, " ", "-")
			key := fmt.Sprintf("{%s}:%s", prefix, make[1])
			make[1] = key
			s.do(t, make...)
			before := s.do(t, "DUMP", key)
			o := open(t, &redislog.Options{URL: s.url(), Prefix: prefix})
			errs := map[string]error{"Create": o.Create(t.Context(), 1)}
			if !strings.Contains(key, "ids") { // no log exists, and the sets of identifiers do not show that
				_, errs["Bounds"] = o.Bounds(t.Context())
				errs["Publish"] = o.Publish(t.Context(), "", newID(), []byte("x"))
				errs["Follow"] = o.Follow(t.Context(), 1, func([]cluster.Message) error { return nil })
			}
			for call, err := range errs {
				if foreign, ok := errors.AsType[*redislog.ForeignError](err); !ok || !strings.Contains(foreign.Error(), prefix) {
					t.Errorf("%s: %v, want a *ForeignError that names the key", call, err)
				}
			}
			if after := s.do(t, "DUMP", key); after != before {
				t.Errorf("the key has changed")
			}
		})
	}
}

// TestEntryOfAnotherProgramIsAnError: another program appends to the stream.
func TestEntryOfAnotherProgramIsAnError(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	o := created(t, &redislog.Options{URL: s.url()})
	publish(t, o, "1")
	following := follow(t, o, 1)
	following.next(t)
	s.do(t, "XADD", "{tidings}:log", "*", "a", "b")
	if _, ok := errors.AsType[*redislog.ForeignError](following.end(t)); !ok {
		t.Error("Follow has passed over an entry that no hub wrote")
	}
	err := o.Publish(t.Context(), "", newID(), []byte("2"))
	refusedNow(t, err)
	if _, ok := errors.AsType[*redislog.ForeignError](err); !ok {
		t.Errorf("Publish: %v, want a *ForeignError", err)
	}
}

// TestDeletedMessageIsAGap: an administrator deletes one message in the middle. Follow must not pass over it.
func TestDeletedMessageIsAGap(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	o := created(t, &redislog.Options{URL: s.url()})
	publish(t, o, "1", "2", "3")
	s.do(t, "XDEL", "{tidings}:log", "2-0")
	for name, err := range map[string]error{
		"Follow":  o.Follow(t.Context(), 2, func([]cluster.Message) error { return errors.New("a message came") }),
		"Message": func() error { _, err := o.Message(t.Context(), 2); return err }(),
	} {
		if gone, ok := errors.AsType[*cluster.GoneError](err); !ok || gone.First != 3 {
			t.Errorf("%s: %v, want that message 3 is the next", name, err)
		}
	}
}

func TestWrongPasswordIsSaidAndNotShown(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--requirepass", "open-sesame")
	for _, url := range []string{"redis://:not-this-one@" + s.addr(), "redis://user:not-this-one@" + s.addr(), s.url()} {
		o := open(t, &redislog.Options{URL: url})
		_, err := o.Check(t.Context())
		if _, ok := errors.AsType[*redislog.AccessError](err); !ok || !strings.Contains(err.Error(), "password") {
			t.Errorf("Check: %v, want that the password is refused", err)
		}
		refusedNow(t, o.Publish(t.Context(), "", newID(), []byte("x")), "password")
		if text := fmt.Sprint(err, o, o.Publish(t.Context(), "", newID(), nil)); strings.Contains(text, "not-this-one") {
			t.Errorf("a message shows the password: %s", text)
		}
	}
	created(t, &redislog.Options{URL: "redis://:open-sesame@" + s.addr()})
	created(t, &redislog.Options{URL: "redis://:old@" + s.addr(), Password: "open-sesame"})
}

// TestUserOfTheDocumentationIsEnough uses the ACL that docs/cluster-redis.md gives.
func TestUserOfTheDocumentationIsEnough(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.do(t, documentedUser(t)...)
	o := created(t, &redislog.Options{URL: "redis://tidings:change-me@" + s.addr(), KeepBytes: 16 << 20})
	stop, err := o.Listen(func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := o.Broadcast(t.Context(), []byte("x")); err != nil {
		t.Error(err)
	}
	large := strings.Repeat("x", 1<<20)
	for range 24 { // trims
		publish(t, o, large)
	}
	if b := bounds(t, o); b.First == 1 {
		t.Errorf("nothing was trimmed: %+v", b)
	}
	follow(t, o, bounds(t, o).First).next(t)
	d, err := o.Check(t.Context())
	if err != nil || d.Fsync == "" {
		t.Errorf("Check: %+v, %v", d, err)
	}
}

// TestRedisThatIsAwayRefusesAndRedisThatIsSilentLeavesOpen: a connection that was never made carried no message. One that broke may have.
func TestRedisThatIsAwayRefusesAndRedisThatIsSilentLeavesOpen(t *testing.T) {
	t.Parallel()
	const nobody = "127.0.0.1:1" // no program listens on the first port
	for _, query := range []string{"", "?sentinel=main", "?cluster=true"} {
		refusedNow(t, open(t, &redislog.Options{URL: "redis://" + nobody + query}).Publish(t.Context(), "", newID(), []byte("x")), "refused")
	}

	s := startServer(t)
	network := cutproxy.New()
	t.Cleanup(func() { _ = network.Close() })
	addr, err := network.Link("hub", "redis", s.addr())
	if err != nil {
		t.Fatal(err)
	}
	o := created(t, &redislog.Options{URL: "redis://" + addr})
	network.OneWay("redis", "hub") // requests arrive, answers do not
	id := newID()
	err = o.Publish(t.Context(), "", id, []byte("x"))
	if _, refused := errors.AsType[*cluster.RefusedError](err); err == nil || refused {
		t.Errorf("Publish without an answer: %v, want an error that leaves it open", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := o.Bounds(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Bounds: %v, want the error of the context", err)
	}
	network.Heal()
	if err := o.Publish(t.Context(), "", id, []byte("x")); err != nil {
		t.Errorf("Publish again: %v", err)
	}
	if b := bounds(t, o); b.Last != 1 {
		t.Errorf("a message that was published twice with one identifier: %+v", b)
	}
}

// TestDatabasesOfOneRedisAreClustersOfTheirOwn: channels are shared by the databases of a server, keys are not.
func TestDatabasesOfOneRedisAreClustersOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	first, second := created(t, &redislog.Options{URL: s.url() + "/1"}), created(t, &redislog.Options{URL: s.url() + "/2"})
	publish(t, first, "x")
	if b := bounds(t, second); b.Last != 0 || b.Identity == bounds(t, first).Identity {
		t.Errorf("another database has %+v", b)
	}
	received := make(chan string, 10)
	stop, err := second.Listen(func(data []byte) { received <- string(data) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for o, text := range map[*redislog.Order]string{first: "first", second: "second"} {
		if err := o.Broadcast(t.Context(), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := second.Broadcast(t.Context(), []byte("end")); err != nil {
		t.Fatal(err)
	}
	for text := range received {
		if text == "first" {
			t.Error("a hub received a broadcast of another database")
		}
		if text == "end" {
			break
		}
	}
}

// TestHubReceivesBroadcastsWhenRedisIsBack: a hub starts to listen while Redis is away, and Redis may restart later.
func TestHubReceivesBroadcastsWhenRedisIsBack(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.kill(t)
	o := open(t, &redislog.Options{URL: s.url()})
	received := make(chan struct{}, 1000)
	stop, err := o.Listen(func([]byte) { received <- struct{}{} })
	if err != nil {
		t.Fatalf("Listen without Redis: %v", err)
	}
	defer stop()
	for range 2 {
		s.restart(t)
		eventually(t, "the hub receives a broadcast", func() bool {
			_ = o.Broadcast(t.Context(), []byte("x")) // fails until the client has connected again
			return len(received) > 0
		})
		for len(received) > 0 {
			<-received
		}
	}
}
