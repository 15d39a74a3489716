package conform

import (
	"context"
	"fmt"

	"github.com/tidings-sse/tidings/sse"
)

// checkResume cuts the stream after the second of five events. It then expects the other three.
func (s Server) checkResume(ctx context.Context) error {
	f, err := s.follow(ctx, "")
	if err != nil {
		return err
	}
	defer f.close()
	var before []sse.Event
	for n := range 2 {
		if s.Publish != "" {
			if err := s.publish(ctx, fmt.Sprint("before ", n)); err != nil {
				return err
			}
		}
		e, err := f.next(ctx)
		if err != nil {
			return err
		}
		before = append(before, e)
	}
	id := before[1].ID
	if id == "" || id == before[0].ID {
		return fmt.Errorf("two events have the ids %q and %q, so that a client cannot say which it got last", before[0].ID, id)
	}
	var want []sse.Event // what a subscriber without a cut gets
	for n := range 3 {
		if s.Publish != "" {
			if err := s.publish(ctx, fmt.Sprint("missed ", n)); err != nil {
				return err
			}
		}
		e, err := f.next(ctx)
		if err != nil {
			return err
		}
		want = append(want, e)
	}
	again, err := s.follow(ctx, id)
	if err != nil {
		return err
	}
	defer again.close()
	for _, e := range want {
		got, err := again.next(ctx)
		if err != nil {
			return fmt.Errorf("after Last-Event-ID %s, instead of %s: %w", id, brief(e), err)
		}
		if got.Data != e.Data || got.ID != e.ID {
			return fmt.Errorf("after Last-Event-ID %s comes %s, want %s", id, brief(got), brief(e))
		}
	}
	return nil
}
