package redislog

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/tidings-sse/tidings/eventlog/cluster"
)

// ForeignError says that a key of this package holds data that the package did not write.
type ForeignError struct {
	Key   string
	Entry string // the name of an entry in a stream, if only this entry is foreign
}

func (e *ForeignError) Error() string {
	if e.Entry != "" {
		return fmt.Sprintf("redislog: the stream %q in Redis has an entry %q that no hub wrote: use another prefix for one of the two programs, or delete all keys of the shared log", e.Key, e.Entry)
	}
	return fmt.Sprintf("redislog: the key %q in Redis, or one beside it, is not part of a shared log: choose another prefix, or delete it", e.Key)
}

// SettingError says that Redis is configured in a way that loses the shared log.
type SettingError struct {
	Setting string // as Redis calls it
	Value   string
	Why     string
}

func (e *SettingError) Error() string {
	return fmt.Sprintf("redislog: Redis has %s %q: %s", e.Setting, e.Value, e.Why)
}

// AccessError says that Redis does not let the hub in, or does not allow it a command.
type AccessError struct {
	Address string // without a password
	Err     error  // of Redis
}

func (e *AccessError) Error() string {
	if redis.HasErrorPrefix(e.Err, "WRONGPASS") || redis.HasErrorPrefix(e.Err, "NOAUTH") {
		return fmt.Sprintf("redislog: Redis at %s refuses the user or the password: %v", e.Address, e.Err)
	}
	return fmt.Sprintf("redislog: Redis at %s does not allow a command to this user: %v", e.Address, e.Err)
}
func (e *AccessError) Unwrap() error { return e.Err }

// explain adds the consequence and the remedy to an error of Redis.
func (o *Order) explain(err error) error {
	switch text := err.Error(); {
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return &ForeignError{Key: o.keys[1]}
	case isReply(err) && strings.Contains(text, "equal or smaller than the target stream top item"):
		return &ForeignError{Key: o.keys[0], Entry: "above the newest message"}
	case redis.HasErrorPrefix(err, "WRONGPASS"), redis.HasErrorPrefix(err, "NOAUTH"), redis.HasErrorPrefix(err, "NOPERM"),
		isReply(err) && strings.Contains(text, "can't run this command"):
		return &AccessError{Address: o.where, Err: err}
	case redis.HasErrorPrefix(err, "OOM"):
		return fmt.Errorf("redislog: Redis has no memory left: raise its maxmemory, or lower the size of the log: %w", err)
	case redis.HasErrorPrefix(err, "NOREPLICAS"):
		return fmt.Errorf("redislog: Redis has fewer replicas than its min-replicas-to-write, so it accepts no messages: %w", err)
	case redis.HasErrorPrefix(err, "MISCONF"):
		return fmt.Errorf("redislog: Redis cannot write to its disk: %w", err)
	case redis.HasErrorPrefix(err, "READONLY"):
		return fmt.Errorf("redislog: this Redis is a replica: connect to the master, or to its Sentinels: %w", err)
	}
	return fmt.Errorf("redislog: %w", err)
}

// isReply reports whether Redis has answered with an error.
func isReply(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

// early are the errors with which Redis refuses a script before it begins. After all others, as of a script that was stopped, the
// outcome is unknown.
var early = []string{
	"OOM", "READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "MISCONF", "BUSY", "NOAUTH", "WRONGPASS", "NOPERM",
	"NOSCRIPT", "MOVED", "ASK", "TRYAGAIN", "CROSSSLOT", "WRONGTYPE", "max number of clients reached",
}

// refused reports whether an error proves that a message was not stored: Redis said so, or no connection was made.
func refused(err error) bool {
	if slices.ContainsFunc(early, func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) }) {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	_, foreign := errors.AsType[*ForeignError](err)
	return foreign || errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, cluster.ErrReplaced) || errors.Is(err, cluster.ErrMissing)
}
