package hub_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/tidings-sse/tidings/sse"
)

// TestSubscriberResumesAfterBreakAtAnyByte: it loses no event and gets none twice.
func TestSubscriberResumesAfterBreakAtAnyByte(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		begin := s.log.Head().String()
		want := []string{"one", "two\nlines", "3", strings.Repeat("x", 20)}
		for _, data := range want {
			s.post("news", data)
		}
		for cut := 0; ; cut++ {
			last, got, whole := begin, []string(nil), false
			for part := range 2 {
				ctx, cancel := context.WithCancel(s.Context())
				resp, err := s.do(ctx, request{path: "/events/news", header: map[string]string{"Last-Event-ID": last}})
				if err != nil {
					s.Fatal(err)
				}
				body := io.Reader(resp.Body)
				if part == 0 {
					read, err := io.ReadAll(io.LimitReader(resp.Body, int64(cut)))
					if err != nil {
						s.Fatal(err)
					}
					whole = bytes.HasSuffix(read, []byte("\n\n")) && bytes.Contains(read, []byte("xxxxxxxxxxxxxxxxxxxx\n"))
					body = bytes.NewReader(read)
				}
				d := sse.NewDecoder(body, nil)
				for (part == 0 || len(got) < len(want)) && d.Next() {
					e := d.Event()
					if e.Type == sse.DefaultType {
						got = append(got, e.Data)
					}
					last = e.ID
				}
				cancel()
				_ = resp.Body.Close()
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				s.Fatalf("cut after %d bytes: %q, want %q", cut, got, want)
			}
			if whole {
				return
			}
		}
	})
}
