package hub_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/tidings-sse/tidings/sse"
)

// TestJSONReaderSkipsControlEvents: a client that decodes every event as JSON gets no values for control events.
func TestJSONReaderSkipsControlEvents(t *testing.T) {
	t.Parallel()
	each(t, nil, func(s *site) {
		for i := range 3 {
			s.post("news", fmt.Sprintf(`{"n":%d}`, i))
		}
		req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.url+"/events/news?since=earliest", nil)
		if err != nil {
			s.Fatal(err)
		}
		req.Header.Set("Last-Event-ID", "other-7") // makes the stream begin with a gap
		client := sse.Client{HTTP: s.client}
		gaps, got := 0, []int(nil)
		for m, err := range sse.JSON[struct{ N int }](client.Subscribe(req), &sse.JSONOptions{Skip: func(e sse.Event) bool {
			if e.Type == "tidings.gap" {
				gaps++
			}
			return false
		}}) {
			if err != nil {
				s.Fatal(err)
			}
			if got = append(got, m.Value.N); len(got) == 3 {
				break
			}
		}
		if !slices.Equal(got, []int{0, 1, 2}) || gaps != 1 {
			s.Errorf("got %v, and %d gaps", got, gaps)
		}
	})
}
