package load

import (
	"context"
	"net/http"
)

// connector opens the connections of subscribers and passes the received bytes to them. All calls between the two hold
// the lock of the subscriber's shard.
//
// After open, a connector calls run.opened and later run.closed, or only run.closed. After drop it calls neither.
type connector interface {
	open(sub *subscriber, req *http.Request)
	drop(sub *subscriber)
	stop() // drops all connections and waits for the connector's goroutines
}

// setConnectors chooses a connector for each subscriber. Slow consumers use net/http, because the others read all available bytes at once.
func (r *run) setConnectors(ctx context.Context) error {
	fast, err := newEpoll(ctx, r)
	if err != nil {
		return err
	}
	httpConn := newHTTPConnector(r)
	r.connectors = []connector{httpConn}
	if fast != nil {
		r.connectors = append(r.connectors, fast)
	}
	var shared *http2Connector
	if r.Streams > 0 {
		shared = newHTTP2Connector(r)
		r.connectors = append(r.connectors, shared)
	}
	for i, sub := range r.subscribers {
		sub.via, sub.shard = httpConn, r.shards[i%len(r.shards)]
		switch {
		case sub.kind == slow:
		case shared != nil:
			sub.via, sub.shard = shared, shared.shard(sub)
		case fast != nil:
			sub.via = fast
			fast.take(sub)
		}
	}
	return nil
}
