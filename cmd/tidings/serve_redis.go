package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidings-sse/tidings/eventlog/cluster/redislog"
)

// redisFlags say in which Redis the hubs of a cluster keep their shared log.
type redisFlags struct {
	Redis             redisURL `placeholder:"URL" help:"Keep the log together with other hubs, in this Redis: redis://user:password@host:6379/0, ?sentinel=NAME for Sentinels, ?cluster=true for a Redis Cluster, rediss:// for TLS. docs/cluster-redis.md says what it promises."`
	RedisPasswordFile string   `type:"path" placeholder:"FILE" help:"File with the password for --redis, instead of one in the URL."`
	RedisSentinelFile string   `name:"redis-sentinel-password-file" type:"path" placeholder:"FILE" help:"File with the password of the Sentinels themselves; most have none."`
	RedisSentinelUser string   `name:"redis-sentinel-user" placeholder:"NAME" help:"User for --redis-sentinel-password-file, if the Sentinels have users."`
	RedisWait         int      `default:"0" placeholder:"N" help:"How many replicas of Redis must have received an event before it is acknowledged and sent to subscribers; ${default} by default. The same for all hubs."`
}

// redisURL is the address of a Redis. It is printed without its password.
type redisURL string

// UnmarshalText checks and takes an address. Its errors never show a password.
func (u *redisURL) UnmarshalText(text []byte) error {
	o, err := redislog.New(&redislog.Options{URL: string(text)})
	if err != nil {
		return err
	}
	*u = redisURL(text)
	return o.Close()
}

// MarshalText returns the address without its password.
func (u redisURL) MarshalText() ([]byte, error) {
	if u == "" {
		return nil, nil
	}
	o, err := redislog.New(&redislog.Options{URL: string(u)})
	if err != nil {
		return nil, err
	}
	return []byte(o.String()), o.Close()
}

// checkRedis refuses flags about Redis without --redis.
func (f *redisFlags) checkRedis() error {
	switch {
	case f.Redis == "" && f.RedisPasswordFile != "":
		return errors.New("--redis-password-file is for --redis, which is missing")
	case f.RedisSentinelFile != "" && !strings.Contains(string(f.Redis), "sentinel="):
		return errors.New("--redis-sentinel-password-file is for --redis with ?sentinel=NAME, which is missing")
	case f.RedisSentinelUser != "" && f.RedisSentinelFile == "":
		return errors.New("--redis-sentinel-user is for --redis-sentinel-password-file, which is missing")
	case f.Redis == "" && f.RedisWait != 0:
		return errors.New("--redis-wait is for --redis, which is missing")
	case f.RedisWait < 0:
		return fmt.Errorf("--redis-wait is %d; it must be 0 or more", f.RedisWait)
	}
	return nil
}

// redisOptions returns the options of the shared log, with the passwords of the files.
func (f *redisFlags) redisOptions() (*redislog.Options, error) {
	o := &redislog.Options{URL: string(f.Redis), WaitReplicas: f.RedisWait, SentinelUsername: f.RedisSentinelUser}
	var err error
	if o.Password, err = readPassword("redis-password-file", f.RedisPasswordFile); err == nil {
		o.SentinelPassword, err = readPassword("redis-sentinel-password-file", f.RedisSentinelFile)
	}
	return o, err
}

// openRedis returns the shared log. It fails if the operator has to change something. If Redis does not answer, the hub starts without it:
// it serves its stored events, and is not ready.
func (f *redisFlags) openRedis(ctx context.Context, logger *slog.Logger) (*redislog.Order, error) {
	o, err := f.redisOptions()
	if err != nil {
		return nil, err
	}
	redis.SetLogger(redisLog{logger})
	order, err := redislog.New(o)
	if err != nil {
		return nil, fmt.Errorf("--redis: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	durability, err := order.Check(ctx)
	switch {
	case err == nil && durability.AppendOnly:
		logger.Info("the shared log is in Redis", "redis", order.String(), "durability", durability.String())
	case err == nil:
		logger.Warn("the shared log is in Redis", "redis", order.String(), "durability", durability.String())
	case needsPerson(err):
		return nil, errors.Join(fmt.Errorf("--redis: %w", err), order.Close())
	default:
		logger.Warn("Redis does not answer, so nothing can be published; the hub tries again", "redis", order.String(), "error", err)
	}
	return order, nil
}

// readPassword reads the file of a flag. Without a file there is no password.
func readPassword(flag, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("--%s: %w", flag, err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", fmt.Errorf("--%s %s is empty", flag, file)
	}
	return password, nil
}

// needsPerson reports whether an error stays until the operator changes something.
func needsPerson(err error) bool {
	_, setting := errors.AsType[*redislog.SettingError](err)
	_, access := errors.AsType[*redislog.AccessError](err)
	_, foreign := errors.AsType[*redislog.ForeignError](err)
	return setting || access || foreign
}

// redisLog logs the messages of the client library at level debug, because the hub logs the same faults itself.
type redisLog struct{ logger *slog.Logger }

// Printf is called by the library.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.logger.DebugContext(ctx, "redis: "+fmt.Sprintf(format, args...))
}
