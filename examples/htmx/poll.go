package main

import (
	"html/template"
	"net/http"
	"strings"
	"sync"

	"github.com/tidings-sse/tidings/sse"
)

// poll counts votes. Events carry the whole state, not single votes, so a page that was disconnected or is slow has
// missed nothing.
type poll struct {
	mu      sync.Mutex // guards the following
	choices []choice
	changed chan struct{} // closed and replaced at each vote
}

type choice struct {
	Name  string
	Votes int
}

func newPoll(names ...string) *poll {
	p := &poll{changed: make(chan struct{})}
	for _, name := range names {
		p.choices = append(p.choices, choice{Name: name})
	}
	return p
}

// fragment is the HTML of an event. htmx activates its buttons when it inserts it.
var fragment = template.Must(template.New("").Parse(`{{range .}}
<tr>
	<th><button name="for" value="{{.Name}}" hx-post="/votes" hx-swap="none">{{.Name}}</button></th>
	<td><meter max="20" value="{{.Votes}}"></meter></td>
	<td>{{.Votes}}</td>
</tr>{{end}}`))

// events sends the current votes, and again after each change.
func (p *poll) events() http.Handler {
	return sse.Handler(nil, func(s *sse.Stream) error {
		for {
			html, changed, err := p.render()
			if err != nil {
				return err
			}
			if err := s.Send(sse.Event{Type: "votes", Data: html}); err != nil {
				return err
			}
			select {
			case <-changed:
			case <-s.Context().Done():
				return nil
			}
		}
	})
}

// render returns the votes as HTML, and a channel that is closed at the next change.
func (p *poll) render() (html string, changed <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	err = fragment.Execute(&b, p.choices)
	return b.String(), p.changed, err
}

func (p *poll) vote(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.choices {
		if p.choices[i].Name == r.PostFormValue("for") {
			p.choices[i].Votes++
			close(p.changed)
			p.changed = make(chan struct{})
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	http.Error(w, "unknown choice", http.StatusNotFound)
}
