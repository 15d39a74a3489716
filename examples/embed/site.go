package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/hub"
)

//go:embed index.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// site is the program itself: a page, people who send messages to each other, and a hub for the events.
type site struct {
	accounts *accounts
	hub      *hub.Hub
}

func newSite(events eventlog.Log) (*site, error) {
	accounts := newAccounts()
	h, err := hub.New(events, &hub.Options{Authorize: accounts.authorize})
	return &site{accounts, h}, err
}

// routes returns the handler for the hub's paths and the site's own.
func (s *site) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/events", s.hub)
	mux.Handle("/events/", s.hub)
	mux.Handle("/api/v1/", s.hub) // lists the topics that a grant allows; other paths need a grant with Admin, which no account has here
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("POST /login", s.accounts.login)
	mux.HandleFunc("POST /logout", s.accounts.logout)
	mux.HandleFunc("POST /messages", s.message)
	return http.NewCrossOriginProtection().Handler(mux) // pages of other sites cannot act as our visitors
}

// home shows the login, or the page of the logged-in user.
func (s *site) home(w http.ResponseWriter, r *http.Request) {
	who, _ := s.accounts.sender(r)
	var text bytes.Buffer
	if err := page.Execute(&text, map[string]any{"Who": who, "People": people}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-store") // the login changes the page
	_, _ = text.WriteTo(w)                      // fails only if the client has disconnected
}

// message is the data of an event in users/NAME/messages.
type message struct {
	From string `json:"from"`
	To   string `json:"to"`
	Text string `json:"text"`
}

// message publishes a message to its sender and its recipient. No grant allows publishing to users/** over HTTP, so
// every event there has passed the checks here.
func (s *site) message(w http.ResponseWriter, r *http.Request) {
	from, ok := s.accounts.sender(r)
	if !ok {
		http.Error(w, "log in first", http.StatusUnauthorized)
		return
	}
	to, ok := people[r.PostFormValue("to")]
	text := strings.TrimSpace(r.PostFormValue("text"))
	if !ok || to == from || text == "" {
		http.Error(w, "a message needs a text and another person as recipient", http.StatusBadRequest)
		return
	}
	data, err := json.Marshal(message{From: from.Name, To: to.Name, Text: text})
	if err == nil {
		_, err = s.hub.Publish(r.Context(), hub.Event{ // one event, in two topics
			Topics: []string{"users/" + to.Name + "/messages", "users/" + from.Name + "/messages"}, Data: string(data),
		})
	}
	if err != nil {
		http.Error(w, "the message was not sent: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
