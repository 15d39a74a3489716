package main

import (
	"crypto/rand"
	"errors"
	"net/http"
	"sync"

	"github.com/tidings-sse/tidings/access"
	"github.com/tidings-sse/tidings/eventlog"
)

// person is somebody who may log in. Names become parts of topics: whoever makes accounts of what people type refuses
// the characters / and * in them.
type person struct {
	Name   string
	Editor bool // may publish news
}

var people = map[string]person{
	"ada":   {Name: "ada"},
	"alan":  {Name: "alan"},
	"grace": {Name: "grace", Editor: true},
}

// grant is what the hub lets somebody do: everybody follows the news and what is for them, editors publish news.
func (p person) grant() access.Grant {
	news := eventlog.MustPattern("news/**")
	g := access.Grant{Subject: p.Name, Subscribe: []eventlog.Pattern{news, eventlog.MustPattern("users/" + p.Name + "/**")}}
	if p.Editor {
		g.Publish = []eventlog.Pattern{news}
	}
	return g
}

// accounts are the people and who of them has logged in.
type accounts struct {
	mu       sync.Mutex
	sessions map[string]person // by the value of their cookie
}

func newAccounts() *accounts { return &accounts{sessions: make(map[string]person)} }

// authorize is [hub.Options].Authorize. The hub calls it once for each stream, and for each request to publish.
func (a *accounts) authorize(r *http.Request) (access.Grant, error) {
	who, ok := a.who(r)
	if !ok {
		return access.Grant{}, errors.New("no session") // answered with 401; what is not in the grant with 403
	}
	return who.grant(), nil
}

const cookieName = "session"

// who returns the sender of a request.
func (a *accounts) who(r *http.Request) (person, bool) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return person{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	who, ok := a.sessions[cookie.Value]
	return who, ok
}

// login begins a session. This is where a real one asks for a password.
func (a *accounts) login(w http.ResponseWriter, r *http.Request) {
	who, ok := people[r.PostFormValue("name")]
	if !ok {
		http.Error(w, "nobody has that name", http.StatusUnauthorized)
		return
	}
	value := rand.Text()
	a.mu.Lock()
	a.sessions[value] = who
	a.mu.Unlock()
	http.SetCookie(w, &http.Cookie{ // with Secure: true where there is HTTPS
		Name: cookieName, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// logout ends a session: its next request is refused. A stream that is open goes on until its page is closed.
func (a *accounts) logout(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(cookieName); err == nil {
		a.mu.Lock()
		delete(a.sessions, cookie.Value)
		a.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
