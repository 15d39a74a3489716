package main

import (
	_ "embed"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

//go:embed index.html
var page string

func (r *replies) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/events/replies/{id}", r.hub)
	mux.HandleFunc("GET /{$}", servePage)
	mux.HandleFunc("GET /replies/{id}", servePage)
	mux.HandleFunc("POST /ask", r.serveAsk)
	mux.HandleFunc("DELETE /replies/{id}", r.serveCancel)
	return http.NewCrossOriginProtection().Handler(mux) // pages of other sites cannot ask, because a question may cost money
}

func servePage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Referrer-Policy", "no-referrer") // the URL gives access to the reply
	_, _ = w.Write([]byte(page))                     // fails only if the client has disconnected
}

// serveAsk starts a reply and redirects to its page.
func (r *replies) serveAsk(w http.ResponseWriter, req *http.Request) {
	question := strings.TrimSpace(req.PostFormValue("question"))
	if question == "" {
		http.Error(w, "the question is empty", http.StatusBadRequest)
		return
	}
	id, err := r.start(req.Context(), question)
	if problem, ok := errors.AsType[*hub.Problem](err); ok { // such as a question that is too long
		http.Error(w, problem.Detail, problem.Status)
		return
	} else if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	http.Redirect(w, req, "/replies/"+id, http.StatusSeeOther)
}

// serveCancel stops a reply.
func (r *replies) serveCancel(w http.ResponseWriter, req *http.Request) {
	r.cancel(req.PathValue("id"))
	w.WriteHeader(http.StatusNoContent)
}

// authorize is the Authorize function of [hub.Options]. A request with the ID of a reply may subscribe to its topic
// only, and no request may publish. So viewers cannot find the questions of others.
func (r *replies) authorize(req *http.Request) (access.Grant, error) {
	id := req.PathValue("id")
	known, err := r.known(req.Context(), id)
	switch {
	case err != nil:
		return access.Grant{}, &hub.Problem{
			Name: "unavailable", Status: http.StatusServiceUnavailable, Detail: "the log cannot be read; try again in a few seconds", RetryAfter: 5 * time.Second, Err: err,
		}
	case !known:
		return access.Grant{}, &hub.Problem{Name: "not-found", Status: http.StatusNotFound, Detail: "there is no reply with this ID; it may have expired"}
	}
	return access.Grant{Subscribe: []eventlog.Matcher{eventlog.MustPattern("replies/" + id)}}, nil
}
