package ssetest

import "net/http"

// Wrap returns a response writer like that of correct middleware. It has only the methods of [http.ResponseWriter] and
// Unwrap, which [http.ResponseController] needs to flush w.
func Wrap(w http.ResponseWriter) http.ResponseWriter { return &wrapped{bare{w}} }

// Bare returns a response writer like that of middleware without support for streams: it has neither Flush nor Unwrap.
func Bare(w http.ResponseWriter) http.ResponseWriter { return bare{w} }

type bare struct{ w http.ResponseWriter }

func (b bare) Header() http.Header         { return b.w.Header() }
func (b bare) Write(p []byte) (int, error) { return b.w.Write(p) }
func (b bare) WriteHeader(status int)      { b.w.WriteHeader(status) }

type wrapped struct{ bare }

func (w *wrapped) Unwrap() http.ResponseWriter { return w.w }
