//go:build !linux

package load

import "context"

// epoll exists only on Linux.
type epoll struct{ *httpConnector }

func newEpoll(context.Context, *run) (*epoll, error) { return nil, nil }

func (e *epoll) take(*subscriber) {}
