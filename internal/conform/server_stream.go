package conform

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidings-sse/tidings/sse"
)

func (s Server) checkType(ctx context.Context) error {
	f, err := s.follow(ctx, "")
	if err != nil {
		return err
	}
	f.close()
	if kind, _, err := mime.ParseMediaType(f.header.Get("Content-Type")); err != nil || kind != "text/event-stream" {
		return fmt.Errorf("the type is %q", f.header.Get("Content-Type"))
	}
	return nil
}

func (s Server) checkOneByOne(ctx context.Context) error {
	f, err := s.follow(ctx, "")
	if err != nil {
		return err
	}
	defer f.close()
	for n := range 5 {
		if err := errors.Join(s.publish(ctx, fmt.Sprint("event ", n)), f.expect(ctx, fmt.Sprint("event ", n))); err != nil {
			return err
		}
	}
	return nil
}

func (s Server) checkUTF8(ctx context.Context) error {
	f, err := s.follow(ctx, "")
	if err != nil {
		return err
	}
	defer f.close()
	if err := s.publish(ctx, "\xff\xc0"); err != nil {
		return err
	}
	if err := errors.Join(s.publish(ctx, "end"), f.until(ctx, "end")); err != nil {
		return err
	}
	if text := f.read(); !utf8.Valid(text) {
		return fmt.Errorf("the stream has invalid bytes: %q", text)
	}
	return nil
}

// checkComplete passes a stream that does not end by itself.
func (s Server) checkComplete(ctx context.Context) error {
	f, err := s.follow(ctx, "")
	if err != nil {
		return err
	}
	time.AfterFunc(min(s.Wait/4, time.Second), f.close)
	for range f.events {
	}
	if err := f.err; errors.Is(err, sse.ErrTruncated) && !f.closed() {
		return err
	}
	return nil
}

func (s Server) checkStuck(ctx context.Context) error {
	stuck, err := s.get(ctx, "")
	if err != nil {
		return err
	}
	defer func() { _ = stuck.Body.Close() }()
	f, err := s.follow(ctx, "")
	if err != nil {
		return err
	}
	defer f.close()
	for n := range 150 { // more than the buffers of a connection hold
		text := fmt.Sprint(n, strings.Repeat("x", 60_000))
		if err := errors.Join(s.publish(ctx, text), f.expect(ctx, text)); err != nil {
			return fmt.Errorf("event %d: %w", n, err)
		}
	}
	return nil
}

func (s Server) checkKeepAlive(ctx context.Context) error {
	f, err := s.follow(ctx, "")
	if err != nil {
		return err
	}
	defer f.close()
	time.Sleep(min(time.Second, s.Idle/10)) // what belongs to the beginning
	n := len(f.read())
	for end := time.Now().Add(s.Idle); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if len(f.read()) > n || f.ended() {
			return nil // it is not silent
		}
	}
	return fmt.Errorf("not a byte in %v", s.Idle)
}
