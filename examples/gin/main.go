// Command gin serves an event stream in a gin engine with the usual middleware.
package main

import (
	"embed"
	"log"
	"net/http"
	"time"

	"github.com/gin-contrib/gzip"
	"github.com/gin-gonic/gin"

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
	r := gin.New()
	r.Use(gin.Logger(), gin.Recovery())

	// For pages only: compression would delay events.
	r.Use(gzip.Gzip(gzip.DefaultCompression, gzip.WithExcludedPaths([]string{"/events"})))

	r.GET("/", gin.WrapH(http.FileServerFS(page)))
	r.GET("/events", gin.WrapH(sse.Handler(nil, events)))
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
