package redislog

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Durability is what the settings of Redis promise about stored messages.
type Durability struct {
	AppendOnly   bool   // appendonly: Redis writes a log to its disk
	Fsync        string // appendfsync: "always", "everysec", "no", or "" if Redis does not tell it to this user
	Replicas     int    // replicas that are connected now
	WaitReplicas int    // replicas that a message waits for
}

// String describes which failures of this one server an acknowledged message survives. A failover may lose more; see the package
// comment.
func (d Durability) String() string {
	word := "an acknowledged message is lost when Redis stops: it has appendonly no"
	if d.AppendOnly {
		switch d.Fsync {
		case "always":
			word = "an acknowledged message survives a power failure of the Redis server: it has appendfsync always"
		case "everysec":
			word = "a power failure of the Redis server loses about the last second of acknowledged messages: it has appendfsync everysec"
		case "no":
			word = "a power failure of the Redis server loses about the last half minute of acknowledged messages: it has appendfsync no"
		default:
			word = "Redis writes messages to its disk; it does not tell this user its appendfsync, which says how soon"
		}
	}
	if d.WaitReplicas > 0 {
		word += fmt.Sprintf("; each message is in the memory of %d replicas before it is acknowledged", d.WaitReplicas)
	}
	return word
}

// Check connects to Redis and checks what the shared log needs: version 7.0, and that Redis evicts none of its keys. A [*SettingError],
// [*AccessError] or [*ForeignError] stays until the operator changes something; other errors may pass, as when Redis is still starting.
func (o *Order) Check(ctx context.Context) (Durability, error) {
	return do(ctx, o, func(ctx context.Context, node *redis.Client) (Durability, error) {
		info, err := o.info(ctx, node)
		if err != nil {
			return Durability{}, err
		}
		if major, _, _ := strings.Cut(info["redis_version"], "."); len(major) < 2 && major < "7" {
			return Durability{}, &SettingError{"version", info["redis_version"], "7.0 is the oldest that the shared log can use"}
		}
		// The keys of the log never expire, so the policies volatile-* spare them.
		if policy := info["maxmemory_policy"]; strings.HasPrefix(policy, "allkeys-") {
			return Durability{}, &SettingError{"maxmemory-policy", policy, "it would evict the shared log when memory is short. Set it to noeviction, also in redis.conf"}
		}
		d := Durability{AppendOnly: info["aof_enabled"] == "1", WaitReplicas: o.wait}
		d.Replicas, _ = strconv.Atoi(info["connected_slaves"])
		if d.Fsync, err = o.config(ctx, node, "appendfsync"); err != nil {
			return Durability{}, err
		}
		limit, err := o.config(ctx, node, "proto-max-bulk-len")
		if err != nil {
			return Durability{}, err
		}
		if n, err := strconv.ParseInt(limit, 10, 64); err == nil {
			o.largest.Store(min(n, maxMessage))
		}
		return d, o.owned(ctx, node)
	})
}

// info returns the fields of INFO that Check reads.
func (o *Order) info(ctx context.Context, node *redis.Client) (map[string]string, error) {
	text, err := node.Info(ctx, "server", "memory", "persistence", "replication").Result()
	if err != nil {
		return nil, o.explain(err)
	}
	fields := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields, nil
}

// config returns a setting of Redis, or "" if this user may not read it, as with hosted services.
func (o *Order) config(ctx context.Context, node *redis.Client, name string) (string, error) {
	values, err := node.ConfigGet(ctx, name).Result()
	hidden := redis.HasErrorPrefix(err, "NOPERM") || redis.HasErrorPrefix(err, "unknown command")
	if err != nil && !hidden {
		return "", o.explain(err)
	}
	return values[name], nil
}

// owned returns a ForeignError if the type of a key is not the one that it has in a shared log.
func (o *Order) owned(ctx context.Context, node *redis.Client) error {
	for i, want := range []string{"stream", "hash", "set", "set"} {
		got, err := node.Type(ctx, o.keys[i]).Result()
		if err != nil {
			return o.explain(err)
		}
		if got != "none" && got != want {
			return &ForeignError{Key: o.keys[i]}
		}
	}
	return nil
}
