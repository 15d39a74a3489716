// Command chi serves an event stream in a chi router with the usual middleware.
package main

import (
	"embed"
	"log"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/tidings-sse/tidings/sse"
)

//go:embed index.html
var page embed.FS

func main() {
	log.Print("open http://localhost:3000")
	server := http.Server{
		Addr:         "localhost:3000",
		Handler:      router(clock),
		WriteTimeout: 10 * time.Second, // for pages; package sse removes it for streams
	}
	log.Fatal(server.ListenAndServe())
}

func router(events func(*sse.Stream) error) http.Handler {
	r := chi.NewRouter()
	r.Use(logged, middleware.Recoverer)
	r.Method(http.MethodGet, "/events", sse.Handler(nil, events))

	// For pages only: compression would delay events, and a timeout would end streams.
	r.Group(func(r chi.Router) {
		r.Use(middleware.Compress(5), middleware.Timeout(5*time.Second))
		r.Method(http.MethodGet, "/", http.FileServerFS(page))
	})
	return r
}

func clock(s *sse.Stream) error {
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	for {
		select {
		case now := <-ticks.C:
			if err := s.Send(sse.Event{Data: now.Format(time.TimeOnly)}); err != nil {
				return err
			}
		case <-s.Context().Done():
			return nil
		}
	}
}
