package main

import (
	"context"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"
)

// balancer sends requests to hubs that are ready, in turn. A real load balancer does the same: it asks /readyz, and passes streams through
// without buffering them.
type balancer struct {
	backends []*backend
	next     atomic.Uint64
}

type backend struct {
	url     *url.URL
	proxy   *httputil.ReverseProxy
	ready   atomic.Bool
	streams atomic.Int64 // that it serves at the moment
}

const checkEvery = 300 * time.Millisecond

func newBalancer(hubs []*hub) *balancer {
	b := &balancer{}
	for _, hub := range hubs {
		u := &url.URL{Scheme: "http", Host: hub.addr}
		one := &hub.backend
		one.url = u
		one.proxy = &httputil.ReverseProxy{
			FlushInterval: -1,
			ErrorLog:      log.New(discard{}, "", 0), // of streams whose hub was killed
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(u)
				r.Out.Host = u.Host // a hub without keys answers only to names of its machine
			},
			ModifyResponse: func(resp *http.Response) error {
				resp.Header.Set("X-Hub", hub.name)
				return nil
			},
			ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
				one.ready.Store(false)
				tell(w, r, "the hub does not answer")
			},
		}
		b.backends = append(b.backends, one)
		go one.check()
	}
	return b
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// check asks the hub whether it is ready, as long as the process runs.
func (b *backend) check() {
	client := http.Client{Timeout: time.Second}
	for ; ; time.Sleep(checkEvery) {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, b.url.JoinPath("readyz").String(), http.NoBody)
		if err != nil {
			panic(err)
		}
		resp, err := client.Do(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		b.ready.Store(err == nil && resp.StatusCode == http.StatusOK)
	}
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first := b.next.Add(1)
	for i := range uint64(len(b.backends)) {
		if one := b.backends[(first+i)%uint64(len(b.backends))]; one.ready.Load() {
			if r.Method == http.MethodGet {
				one.streams.Add(1)
				defer one.streams.Add(-1)
			}
			one.proxy.ServeHTTP(w, r)
			return
		}
	}
	tell(w, r, "no hub is ready")
}

// tell refuses a request for the moment. EventSource gives up after any status but 200, so that it gets a stream that ends at once.
func tell(w http.ResponseWriter, r *http.Request, why string) {
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte("event: tidings.retry\nretry: 500\ndata: {}\n\n")) // the browser reconnects anyway
		return
	}
	w.Header().Set("Retry-After", "1")
	http.Error(w, why, http.StatusServiceUnavailable)
}
