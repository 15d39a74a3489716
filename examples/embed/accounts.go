package main

import (
	"crypto/rand"
	"errors"
	"net/http"
	"sync"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

// person is an account. Its name becomes a segment of topics, so a program that lets people choose names must refuse
// the characters / and *.
type person struct {
	Name   string
	Editor bool // may publish news
}

var people = map[string]person{
	"ada":   {Name: "ada"},
	"alan":  {Name: "alan"},
	"grace": {Name: "grace", Editor: true},
}

// grant returns what a user may do on the hub. All users may subscribe to the news and their own messages. Editors may also
// publish news.
func (p person) grant() access.Grant {
	news := eventlog.MustPattern("news/**")
	g := access.Grant{Subject: p.Name, Subscribe: []eventlog.Matcher{news, eventlog.MustPattern("users/" + p.Name + "/**")}}
	if p.Editor {
		g.Publish = []eventlog.Matcher{news}
	}
	return g
}

// accounts holds the sessions of logged-in users.
type accounts struct {
	mu       sync.Mutex
	sessions map[string]person // by value of the cookie; guarded by mu
}

func newAccounts() *accounts { return &accounts{sessions: make(map[string]person)} }

// authorize is the Authorize function of [hub.Options]. The hub calls it once for each stream and each request to
// publish.
func (a *accounts) authorize(r *http.Request) (access.Grant, error) {
	p, ok := a.sender(r)
	if !ok {
		return access.Grant{}, errors.New("no session") // the hub answers 401, and 403 for actions outside the grant
	}
	return p.grant(), nil
}

const cookieName = "session"

// sender returns the user of the session in the request's cookie.
func (a *accounts) sender(r *http.Request) (person, bool) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return person{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	p, ok := a.sessions[cookie.Value]
	return p, ok
}

// login starts a session. A real program would check a password here.
func (a *accounts) login(w http.ResponseWriter, r *http.Request) {
	p, ok := people[r.PostFormValue("name")]
	if !ok {
		http.Error(w, "unknown name", http.StatusUnauthorized)
		return
	}
	value := rand.Text()
	a.mu.Lock()
	a.sessions[value] = p
	a.mu.Unlock()
	http.SetCookie(w, &http.Cookie{ // add Secure: true if the site uses HTTPS
		Name: cookieName, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// logout ends a session: later requests with its cookie are refused. An open stream continues until its page is closed.
func (a *accounts) logout(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(cookieName); err == nil {
		a.mu.Lock()
		delete(a.sessions, cookie.Value)
		a.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
