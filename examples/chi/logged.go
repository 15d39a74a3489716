package main

import (
	"log"
	"net/http"
	"time"
)

// logged is typical handwritten middleware: it logs each request with its status.
func logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		defer func() { log.Print(r.Method, " ", r.URL.Path, " ", recorder.status, " after ", time.Since(begin)) }()
		next.ServeHTTP(recorder, r)
	})
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap gives package sse and http.ResponseController access to the wrapped writer, which can flush and set deadlines.
// Without it, streams fail.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
