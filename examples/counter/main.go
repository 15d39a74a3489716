// Command counter is the smallest event stream: a page that counts seconds.
package main

import (
	"embed"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/tidings-sse/tidings/sse"
)

//go:embed index.html
var page embed.FS

func main() {
	log.Print("open http://localhost:3000")
	log.Fatal(http.ListenAndServe("localhost:3000", counter(time.Second)))
}

func counter(every time.Duration) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(page))
	mux.Handle("GET /events", sse.Handler(nil, func(s *sse.Stream) error {
		for n := 0; ; n++ {
			if err := s.Send(sse.Event{Data: fmt.Sprint(n)}); err != nil {
				return err // the client has disconnected
			}
			time.Sleep(every)
		}
	}))
	return mux
}
